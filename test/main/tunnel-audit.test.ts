/** The tunnel's queue to the audit log: in order, again until acknowledged, bounded, counted. */
import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import { AuditBacklog } from '../../src/main/tunnel-audit.ts';
import { silentLog } from '../../src/platform/log.ts';
import type { AuditEvent } from '../../src/wire/audit-event.ts';
import { Fault } from '../../src/wire/errors.ts';

const event = (at: number): AuditEvent => ({
  kind: 'process.stop',
  at,
  origin: 'tunnel',
  body: { process: 'tunnel', reason: 'test' },
});

/** A log that fails as long as `fault` is set, and retries that happen when told. */
function setUp(): {
  backlog: AuditBacklog;
  written: number[];
  log: { fault: Fault | undefined };
  retry: () => Promise<void>;
} {
  const written: number[] = [];
  const log: { fault: Fault | undefined } = { fault: undefined };
  let later: (() => void) | undefined;
  const backlog = new AuditBacklog(
    async (events) => {
      await turn();
      if (log.fault) throw log.fault;
      written.push(...events.map((e) => e.at));
    },
    silentLog,
    (f) => {
      later = f;
      return () => (later = undefined);
    },
  );
  return {
    backlog,
    written,
    log,
    retry: async () => {
      later?.();
      for (let i = 0; i < 50; i++) await turn();
    },
  };
}

void t.test('in order, and all of them once the log is back', async (t) => {
  const { backlog, written, log, retry } = setUp();
  log.fault = new Fault('IPC_UNREACHABLE');
  for (let i = 0; i < 600; i++) backlog.add(event(i));
  await retry();
  await retry();
  t.same(written, []);
  t.equal(backlog.waiting, 600);
  log.fault = undefined;
  await retry();
  t.same(
    written,
    Array.from({ length: 600 }, (_, i) => i),
  );
  t.equal(backlog.waiting, 0);
  t.equal(backlog.dropped, 0);
});

void t.test('bounded: what finds it full is dropped and counted', async (t) => {
  const { backlog, written, log, retry } = setUp();
  log.fault = new Fault('AUDIT_STORAGE_FULL');
  for (let i = 0; i < 5000; i++) backlog.add(event(i));
  t.equal(backlog.waiting, 4096);
  t.equal(backlog.dropped, 904);
  await retry();
  log.fault = undefined;
  await retry();
  t.equal(written.length, 4096);
  t.equal(written.at(-1), 4095, 'the oldest are kept');
});

void t.test('what the log will never take is not tried for ever', async (t) => {
  const { backlog, log, retry } = setUp();
  log.fault = new Fault('IPC_REFUSED');
  backlog.add(event(1));
  await retry();
  t.equal(backlog.waiting, 0);
  t.equal(backlog.dropped, 1);
});

void t.test('the end: what waits is written, or left when the log is away', async (t) => {
  const good = setUp();
  good.backlog.add(event(1));
  good.backlog.add(event(2));
  await good.backlog.close();
  t.same(good.written, [1, 2]);
  const bad = setUp();
  bad.log.fault = new Fault('IPC_UNREACHABLE');
  bad.backlog.add(event(1));
  await bad.backlog.close();
  t.same(bad.written, []);
  bad.backlog.add(event(2));
  t.pass('and it does not hang');
});
