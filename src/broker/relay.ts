/**
 * The two sockets of one session: turns what they say into the session's inputs, and the session's sends into
 * writes. Types of sockets only; `main` opens them.
 *
 * Backpressure: a write that fills one socket pauses the other until `drain`, so a session holds at most one
 * read beyond each socket's own buffer. Nothing is copied: the chunk that was read is what is written.
 * Nagle is off on both sides: request-and-response protocols such as DIMSE lose 40 ms a message to it.
 * Half-close is kept (`allowHalfOpen`), so a FIN passes on as a FIN and not as the end of both directions.
 *
 * What surprises: `reset` sends RST on purpose, so that a side that doesn't read can't hold the socket; a reset of
 * a socket that is still connecting just gives up.
 */
import type { Socket } from 'node:net';
import type { Endpoint } from '../wire/address.ts';
import type { Session } from './session.ts';
import type { Cancel, Schedule, Side } from './surroundings.ts';

/**
 * Bytes that wait for the kernel from which on a socket counts as full. `write` itself says so already for one read
 * that left at once, and a pause and a resume for each read cost more than the read. It has to be more than a
 * socket's own high-water mark (64 KiB), above which `drain` is sure to follow.
 */
const FULL_BYTES = 128 * 1024;

/** A socket that is connecting to `to`, with half-open allowed. */
export type Dial = (to: Endpoint) => Socket;

/** The system's name for what went wrong with a connection. */
const nameOf = (error: Error): string =>
  'code' in error && typeof error.code === 'string' ? error.code : error.message;

export class Relay {
  readonly #user: Socket;
  #device: Socket | undefined;
  readonly #dial: Dial;
  readonly #schedule: Schedule;
  #session: Session | undefined;
  #wake: Cancel | undefined;
  #corked = false;

  constructor(user: Socket, dial: Dial, schedule: Schedule) {
    this.#user = user;
    this.#dial = dial;
    this.#schedule = schedule;
  }

  /** Start reading the user's side for `session`. */
  attach(session: Session): void {
    this.#session = session;
    this.#user.setNoDelay(true);
    this.#listen('user', this.#user, session);
    this.#user.resume();
  }

  dial(to: Endpoint): void {
    const session = this.#session as Session;
    const device = this.#dial(to);
    this.#device = device;
    device.setNoDelay(true);
    let connected = false;
    device.once('connect', () => {
      connected = true;
      this.#listen('device', device, session);
      session.dialled();
    });
    device.on('error', (error) => {
      if (!connected) session.dialFailed(nameOf(error));
    });
  }

  send(to: Side, bytes: Uint8Array): boolean {
    const socket = this.#socket(to);
    if (!socket || socket.destroyed || socket.writableEnded) return true;
    socket.write(bytes);
    return socket.writableLength < FULL_BYTES;
  }

  cork(): void {
    this.#corked = true;
    this.#user.cork();
    this.#device?.cork();
  }

  uncork(): void {
    if (!this.#corked) return;
    this.#corked = false;
    this.#user.uncork();
    this.#device?.uncork();
  }

  finish(side: Side): void {
    const socket = this.#socket(side);
    if (socket && !socket.writableEnded) socket.end();
  }

  reset(side: Side): void {
    const socket = this.#socket(side);
    if (!socket || socket.destroyed) return;
    if (socket.connecting) socket.destroy();
    else socket.resetAndDestroy();
  }

  pause(side: Side): void {
    this.#socket(side)?.pause();
  }

  resume(side: Side): void {
    this.#socket(side)?.resume();
  }

  wake(afterMs: number): void {
    this.#wake?.();
    this.#wake = this.#schedule(afterMs, () => this.#session?.timer());
  }

  /** The session is over: no timer may keep it. */
  release(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  #socket(side: Side): Socket | undefined {
    return side === 'user' ? this.#user : this.#device;
  }

  #listen(side: Side, socket: Socket, session: Session): void {
    socket.on('data', (bytes: Buffer) => session.bytes(side, bytes));
    socket.on('end', () => session.closedHalf(side));
    socket.on('drain', () => session.drained());
    // 'close' follows and tells the session; without a listener an error would end the process.
    if (side === 'user') socket.on('error', () => undefined);
    socket.on('close', () => session.gone(side));
  }
}
