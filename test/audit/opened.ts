/** A log on a store in a file, with a clock and a disk that the test turns. */
import { AuditLog } from '../../src/audit/log.ts';
import { auditSchema } from '../../src/audit/schema.ts';
import { openStore } from '../../src/store/store.ts';
import type { Store } from '../../src/store/store.ts';
import { epochMillis, monotonicMillis } from '../../src/wire/units.ts';

export interface Bench {
  readonly store: Store;
  readonly log: AuditLog;
  /** The wall clock, and the bytes that are free: set them. */
  now: number;
  free: number;
  /** Transactions that were scheduled and not run yet, when `manual`. */
  readonly scheduled: (() => void)[];
  close(): void;
}

export function openLog(file: string, options: { manual?: boolean } = {}): Bench {
  const store = openStore({ file, schema: auditSchema });
  const scheduled: (() => void)[] = [];
  const bench: Bench = {
    store,
    now: 1_700_000_000_000,
    free: 1e9,
    scheduled,
    log: new AuditLog({
      store,
      clock: { now: () => epochMillis(bench.now), monotonic: () => monotonicMillis(0) },
      freeBytes: () => bench.free,
      reserveBytes: 1e6,
      schedule: options.manual ? (work) => void scheduled.push(work) : setImmediate,
    }),
    close: () => {
      bench.log.close();
      store.close();
    },
  };
  return bench;
}
