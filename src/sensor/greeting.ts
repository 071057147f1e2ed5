/**
 * A flow whose ends say first who they are: one gathered head a direction, read until it told enough, then the flow
 * is left alone. What is read, and from how much, is the protocol's.
 */
import type { Side } from './flow.ts';
import { Gather } from './gather.ts';
import type { Conversation, ProtocolRow, Recognition, Speaker } from './identify.ts';

/** Longest head that is waited for. */
const HEAD_LIMIT = 8192;

/** Reads what one direction began with; true when it was enough. `last`: no more will come. */
export type ReadHead = (speaker: Speaker, from: Side, head: Uint8Array, at: number, last: boolean) => boolean;

class Greeting implements Conversation {
  readonly #speaker: Speaker;
  readonly #read: ReadHead;
  /** Heads that go on in another segment; most come in one. */
  #client: Gather | undefined;
  #server: Gather | undefined;
  #at = 0;

  constructor(speaker: Speaker, read: ReadHead) {
    this.#speaker = speaker;
    this.#read = read;
  }

  push(from: Side, chunk: Uint8Array, at: number): boolean {
    this.#at = at;
    const gathered = from === 0 ? this.#client : this.#server;
    if (gathered === undefined && this.#read(this.#speaker, from, chunk, at, false)) return true;
    const gather = gathered ?? this.#gather(from);
    const room = gather.add(chunk.subarray(0, HEAD_LIMIT - gather.length));
    const last = gather.length === HEAD_LIMIT;
    const isRead = gathered === undefined && !last;
    const enough = room && !isRead && this.#read(this.#speaker, from, gather.bytes, at, last);
    if (!enough && room && gather.length < HEAD_LIMIT) return false;
    this.#release(from);
    return true;
  }

  ended(from: Side): void {
    const gather = from === 0 ? this.#client : this.#server;
    if (gather === undefined) return;
    if (gather.length > 0) this.#read(this.#speaker, from, gather.bytes, this.#at, true);
    this.#release(from);
  }

  #gather(from: Side): Gather {
    const speaker = this.#speaker;
    const gather = new Gather(HEAD_LIMIT, (n) => speaker.hold(n));
    if (from === 0) this.#client = gather;
    else this.#server = gather;
    return gather;
  }

  #release(from: Side): void {
    (from === 0 ? this.#client : this.#server)?.release();
    if (from === 0) this.#client = undefined;
    else this.#server = undefined;
  }
}

/** Who serves: known in a flow whose start was seen, otherwise the lower port. */
export const serverOf = (speaker: Speaker): Side =>
  speaker.opened || speaker.port(0) >= speaker.port(1) ? 1 : 0;

/** A protocol that is read so; `starts`: the bytes, or characters, that it can begin with. */
export const row = (
  name: string,
  starts: string | readonly number[] | undefined,
  recognize: (head: Uint8Array) => Recognition,
  read: ReadHead,
): ProtocolRow => {
  // The side that answers may begin with too little to be read.
  const readSure: ReadHead = (by, from, head, at, last) =>
    !last && recognize(head) === 'more' ? false : read(by, from, head, at, last);
  return {
    name,
    ...(starts === undefined
      ? {}
      : { starts: typeof starts === 'string' ? [...Buffer.from(starts)] : starts }),
    recognize,
    converse: (speaker) => new Greeting(speaker, readSure),
  };
};
