/**
 * The calling end of a local socket. It connects by itself and again whenever the other process comes back;
 * a call waits for the connection within its own time limit. Calls that were under way when the connection
 * broke fail with IPC_UNREACHABLE: the caller knows best whether saying it twice is harmless.
 */
import { connect as netConnect } from 'node:net';
import type { Socket } from 'node:net';
import type { z } from 'zod';
import type { Logger } from '../platform/log.ts';
import { Fault, isErrorCode } from '../wire/errors.ts';
import type { Pushes, Verbs } from '../wire/messages.ts';
import { FrameReader, clientFrame, encodeFrame } from './frame.ts';

const FIRST_BACKOFF_MS = 50;
const LAST_BACKOFF_MS = 1000;
const DEFAULT_TIMEOUT_MS = 5000;
const MAX_WAITING = 8192;

export interface ConnectOptions<V extends Verbs, P extends Pushes> {
  readonly path: string;
  readonly verbs: V;
  readonly pushes: P;
  readonly log: Logger;
  readonly onPush?: <K extends keyof P & string>(event: K, body: z.output<P[K]>) => void;
  readonly onConnect?: () => void;
  readonly onDisconnect?: () => void;
}

export interface Client<V extends Verbs> {
  readonly connected: boolean;
  /** The answer, checked against its schema. Faults IPC_UNREACHABLE, IPC_TIMEOUT, or the server's own. */
  call<K extends keyof V & string>(
    verb: K,
    body: z.input<V[K]['request']>,
    options?: { readonly timeoutMs?: number },
  ): Promise<z.output<V[K]['answer']>>;
  close(): void;
}

interface Waiting {
  readonly verb: string;
  readonly bytes: Buffer;
  sent: boolean;
  readonly resolve: (body: unknown) => void;
  readonly reject: (fault: Fault) => void;
  readonly timer: NodeJS.Timeout;
}

export function connect<V extends Verbs, P extends Pushes>(options: ConnectOptions<V, P>): Client<V> {
  const { path, log } = options;
  const waiting = new Map<number, Waiting>();
  let socket: Socket | undefined;
  let connected = false;
  let closed = false;
  let nextId = 1;
  let backoff = FIRST_BACKOFF_MS;
  let retry: NodeJS.Timeout | undefined;

  const settle = (id: number): Waiting | undefined => {
    const entry = waiting.get(id);
    if (entry) {
      clearTimeout(entry.timer);
      waiting.delete(id);
    }
    return entry;
  };

  const receive = (value: unknown): boolean => {
    const frame = clientFrame.safeParse(value);
    if (!frame.success) return false;
    if ('push' in frame.data) {
      const schema = Object.hasOwn(options.pushes, frame.data.push)
        ? options.pushes[frame.data.push]
        : undefined;
      const body = schema?.safeParse(frame.data.body);
      if (!body?.success) return false;
      options.onPush?.(frame.data.push, body.data as never);
      return true;
    }
    const entry = settle(frame.data.id);
    if (!entry) return true;
    if ('fault' in frame.data) {
      const { code, detail } = frame.data.fault;
      entry.reject(isErrorCode(code) ? new Fault(code, detail) : new Fault('INTERNAL', `${code} ${detail}`));
      return true;
    }
    const body = options.verbs[entry.verb]?.answer.safeParse(frame.data.body);
    if (body?.success) entry.resolve(body.data);
    else
      entry.reject(
        new Fault('IPC_MALFORMED', `${entry.verb}: ${body?.error.issues[0]?.message ?? 'answer'}`),
      );
    return true;
  };

  const open = (): void => {
    const s = netConnect(path);
    socket = s;
    const reader = new FrameReader();
    s.on('connect', () => {
      connected = true;
      backoff = FIRST_BACKOFF_MS;
      for (const entry of waiting.values()) {
        if (!entry.sent) {
          entry.sent = true;
          s.write(entry.bytes);
        }
      }
      options.onConnect?.();
    });
    s.on('data', (chunk: Buffer) => {
      for (const decoded of reader.read(chunk)) {
        if (decoded.kind === 'malformed' || !receive(decoded.value)) {
          log.error({ path }, 'the serving process sent a frame that was not understood');
          s.destroy();
          return;
        }
      }
    });
    s.on('error', (err) => log.debug({ err, path }, 'local socket'));
    s.on('close', () => {
      const was = connected;
      connected = false;
      if (was) {
        for (const [id, entry] of waiting)
          if (entry.sent) settle(id)?.reject(new Fault('IPC_UNREACHABLE', path));
        options.onDisconnect?.();
      }
      if (closed) return;
      retry = setTimeout(open, backoff);
      backoff = Math.min(backoff * 2, LAST_BACKOFF_MS);
    });
  };
  open();

  return {
    get connected() {
      return connected;
    },
    call: (verb, body, { timeoutMs = DEFAULT_TIMEOUT_MS } = {}) => {
      const { promise, resolve, reject } = Promise.withResolvers<unknown>();
      const id = nextId++;
      const bytes = encodeFrame({ id, verb, body });
      if (closed) reject(new Fault('IPC_UNREACHABLE', `${path} is closed`));
      else if (!bytes) reject(new Fault('IPC_MALFORMED', `${verb}: larger than a frame may be`));
      else if (waiting.size >= MAX_WAITING)
        reject(new Fault('IPC_UNREACHABLE', `${path}: too many calls wait`));
      else {
        const timer = setTimeout(() => {
          const sent = settle(id)?.sent ?? false;
          reject(new Fault(sent ? 'IPC_TIMEOUT' : 'IPC_UNREACHABLE', `${verb} on ${path}`));
        }, timeoutMs);
        const entry: Waiting = { verb, bytes, sent: connected, resolve, reject, timer };
        waiting.set(id, entry);
        if (connected) socket?.write(bytes);
      }
      return promise as never;
    },
    close: () => {
      closed = true;
      clearTimeout(retry);
      socket?.destroy();
      for (const id of waiting.keys()) settle(id)?.reject(new Fault('IPC_UNREACHABLE', `${path} is closed`));
    },
  };
}
