/** The floor of versions against a real TPM 2.0 in software: what an older copy of the disk can't bring back. */
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import type { Test } from 'tap';
import { readFloor } from '../../src/cli/update/floor.ts';

const script = fileURLToPath(new URL('../../rootfs-overlay/usr/lib/anteroom/floor', import.meta.url));
const INDEX = '0x01a10f01';

/** A TPM and a data partition (a folder), both new. */
async function machine(t: Test): Promise<Machine> {
  const home = mkdtempSync(join(tmpdir(), 'anteroom-floor-'));
  mkdirSync(join(home, 'tpm'));
  mkdirSync(join(home, 'data/lost+found'), { recursive: true });
  const made = spawnSync('swtpm_setup', ['--tpm2', '--tpmstate', join(home, 'tpm'), '--pcr-banks', 'sha256']);
  if (made.status !== 0) throw new Error(`swtpm_setup: ${made.stderr.toString()}`);
  const socket = join(home, 'socket');
  const process = spawn(
    'swtpm',
    [
      'socket',
      '--tpm2',
      '--tpmstate',
      `dir=${join(home, 'tpm')}`,
      '--flags',
      'not-need-init,startup-clear',
      '--server',
      `type=unixio,path=${socket}`,
      '--ctrl',
      `type=unixio,path=${socket}.ctrl`,
    ],
    { stdio: 'ignore' },
  );
  t.teardown(() => {
    process.kill();
    rmSync(home, { recursive: true });
  });
  for (const until = performance.now() + 20_000; !existsSync(`${socket}.ctrl`); await pause(20))
    if (performance.now() > until) throw new Error('swtpm did not start');
  return new Machine(home, socket);
}

class Machine {
  readonly data: string;
  readonly #home: string;
  readonly #env: Record<string, string>;

  constructor(home: string, socket: string) {
    this.#home = home;
    this.data = join(home, 'data');
    this.#env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', TPM2TOOLS_TCTI: `swtpm:path=${socket}` };
  }

  get state(): string {
    return join(this.data, 'lib/anteroom/update');
  }

  floor(...args: (string | number)[]): { status: number | null; said: string } {
    const [verb = '', ...rest] = args.map(String);
    const run = spawnSync(script, [verb, this.data, ...rest], { env: this.#env, encoding: 'utf8' });
    return { status: run.status, said: run.stdout.trim() };
  }

  tpm(command: string, ...args: string[]): void {
    const run = spawnSync(`tpm2_${command}`, args, { env: this.#env, encoding: 'utf8' });
    if (run.status !== 0) throw new Error(`${command}: ${run.stderr}`);
  }

  record(): string {
    return readFileSync(join(this.state, 'floor'), 'utf8');
  }

  /** A copy of the disk, and putting it back. */
  copy(): () => void {
    const kept = mkdtempSync(join(this.#home, 'copy-'));
    cpSync(this.data, kept, { recursive: true });
    return () => {
      rmSync(this.data, { recursive: true });
      cpSync(kept, this.data, { recursive: true });
    };
  }
}

const ok = { status: 0, said: '' };

await t.test('a new partition is bound at its first start, and starts again', async (t) => {
  const box = await machine(t);
  t.same(box.floor('check', 1, 'tpm'), ok);
  t.match(box.record(), /^runs 0\ninstalls 0\ncounter [0-9a-f]{16}\n$/);
  t.same(box.floor('check', 1, 'tpm'), ok);
  t.same(readFloor(box.state), { runs: 0, installs: 0, kept: 'tpm' });
});

await t.test('a raised floor holds, and an older copy of the disk does not lower it', async (t) => {
  const box = await machine(t);
  box.floor('check', 1, 'tpm');
  const putBack = box.copy();
  t.same(box.floor('raise', 2, 3), ok);
  t.same(readFloor(box.state), { runs: 2, installs: 3, kept: 'tpm' });
  t.same(box.floor('check', 2, 'tpm'), ok);
  t.equal(box.floor('check', 1, 'tpm').status, 77);
  t.match(box.floor('check', 1, 'tpm').said, /version 1 may not run here any more: 2 is the oldest/);
  t.same(box.floor('raise', 1, 1), ok, 'lower is no change');
  t.same(readFloor(box.state), { runs: 2, installs: 3, kept: 'tpm' });
  putBack();
  t.match(box.floor('check', 3, 'tpm'), {
    status: 77,
    said: /older than what this machine has been through/,
  });
});

await t.test('cut off between record and counter, the next start goes on', async (t) => {
  const box = await machine(t);
  box.floor('check', 1, 'tpm');
  const counter = BigInt(`0x${/counter (\w+)/.exec(box.record())?.[1] ?? ''}`);
  const next = (counter + 1n).toString(16).padStart(16, '0');
  writeFileSync(join(box.state, 'floor'), `runs 2\ninstalls 2\ncounter ${next}\n`);
  t.same(box.floor('check', 2, 'tpm'), ok);
  t.same(box.floor('check', 2, 'tpm'), ok, 'the counter followed');
  t.equal(box.floor('check', 1, 'tpm').status, 77);
});

await t.test('cut off in the first start, the record is bound in the next', async (t) => {
  const box = await machine(t);
  box.floor('check', 1, 'tpm');
  writeFileSync(join(box.state, 'floor'), 'runs 0\ninstalls 0\ncounter new\n');
  t.same(box.floor('check', 1, 'tpm'), ok);
  t.match(box.record(), /counter [0-9a-f]{16}\n$/);
});

await t.test('a counter that was deleted, made anew or is none is noticed', async (t) => {
  const box = await machine(t);
  box.floor('check', 1, 'tpm');
  const counter = /counter (\w+)/.exec(box.record())?.[1] ?? '';
  box.tpm('nvundefine', '-C', 'o', INDEX);
  t.match(box.floor('check', 1, 'tpm'), { status: 77, said: /counter of versions is gone/ });
  box.tpm('nvdefine', '-C', 'o', '-s', '8', '-a', 'ownerwrite|ownerread|no_da', INDEX);
  const value = join(box.data, 'value');
  writeFileSync(value, Buffer.from(counter, 'hex'));
  box.tpm('nvwrite', '-C', 'o', '-i', value, INDEX);
  t.match(
    box.floor('check', 1, 'tpm'),
    { status: 77, said: /is gone/ },
    'an index that could be set to anything',
  );
  box.tpm('nvundefine', '-C', 'o', INDEX);
  box.tpm('nvdefine', '-C', 'o', '-s', '8', '-a', 'ownerwrite|ownerread|no_da|nt=counter', INDEX);
  box.tpm('nvincrement', '-C', 'o', INDEX);
  box.tpm('nvincrement', '-C', 'o', INDEX);
  t.match(
    box.floor('check', 1, 'tpm'),
    { status: 77, said: /older than/ },
    'a new counter starts above the old one',
  );
});

await t.test('a record that is gone or not one is not made again', async (t) => {
  const box = await machine(t);
  writeFileSync(join(box.data, 'used'), '');
  t.match(box.floor('check', 1, 'tpm'), { status: 77, said: /record of versions is gone/ });
  rmSync(join(box.data, 'used'));
  box.floor('check', 1, 'tpm');
  for (const text of [
    '',
    'runs 1\n',
    'runs x\ninstalls 0\ncounter none\n',
    'runs 0\ninstalls 0\ncounter 12\n',
  ]) {
    writeFileSync(join(box.state, 'floor'), text);
    t.match(box.floor('check', 1, 'tpm'), { status: 77, said: /cannot be read/ }, JSON.stringify(text));
    t.equal(box.floor('raise', 1, 1).status, 77);
  }
});

await t.test('without a TPM the record alone has to do', async (t) => {
  const box = await machine(t);
  t.same(box.floor('check', 1, 'key'), ok);
  t.equal(box.record(), 'runs 0\ninstalls 0\ncounter none\n');
  t.same(box.floor('raise', 2, 2), ok);
  t.equal(box.floor('check', 1, 'key').status, 77);
  t.same(readFloor(box.state), { runs: 2, installs: 2, kept: 'disk' });
  t.same(box.floor('check', 2, 'tpm'), ok, 'a TPM that was switched on takes it over');
  t.equal(readFloor(box.state).kept, 'tpm');
  t.match(box.floor('check', 2, 'key'), { status: 77, said: /belongs to a TPM, and there is none/ });
});
