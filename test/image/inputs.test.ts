/** What the image is made from, checked without making it: locks, configuration, units, the bundled processes. */
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { z } from 'zod';
import { processNames } from '../../src/wire/ids.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const read = (name: string): string => readFileSync(join(root, name), 'utf8');
const lock = z.array(
  z.strictObject({
    name: z.string().regex(/^[a-z0-9][a-z0-9+.-]+$/),
    version: z.string().min(1),
    arch: z.enum(['amd64', 'arm64', 'all']),
    size: z.number().int().positive(),
    sha256: z.string().regex(/^[0-9a-f]{64}$/),
    path: z.string().regex(/^pool\/[\w/.+~-]+\.deb$/),
  }),
);
const wanted = (name: string): string[] =>
  read(`image/packages/${name}`)
    .split('\n')
    .map((line) => line.replace(/#.*/, '').trim())
    .filter((line) => line !== '');

await t.test('locks are sorted, name each package once and hold what is wanted', (t) => {
  for (const [file, arch, lists] of [
    ['image-amd64', 'amd64', ['image', 'image-amd64']],
    ['image-arm64', 'arm64', ['image', 'image-arm64']],
    ['tools-amd64', 'amd64', ['tools']],
    ['pi-arm64', 'arm64', ['pi']],
    ['linux-arm64', 'arm64', ['linux']],
  ] as const) {
    const rows = lock.parse(JSON.parse(read(`image/lock/${file}.json`)));
    const names = rows.map(({ name }) => name);
    t.same(names, [...new Set(names)].toSorted(), `${file} is sorted, without doubles`);
    t.ok(rows.every((row) => row.arch === 'all' || row.arch === arch));
    for (const name of lists.flatMap(wanted)) t.ok(names.includes(name), `${file} holds ${name}`);
  }
  t.end();
});

await t.test("the sources of the stub that decompresses the kernel are the kernel's own", (t) => {
  const version = (file: string, name: RegExp): string | undefined =>
    lock.parse(JSON.parse(read(`image/lock/${file}.json`))).find((row) => name.test(row.name))?.version;
  const sources = version('linux-arm64', /^linux-source-/);
  t.ok(sources);
  t.equal(version('image-arm64', /^linux-image-[0-9]/), sources);
  t.end();
});

await t.test('both architectures are made of the same packages but the kernel and the boot loader', (t) => {
  const names = (arch: string): string[] =>
    lock
      .parse(JSON.parse(read(`image/lock/image-${arch}.json`)))
      .map(({ name }) => name)
      .filter((name) => !/^linux-image|libgcc|libquadmath/.test(name));
  const [amd64, arm64] = [new Set(names('amd64')), new Set(names('arm64'))];
  t.same(
    [...arm64].filter((name) => !amd64.has(name)),
    [],
  );
  t.same(
    [...amd64].filter((name) => !arm64.has(name)),
    [],
  );
  t.end();
});

await t.test('nothing that the image must not have is in it', (t) => {
  for (const arch of ['amd64', 'arm64']) {
    const names = lock.parse(JSON.parse(read(`image/lock/image-${arch}.json`))).map(({ name }) => name);
    for (const unwanted of [
      'openssh-server',
      'sudo',
      'gcc',
      'g++',
      'make',
      'python3',
      'nodejs',
      'npm',
      'curl',
      'wget',
    ])
      t.notOk(names.includes(unwanted), `${arch} has no ${unwanted}`);
  }
  t.end();
});

await t.test('the configuration speaks of one image', (t) => {
  const config = read('image/mkosi.conf');
  const setting = (key: string): string | undefined => new RegExp(`^${key}=(.*)$`, 'm').exec(config)?.[1];
  t.equal(setting('WithNetwork'), 'no');
  t.equal(setting('SecureBoot'), 'yes');
  t.equal(setting('SignExpectedPcr'), 'yes');
  t.equal(setting('UnifiedKernelImageFormat'), '%i_%v', 'the name that src/cli/update/entries.ts reads');
  t.equal(setting('RootPassword'), 'hashed:!');
  t.match(config, /^ +systemd\.import_credentials=no$/m, 'nothing from the machine configures it');
  for (const [part, size] of [
    ['root', '384M'],
    ['root-verity', '16M'],
  ] as const) {
    const short = part === 'root' ? '10-root' : '11-root-verity';
    const second = part === 'root' ? '20-root-b' : '21-root-b-verity';
    for (const file of [
      `image/mkosi.repart/${short}.conf`,
      ...['tpm', 'key'].map((kind) => `rootfs-overlay/usr/lib/anteroom/repart.${kind}/${second}.conf`),
    ]) {
      t.match(read(file), `SizeMinBytes=${size}`, `${file}: both slots have one size`);
      t.match(read(file), `SizeMaxBytes=${size}`);
    }
  }
  t.end();
});

await t.test('no unit is exposed more than 2.5, by systemd-analyze security', (t) => {
  const folder = join(root, 'rootfs-overlay/usr/lib/systemd/system');
  const names = readdirSync(folder).flatMap((file) => /^anteroom-(\w+)\.service$/.exec(file)?.[1] ?? []);
  t.ok(processNames.every((name) => names.includes(name)));
  for (const name of names) {
    const unit = join(folder, `anteroom-${name}.service`);
    const run = spawnSync(
      'systemd-analyze',
      ['security', '--offline=yes', '--threshold=25', '--no-pager', unit],
      {
        encoding: 'utf8',
      },
    );
    t.equal(run.status, 0, `${name}: ${run.stdout.trim().split('\n').at(-1) ?? ''} ${run.stderr}`);
    t.match(readFileSync(unit, 'utf8'), /^MemoryMax=\d+M$/m, `${name} has a limit of memory`);
  }
  t.end();
});

await t.test('the processes are bundled and start', (t) => {
  const out = t.testdir();
  execFileSync(process.execPath, [join(root, 'image/tools/payload.ts'), 'amd64', out]);
  const app = join(out, 'usr/lib/anteroom/app');
  const node = join(out, 'usr/lib/anteroom/bin/node');
  const files = (name: string): string[] => ['.bundle.js', '.code', '.js'].map((kind) => `${name}${kind}`);
  t.same(
    readdirSync(join(app, 'src/main')).toSorted(),
    [...processNames, 'reachability'].flatMap(files).toSorted(),
  );
  const run = spawnSync(node, [join(app, 'src/cli/anteroom.js'), '--version'], { encoding: 'utf8' });
  t.equal(
    run.stdout,
    `${z.object({ version: z.string() }).parse(JSON.parse(read('package.json'))).version}\n`,
  );
  t.equal(run.stderr, '', 'its compiled code is taken');
  const flags = (name: string): string[] => {
    const unit = read(`rootfs-overlay/usr/lib/systemd/system/anteroom-${name}.service`);
    return /^ExecStart=\S+ ((?:--\S+ )*)\S+$/m.exec(unit)?.[1]?.split(' ').slice(0, -1) ?? [];
  };
  for (const name of processNames) {
    const bare = spawnSync(node, [...flags(name), join(app, `src/main/${name}.js`)], {
      encoding: 'utf8',
      env: { ANTEROOM_CONFIG: join(out, 'no-such-file') },
    });
    t.equal(bare.status, 78, `${name} gets as far as its configuration: ${bare.stderr}`);
    t.notMatch(
      bare.stderr,
      /compiled code/,
      `${name}: its compiled code is taken under the flags of its unit`,
    );
  }
  const screen = spawnSync(node, [...flags('screen'), join(app, 'src/cli/screen.js'), '--nothing'], {
    encoding: 'utf8',
    env: {},
  });
  t.equal(screen.status, 64);
  t.equal(screen.stderr, 'usage: screen [--once]\n');
  // Code of another bundle doesn't fit: it is said, and the process starts all the same.
  copyFileSync(join(app, 'src/main/audit.code'), join(app, 'src/main/broker.code'));
  const misfit = spawnSync(node, [join(app, 'src/main/broker.js')], {
    encoding: 'utf8',
    env: { ANTEROOM_CONFIG: join(out, 'no-such-file') },
  });
  t.equal(misfit.status, 78);
  t.match(misfit.stderr, /broker\.bundle\.js: its compiled code was made by another Node/);
  const asked = spawnSync(node, [join(app, 'src/main/reachability.js'), 'lo', '500', '127.0.0.1'], {
    encoding: 'utf8',
  });
  t.match(asked.stdout, /^\{"127\.0\.0\.1":[\d.]+\}\n$/, asked.stderr);
  t.notOk(existsSync(join(app, 'node_modules/tap')));
  t.end();
});

await t.test('the bill of materials names Debian, npm and Node, and is the same each time', (t) => {
  const out = t.testdir();
  const [a, b] = [join(out, 'a.json'), join(out, 'b.json')];
  for (const file of [a, b])
    execFileSync(process.execPath, [join(root, 'image/tools/sbom.ts'), 'amd64', '1', file], {
      stdio: 'ignore',
    });
  t.equal(readFileSync(a, 'utf8'), readFileSync(b, 'utf8'));
  const bom = z
    .object({
      specVersion: z.literal('1.6'),
      components: z.array(z.object({ 'bom-ref': z.string(), name: z.string() })),
    })
    .parse(JSON.parse(readFileSync(a, 'utf8')));
  const refs = bom.components.map((each) => each['bom-ref']);
  t.equal(new Set(refs).size, refs.length, 'each once');
  for (const name of ['systemd', 'better-sqlite3', 'zod', 'node', 'openssl', 'v8'])
    t.ok(
      bom.components.some((each) => each.name === name),
      name,
    );
  t.notOk(
    bom.components.some((each) => each.name === 'tap'),
    'no test tool',
  );
  t.end();
});
