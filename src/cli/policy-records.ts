/** Audit records for `anteroom policy`: from the running log, or from a store's file or a copy of it. */
import { parseRecord } from '../audit/record.ts';
import { auditSchema } from '../audit/schema.ts';
import { connect } from '../ipc/client.ts';
import { loadConfig, socketPath } from '../platform/config.ts';
import { silentLog } from '../platform/log.ts';
import { openStore } from '../store/store.ts';
import { auditEvent } from '../wire/audit-event.ts';
import type { AuditRecord } from '../wire/audit-event.ts';
import { auditPushes, auditVerbs } from '../wire/messages.ts';

const READ_LIMIT = 500;
export const DAY_MS = 86_400_000;

export type Recorded = Pick<AuditRecord, 'seq' | 'time' | 'event'>;

export interface RecordsOptions {
  /** Records from this instant on, epoch ms. */
  readonly since: number;
  /** A store's file; without it the audit process is asked. */
  readonly store?: string | undefined;
}

/** An event of another version is passed over: `unread` counts them. */
export interface RecordsRead {
  readonly records: number;
  readonly unread: number;
}

function readStore(file: string, since: number, each: (record: Recorded) => void): RecordsRead {
  const store = openStore({ file, schema: auditSchema, access: 'read' });
  let [records, unread] = [0, 0];
  try {
    const rows = store.prepare<[number], { canonical: string }>(
      'SELECT canonical FROM record WHERE time >= ? ORDER BY seq',
    );
    for (const { canonical } of rows.iterate(since)) {
      records++;
      const parsed = parseRecord(canonical);
      const event = parsed.kind === 'record' ? auditEvent.safeParse(parsed.event) : undefined;
      if (parsed.kind === 'record' && event?.success)
        each({ seq: parsed.seq, time: parsed.time, event: event.data });
      else unread++;
    }
  } finally {
    store.close();
  }
  return { records, unread };
}

/** Every record since then, in order. Faults of the store or of the socket. */
export async function readRecords(
  { since, store }: RecordsOptions,
  each: (record: Recorded) => void,
): Promise<RecordsRead> {
  if (store !== undefined) return readStore(store, since, each);
  const path = socketPath(loadConfig(), 'audit');
  const audit = connect({ path, verbs: auditVerbs, pushes: auditPushes, log: silentLog });
  try {
    const { size } = await audit.call('audit.head', {});
    const read = async (from: number, limit: number): Promise<AuditRecord[]> =>
      (await audit.call('audit.read', { from, limit })).records;
    // Times don't go back in the log: the first record is found by halving.
    let [low, high] = [0, size];
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const [record] = await read(middle, 1);
      if (record && record.time < since) low = middle + 1;
      else high = middle;
    }
    let records = 0;
    for (let next = low; next < size;) {
      const batch = await read(next, Math.min(READ_LIMIT, size - next));
      if (batch.length === 0) break;
      batch.forEach(each);
      records += batch.length;
      next += batch.length;
    }
    return { records, unread: 0 };
  } finally {
    audit.close();
  }
}
