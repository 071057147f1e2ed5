/**
 * An update over HTTPS (RFC 9110, RFC 9112), from an address that configuration names, authenticated by a pinned CA. A file
 * that is cut off goes on where it stopped (`Range`, RFC 9110 section 14), in this attempt or in the next one after a restart.
 *
 * What isn't accepted: redirects, encodings, another length or range than the signed manifest says. A server that
 * trickles is given up after a window with too few bytes in it; attempts that don't get far are counted. What surprises: a server may
 * answer a range with the whole file (200); then what is there already is read and dropped.
 */
import { Agent, request } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { setTimeout as pauseFor } from 'node:timers/promises';
import { Fault, isFault } from '../../wire/errors.ts';
import type { Source } from './source.ts';

export interface Patience {
  /** In each window at least so many bytes arrive, or the attempt ends. */
  readonly windowMs: number;
  readonly windowBytes: number;
  /** Attempts in a row that bring less than `farBytes`. */
  readonly attempts: number;
  readonly farBytes: number;
  readonly pause: (ms: number) => Promise<unknown>;
}

const patient: Patience = {
  windowMs: 30_000,
  windowBytes: 64 * 1024,
  attempts: 6,
  farBytes: 1024 * 1024,
  pause: pauseFor,
};
const FIRST_PAUSE_MS = 1_000;
const LAST_PAUSE_MS = 60_000;

const unreadable = (text: string, cause?: unknown): Fault =>
  new Fault('UPDATE_UNREADABLE', text, cause === undefined ? {} : { cause });

/** An attempt that may be made again. */
class Interrupted extends Error {}

function whole(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,12}$/.test(text) ? Number(text) : undefined;
}

/** How many bytes of the answer come before `from`; a Fault or Interrupted when it isn't an answer to the question. */
function toSkip(answer: IncomingMessage, where: string, from: number, size: number | undefined): number {
  const status = answer.statusCode ?? 0;
  if (status >= 300 && status < 400)
    throw unreadable(`${where}: the server points elsewhere, which isn't followed.`);
  if (status === 429 || status >= 500) throw new Interrupted(`${where}: status ${status}`);
  if (status !== 200 && status !== 206)
    throw unreadable(`${where}: the server answers with status ${status}.`);
  if (answer.headers['content-encoding'] !== undefined) throw unreadable(`${where}: the answer is encoded.`);
  const length = whole(answer.headers['content-length']);
  if (status === 206) {
    const range = /^bytes (\d{1,12})-(\d{1,12})\/(\d{1,12})$/.exec(answer.headers['content-range'] ?? '');
    const [, first, last, all] = (range ?? []).map(Number);
    if (size === undefined || from === 0 || first !== from || last !== size - 1 || all !== size)
      throw unreadable(`${where}: the server answers with another range than was asked for.`);
    if (length !== undefined && length !== size - from) throw unreadable(`${where}: the length is wrong.`);
    return 0;
  }
  if (size !== undefined && length !== undefined && length !== size)
    throw unreadable(`${where}: ${length} bytes long, ${size} are signed.`);
  return from;
}

export function httpsSource(base: string, ca: string, patience: Patience = patient): Source {
  const root = new URL(base.endsWith('/') ? base : `${base}/`);
  if (root.protocol !== 'https:' || root.search !== '' || root.hash !== '' || root.username !== '')
    throw unreadable(`${base} isn't a plain https address.`);
  const agent = new Agent({ ca, keepAlive: false, minVersion: 'TLSv1.2' });

  /** One attempt: pieces of the file after `from`. */
  async function* attempt(name: string, from: number, size: number | undefined): AsyncGenerator<Buffer> {
    const where = new URL(name, root).href;
    let arrived = 0;
    const headers = { 'accept-encoding': 'identity', ...(from > 0 ? { range: `bytes=${from}-` } : {}) };
    const ask = request(where, { agent, headers });
    const watch = setInterval(() => {
      if (arrived < patience.windowBytes) ask.destroy(new Interrupted(`${where}: too slow`));
      arrived = 0;
    }, patience.windowMs);
    try {
      const answer = await new Promise<IncomingMessage>((resolve, reject) => {
        ask.once('response', resolve).once('error', reject).end();
      });
      let skip = toSkip(answer, where, from, size);
      for await (const piece of answer) {
        const bytes = piece as Buffer;
        arrived += bytes.length;
        const rest = bytes.subarray(Math.min(skip, bytes.length));
        skip -= bytes.length - rest.length;
        if (rest.length > 0) yield rest;
      }
    } catch (cause) {
      throw isFault(cause)
        ? cause
        : new Interrupted(cause instanceof Error ? cause.message : where, { cause });
    } finally {
      clearInterval(watch);
      // What comes later of an answer that wasn't read to its end is nobody's error.
      ask.on('error', () => undefined).destroy();
    }
  }

  /** Called after each attempt that fell short; a Fault when it was the last. */
  function patienceFor(name: string): (got: number, reason: unknown) => Promise<void> {
    let failed = 0;
    return async (got, reason) => {
      failed = got >= patience.farBytes ? 0 : failed + 1;
      const text = reason instanceof Error ? reason.message : 'it keeps ending early';
      if (failed >= patience.attempts) throw unreadable(`${name}: ${text}.`, reason);
      await patience.pause(Math.min(FIRST_PAUSE_MS * 2 ** failed, LAST_PAUSE_MS));
    };
  }

  return {
    async small(name, limit) {
      for (const again = patienceFor(name); ;) {
        let bytes = Buffer.alloc(0);
        try {
          for await (const piece of attempt(name, 0, undefined)) {
            bytes = Buffer.concat([bytes, piece]);
            if (bytes.length > limit) throw new Fault('UPDATE_MALFORMED', `${name} is too long.`);
          }
          return bytes;
        } catch (error) {
          if (!(error instanceof Interrupted)) throw error;
          await again(0, error);
        }
      }
    },
    async *read(name, from, size) {
      const again = patienceFor(name);
      for (let at = from; at < size;) {
        const before = at;
        let reason: unknown;
        try {
          for await (const piece of attempt(name, at, size)) {
            at += piece.length;
            yield piece;
          }
        } catch (error) {
          if (!(error instanceof Interrupted)) throw error;
          reason = error;
        }
        if (at < size) await again(at - before, reason);
      }
    },
  };
}
