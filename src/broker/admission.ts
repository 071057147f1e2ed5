/**
 * Who gets a place: sessions per peer and in all, counted from the moment a connection is accepted, so that
 * connections which are still being decided are bounded too.
 *
 * A connection past the limit may still be refused in the words of its protocol, which takes a place of another,
 * smaller kind while the user says its first message; past that it is dropped without a word. A peer that opens
 * a thousand connections uses up its own places and nobody else's.
 *
 * Refusals of this kind are recorded one by one only for the first in `TALLY_MS`; the rest is counted into one
 * record, or the audit log would be the thing that floods.
 */
import { addressBytes } from '../wire/address.ts';
import type { Config } from '../wire/config.ts';
import type { Cancel, Schedule } from './surroundings.ts';

/** Connections that are being refused for the limit, from one peer and in all. */
const REFUSALS_PER_PEER = 16;
const REFUSALS = 256;
/** Span over which one peer's further refusals are counted into one record. */
const TALLY_MS = 60_000;
/** Peers whose refusals are counted apart. */
const TALLIES = 4096;

export interface Place {
  /** `session`: go on. `refusal`: say that there is no room. `drop`: close without a word. */
  readonly kind: 'session' | 'refusal' | 'drop';
  /** The peer that the source address belongs to, or the address itself. */
  readonly peer: string;
  /** Give the place back; once. */
  leave(): void;
}

/** Finds the configured peer of a source address: exact addresses by map, wider prefixes by walking them. */
export class PeerDirectory {
  readonly #exact = new Map<string, string>();
  readonly #wide: { readonly base: Uint8Array; readonly length: number; readonly peer: string }[] = [];

  constructor(peers: Config['peers']) {
    for (const peer of peers) {
      for (const prefix of peer.allowedIps) {
        const [address = '', length = ''] = prefix.split('/');
        const base = addressBytes(address);
        if (!base) continue;
        if (Number(length) === base.length * 8) this.#exact.set(base.join('.'), peer.id);
        else this.#wide.push({ base, length: Number(length), peer: peer.id });
      }
    }
    // The longest prefix wins, as in the tunnel's own table.
    this.#wide.sort((a, b) => b.length - a.length);
  }

  /** The peer's id, or the address where none has it. */
  peerOf(address: string): string {
    const bytes = addressBytes(address);
    if (!bytes) return address;
    const exact = this.#exact.get(bytes.join('.'));
    if (exact !== undefined) return exact;
    const wide = this.#wide.find(({ base, length }) => contains(base, length, bytes));
    return wide?.peer ?? address;
  }
}

function contains(base: Uint8Array, length: number, address: Uint8Array): boolean {
  if (base.length !== address.length) return false;
  for (let i = 0; 8 * i < length; i++) {
    const mask = (0xff << (8 - Math.min(8, length - 8 * i))) & 0xff;
    if (((base[i] ?? 0) & mask) !== ((address[i] ?? 0) & mask)) return false;
  }
  return true;
}

interface Tally {
  count: number;
  readonly cancel: Cancel;
}

export interface AdmissionOptions {
  readonly limits: Pick<Config['broker']['limits'], 'sessions' | 'sessionsPerPeer'>;
  readonly peers: PeerDirectory;
  readonly schedule: Schedule;
  /** Called at the end of a span with the number of refusals that were not recorded one by one. */
  readonly onTally: (peer: string, count: number) => void;
}

export class Admission {
  readonly #options: AdmissionOptions;
  readonly #sessions = new Map<string, number>();
  readonly #refusals = new Map<string, number>();
  readonly #tallies = new Map<string, Tally>();
  #open = 0;
  #refusing = 0;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  /** Places taken by sessions, and by connections that are being refused. */
  get taken(): { readonly sessions: number; readonly refusals: number } {
    return { sessions: this.#open, refusals: this.#refusing };
  }

  enter(address: string): Place {
    const { limits } = this.#options;
    const peer = this.#options.peers.peerOf(address);
    if (this.#open < limits.sessions && (this.#sessions.get(peer) ?? 0) < limits.sessionsPerPeer) {
      this.#open++;
      return this.#place('session', peer, this.#sessions, () => this.#open--);
    }
    if (this.#refusing < REFUSALS && (this.#refusals.get(peer) ?? 0) < REFUSALS_PER_PEER) {
      this.#refusing++;
      return this.#place('refusal', peer, this.#refusals, () => this.#refusing--);
    }
    return { kind: 'drop', peer, leave: () => undefined };
  }

  /** True when a refusal of `peer` is to be recorded by itself; otherwise it has been counted. */
  worthRecording(peer: string): boolean {
    const key = this.#tallies.has(peer) || this.#tallies.size < TALLIES ? peer : '';
    const tally = this.#tallies.get(key);
    if (tally) {
      tally.count++;
      return false;
    }
    const cancel = this.#options.schedule(TALLY_MS, () => this.#closeTally(key));
    this.#tallies.set(key, { count: 0, cancel });
    return true;
  }

  /** Report every open count now. */
  close(): void {
    for (const key of this.#tallies.keys()) this.#closeTally(key);
  }

  #closeTally(peer: string): void {
    const tally = this.#tallies.get(peer);
    if (!tally) return;
    tally.cancel();
    this.#tallies.delete(peer);
    if (tally.count > 0) this.#options.onTally(peer, tally.count);
  }

  #place(kind: 'session' | 'refusal', peer: string, counts: Map<string, number>, release: () => void): Place {
    counts.set(peer, (counts.get(peer) ?? 0) + 1);
    let held = true;
    const leave = (): void => {
      if (!held) return;
      held = false;
      release();
      const left = (counts.get(peer) ?? 1) - 1;
      if (left > 0) counts.set(peer, left);
      else counts.delete(peer);
    };
    return { kind, peer, leave };
  }
}
