/**
 * The frame, checked: which room may import which, which packages and Node modules a room may use, that each
 * file says what it is, that none grows without end, and that nothing of one machine is written down.
 * docs/ARCHITECTURE.md holds the same table for people.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Files of the work tree that are, or are about to be, in the repository. */
const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  cwd: root,
  encoding: 'utf8',
})
  .split('\n')
  .filter((file) => file !== '' && existsSync(join(root, file)));
const sources = files.filter((file) => /^src\/.*\.tsx?$/.test(file));
const read = (file: string): string => readFileSync(join(root, file), 'utf8');

/** Rooms that each room may import, besides itself. */
const everything = [
  'wire',
  'platform',
  'ipc',
  'store',
  'crypto',
  'tunnel',
  'protocol',
  'sensor',
  'policy',
  'broker',
  'audit',
  'control',
  'status',
  'coordinator',
  'client',
];
const table: Record<string, readonly string[]> = {
  wire: [],
  platform: ['wire'],
  ipc: ['wire', 'platform'],
  store: ['wire', 'platform'],
  crypto: ['wire'],
  protocol: ['wire'],
  tunnel: ['wire', 'crypto'],
  policy: ['wire', 'crypto'],
  sensor: ['wire', 'protocol'],
  broker: ['wire', 'protocol'],
  audit: ['wire', 'crypto', 'store'],
  control: ['wire', 'policy', 'store'],
  status: ['wire', 'control'],
  coordinator: ['wire', 'crypto', 'policy', 'store'],
  client: ['wire', 'crypto', 'tunnel'],
  main: everything,
  cli: everything,
};

/** The only rooms that may use a third-party package (by name or scope). zod is everybody's. */
const packages: Record<string, readonly string[]> = {
  zod: Object.keys(table),
  '@noble': ['crypto'],
  'better-sqlite3': ['store'],
  '@cedar-policy': ['policy'],
  hono: ['status'],
  '@hono': ['status'],
  preact: ['status'],
  esbuild: ['status'],
  pino: ['platform'],
  commander: ['cli'],
  'oui-data': ['platform'],
  'systemd-notify': ['platform'],
  'raw-socket': ['main'],
};

/** Node modules that reach outside the process: for the rooms at the edge only. `import type` is free. */
const outside =
  /^node:(?:fs|fs\/promises|net|dgram|http|https|http2|tls|dns|child_process|worker_threads|cluster|os|timers|timers\/promises|readline)$/;
const edge = new Set(['platform', 'ipc', 'store', 'status', 'coordinator', 'client', 'main', 'cli']);

interface Import {
  readonly from: string;
  readonly typeOnly: boolean;
}

function importsOf(text: string): Import[] {
  const found: Import[] = [];
  for (const match of text.matchAll(/^\s*(?:import|export)\s+(type\s)?[^;'"]*?from\s+['"]([^'"]+)['"]/gm)) {
    found.push({ from: match[2] ?? '', typeOnly: match[1] !== undefined });
  }
  for (const match of text.matchAll(/^\s*import\s+['"]([^'"]+)['"]/gm))
    found.push({ from: match[1] ?? '', typeOnly: false });
  for (const match of text.matchAll(/\bimport\(\s*['"]([^'"]+)['"]/g))
    found.push({ from: match[1] ?? '', typeOnly: false });
  return found;
}

const roomOf = (file: string): string => file.split('/')[1] ?? '';

void t.test('imports go one way', (t) => {
  t.ok(sources.length > 20, 'the sources were found');
  for (const file of sources) {
    const room = roomOf(file);
    const may = table[room];
    if (!may) {
      t.fail(`${file}: ${room} is not a room`);
      continue;
    }
    for (const { from, typeOnly } of importsOf(read(file))) {
      if (from.startsWith('.')) {
        const target = roomOf(normalize(join(dirname(file), from)));
        if (target !== room && !may.includes(target)) t.fail(`${file}: ${room} may not import ${target}`);
        if (room === 'status' && target === 'control' && !typeOnly)
          t.fail(`${file}: status may import only types of control`);
        if (!/\.(?:ts|tsx|json)$/.test(from)) t.fail(`${file}: ${from} lacks its extension`);
      } else if (from.startsWith('node:')) {
        if (!typeOnly && outside.test(from) && !edge.has(room))
          t.fail(`${file}: ${room} may not use ${from}`);
      } else {
        const name = from.split('/')[0] ?? '';
        if (!packages[name]?.includes(room)) t.fail(`${file}: ${room} may not use the package ${from}`);
      }
    }
  }
  t.pass(`${sources.length} files`);
  t.end();
});

void t.test('nobody imports main', (t) => {
  const importers = sources.filter(
    (file) => roomOf(file) !== 'main' && importsOf(read(file)).some((i) => i.from.includes('/main/')),
  );
  t.same(importers, []);
  t.end();
});

void t.test('the sensor has no way to send', (t) => {
  const senders = files.filter(
    (file) =>
      /^(?:native\/net\/packet_ring|src\/sensor\/)/.test(file) &&
      /\b(?:sendto|sendmsg|sendmmsg|PACKET_TX_RING)\b/.test(read(file)),
  );
  t.same(senders, []);
  t.end();
});

const ours = files.filter((file) => /^(?:src|test|native)\/.*\.(?:ts|tsx|cc|h)$/.test(file));

void t.test('each file opens with what it is, and stays a size that can be read', (t) => {
  t.same(
    ours.filter(
      (file) =>
        !/^(?:#!.*\n)?\/\*\*?[\s\S]{20,}?\*\//.test(read(file)) && !/^(?:\/\/ .*\n){1,}/.test(read(file)),
    ),
    [],
    'headers',
  );
  const long = ours
    .filter((file) => file.startsWith('src/') || file.startsWith('native/'))
    .filter((file) => read(file).split('\n').length > 500);
  t.same(long, [], 'files of over 500 lines');
  t.same(
    ours.filter((file) => /(?:^|\/)(?:utils?|helpers?|manager|common)(?:\.|\/)/.test(file)),
    [],
    'names that say nothing',
  );
  t.end();
});

void t.test('tests mirror sources', (t) => {
  const rooms = new Set([
    ...Object.keys(table),
    'architecture',
    'system',
    'support',
    'bench',
    'native',
    'rootfs-overlay',
    'provisioning',
    'image',
    'fuzz',
    'vectors',
    'traces',
    'corpus',
  ]);
  const strangers = files
    .filter((file) => /^test\/[^/]+\//.test(file))
    .filter((file) => !rooms.has(file.split('/')[1] ?? ''));
  t.same(strangers, []);
  t.end();
});

void t.test('the repository speaks of the product alone', (t) => {
  const text = files.filter(
    (file) => !/(?:-lock\.json|LICENSE|\.png)$/.test(file) && file !== 'test/architecture/rooms.test.ts',
  );
  const machine = /(?:["'`( =]|^)\/(?:work|root|home|farm)\//m;
  t.same(
    text.filter((file) => machine.test(read(file))),
    [],
    'paths of one machine',
  );
  const unfinished = /\b(?:TODO|FIXME|XXX|HACK)\b(?![|)])|not (?:yet )?implemented/;
  t.same(
    text.filter((file) => unfinished.test(read(file))),
    [],
    'unfinished work',
  );
  const narrowed = files
    .filter((file) => file.endsWith('.test.ts'))
    .filter(
      (file) =>
        /\b(?:t|fc)\.(?:skip|only|todo)\(|\{[^}]*\b(?:skip|todo|only):/.test(read(file)) &&
        file !== 'test/architecture/rooms.test.ts',
    );
  t.same(narrowed, [], 'tests skipped or narrowed');
  const lock = files
    .filter((file) => file.endsWith('package-lock.json'))
    .filter((file) => /"resolved"/.test(read(file)));
  t.same(lock, [], 'addresses in lock files');
  t.end();
});

void t.test('the top level is the one on the design card', (t) => {
  const allowed = new Set([
    'package.json',
    'package-lock.json',
    'tsconfig.json',
    'src',
    'native',
    'image',
    'rootfs-overlay',
    'provisioning',
    'test',
    'Makefile',
    'README.md',
    'LICENSE',
    'SECURITY.md',
    'CHANGELOG.md',
    'docs',
  ]);
  const top = new Set(files.map((file) => file.split('/')[0] ?? ''));
  t.same(
    [...top].filter((name) => !allowed.has(name) && !name.startsWith('.')),
    [],
  );
  t.end();
});
