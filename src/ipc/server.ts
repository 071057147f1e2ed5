/**
 * The serving end of a local socket: typed verbs, credentials of the caller, pushes.
 *
 * Backpressure: a caller's requests are handled concurrently up to MAX_IN_FLIGHT, then its socket is paused.
 * A client that doesn't read its pushes is disconnected past MAX_UNSENT_BYTES rather than held in memory.
 */
import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import { dirname } from 'node:path';
import type { z } from 'zod';
import { addon } from '../platform/addon.ts';
import type { PeerCredentials } from '../platform/addon.ts';
import type { Logger } from '../platform/log.ts';
import type { Config } from '../wire/config.ts';
import { Fault, isFault } from '../wire/errors.ts';
import type { Pushes, Verbs } from '../wire/messages.ts';
import { rolesOf } from './access.ts';
import type { Access, Role } from './access.ts';
import { FrameReader, encodeFrame, requestFrame } from './frame.ts';
import type { AnswerFrame, PushFrame, RequestFrame } from './frame.ts';

const MAX_IN_FLIGHT = 1024;
const MAX_UNSENT_BYTES = 16 * 1024 * 1024;
const MAX_CONNECTIONS = 64;

/** Who called: `connection` tells connections apart while they last. */
export interface Caller {
  readonly roles: ReadonlySet<Role>;
  readonly pid: number;
  readonly uid: number;
  readonly connection: number;
}

type Answer<A extends z.ZodType> = z.input<A> | Promise<z.input<A>>;
export type Handlers<V extends Verbs> = {
  readonly [K in keyof V]: (body: z.output<V[K]['request']>, caller: Caller) => Answer<V[K]['answer']>;
};

export interface ServeOptions<V extends Verbs, P extends Pushes> {
  readonly path: string;
  readonly verbs: V;
  readonly pushes: P;
  readonly access: Access<V>;
  readonly uids: Config['uids'];
  readonly handlers: Handlers<V>;
  readonly log: Logger;
  readonly onConnect?: (caller: Caller) => void;
  readonly onDisconnect?: (caller: Caller) => void;
  /** Test seam; the default asks the kernel. */
  readonly credentials?: (socket: Socket) => PeerCredentials;
}

export interface Server<P extends Pushes> {
  /** Send an event to every connected caller, or to those with `role`. */
  push<K extends keyof P & string>(event: K, body: z.input<P[K]>, role?: Role): void;
  close(): Promise<void>;
}

/** Descriptor of a connected socket: Node keeps it on the handle and has no public name for it. */
function kernelCredentials(socket: Socket): PeerCredentials {
  const fd = (socket as unknown as { _handle?: { fd?: number } })._handle?.fd;
  if (fd === undefined || fd < 0) throw new Fault('IPC_REFUSED', 'the caller is gone');
  return addon().peerCredentials(fd);
}

interface Connection {
  readonly socket: Socket;
  readonly caller: Caller;
}

/** Listen on `path`, replacing a socket left there by a process that was killed. */
export async function serve<V extends Verbs, P extends Pushes>(
  options: ServeOptions<V, P>,
): Promise<Server<P>> {
  const { path, log } = options;
  const connections = new Set<Connection>();
  let counter = 0;

  const send = (connection: Connection, frame: AnswerFrame | PushFrame): void => {
    if (connection.socket.destroyed) return;
    const bytes = encodeFrame(frame);
    if (!bytes) {
      log.error({ path }, 'an answer is larger than a frame may be');
      connection.socket.destroy();
      return;
    }
    connection.socket.write(bytes);
    if (connection.socket.writableLength > MAX_UNSENT_BYTES) {
      log.warn({ path, pid: connection.caller.pid }, 'a caller that does not read is disconnected');
      connection.socket.destroy();
    }
  };

  const answer = async (connection: Connection, frame: RequestFrame): Promise<void> => {
    try {
      const verb = Object.hasOwn(options.verbs, frame.verb) ? options.verbs[frame.verb] : undefined;
      if (!verb) throw new Fault('IPC_UNKNOWN_VERB', frame.verb);
      const allowed = options.access[frame.verb] ?? [];
      if (!allowed.some((role) => connection.caller.roles.has(role)))
        throw new Fault('IPC_REFUSED', frame.verb);
      const body = verb.request.safeParse(frame.body);
      if (!body.success) {
        const issue = body.error.issues[0];
        throw new Fault(
          'IPC_MALFORMED',
          `${frame.verb}: ${issue?.path.map(String).join('.') ?? ''}: ${issue?.message ?? ''}`,
        );
      }
      const handler = options.handlers[frame.verb] as (body: unknown, caller: Caller) => unknown;
      send(connection, { id: frame.id, body: (await handler(body.data, connection.caller)) ?? {} });
    } catch (error) {
      if (!isFault(error)) log.error({ err: error, verb: frame.verb }, 'a handler failed');
      const fault = isFault(error) ? error : new Fault('INTERNAL', frame.verb);
      send(connection, { id: frame.id, fault: { code: fault.code, detail: fault.detail } });
    }
  };

  const accept = (socket: Socket): void => {
    socket.on('error', (err) => log.debug({ err, path }, 'a local connection failed'));
    let credentials: PeerCredentials;
    try {
      credentials = (options.credentials ?? kernelCredentials)(socket);
    } catch (err) {
      log.warn({ err, path }, 'a caller without credentials is disconnected');
      socket.destroy();
      return;
    }
    const roles = rolesOf(credentials.uid, options.uids);
    if (roles.size === 0 || connections.size >= MAX_CONNECTIONS) {
      log.warn(
        { path, uid: credentials.uid, pid: credentials.pid, connections: connections.size },
        'a caller is turned away',
      );
      socket.destroy();
      return;
    }
    const connection: Connection = {
      socket,
      caller: { roles, pid: credentials.pid, uid: credentials.uid, connection: ++counter },
    };
    connections.add(connection);
    const reader = new FrameReader();
    let inFlight = 0;
    socket.on('data', (chunk: Buffer) => {
      for (const decoded of reader.read(chunk)) {
        const frame = decoded.kind === 'frame' ? requestFrame.safeParse(decoded.value) : undefined;
        if (!frame?.success) {
          log.warn({ path, pid: credentials.pid }, 'a malformed frame ends the connection');
          socket.destroy();
          return;
        }
        inFlight++;
        if (inFlight >= MAX_IN_FLIGHT) socket.pause();
        void answer(connection, frame.data).finally(() => {
          inFlight--;
          if (socket.isPaused() && inFlight < MAX_IN_FLIGHT / 2) socket.resume();
        });
      }
    });
    socket.on('close', () => {
      connections.delete(connection);
      options.onDisconnect?.(connection.caller);
    });
    options.onConnect?.(connection.caller);
  };

  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  rmSync(path, { force: true });
  const server = createServer(accept);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => resolve());
  });
  // Anyone may knock; the credentials decide.
  chmodSync(path, 0o666);
  server.on('error', (err) => log.error({ err, path }, 'the local socket failed'));

  return {
    push: (event, body, role) => {
      for (const connection of connections) {
        if (role === undefined || connection.caller.roles.has(role)) send(connection, { push: event, body });
      }
    },
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        for (const { socket } of connections) socket.destroy();
      }),
  };
}
