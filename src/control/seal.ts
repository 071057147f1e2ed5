/**
 * What control must not forget of policy, sealed apart from its store: the highest revision ever seen, who may sign,
 * and who no longer may. A store that is put back from a copy brings none of that back.
 *
 * Two steps, so that a power cut between seal and store is told from a store that was put back: `pending` before the
 * store's transaction, `settled` after it.
 *
 *   seal             store's active    what happened
 *   settled 7        7                 nothing
 *   pending 8        7 (as settled)    the power went before the transaction: 7 decides, 8 counts as seen
 *   pending 8        8                 the power went after it: 8 decides, and is settled now
 *   settled 8        7                 the store was put back: 7 doesn't decide
 *
 * Where it is kept is the port's: a file (`store/sealed-file.ts`), on another disk where there is one, or a TPM's NV
 * memory. A file is as old as the disk that it is on: an image of everything, put back, brings an old seal back too.
 */
import * as z from 'zod';
import { isFault } from '../wire/errors.ts';
import { integer } from '../wire/scalar.ts';
import { signerText } from '../wire/signer.ts';

export interface SealPort {
  read():
    | { readonly kind: 'text'; readonly text: string }
    | { readonly kind: 'missing' }
    | { readonly kind: 'damaged'; readonly detail: string };
  /** Durable when it returns. Fault SEAL_UNAVAILABLE. */
  write(text: string): void;
}

/** A bundle that was seen, and who may sign from it on. */
const mark = z.strictObject({
  revision: integer.min(1),
  digest: z.string().regex(/^[0-9a-f]{64}$/),
  /** Signers that bundles brought in; none before the first rotation, and then the configured ones count. */
  signers: z.array(signerText),
  /** Signers that bundles took out, configured or not. */
  retired: z.array(signerText),
});
export type Mark = z.infer<typeof mark>;

const state = z.strictObject({
  format: z.literal(1),
  settled: mark.optional(),
  pending: mark.optional(),
});
export type SealState = Omit<z.infer<typeof state>, 'format'>;

export class Seal {
  readonly #port: SealPort;
  #state: SealState = {};
  #wrong: string | undefined;

  constructor(port: SealPort) {
    this.#port = port;
    const reading = port.read();
    if (reading.kind === 'damaged') this.#wrong = reading.detail;
    if (reading.kind !== 'text') return;
    const parsed = state.safeParse(parseJson(reading.text));
    if (parsed.success) {
      const { settled, pending } = parsed.data;
      this.#state = { ...(settled ? { settled } : {}), ...(pending ? { pending } : {}) };
    } else this.#wrong = 'it is no seal of this version';
  }

  /** The bundle that was in force last, as far as the seal knows. */
  get settled(): Mark | undefined {
    return this.#state.settled;
  }

  get pending(): Mark | undefined {
    return this.#state.pending;
  }

  /** The highest ever seen. */
  get highest(): Mark | undefined {
    const { settled, pending } = this.#state;
    return pending && (!settled || pending.revision >= settled.revision) ? pending : settled;
  }

  /** What is wrong with it, until it is written anew; undefined in good order. */
  get wrong(): string | undefined {
    return this.#wrong;
  }

  /** Nothing is known: there never was a seal, or it was taken away. */
  get empty(): boolean {
    return this.highest === undefined;
  }

  /** Seen, and about to be in force. Fault SEAL_UNAVAILABLE. */
  intend(next: Mark): void {
    this.#write({ ...this.#state, pending: next });
  }

  /** In force. False when that couldn't be written: the next start finds it out by itself. */
  settle(now: Mark): boolean {
    try {
      this.#write({ settled: now });
      return true;
    } catch (error) {
      if (!isFault(error)) throw error;
      this.#wrong = error.message;
      return false;
    }
  }

  #write(next: SealState): void {
    this.#port.write(JSON.stringify({ format: 1, ...next }));
    this.#state = next;
    this.#wrong = undefined;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Told by the schema: undefined is no seal.
    return undefined;
  }
}
