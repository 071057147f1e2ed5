/**
 * The audit process: serves the append-only log on its socket. Its only verbs are append, head, read and checkpoint.
 *
 * The five processes append, and only under their own name: an event's `origin` must be a role that the kernel says the
 * caller has (SO_PEERCRED). Operators and control read.
 *
 * Refusals of sticks come by the tray (`platform/refusal-tray.ts`), not by the socket: most of them are older than this
 * process.
 *
 * A store that can't be opened doesn't end the process: every verb answers with the reason, and opening is tried again
 * while trying can help. So control sees what is wrong, and a disk that gets room again needs no restart.
 */
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statfsSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { z } from 'zod';
import { originOf, signCheckpoint } from '../audit/checkpoint.ts';
import { AuditHealth } from '../audit/health.ts';
import { AuditLog } from '../audit/log.ts';
import { formatVerifierKey, generateSigningKey, openSigner } from '../audit/note.ts';
import type { NoteSigner } from '../audit/note.ts';
import { auditSchema } from '../audit/schema.ts';
import { serve } from '../ipc/server.ts';
import { socketPath } from '../platform/config.ts';
import { runProcess } from '../platform/process.ts';
import { clearTray, readTray, refusalEvent } from '../platform/refusal-tray.ts';
import type { ProcessContext } from '../platform/process.ts';
import { version } from '../platform/version.ts';
import { openStore } from '../store/store.ts';
import type { Store } from '../store/store.ts';
import type { AuditEvent } from '../wire/audit-event.ts';
import { Fault, errorTable, isFault } from '../wire/errors.ts';
import type { ErrorCode } from '../wire/errors.ts';
import { processNames } from '../wire/ids.ts';
import { auditPushes, auditVerbs } from '../wire/messages.ts';
import { between, seconds } from '../wire/units.ts';
import type { MonotonicMillis } from '../wire/units.ts';

/** How often a store that failed to open is tried again, and a checkpoint looked at. */
const TICK = seconds(1);
/** A checkpoint is signed after so many records, or after this time when there are any new ones. */
const CHECKPOINT_RECORDS = 1024;
const CHECKPOINT_AFTER = seconds(60);

/** An open log and what belongs to it. */
interface Opened {
  readonly store: Store;
  readonly log: AuditLog;
  readonly signer: NoteSigner;
}

/** Write a file whole or not at all, readable by this process alone. */
function writePrivate(file: string, text: string): void {
  const next = `${file}.next`;
  const fd = openSync(next, 'w', 0o600);
  try {
    writeSync(fd, text);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(next, file);
  const folder = openSync(dirname(file), 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** The signing key in `file`, made when it isn't there. */
function readSigner(file: string, name: string): NoteSigner {
  let pem: string;
  try {
    pem = readFileSync(file, 'utf8');
  } catch (e) {
    if (!(e instanceof Error && 'code' in e && e.code === 'ENOENT')) throw e;
    pem = generateSigningKey();
    writePrivate(file, pem);
  }
  return openSigner(name, pem);
}

/** Bytes free on the file system of `folder`. */
function freeBytesOf(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

function open({ config, clock }: ProcessContext): Opened {
  const folder = join(config.stateDir, 'audit');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const freeBytes = (): number => freeBytesOf(folder);
  const signer = readSigner(join(folder, 'checkpoint.key'), originOf(config.site.id));
  const store = openStore({ file: join(folder, 'audit.db'), schema: auditSchema });
  try {
    const { reserveBytes } = config.audit;
    const log = new AuditLog({ store, clock, freeBytes, reserveBytes, schedule: setImmediate });
    return { store, log, signer };
  } catch (e) {
    store.close();
    throw e;
  }
}

/** Why the log isn't open, in the words its callers know. */
function refusal(e: unknown): Fault {
  const detail = e instanceof Error ? e.message : String(e);
  if (isFault(e, 'STORE_FULL')) return new Fault('AUDIT_STORAGE_FULL', detail, { cause: e });
  if (isFault(e) && !e.retry) return new Fault('AUDIT_CORRUPT', detail, { cause: e });
  return new Fault('AUDIT_UNAVAILABLE', detail, { cause: e });
}

runProcess('audit', async (context) => {
  const { config, log, clock } = context;
  let opened: Opened | undefined;
  let reason = new Fault('AUDIT_UNAVAILABLE', 'not open yet');
  let refusing: ErrorCode | undefined;
  const health = new AuditHealth(clock);
  let signedSize = 0;
  let signedAt: MonotonicMillis = clock.monotonic();

  const current = (): Opened => {
    if (!opened) throw reason;
    return opened;
  };

  /** Append, and say once when the log begins to refuse and once when it takes records again. */
  const append = async (events: readonly AuditEvent[]): ReturnType<AuditLog['append']> => {
    try {
      const appended = await current().log.append(events);
      if (refusing !== undefined) log.info({ was: refusing }, 'the log takes records again');
      refusing = undefined;
      return appended;
    } catch (e) {
      if (isFault(e) && e.blame === 'gateway' && refusing !== e.code) {
        refusing = e.code;
        log.error({ code: e.code, detail: e.detail }, 'the log refuses records');
      }
      throw e;
    }
  };

  /** Records of this process itself; that they can't be written is told by `append`. */
  const appendOwn = async (event: AuditEvent): Promise<void> => {
    try {
      await append([event]);
    } catch (err) {
      log.debug({ err, kind: event.kind }, 'own record not written');
    }
  };

  const tryOpen = (): void => {
    try {
      opened = open(context);
      const { size, root } = opened.log.head;
      if (opened.log.fault) log.error({ err: opened.log.fault }, 'the log does not verify: reads only');
      else log.info({ size, root }, 'the log is open');
      void appendOwn({
        kind: 'process.start',
        at: clock.now(),
        origin: 'audit',
        body: { process: 'audit', version },
      });
    } catch (e) {
      const next = refusal(e);
      if (next.detail !== reason.detail) log.error({ err: next }, 'the log cannot be opened');
      reason = next;
    }
  };

  const signHead = ({ log: auditLog, signer }: Opened): void => {
    const { size, root } = auditLog.head;
    if (size === signedSize || auditLog.fault) return;
    const origin = originOf(config.site.id);
    try {
      auditLog.keepCheckpoint(size, signCheckpoint({ origin, size, root: Buffer.from(root, 'hex') }, signer));
      signedSize = size;
      signedAt = clock.monotonic();
    } catch (err) {
      log.debug({ err }, 'no checkpoint now');
    }
  };

  const status = (): z.input<(typeof auditVerbs)['audit.status']['answer']> => {
    let freeBytes: number | undefined;
    try {
      freeBytes = freeBytesOf(join(config.stateDir, 'audit'));
    } catch (err) {
      log.debug({ err }, 'free space');
    }
    const { reserveBytes } = config.audit;
    const closed = opened ? opened.log.fault : reason;
    const full = refusing === undefined ? undefined : errorTable[refusing].text;
    return {
      ...(opened && { head: opened.log.head }),
      health: health.list({
        refusing: closed?.message ?? full,
        freeBytes,
        reserveBytes,
        size: opened?.log.head.size ?? 0,
      }),
    };
  };

  /** What was refused at the box goes to the log, and then out of the tray. */
  let emptying = false;
  const emptyTray = async (): Promise<void> => {
    if (emptying) return;
    emptying = true;
    try {
      const waiting = readTray(config.stateDir);
      if (waiting.length === 0) return;
      const events = waiting.flatMap(({ record }) => (record ? [refusalEvent(record)] : []));
      if (events.length < waiting.length)
        log.warn({ files: waiting.length - events.length }, 'not records of refusals');
      if (events.length > 0) await append(events);
      clearTray(config.stateDir, waiting);
    } catch (err) {
      log.debug({ err }, 'refusals stay in their tray');
    } finally {
      emptying = false;
    }
  };

  const tick = (): void => {
    if (!opened) {
      if (reason.retry) tryOpen();
      return;
    }
    void emptyTray();
    const grown = opened.log.head.size - signedSize;
    const due = grown >= CHECKPOINT_RECORDS || between(signedAt, clock.monotonic()) >= CHECKPOINT_AFTER;
    if (grown > 0 && due) signHead(opened);
  };

  tryOpen();
  const readers = ['operator', 'control', 'audit'] as const;
  const server = await serve({
    path: socketPath(config, 'audit'),
    verbs: auditVerbs,
    pushes: auditPushes,
    uids: config.uids,
    access: {
      'audit.append': processNames,
      'audit.head': readers,
      'audit.status': readers,
      'audit.read': readers,
      'audit.checkpoint': readers,
    },
    log,
    handlers: {
      'audit.append': ({ events }, { roles, pid }) => {
        const stranger = events.find((event) => !roles.has(event.origin));
        if (stranger) {
          log.warn({ pid, origin: stranger.origin }, 'a caller appends under a name that is not its own');
          throw new Fault('IPC_REFUSED', `the caller is not ${stranger.origin}`);
        }
        return append(events);
      },
      'audit.head': () => current().log.head,
      'audit.status': status,
      'audit.read': ({ from, limit }) => ({ records: current().log.read(from, limit) }),
      'audit.checkpoint': () => {
        const note = current().log.checkpoint;
        return { ...(note !== undefined && { note }), key: formatVerifierKey(current().signer.verifier) };
      },
    },
  });
  const timer = setInterval(tick, TICK);

  return async () => {
    clearInterval(timer);
    await server.close();
    if (!opened) return;
    await emptyTray();
    const stopped = appendOwn({
      kind: 'process.stop',
      at: clock.now(),
      origin: 'audit',
      body: { process: 'audit', reason: 'stopped' },
    });
    opened.log.close();
    await stopped;
    signHead(opened);
    opened.store.close();
  };
});
