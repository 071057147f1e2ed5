/**
 * SIGKILL before a call that changes the disk (fsync, rename, unlink, mkdir, rmdir), at points from the first to the last
 * of taking a stick and of carrying out an order, set by strace(1) in the kernel: no handler and no `finally` of ours runs.
 * Afterwards the same stick brings it to its end, as if nothing had been.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import type { Test } from 'tap';
import {
  deviceCodeOf,
  openDeviceKey,
  phaseOf,
  placesOf,
  readMemory,
} from '../../src/cli/provision-memory.ts';
import { signEnvelope } from '../../src/crypto/envelope.ts';
import { Signer } from '../../src/crypto/signer.ts';
import { parseConfig } from '../../src/platform/config.ts';
import { RESET_MAGIC, receiptContent } from '../../src/wire/provision.ts';
import { DAY, NOW, clinic } from './provision-sample.ts';
import type { Clinic } from './provision-sample.ts';
import type { Errand } from './provision-victim.ts';

const TIMEOUT_MS = 540_000;
t.setTimeout(TIMEOUT_MS);
const victim = fileURLToPath(new URL('provision-victim.ts', import.meta.url));
const calls = ['fsync', 'rename', 'unlink', 'mkdir', 'rmdir'] as const;
type Call = (typeof calls)[number];
/** Deaths a test, spread over all calls. */
const POINTS = 10;

interface Point {
  readonly call: Call;
  /** The n-th of its kind. */
  readonly n: number;
}

/** Run the errand under strace, killed before a call; without one to its end. The calls it made, in order. */
function run(
  c: Clinic,
  name: string,
  root: string,
  at?: Point,
): { readonly killed: boolean; readonly points: readonly Point[] } {
  const errand: Errand = { state: c.state(name), root, signer: c.office.signer.text, now: NOW };
  const file = join(c.folder, `${name}.json`);
  const trace = join(c.folder, `${name}.trace`);
  writeFileSync(file, JSON.stringify(errand));
  const traced = ['-f', '-qq', '-o', trace, '-e', `trace=${calls.join(',')}`];
  const inject = at ? ['-e', `inject=${at.call}:signal=SIGKILL:when=${at.n}`] : [];
  const words = [...traced, ...inject, process.execPath, victim, file];
  const { signal, status, stderr } = spawnSync('strace', words, { encoding: 'utf8' });
  if (status !== 0 && signal !== 'SIGKILL' && status !== 137) throw new Error(`strace: ${status} ${stderr}`);
  const made = new Map<Call, number>();
  const points = readFileSync(trace, 'utf8')
    .split('\n')
    .flatMap((line): Point[] => {
      const call = calls.find((each) => new RegExp(`^\\d+ +${each}\\(`).test(line));
      if (call === undefined) return [];
      const n = (made.get(call) ?? 0) + 1;
      made.set(call, n);
      return [{ call, n }];
    });
  return { killed: status !== 0, points };
}

/** Some of them, the first and the last too. */
const spread = (points: readonly Point[]): Point[] =>
  Array.from({ length: POINTS }, (_, i) => Math.floor((i * (points.length - 1)) / (POINTS - 1))).flatMap(
    (i) => points[i] ?? [],
  );

const newStick = async (c: Clinic, name: string): Promise<string> =>
  (await c.stick({ device: deviceCodeOf(openDeviceKey(placesOf(c.state(name)))) })).root;

void t.test('taking a stick', { timeout: TIMEOUT_MS }, async (t) => {
  const c = clinic(t);
  const whole = run(c, 'whole', await newStick(c, 'whole'));
  t.notOk(whole.killed);
  t.ok(whole.points.length > POINTS, `${whole.points.length} calls that change the disk`);
  for (const point of spread(whole.points)) {
    const name = `box-${point.call}-${point.n}`;
    const places = placesOf(c.state(name));
    const root = await newStick(c, name);
    t.ok(run(c, name, root, point).killed, `${name}: killed`);
    const before = existsSync(places.site);
    t.match(
      await c.apply([root], {}, name),
      { code: /^OK[24]$/ },
      `${name}: the same stick, ${before ? 'taken' : 'not taken'} before`,
    );
    t.equal(readMemory(places).used.length, 1);
    t.same(readdirSync(places.state).toSorted(), ['audit', 'provision', 'site']);
    t.same(
      readdirSync(places.provision).filter((file) => file.endsWith('.new')),
      [],
    );
    t.notOk(existsSync(join(places.site, 'keys/audit.key')));
    parseConfig(readFileSync(join(places.site, 'config.json'), 'utf8'), 'config.json');
  }
});

async function inService(t: Test, c: Clinic, name: string): Promise<string> {
  const root = await newStick(c, name);
  t.match(await c.apply([root], {}, name), { code: 'OK2' });
  const text = readFileSync(join(c.state(name), 'site/receipt'), 'utf8');
  const said = receiptContent.parse(JSON.parse(text.slice(text.lastIndexOf('\n') + 1)));
  const stick = join(c.folder, `order-${name}`);
  mkdirSync(join(stick, 'anteroom'), { recursive: true });
  const order = {
    format: 1,
    id: '0123456789abcdef0123456789abcdef',
    site: 'riverside',
    gateway: Signer.fromText(said.keys.identity)?.id,
    order: 'decommission',
    reason: 'sold',
    notBefore: NOW - DAY,
    notAfter: NOW + DAY,
  };
  writeFileSync(join(stick, 'anteroom', `order-${order.id}`), signEnvelope(RESET_MAGIC, order, c.office));
  for (const store of ['control/policy.db', 'audit/audit.db']) {
    mkdirSync(join(c.state(name), store, '..'), { recursive: true });
    writeFileSync(join(c.state(name), store), 'records');
  }
  return stick;
}

void t.test('carrying out an order', { timeout: TIMEOUT_MS }, async (t) => {
  const c = clinic(t);
  const whole = run(c, 'whole', await inService(t, c, 'whole'));
  t.notOk(whole.killed);
  t.ok(whole.points.length > POINTS, `${whole.points.length} calls that change the disk`);
  for (const point of spread(whole.points)) {
    const name = `box-${point.call}-${point.n}`;
    const places = placesOf(c.state(name));
    const root = await inService(t, c, name);
    t.ok(run(c, name, root, point).killed, `${name}: killed`);
    t.match(await c.apply([root], {}, name), { code: /^OK[45]$/ }, `${name}: the same stick`);
    t.equal(phaseOf(places, readMemory(places)), 'decommissioned');
    const left = readdirSync(places.state, { recursive: true }).map(String);
    t.same(
      left.filter((file) => /key|\.db|site|\.new$/.test(file)),
      [],
      'no key, no store',
    );
    t.equal(readdirSync(join(root, 'anteroom')).filter((file) => file.startsWith('farewell-')).length, 1);
  }
});
