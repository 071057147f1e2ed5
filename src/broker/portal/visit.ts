/**
 * Connections of the portal: one request each, within a time and a number of them. A peer that opens many uses up its
 * own places; one that sends slowly or not at all is closed.
 */
import type { Socket } from 'node:net';
import { inPrefix } from '../../wire/address.ts';
import type { Log, Schedule } from '../surroundings.ts';
import { ANSWER_LIMIT, MAX_BODY, MAX_HEAD, REQUEST_LIMIT, VISITS, VISITS_PER_PEER } from './constants.ts';
import type { Portal } from './portal.ts';
import { problem } from './portal.ts';
import { parseRequest } from './request.ts';
import { encodeResponse } from './response.ts';
import type { Response } from './response.ts';

export interface VisitsOptions {
  readonly portal: Portal;
  /** Addresses inside the tunnel: nobody else is answered. */
  readonly overlay: string;
  /** The peer of an address, or the address. */
  readonly peerOf: (address: string) => string;
  readonly schedule: Schedule;
  readonly log: Log;
}

export class Visits {
  readonly #options: VisitsOptions;
  readonly #byPeer = new Map<string, number>();
  #open = 0;

  constructor(options: VisitsOptions) {
    this.#options = options;
  }

  get open(): number {
    return this.#open;
  }

  /** A connection reached the portal. The socket is paused and allows half-open. */
  accept(socket: Socket): void {
    const { remoteAddress: address, remotePort: port } = socket;
    const { overlay, peerOf } = this.#options;
    socket.on('error', () => undefined);
    if (address === undefined || port === undefined || !inPrefix(address, overlay)) {
      socket.resetAndDestroy();
      return;
    }
    const peer = peerOf(address);
    const mine = this.#byPeer.get(peer) ?? 0;
    if (this.#open >= VISITS || mine >= VISITS_PER_PEER) {
      socket.resetAndDestroy();
      return;
    }
    this.#open++;
    this.#byPeer.set(peer, mine + 1);
    socket.once('close', () => {
      this.#open--;
      const left = (this.#byPeer.get(peer) ?? 1) - 1;
      if (left > 0) this.#byPeer.set(peer, left);
      else this.#byPeer.delete(peer);
    });
    this.#serve(socket, { address, port });
  }

  #serve(socket: Socket, source: { readonly address: string; readonly port: number }): void {
    const { portal, schedule, log } = this.#options;
    const parts: Uint8Array[] = [];
    let length = 0;
    let method = '';
    let late = schedule(REQUEST_LIMIT, () => send(problem(408, 'slow', 'The request took too long.', false)));
    const send = (response: Response): void => {
      late();
      socket.off('data', take);
      socket.resume();
      if (socket.destroyed) return;
      late = schedule(ANSWER_LIMIT, () => socket.destroy());
      socket.end(encodeResponse(response, method === 'HEAD'));
    };
    const take = (bytes: Uint8Array): void => {
      parts.push(bytes);
      length += bytes.length;
      const parsed = parseRequest(parts.length === 1 ? bytes : Buffer.concat(parts, length));
      if (parsed.kind === 'incomplete') {
        if (length > MAX_HEAD + MAX_BODY + 4) send(problem(413, 'size', 'The request is too large.', false));
        return;
      }
      if (parsed.kind === 'malformed') {
        const { detail, offset, status } = parsed;
        log.info({ source: source.address, name: `portal_${detail}`, offset }, 'weird');
        send(problem(status, detail, 'The request could not be read.', false));
        return;
      }
      late();
      socket.off('data', take);
      socket.pause();
      ({ method } = parsed.request);
      late = schedule(ANSWER_LIMIT, () => socket.destroy());
      void portal.answer(parsed.request, source).then(send);
    };
    socket.on('data', take);
    // A user who closes her half before the request is whole will send no more of it.
    socket.once('end', () => {
      if (method === '') socket.destroy();
    });
    socket.once('close', () => late());
    socket.resume();
  }
}
