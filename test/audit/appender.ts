/**
 * A process for the crash tests: appends to the log named by its argument, sixteen appends at a time, and writes one
 * line for each acknowledgement, `<seq> <number>`, with a plain write so that nothing is kept in a buffer.
 */
import { writeSync } from 'node:fs';
import { AuditLog } from '../../src/audit/log.ts';
import { auditSchema } from '../../src/audit/schema.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { openStore } from '../../src/store/store.ts';
import { processStart } from './sample.ts';

const [file = '', appends = '1000000', concurrent = '16'] = process.argv.slice(2);
const log = new AuditLog({
  store: openStore({ file, schema: auditSchema }),
  clock: systemClock,
  freeBytes: () => 1e12,
  reserveBytes: 0,
  schedule: setImmediate,
});
if (log.fault) throw log.fault;

let left = Number(appends);
const work = async (): Promise<void> => {
  while (left-- > 0) {
    const mark = left;
    const { first } = await log.append([processStart(mark)]);
    writeSync(1, `${first} ${mark}\n`);
  }
};
await Promise.all(Array.from({ length: Number(concurrent) }, work));
