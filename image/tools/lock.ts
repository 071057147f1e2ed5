/**
 * Which Debian packages the image and its tools are made of, exactly.
 *
 *   node image/tools/lock.ts resolve SET ARCH   ask the Debian mirror, write image/lock/SET-ARCH.json
 *   node image/tools/lock.ts fetch SET ARCH DIR  bring exactly those files into DIR; nothing else stays there
 *
 * SET is `image`, `tools`, `plain` (the Debian that tests compare with), `linux` (the kernel's sources, of which
 * image/tools/zboot builds a stub), or `pi`: what a Raspberry Pi's own firmware needs on the ESP; some of it may be passed
 * on but isn't free software. The last two are taken out of their packages, not installed, so without what they depend
 * on. A lock lists name, version, architecture, size, SHA-256 and path in the archive; the mirror is the
 * one this machine's apt uses. `fetch` resolves nothing: a file that the mirror no longer has is an error that names all
 * of them (exit 69); the files belong beside each release. DIR becomes an apt repository of just them (`Packages`), so
 * that whatever apt resolves from it is what was locked.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

const image = fileURLToPath(new URL('../', import.meta.url));
const suites = ['trixie', 'trixie-updates'];
const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';

const lockedPackage = z.strictObject({
  name: z.string(),
  version: z.string(),
  arch: z.string(),
  size: z.number().int(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  path: z.string().startsWith('pool/'),
});
const lock = z.array(lockedPackage).min(1);
type LockedPackage = z.infer<typeof lockedPackage>;

/** Areas of the archive that a set is chosen from, and how: what is asked for with all that it needs, or alone. */
const sets = {
  image: { areas: 'main', choose: ['-y', 'install', '?essential'] },
  tools: { areas: 'main', choose: ['-y', 'install', '?essential'] },
  plain: { areas: 'main', choose: ['-y', 'install', '?essential'] },
  pi: { areas: 'main non-free-firmware', choose: ['download'] },
  linux: { areas: 'main', choose: ['download'] },
} as const;
type PackageSet = keyof typeof sets;
const isSet = (name: string | undefined): name is PackageSet =>
  name !== undefined && Object.hasOwn(sets, name);

function fail(code: number, text: string): never {
  process.stderr.write(`lock: ${text}\n`);
  process.exit(code);
}

/** The mirror that this machine's apt uses for Debian itself. */
function mirror(): string {
  const targets = execFileSync('apt-get', ['indextargets', '--format', '$(REPO_URI) $(LABEL)'], {
    encoding: 'utf8',
  });
  const uri = targets
    .split('\n')
    .find((line) => line.endsWith(' Debian'))
    ?.split(' ')[0];
  if (uri === undefined) fail(78, 'apt on this machine knows no Debian mirror');
  return uri.endsWith('/') ? uri : `${uri}/`;
}

const lockFile = (set: string, arch: string): string => join(image, 'lock', `${set}-${arch}.json`);

/** Names listed in image/packages/SET and SET-ARCH, `#` starts a comment. */
function wanted(set: string, arch: string): string[] {
  return [set, `${set}-${arch}`]
    .map((name) => join(image, 'packages', name))
    .filter((file) => existsSync(file))
    .flatMap((file) => readFileSync(file, 'utf8').split('\n'))
    .map((line) => line.replace(/#.*/, '').trim())
    .filter((line) => line !== '');
}

/** A tool of apt over an empty system of its own in `state`. */
function apt(tool: string, state: string, arch: string, args: readonly string[]): string {
  const options = {
    'APT::Architecture': arch,
    'APT::Architectures': arch,
    'APT::Install-Recommends': 'false',
    'APT::Sandbox::User': 'root',
    Dir: state,
    'Dir::State': join(state, 'state'),
    'Dir::State::status': join(state, 'status'),
    'Dir::Cache': join(state, 'cache'),
    'Dir::Etc::sourcelist': join(state, 'sources.list'),
    'Dir::Etc::sourceparts': '/dev/null',
    'Dir::Etc::preferencesparts': '/dev/null',
    'Dir::Etc::trustedparts': '/etc/apt/trusted.gpg.d',
    'Dir::Bin::methods': '/usr/lib/apt/methods',
    'Dir::Bin::solvers': '/usr/lib/apt/solvers',
  };
  const given = Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  const run = spawnSync(tool, [...given, '-q', ...args], { encoding: 'utf8', maxBuffer: 256 * 1024 * 1024 });
  if (run.status !== 0) fail(69, `${tool} ${args[0] ?? ''} failed:\n${run.stderr}`);
  return run.stdout;
}

/** The archive's own entry of a package file. */
function entryOf(stanza: string): LockedPackage | undefined {
  const field = (name: string): string => new RegExp(`^${name}: (.*)$`, 'm').exec(stanza)?.[1] ?? '';
  const path = field('Filename');
  if (path === '') return undefined;
  return {
    name: field('Package'),
    version: field('Version'),
    arch: field('Architecture'),
    size: Number(field('Size')),
    sha256: field('SHA256'),
    path,
  };
}

function resolveSet(set: PackageSet, arch: string): void {
  const state = resolve(image, '../build/image/lock', `${set}-${arch}`);
  rmSync(state, { recursive: true, force: true });
  for (const folder of ['state/lists/partial', 'cache/archives/partial'])
    mkdirSync(join(state, folder), { recursive: true });
  writeFileSync(join(state, 'status'), '');
  const from = mirror();
  writeFileSync(
    join(state, 'sources.list'),
    suites.map((suite) => `deb [signed-by=${keyring}] ${from} ${suite} ${sets[set].areas}\n`).join(''),
  );
  apt('apt-get', state, arch, ['update']);
  const printed = apt('apt-get', state, arch, ['--print-uris', ...sets[set].choose, ...wanted(set, arch)]);
  const chosen = new Set(
    [...printed.matchAll(/^'[^']+\/(pool\/[^']+)'/gm)].map(([, path = '']) => decodeURIComponent(path)),
  );
  const names = [...chosen].map((path) => basename(path).split('_')[0] ?? '');
  const packages = apt('apt-cache', state, arch, ['show', ...names])
    .split('\n\n')
    .map(entryOf)
    .filter((entry) => entry !== undefined)
    .filter(({ path }) => chosen.delete(path));
  if (chosen.size > 0) fail(70, `the archive's index lacks ${[...chosen].join(', ')}`);
  if (packages.length === 0) fail(70, 'apt-get chose no packages');
  packages.sort((a, b) => (a.name < b.name ? -1 : 1));
  mkdirSync(join(image, 'lock'), { recursive: true });
  const rows = packages.map((each) => `  ${JSON.stringify(each)}`).join(',\n');
  writeFileSync(lockFile(set, arch), `[\n${rows}\n]\n`);
  process.stdout.write(`${set} ${arch}: ${packages.length} packages\n`);
}

const digest = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex');

function fetchSet(set: string, arch: string, folder: string): void {
  const file = lockFile(set, arch);
  if (!existsSync(file)) fail(66, `${file} is missing: make image-lock`);
  const packages = lock.parse(JSON.parse(readFileSync(file, 'utf8')));
  const from = mirror();
  mkdirSync(folder, { recursive: true });
  const files = new Set(packages.map((each) => basename(each.path)));
  for (const name of readdirSync(folder))
    if (name !== 'Packages' && !files.has(name)) rmSync(join(folder, name), { recursive: true });
  const gone: string[] = [];
  for (const { path, sha256 } of packages) {
    const target = join(folder, basename(path));
    if (existsSync(target) && digest(target) === sha256) continue;
    const partial = `${target}.partial`;
    const got = spawnSync(
      '/usr/lib/apt/apt-helper',
      ['download-file', `${from}${path}`, partial, `SHA256:${sha256}`],
      {
        encoding: 'utf8',
      },
    );
    if (got.status === 0 && digest(partial) === sha256) renameSync(partial, target);
    else gone.push(path);
    rmSync(partial, { force: true });
  }
  if (gone.length > 0) fail(69, `the mirror doesn't have these locked files:\n  ${gone.join('\n  ')}`);
  const index = packages.map(({ path, size, sha256 }) => {
    const name = basename(path);
    const control = execFileSync('dpkg-deb', ['-f', join(folder, name)], { encoding: 'utf8' }).trimEnd();
    return `${control}\nFilename: ./${name}\nSize: ${size}\nSHA256: ${sha256}\n`;
  });
  writeFileSync(join(folder, 'Packages'), index.join('\n'));
}

const [verb, set, arch, folder] = process.argv.slice(2);
if (!isSet(set) || (arch !== 'amd64' && arch !== 'arm64'))
  fail(64, `usage: lock.ts resolve|fetch ${Object.keys(sets).join('|')} amd64|arm64 [DIR]`);
if (verb === 'resolve') resolveSet(set, arch);
else if (verb === 'fetch' && folder !== undefined) fetchSet(set, arch, resolve(folder));
else fail(64, 'resolve, or fetch and a folder');
