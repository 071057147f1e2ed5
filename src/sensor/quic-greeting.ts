/**
 * What a QUIC client says first: whom it wants and its TLS fingerprint, from the Initial packets of a flow, once a flow.
 *
 * Opening one costs a key derivation and a decryption, and anybody can make datagrams that look like one: `TRIES` a flow,
 * and `A_SECOND` in all. Of hellos that come in several packets `FLOWS` are waited for, the oldest gives way.
 */
import { HelloStream, isInitial, openInitial } from '../protocol/quic/message.ts';
import { ja4 } from '../protocol/tls/ja4.ts';
import { NO_ROW } from './frame.ts';
import type { Frame } from './frame.ts';
import type { HostTable } from './host-table.ts';
import type { Host } from './host.ts';

const TRIES = 4;
const FLOWS = 256;
const A_SECOND = 500;

interface Waiting {
  readonly generation: number;
  tries: number;
  /** Undefined when there is nothing more to know. */
  stream: HelloStream | undefined;
}

export class QuicGreetings {
  readonly #hosts: HostTable;
  readonly #weird: (name: string) => void;
  /** By the flow's row, the oldest first. */
  readonly #waiting = new Map<number, Waiting>();
  #credit = A_SECOND;
  #credited = 0;

  constructor(hosts: HostTable, weird: (name: string) => void) {
    this.#hosts = hosts;
    this.#weird = weird;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** True when the datagram is QUIC's. `host` is its sender. */
  take(host: Host, frame: Frame, bytes: Uint8Array, at: number): boolean {
    if (!isInitial(bytes)) return false;
    if (frame.row === NO_ROW) return true;
    let waiting = this.#waiting.get(frame.row);
    if (waiting?.generation !== frame.generation) {
      // Only a flow that its client begins is one of which something will be known.
      if (frame.side !== 0) return true;
      this.#waiting.delete(frame.row);
      waiting = { generation: frame.generation, tries: 0, stream: new HelloStream() };
      this.#makeRoom();
      this.#waiting.set(frame.row, waiting);
    }
    if (frame.side === 1) {
      // Who answers a client with an Initial packet serves.
      if (waiting.tries > 0) this.#hosts.service(host, 'udp', frame.sourcePort, 'quic');
      return true;
    }
    if (waiting.stream === undefined || waiting.tries >= TRIES || !this.#affords(at)) return true;
    waiting.tries++;
    const opened = openInitial(bytes);
    if (opened.kind === 'malformed') {
      this.#weird(opened.name);
      return true;
    }
    if (!waiting.stream.add(opened.message)) {
      waiting.stream = undefined;
      this.#weird('quic_hello');
      return true;
    }
    const offer = waiting.stream.hello();
    if (offer === undefined) return true;
    waiting.stream = undefined;
    if (offer.serverName !== undefined) this.#hosts.say(host, 'quic', 'serverName', offer.serverName, at);
    this.#hosts.say(host, 'quic', 'ja4', ja4(offer.hello, 'q'), at);
    return true;
  }

  #affords(at: number): boolean {
    const passed = Math.max(0, at - this.#credited);
    this.#credit = Math.min(A_SECOND, this.#credit + (passed / 1000) * A_SECOND);
    this.#credited = at;
    if (this.#credit < 1) return false;
    this.#credit--;
    return true;
  }

  #makeRoom(): void {
    if (this.#waiting.size < FLOWS) return;
    for (const oldest of this.#waiting.keys()) {
      this.#waiting.delete(oldest);
      return;
    }
  }
}
