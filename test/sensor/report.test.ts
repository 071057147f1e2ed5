/** Batches to control: what is due, how often, how much, and what happens when control is away. */
import t from 'tap';
import { limits, linkType } from '../../src/sensor/constants.ts';
import { Frame } from './reference/frame.ts';
import { HostTable } from '../../src/sensor/host-table.ts';
import type { Batch } from '../../src/sensor/report.ts';
import { Reporter } from '../../src/sensor/report.ts';
import type { HealthItem } from '../../src/wire/health.ts';
import { controlVerbs } from '../../src/wire/messages.ts';
import * as wire from './wire-builder.ts';

const ok: HealthItem = { item: 'sensor.capture', level: 'ok', text: 'Listening.', since: 0 };

function bench(): {
  hosts: HostTable;
  batches: Batch[];
  reporter: Reporter;
  see: (n: number, at: number) => void;
  state: { health: HealthItem[]; failing: boolean };
} {
  const hosts = new HostTable({ vendorOf: () => undefined });
  const batches: Batch[] = [];
  const state = { health: [ok], failing: false };
  const reporter = new Reporter(
    hosts,
    () => state.health,
    async (batch) => {
      await Promise.resolve();
      if (state.failing) throw new Error('control is away');
      batches.push(batch);
    },
  );
  const frame = new Frame();
  const see = (n: number, at: number): void => {
    const mac = `00:03:b1:00:${(n >> 8).toString(16).padStart(2, '0')}:${(n & 255).toString(16).padStart(2, '0')}`;
    const ip = `10.0.${n >> 8}.${n & 255}`;
    frame.decode(linkType.ETHERNET, wire.ethernet(mac, mac, 0x806, wire.arp(1, mac, ip, '10.0.0.99')));
    hosts.see(frame, at);
    hosts.talks(frame.sourceMac);
  };
  return { hosts, batches, reporter, see, state };
}

const counts = (batches: Batch[]): number[] => batches.map((b) => b.hosts.length);

void t.test('new hosts go once, in batches, one a second', async (t) => {
  const b = bench();
  for (let i = 1; i <= 300; i++) b.see(i, 0);
  await b.reporter.tick(0);
  await b.reporter.tick(limits.REPORT_MS - 1);
  t.same(counts(b.batches), [limits.BATCH]);
  await b.reporter.tick(limits.REPORT_MS);
  await b.reporter.tick(limits.REPORT_MS * 2);
  t.same(counts(b.batches), [limits.BATCH, 44]);
  for (const batch of b.batches) t.ok(controlVerbs['sensor.observed'].request.safeParse(batch).success);
});

void t.test('a host that is only seen again goes once a minute, one that is not seen does not', async (t) => {
  const b = bench();
  b.see(1, 0);
  b.see(2, 0);
  await b.reporter.tick(0);
  for (let at = 1000; at < limits.REFRESH_MS; at += 1000) {
    b.see(1, at);
    await b.reporter.tick(at);
  }
  t.same(counts(b.batches), [2]);
  await b.reporter.tick(limits.REFRESH_MS);
  t.same(counts(b.batches), [2, 1]);
  t.equal(b.batches[1]?.hosts[0]?.last, limits.REFRESH_MS - 1000);
});

void t.test('something new makes it due at once', async (t) => {
  const b = bench();
  b.see(1, 0);
  await b.reporter.tick(0);
  const [host] = [...b.hosts.all()];
  if (host === undefined) throw new Error('no host');
  b.hosts.say(host, 'dicom', 'callingAeTitle', 'MR1', 10);
  await b.reporter.tick(1000);
  t.match(b.batches[1]?.hosts, [{ evidence: [{ value: 'MR1' }] }]);
});

void t.test('what control did not take is sent again; after a reconnect it gets everything', async (t) => {
  const b = bench();
  b.see(1, 0);
  b.state.failing = true;
  await b.reporter.tick(0);
  b.state.failing = false;
  await b.reporter.tick(1000);
  t.same(counts(b.batches), [1]);
  await b.reporter.tick(2000);
  t.same(counts(b.batches), [1]);
  b.reporter.reconnected();
  await b.reporter.tick(3000);
  t.same(counts(b.batches), [1, 1]);
});

void t.test('one batch is under way at a time', async (t) => {
  const b = bench();
  b.see(1, 0);
  const first = b.reporter.tick(0);
  b.see(2, 1000);
  await b.reporter.tick(5000);
  await first;
  t.same(counts(b.batches), [1]);
  await b.reporter.tick(6000);
  t.same(counts(b.batches), [1, 1]);
});

void t.test('a change of health goes without hosts', async (t) => {
  const b = bench();
  await b.reporter.tick(0);
  await b.reporter.tick(1000);
  t.equal(b.batches.length, 1);
  b.state.health = [{ ...ok, level: 'critical', text: 'Cannot listen.' }];
  await b.reporter.tick(2000);
  t.match(b.batches[1], { hosts: [], health: [{ level: 'critical' }] });
});

void t.test('hosts with much to say make smaller batches', async (t) => {
  const b = bench();
  for (let i = 1; i <= 200; i++) b.see(i, 0);
  for (const host of b.hosts.all()) {
    for (let n = 0; n < limits.EVIDENCE; n++) b.hosts.say(host, 'hl7', `f${n}`, '\u00e4'.repeat(128), 0);
  }
  await b.reporter.tick(0);
  const [batch] = b.batches;
  t.ok((batch?.hosts.length ?? 0) < 64);
  t.ok(Buffer.byteLength(JSON.stringify(batch)) < 4 * 1024 * 1024, 'under half a frame of the local socket');
});
