/**
 * Where refusals of sticks wait for the audit log. A stick is refused before the audit process runs, often before there
 * is a configuration that it could run by; the record is made durable here and is the log's as soon as it can be.
 *
 *   <state>/audit/refused/<time, 15 digits>-<8 random hex>   one JSON object a file (`trayRecord`)
 *
 * One file a record: who refuses and who logs never write to the same one. A record leaves the tray after the log has
 * acknowledged it, so a power cut in between makes it stand twice and never nowhere. A reset keeps the tray with the
 * log; a decommission destroys both.
 *
 * Surprise: the writer is root and the folder belongs to the audit process. So the folder is opened without following
 * a link and everything in it is named from there (/proc/self/fd).
 */
import { randomBytes } from 'node:crypto';
import {
  chownSync,
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import type { AuditEvent } from '../wire/audit-event.ts';
import { provisionCode } from '../wire/provision-code.ts';
import { count, integer } from '../wire/scalar.ts';

/** Room for this many; the next ones are counted in the last. */
export const TRAY_RECORDS = 256;
const MAX_RECORD_BYTES = 1024;
const NAME = /^\d{15}-[0-9a-f]{8}$/;

const trayRecord = z.strictObject({
  at: count,
  code: provisionCode,
  digest: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional(),
  count: integer.positive(),
});
export type TrayRecord = z.infer<typeof trayRecord>;

export interface Waiting {
  readonly name: string;
  /** Undefined for what nobody here has written. */
  readonly record?: TrayRecord;
}

const trayOf = (stateDir: string): string => join(stateDir, 'audit', 'refused');

function withFolder<T>(folder: string, use: (inside: string, fd: number) => T): T {
  const fd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    return use(`/proc/self/fd/${fd}`, fd);
  } finally {
    closeSync(fd);
  }
}

function readRecord(file: string): TrayRecord | undefined {
  let fd: number;
  try {
    fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile() || stat.size > MAX_RECORD_BYTES) return undefined;
    return trayRecord.safeParse(JSON.parse(readFileSync(fd, 'utf8'))).data;
  } catch {
    return undefined;
  } finally {
    closeSync(fd);
  }
}

const namesIn = (folder: string): string[] =>
  readdirSync(folder)
    .filter((name) => NAME.test(name))
    .toSorted();

function put(inside: string, folder: number, record: TrayRecord): void {
  const name = `${String(record.at).padStart(15, '0')}-${randomBytes(4).toString('hex')}`;
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  const fd = openSync(join(inside, name), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o644);
  try {
    // The folder above is the audit process's alone; this file has to be its to read.
    fchmodSync(fd, 0o644);
    writeFileSync(fd, `${JSON.stringify(record)}\n`);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  fsyncSync(folder);
}

/** Make a folder where there is none, for `uid` where we may give it away. */
function makeFolder(folder: string, uid: number): void {
  mkdirSync(folder, { mode: 0o700 });
  if (process.getuid?.() === 0) chownSync(folder, uid, uid);
}

const missing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ENOENT';

/** Durable when this returns. Throws what the disk says. `auditUid`: whose folder it is where it isn't there yet. */
export function keepRefusal(stateDir: string, refusal: Omit<TrayRecord, 'count'>, auditUid: number): void {
  const audit = join(stateDir, 'audit');
  const tray = trayOf(stateDir);
  if (!statSync(audit, { throwIfNoEntry: false })) {
    mkdirSync(stateDir, { recursive: true, mode: 0o755 });
    makeFolder(audit, auditUid);
  }
  if (!statSync(tray, { throwIfNoEntry: false })) makeFolder(tray, statSync(audit).uid);
  withFolder(tray, (inside, folder) => {
    const names = namesIn(inside);
    const last = names.at(-1);
    if (names.length < TRAY_RECORDS || last === undefined) {
      put(inside, folder, { ...refusal, count: 1 });
      return;
    }
    const before = readRecord(join(inside, last))?.count ?? 0;
    put(inside, folder, { ...refusal, count: before + 1 });
    unlinkSync(join(inside, last));
  });
}

/** What waits, oldest first. Throws what the disk says. */
export function readTray(stateDir: string): Waiting[] {
  try {
    return withFolder(trayOf(stateDir), (inside) =>
      namesIn(inside).map((name) => {
        const record = readRecord(join(inside, name));
        return { name, ...(record && { record }) };
      }),
    );
  } catch (error) {
    if (missing(error)) return [];
    throw error;
  }
}

/** The log has them: they leave the tray. */
export function clearTray(stateDir: string, waiting: readonly Waiting[]): void {
  withFolder(trayOf(stateDir), (inside, folder) => {
    for (const { name } of waiting) {
      try {
        unlinkSync(join(inside, name));
      } catch (error) {
        // Counted in a newer one meanwhile.
        if (!missing(error)) throw error;
      }
    }
    fsyncSync(folder);
  });
}

/** As the audit process says it. */
export const refusalEvent = ({ at, ...body }: TrayRecord): AuditEvent => ({
  kind: 'provision.refused',
  at,
  origin: 'audit',
  body,
});
