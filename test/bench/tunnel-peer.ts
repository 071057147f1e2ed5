/**
 * The newest wireguard-go that can be had: Debian's development suite, through apt, with the machine's own package
 * sources and only the suite exchanged. Everything stays under build/peers; nothing is installed. Where that can't
 * be reached, the one that is installed.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface PeerProgram {
  /** A folder for PATH; empty for the installed one. */
  readonly folder: string;
  readonly name: string;
}

const SUITE = 'sid';
const SOURCES = '/etc/apt/sources.list.d';

/** The Debian stanza of the machine's deb822 sources, for the other suite. */
function stanza(): string | undefined {
  const stanzas = readdirSync(SOURCES)
    .filter((file) => file.endsWith('.sources'))
    .flatMap((file) => readFileSync(join(SOURCES, file), 'utf8').split(/\n\s*\n/));
  const debian = stanzas.find(
    (text) => /^Suites:.*-updates/m.test(text) && /^Components:.*\bmain\b/m.test(text),
  );
  return debian?.replace(/^#.*\n/gm, '').replace(/^Suites:.*$/m, `Suites: ${SUITE}`);
}

function unpacked(root: string): string {
  const base = join(root, 'build/peers');
  const program = join(base, 'wireguard-go/usr/bin');
  if (existsSync(join(program, 'wireguard-go'))) return program;
  const text = stanza();
  if (text === undefined) throw new Error('no package source to derive one from');
  const apt = join(base, 'apt');
  for (const folder of ['lists/partial', 'cache/archives/partial'])
    mkdirSync(join(apt, folder), { recursive: true });
  writeFileSync(join(apt, 'peer.sources'), `${text.trim()}\n`);
  const options = [
    `Dir::State::lists=${apt}/lists`,
    `Dir::Cache=${apt}/cache`,
    `Dir::Etc::sourcelist=${apt}/peer.sources`,
    'Dir::Etc::sourceparts=-',
    'APT::Sandbox::User=root',
  ].flatMap((option) => ['-o', option]);
  const run = (...args: string[]): string =>
    execFileSync('apt-get', ['-qq', ...options, ...args], {
      cwd: base,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  run('update');
  run('download', 'wireguard-go');
  const debs = readdirSync(base).filter((file) => /^wireguard-go_.*\.deb$/.test(file));
  execFileSync('dpkg', ['-x', join(base, debs.sort().at(-1) ?? ''), join(base, 'wireguard-go')]);
  return program;
}

/** Fetch it if need be. The version is the package's: the program's own may lag behind. */
export function newestWireguardGo(root: string): PeerProgram {
  const version = (program: string): string =>
    /v?(\d+\.\d+\.\d+)/.exec(execFileSync(program, ['--version'], { encoding: 'utf8' }))?.[1] ?? 'unknown';
  try {
    const folder = unpacked(root);
    const deb = readdirSync(join(root, 'build/peers')).find((file) => file.endsWith('.deb'));
    const packaged = /_([\d.]+)/.exec(deb ?? '')?.[1];
    return { folder, name: `wireguard-go ${packaged ?? version(join(folder, 'wireguard-go'))}` };
  } catch (error) {
    process.stderr.write(
      `bench: ${error instanceof Error ? error.message : String(error)}; using the installed peer\n`,
    );
    return { folder: '', name: `wireguard-go ${version('wireguard-go')}` };
  }
}
