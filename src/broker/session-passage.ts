/**
 * The way through an open or refusing session: carries out what the gate says, keeps the state of the two sides, and
 * holds the user's bytes until there is a gate.
 *
 * Backpressure: a side is paused while what it fills is full. Both are resumed at any `drain`, which at worst lets one
 * read more through than needed.
 */
import type { Grant } from '../wire/grant.ts';
import type { Effect } from './gate/gate.ts';
import type { Note, SessionAccount } from './session-account.ts';
import type { SessionEffects } from './session-effects.ts';
import type { SessionLimits } from './session-limits.ts';
import type { Side } from './surroundings.ts';

/** Bytes held of a user who speaks before the session is open; its socket is paused above. */
const HOLD_BYTES = 16 * 1024;

/** What a list of gate effects leads to, besides what was carried out. */
export interface Outcome {
  /** The gate ended, and why. */
  readonly ended: string | undefined;
  /** A record could not be kept. */
  readonly unrecorded: boolean;
}

export class SessionPassage {
  readonly #effects: SessionEffects;
  readonly #account: SessionAccount;
  readonly #limits: SessionLimits;
  readonly #keep: (note: Note) => boolean;
  readonly #paused = { user: false, device: false };
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  /** The side sent its last byte. */
  readonly closedHalf = { user: false, device: false };
  /** The socket is closed, or was never opened. */
  readonly gone = { user: false, device: true };

  constructor(
    effects: SessionEffects,
    account: SessionAccount,
    limits: SessionLimits,
    keep: (note: Note) => boolean,
  ) {
    this.#effects = effects;
    this.#account = account;
    this.#limits = limits;
    this.#keep = keep;
  }

  /** Carry out what the gate says. `from`: the side whose bytes led to it. `grant`: none in a refused session. */
  carry(effects: readonly Effect[], from: Side, grant: Grant | undefined): Outcome {
    let ended: string | undefined;
    let unrecorded = false;
    const note = (each: Note | undefined): void => {
      if (each !== undefined && !this.#keep(each)) unrecorded = true;
    };
    if (effects.length > 1) this.#effects.cork();
    for (const effect of effects) {
      switch (effect.kind) {
        case 'send':
          // A refused session has no device; a gate that named one would be wrong, and this makes it harmless.
          if (grant || effect.to === 'user') this.#send(effect.to, effect.bytes, from);
          break;
        case 'unit':
          if (grant) note(this.#account.unit(effect, grant));
          break;
        case 'refused':
          if (grant) note(this.#account.unitRefused(effect, grant));
          break;
        case 'weird':
          this.#effects.weird(effect.name, effect.from, effect.offset, effect.detail);
          break;
        case 'end':
          ended = effect.reason;
          break;
      }
    }
    if (effects.length > 1) this.#effects.uncork();
    return { ended, unrecorded };
  }

  /** Keep what the user says for later; pause it when it is enough. */
  hold(bytes: Uint8Array): void {
    this.#held.push(bytes);
    this.#heldBytes += bytes.length;
    if (this.#heldBytes >= HOLD_BYTES) this.#pause('user');
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** What was held, once. */
  takeHeld(): Uint8Array[] {
    this.#heldBytes = 0;
    return this.#held.splice(0);
  }

  resume(side: Side): void {
    if (!this.#paused[side]) return;
    this.#paused[side] = false;
    this.#effects.resume(side);
  }

  #send(to: Side, bytes: Uint8Array, from: Side): void {
    if (bytes.length === 0 || this.gone[to]) return;
    this.#account.sent(to, bytes.length);
    if (to === 'device') this.#limits.sentToDevice();
    if (!this.#effects.send(to, bytes)) this.#pause(from);
  }

  #pause(side: Side): void {
    if (this.#paused[side]) return;
    this.#paused[side] = true;
    this.#effects.pause(side);
  }
}
