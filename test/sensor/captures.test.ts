/** Captures that open, fail, vanish and come back, and what the health list says of it. */
import t from 'tap';
import { Captures } from '../../src/sensor/captures.ts';
import { SensorHealth } from '../../src/sensor/health.ts';

function errno(code: string): Error {
  return Object.assign(new Error(code), { code });
}

function bench(names: string[]): {
  captures: Captures;
  health: SensorHealth;
  notes: string[];
  opened: string[];
  closed: string[];
  failing: Map<string, Error>;
  drops: Map<string, number>;
  fail: (name: string, error: Error) => void;
} {
  const notes: string[] = [];
  const opened: string[] = [];
  const closed: string[] = [];
  const failing = new Map<string, Error>();
  const drops = new Map<string, number>();
  const failures = new Map<string, (error: Error) => void>();
  const health = new SensorHealth(names, 0);
  const captures = new Captures(
    names,
    (name, failed) => {
      const error = failing.get(name);
      if (error !== undefined) throw error;
      opened.push(name);
      failures.set(name, failed);
      return {
        statistics: () => ({ packets: 0, drops: drops.get(name) ?? 0 }),
        close: () => closed.push(name),
      };
    },
    health,
    (name, error) => notes.push(`${name} ${error?.message ?? 'up'}`),
  );
  return {
    captures,
    health,
    notes,
    opened,
    closed,
    failing,
    drops,
    fail: (name, error) => failures.get(name)?.(error),
  };
}

void t.test('opens each interface once', (t) => {
  const b = bench(['enclave0', 'enclave1']);
  b.captures.tick(0);
  b.captures.tick(5000);
  t.same(b.opened, ['enclave0', 'enclave1']);
  t.match(b.health.items(0)[0], { item: 'sensor.capture', level: 'ok', text: /enclave0, enclave1/ });
  b.captures.close();
  t.same(b.closed, ['enclave0', 'enclave1']);
  t.end();
});

void t.test('tries a missing interface again each second, and says so once', (t) => {
  const b = bench(['enclave0', 'mirror0']);
  b.failing.set('mirror0', errno('ENODEV'));
  for (const at of [0, 250, 500, 1000, 1250]) b.captures.tick(at);
  t.same(b.opened, ['enclave0']);
  t.match(b.health.items(1250)[0], {
    level: 'warning',
    text: /mirror0 \(there is no such interface\)/,
    since: 0,
  });
  b.failing.clear();
  b.captures.tick(1500);
  t.equal(b.opened.length, 1, 'not before its time');
  b.captures.tick(2000);
  t.same(b.opened, ['enclave0', 'mirror0']);
  t.match(b.health.items(2000)[0], { level: 'ok', since: 2000 });
  t.same(b.notes, ['enclave0 up', 'mirror0 up']);
  t.end();
});

void t.test('an interface that vanishes is closed and opened again; its drops still count', (t) => {
  const b = bench(['enclave0']);
  b.captures.tick(0);
  b.drops.set('enclave0', 7);
  b.failing.set('enclave0', errno('ENODEV'));
  b.fail('enclave0', errno('ENETDOWN'));
  t.same(b.closed, ['enclave0']);
  t.match(b.health.items(10)[0], { level: 'critical', text: /the interface is down/ });
  b.captures.tick(1000);
  b.failing.clear();
  b.drops.clear();
  b.captures.tick(2000);
  t.same(b.opened, ['enclave0', 'enclave0']);
  t.equal(b.captures.drops(), 7);
  t.same(b.notes, ['enclave0 up', 'enclave0 ENETDOWN', 'enclave0 up']);
  t.end();
});

void t.test('a missing capability is no matter of trying again', (t) => {
  const b = bench(['enclave0']);
  b.failing.set('enclave0', errno('EPERM'));
  t.throws(() => b.captures.tick(0), { code: 'EPERM' });
  t.end();
});

void t.test('losses are a warning for a minute after the last one', (t) => {
  const health = new SensorHealth([], 0);
  const drops = (at: number): { level: string; text: string; since: number } | undefined =>
    health.items(at)[1];
  health.losses(0, 0, 0);
  t.match(drops(0), { item: 'sensor.drops', level: 'ok' });
  health.losses(3, 0, 1000);
  health.losses(3, 0, 30_000);
  t.match(drops(30_000), { level: 'warning', text: /^Frames arrive faster/, since: 1000 });
  health.losses(3, 5, 40_000);
  t.match(drops(62_000), { level: 'warning', text: /^More hosts or connections/, since: 1000 });
  t.match(drops(100_001), { level: 'ok', since: 40_000 });
  t.end();
});
