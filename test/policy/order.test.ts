/** Signed orders: believed once, by the pinned signers, for this site, now; any byte changed is refused. */
import t from 'tap';
import { randomBytes } from 'node:crypto';
import { SIGNER_SEED_BYTES, SigningKey, secretText } from '../../src/crypto/signer.ts';
import { Grace } from '../../src/control/grace.ts';
import { MachineTime } from '../../src/control/machine-time.ts';
import { Orders } from '../../src/control/orders.ts';
import { StateStore } from '../../src/control/state-store.ts';
import type { EmergencyMode } from '../../src/control/emergency.ts';
import { checkOrder, signOrder } from '../../src/policy/order.ts';
import { MAX_ORDER_BYTES, ORDER_MAGIC, orderContent } from '../../src/wire/order.ts';
import type { OrderContent } from '../../src/wire/order.ts';
import { epochMillis, hours, millis } from '../../src/wire/units.ts';

const newKey = (): SigningKey => SigningKey.fromText(secretText(randomBytes(SIGNER_SEED_BYTES)));
const key = newKey();
const stranger = newKey();
const now = epochMillis(1_800_000_000_000);
const content = (more: object = {}): OrderContent =>
  orderContent.parse({
    format: 1,
    id: '0123456789abcdef0123456789abcdef',
    audience: ['clinic'],
    notBefore: now - 1000,
    notAfter: now + 1000,
    order: 'emergency.start',
    officer: 'chief',
    reason: 'Ransomware',
    hours: 2,
    ...more,
  });
const told = (bytes: Uint8Array, site = 'clinic', at = now): string => {
  const checked = checkOrder(bytes, [key.signer], site, at);
  return checked.kind === 'refused' ? checked.why : checked.order.order;
};

void t.test('believed: the right signer, site and time', (t) => {
  const bytes = signOrder(content(), key);
  t.equal(told(bytes), 'emergency.start');
  t.ok(bytes.length < MAX_ORDER_BYTES);
  t.equal(told(bytes, 'other'), 'It is not for other.');
  t.equal(told(bytes, 'clinic', epochMillis(now - 1001)), 'It does not hold yet.');
  t.equal(told(bytes, 'clinic', epochMillis(now + 1000)), 'It holds no longer.');
  t.match(told(signOrder(content(), stranger)), /is not one of those pinned/);
  t.equal(told(new Uint8Array(MAX_ORDER_BYTES + 1)), 'It is too large.');
  t.equal(told(Uint8Array.of(0xff)), 'It is not UTF-8.');
  t.equal(told(new Uint8Array()), 'It is not an order.');
  t.end();
});

void t.test('one bit changed in any part: refused', (t) => {
  const bytes = signOrder(content(), key);
  const ends = bytes.length - bytes.lastIndexOf(10);
  // Every byte of what is not base64, and a sample of what is.
  for (let at = 0; at < bytes.length; at++) {
    const inSignature = at > ORDER_MAGIC.length + 30 && at < bytes.length - ends;
    if (inSignature && at % 97 !== 0) continue;
    const changed = Buffer.from(bytes);
    changed[at] = (changed[at] ?? 0) ^ 1;
    if (told(changed) === 'emergency.start') t.fail(`byte ${at}`);
  }
  for (const cut of [1, 10, ends, bytes.length - 5])
    t.not(told(bytes.subarray(0, bytes.length - cut)), 'emergency.start');
  t.not(told(Buffer.concat([bytes, Buffer.from(' ')])), 'emergency.start');
  t.end();
});

void t.test('applied once, and news of the coordinator', (t) => {
  const done: string[] = [];
  let uptime = 0;
  const marks = new Map<string, string>();
  const store = Object.assign(new StateStore(undefined), {
    mark: (name: string) => marks.get(name),
    saveMarks: (more: Record<string, string>) => {
      for (const [name, value] of Object.entries(more)) marks.set(name, value);
      return true;
    },
  });
  const time = new MachineTime({ boot: 'b', uptime: () => millis(uptime) }, store);
  const grace = new Grace({ time, store, coordinated: true, length: () => hours(24) });
  const emergency = {
    start: (actor: { by: string; via: string }, reason: string, asked?: number) => {
      done.push(`start by ${actor.by}, ${actor.via}, ${asked} h: ${reason}`);
      return { until: now };
    },
    end: (actor: { by: string }) => {
      done.push(`end by ${actor.by}`);
    },
  } as unknown as EmergencyMode;
  const events: string[] = [];
  const make = (): Orders =>
    new Orders({
      clock: { now: () => now, monotonic: () => 0 as never },
      store,
      journal: { write: (kind, body) => events.push(`${kind} ${JSON.stringify(body)}`) },
      emergency,
      grace,
      check: (bytes, at) => checkOrder(bytes, [key.signer], 'clinic', at),
    });
  const orders = make();
  uptime = 30 * 3_600_000;
  t.equal(grace.status.state, 'expired');
  t.match(orders.apply(signOrder(content(), key)), /Emergency mode until/);
  t.equal(grace.status.state, 'online', 'it was heard of');
  t.throws(() => orders.apply(signOrder(content(), key)), { code: 'ORDER_REFUSED' }, 'a second time');
  t.throws(() => make().apply(signOrder(content(), key)), { code: 'ORDER_REFUSED' }, 'after a restart');
  t.equal(
    orders.apply(signOrder(content({ id: '1'.repeat(32), order: 'emergency.end' }), key)),
    'Emergency mode is over.',
  );
  uptime += 30 * 3_600_000;
  t.throws(() => orders.apply(signOrder(content({ id: '2'.repeat(32) }), stranger)), {
    code: 'ORDER_REFUSED',
  });
  t.equal(grace.status.state, 'expired', "a stranger's order is no news");
  t.equal(
    orders.apply(signOrder(content({ id: '3'.repeat(32), order: 'contact' }), key)),
    'The coordinator was heard of.',
  );
  t.equal(grace.status.state, 'online');
  t.same(done, ['start by chief, signed order, 2 h: Ransomware', 'end by chief']);
  t.ok(events.some((each) => /refused/.test(each)));
  t.end();
});
