/** Updating, on a disk that is a file: what is signed arrives in the other slot, and nothing else does. */
import { spawnSync } from 'node:child_process';
import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { crc32, zstdCompressSync } from 'node:zlib';
import t from 'tap';
import { parseEntry } from '../../src/cli/update/entries.ts';
import { readFloor } from '../../src/cli/update/floor.ts';
import { readPartitions } from '../../src/cli/update/gpt.ts';
import { confirm, install, rollBack, versionFloor } from '../../src/cli/update/install.ts';
import type { Installed } from '../../src/cli/update/install.ts';
import { signedBytes, slotIds } from '../../src/cli/update/manifest.ts';
import { openStaging } from '../../src/cli/update/staging.ts';
import { failureReason, readTrials } from '../../src/cli/update/trials.ts';

const BLOCK = 512;
const ROOT_TYPE = '4f68bce3-e8cd-4db1-96e7-fbcaf984b709';
const VERITY_TYPE = '2c7357ed-ebd2-46d9-aec1-23d437ec2bf5';
const runningHash = 'a1'.repeat(16) + 'b2'.repeat(16);
const newHash = 'c3'.repeat(16) + 'd4'.repeat(16);
const keys = generateKeyPairSync('ed25519');
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

function guid(text: string): Buffer {
  const bytes = Buffer.from(text.replaceAll('-', ''), 'hex');
  bytes.subarray(0, 4).reverse();
  bytes.subarray(4, 6).reverse();
  bytes.subarray(6, 8).reverse();
  return bytes;
}

/** A disk of 4 MiB with two slots of 1 MiB and 128 KiB, both copies of the table in place. */
function disk(): Buffer {
  const blocks = 8192;
  const bytes = Buffer.alloc(blocks * BLOCK);
  const entries = Buffer.alloc(128 * 128);
  const ids = slotIds(runningHash);
  const free = '00000000-0000-4000-8000-00000000000';
  const parts: [string, string, string, number, number][] = [
    [ROOT_TYPE, ids.root, 'anteroom_1', 2048, 4095],
    [VERITY_TYPE, ids.verity, 'anteroom_1_verity', 4096, 4351],
    [ROOT_TYPE, `${free}1`, '_empty', 4352, 6399],
    [VERITY_TYPE, `${free}2`, '_empty', 6400, 6655],
  ];
  parts.forEach(([type, id, name, first, last], i) => {
    const entry = entries.subarray(i * 128, (i + 1) * 128);
    guid(type).copy(entry, 0);
    guid(id).copy(entry, 16);
    entry.writeBigUInt64LE(BigInt(first), 32);
    entry.writeBigUInt64LE(BigInt(last), 40);
    entry.write(name, 56, 'utf16le');
  });
  for (const [at, other, table] of [
    [1, blocks - 1, 2],
    [blocks - 1, 1, blocks - 33],
  ] as const) {
    const header = Buffer.alloc(BLOCK);
    header.write('EFI PART', 0, 'latin1');
    header.writeUInt32LE(0x10000, 8);
    header.writeUInt32LE(92, 12);
    header.writeBigUInt64LE(BigInt(at), 24);
    header.writeBigUInt64LE(BigInt(other), 32);
    header.writeBigUInt64LE(34n, 40);
    header.writeBigUInt64LE(BigInt(blocks - 34), 48);
    header.writeBigUInt64LE(BigInt(table), 72);
    header.writeUInt32LE(128, 80);
    header.writeUInt32LE(128, 84);
    header.writeUInt32LE(crc32(entries), 88);
    header.writeUInt32LE(crc32(header.subarray(0, 92)), 16);
    header.copy(bytes, at * BLOCK);
    entries.copy(bytes, table * BLOCK);
  }
  return bytes;
}

/** The script that the image keeps the floor with, here without a TPM. */
const floor = fileURLToPath(new URL('../../rootfs-overlay/usr/lib/anteroom/floor', import.meta.url));
const trialScript = fileURLToPath(new URL('../../rootfs-overlay/usr/lib/anteroom/trial', import.meta.url));
const record = (runs: number, installs: number): string =>
  `runs ${runs}\ninstalls ${installs}\ncounter none\n`;
const quiet = (): void => undefined;

const root = Buffer.alloc(600_000, 'root of version 2');
const verity = Buffer.alloc(50_000, 'tree');
const kernel = Buffer.from('the kernel of version 2');

function site(dir: string, changes: Record<string, unknown> = {}): { on: Installed; from: string } {
  const [kernels, from] = ['kernels', 'from'].map((name) => join(dir, name));
  const state = join(dir, 'lib/anteroom/update');
  if (!kernels || !from) throw new Error('no folders');
  for (const folder of [kernels, from, state]) mkdirSync(folder, { recursive: true });
  writeFileSync(join(state, 'floor'), record(0, 0));
  writeFileSync(join(dir, 'disk'), disk());
  writeFileSync(join(kernels, 'anteroom_1.efi'), 'the kernel of version 1');
  const part = (name: string, bytes: Buffer): object => {
    const packed = zstdCompressSync(bytes);
    writeFileSync(join(from, name), packed);
    return {
      name,
      size: packed.length,
      sha256: sha256(packed),
      expanded: { size: bytes.length, sha256: sha256(bytes) },
    };
  };
  writeFileSync(join(from, 'kernel.efi'), kernel);
  const manifest = Buffer.from(
    JSON.stringify({
      format: 1,
      product: 'anteroom',
      version: 2,
      arch: 'amd64',
      rootHash: newHash,
      kernel: { name: 'kernel.efi', size: kernel.length, sha256: sha256(kernel) },
      root: part('root.zst', root),
      verity: part('verity.zst', verity),
      ...changes,
    }),
  );
  writeFileSync(join(from, 'manifest.json'), manifest);
  writeFileSync(join(from, 'manifest.sig'), sign(null, signedBytes(manifest), keys.privateKey));
  const publicKey = keys.publicKey.export({ format: 'pem', type: 'spki' }).toString();
  const on: Installed = {
    disk: join(dir, 'disk'),
    kernels,
    state,
    publicKey,
    arch: 'amd64',
    version: 1,
    rootHash: runningHash,
    raise: (runs, installs) => {
      const run = spawnSync(floor, ['raise', dir, String(runs), String(installs)], { encoding: 'utf8' });
      if (run.status !== 0) throw new Error(`floor: ${run.status} ${run.stdout}${run.stderr}`);
    },
    forgetCaches: quiet,
  };
  return { on, from };
}

const partitions = (on: Installed): ReturnType<typeof readPartitions> => {
  const handle = openSync(on.disk, 'r');
  try {
    return readPartitions(handle);
  } finally {
    closeSync(handle);
  }
};

await t.test('a signed update arrives in the other slot, on trial', async (t) => {
  const { on, from } = site(t.testdir());
  const before = readFileSync(on.disk);
  await install(from, on, quiet);
  const found = partitions(on);
  const ids = slotIds(newHash);
  t.same(found.map(({ name, id }) => [name, id]).slice(2), [
    ['anteroom_2', ids.root],
    ['anteroom_2_verity', ids.verity],
  ]);
  const after = readFileSync(on.disk);
  for (const [partition, content] of [
    [found[2], root],
    [found[3], verity],
  ] as const)
    t.ok(after.subarray(partition?.start, (partition?.start ?? 0) + content.length).equals(content));
  t.ok(
    after.subarray(2048 * BLOCK, 4352 * BLOCK).equals(before.subarray(2048 * BLOCK, 4352 * BLOCK)),
    'ours is untouched',
  );
  t.same(readdirSync(on.kernels).toSorted(), ['anteroom_1.efi', 'anteroom_2+3.efi']);
  t.equal(readFileSync(join(on.kernels, 'anteroom_2+3.efi'), 'utf8'), kernel.toString());
  t.equal(readFileSync(join(on.state, 'floor'), 'utf8'), record(0, 1));
  t.notOk(existsSync(join(on.state, 'staging')));
  t.ok(after.subarray(-BLOCK).toString('latin1').startsWith('EFI PART'), 'the copy at the end is a table');
  t.ok(
    after.subarray(-33 * BLOCK, -BLOCK).equals(after.subarray(2 * BLOCK, 34 * BLOCK)),
    'and says the same',
  );
});

await t.test('what is not as it was signed is refused, and the disk stays as it was', async (t) => {
  const wrong: [string, (at: { on: Installed; from: string }) => void, Record<string, unknown>?][] = [
    ['UPDATE_SIGNATURE', ({ from }) => writeFileSync(join(from, 'manifest.sig'), Buffer.alloc(64))],
    ['UPDATE_SIGNATURE', ({ from }) => writeFileSync(join(from, 'manifest.json'), ' ', { flag: 'a' })],
    ['UPDATE_MALFORMED', ({ from }) => writeFileSync(join(from, 'manifest.json'), Buffer.alloc(20_000, ' '))],
    ['UPDATE_MALFORMED', ({ from }) => writeFileSync(join(from, 'manifest.sig'), 'short')],
    ['UPDATE_MALFORMED', quiet, { kernel: { name: '../kernel', size: 1, sha256: '0'.repeat(64) } }],
    [
      'UPDATE_CONTENT',
      ({ from }) =>
        writeFileSync(join(from, 'root.zst'), readFileSync(join(from, 'root.zst')).fill(1, 20, 21)),
    ],
    ['UPDATE_CONTENT', ({ from }) => writeFileSync(join(from, 'kernel.efi'), 'short')],
    ['UPDATE_REFUSED', quiet, { arch: 'arm64' }],
    ['UPDATE_OLDER', quiet, { version: 1 }],
    ['UPDATE_OLDER', ({ on }) => writeFileSync(join(on.state, 'floor'), record(1, 7))],
    ['UPDATE_REFUSED', ({ on }) => writeFileSync(join(on.kernels, 'anteroom_2+0-3.efi'), 'failed')],
    ['UPDATE_REFUSED', ({ on }) => writeFileSync(join(on.state, 'floor'), '7\n')],
  ];
  for (const [i, [code, damage, changes]] of wrong.entries()) {
    const at = site(t.testdir({ [`case${i}`]: {} }), changes);
    damage(at);
    const before = readFileSync(at.on.disk);
    const kernels = readdirSync(at.on.kernels);
    await t.rejects(install(at.from, at.on, quiet), { code }, `${code}, case ${i}`);
    t.ok(readFileSync(at.on.disk).equals(before));
    t.same(readdirSync(at.on.kernels), kernels);
  }
});

await t.test('a version on trial takes no update: the other slot is the way back', async (t) => {
  const { on, from } = site(t.testdir(), { version: 3 });
  writeFileSync(join(on.kernels, 'anteroom_2+2-1.efi'), '');
  await t.rejects(install(from, { ...on, version: 2 }, quiet), { code: 'UPDATE_REFUSED' });
});

await t.test('an installation that stopped half way can be done again', async (t) => {
  const bad = {
    name: 'verity.zst',
    size: 1,
    sha256: '',
    expanded: { size: verity.length, sha256: '0'.repeat(64) },
  };
  const packed = zstdCompressSync(verity);
  const { on, from } = site(t.testdir({ bad: {} }), {
    verity: { ...bad, size: packed.length, sha256: sha256(packed) },
  });
  await t.rejects(
    install(from, on, quiet),
    { code: 'UPDATE_DISK' },
    'the second partition reads back otherwise',
  );
  t.same(readdirSync(on.kernels), ['anteroom_1.efi'], 'no kernel for half a slot');
  t.same(
    partitions(on)
      .map(({ name }) => name)
      .slice(2),
    ['_empty', '_empty'],
  );
  const good = site(t.testdir({ good: {} }));
  await install(good.from, { ...good.on, disk: on.disk }, quiet);
  t.same(readdirSync(good.on.kernels).toSorted(), ['anteroom_1.efi', 'anteroom_2+3.efi']);
});

await t.test('going back marks the running version and keeps the floor', (t) => {
  const { on } = site(t.testdir());
  t.throws(() => rollBack(on), { code: 'UPDATE_REFUSED' }, 'there is nothing to go back to');
  writeFileSync(join(on.kernels, 'anteroom_2.efi'), '');
  const now = { ...on, version: 2 };
  t.equal(versionFloor(now), 2);
  t.equal(rollBack(now).version, 1);
  t.same(readdirSync(on.kernels).toSorted(), ['anteroom_1.efi', 'anteroom_2+0-1.efi']);
  t.equal(versionFloor(now), 2, 'what was confirmed once stays the floor');
  t.end();
});

await t.test('a confirmed version makes what is older than the way back obsolete', (t) => {
  const { on } = site(t.testdir());
  writeFileSync(join(on.kernels, 'anteroom_2+2-1.efi'), '');
  const now = { ...on, version: 2 };
  t.notOk(confirm(now), 'not while it is on trial');
  t.same(readFloor(on.state), { runs: 0, installs: 0, kept: 'disk' });
  renameSync(join(on.kernels, 'anteroom_2+2-1.efi'), join(on.kernels, 'anteroom_2.efi'));
  t.ok(confirm(now));
  t.same(readFloor(on.state), { runs: 1, installs: 2, kept: 'disk' }, 'the version before still may');
  t.equal(rollBack(now).version, 1);
  t.end();
});

await t.test('an update may say which versions must not come back', async (t) => {
  const { on, from } = site(t.testdir(), { minimum: 2 });
  await install(from, on, quiet);
  t.equal(readFloor(on.state).runs, 0, 'not before it is confirmed');
  renameSync(join(on.kernels, 'anteroom_2+3.efi'), join(on.kernels, 'anteroom_2.efi'));
  const now = { ...on, version: 2 };
  t.ok(confirm(now));
  t.same(readFloor(on.state), { runs: 2, installs: 2, kept: 'disk' });
  t.same(readdirSync(on.kernels), ['anteroom_2.efi'], 'the one that may not run is gone');
  writeFileSync(join(on.kernels, 'anteroom_1.efi'), 'put back');
  t.throws(() => rollBack(now), { code: 'UPDATE_OLDER' });
});

await t.test('why a version did not stay', (t) => {
  const state = t.testdir({
    trials: '2 started \n2 unwell broker.process: it is not there.\n2 started \n3 started \nhalf a li',
  });
  const notes = readTrials(state);
  t.equal(notes.length, 4, 'half a line is none');
  t.equal(failureReason(2, notes), 'broker.process: it is not there.');
  t.match(failureReason(3, notes), /between opening its data and being asked/);
  t.match(failureReason(4, notes), /never opened its data/);
  t.same(readTrials(join(state, 'nowhere')), []);
  t.end();
});

await t.test('a version is on trial when it is the one that was counted and the one that runs', (t) => {
  const dir = t.testdir();
  mkdirSync(join(dir, 'lib/anteroom/update'), { recursive: true });
  const set = (name: string, path?: string): void => {
    const file = join(dir, `${name}-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f`);
    rmSync(file, { force: true });
    if (path !== undefined)
      writeFileSync(file, Buffer.concat([Buffer.from([6, 0, 0, 0]), Buffer.from(`${path}\0`, 'utf16le')]));
  };
  const trial = (...args: string[]): { status: number | null; stdout: string } => {
    const { status, stdout } = spawnSync(trialScript, args, {
      env: { ...process.env, EFIVARS: dir },
      encoding: 'utf8',
    });
    return { status, stdout };
  };
  t.not(trial('version').status, 0, 'nothing was counted');
  set('LoaderBootCountPath', '\\EFI\\Linux\\anteroom_12+2-1.efi');
  set('StubImageIdentifier', '\\EFI\\Linux\\anteroom_11.efi');
  t.not(trial('version').status, 0, 'the firmware refused the kernel and started the version before');
  t.equal(trial('note', dir, 'unwell', 'text').status, 0);
  t.same(readTrials(join(dir, 'lib/anteroom/update')), []);
  set('StubImageIdentifier', '\\EFI\\Linux\\anteroom_12+2-1.efi');
  t.same(trial('version'), { status: 0, stdout: '12\n' });
  trial('note', dir, 'started', '');
  trial('note', dir, 'unwell', 'audit.process: it is\nnot there.');
  t.same(readTrials(join(dir, 'lib/anteroom/update')), [
    { version: 12, word: 'started', text: '' },
    { version: 12, word: 'unwell', text: 'audit.process: it is not there.' },
  ]);
  t.end();
});

await t.test('the room on the data partition is asked for first', async (t) => {
  const { on, from } = site(t.testdir());
  const handle = openSync(join(on.state, 'kept'), 'w');
  closeSync(handle);
  const manifest = Buffer.from('any');
  const huge = { name: 'root.zst', size: 2 ** 50, sha256: '0'.repeat(64) };
  t.throws(() => openStaging(on.state, manifest, [huge]), { code: 'UPDATE_REFUSED' });
  mkdirSync(join(on.state, 'staging/0123456789abcdef'), { recursive: true });
  await install(from, on, quiet);
  t.notOk(existsSync(join(on.state, 'staging')), 'what was left of another update is gone');
});

await t.test('names of kernels', (t) => {
  t.same(parseEntry('anteroom_12+2-1.efi'), { file: 'anteroom_12+2-1.efi', version: 12, left: 2 });
  t.same(parseEntry('anteroom_12.efi'), { file: 'anteroom_12.efi', version: 12 });
  t.equal(parseEntry('anteroom_12.efi.new'), undefined);
  t.equal(parseEntry('anteroom.new'), undefined);
  t.end();
});
