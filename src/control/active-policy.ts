/**
 * The policy set in force. Replaced whole or not at all: a new text is read, checked and made ready before the
 * old set stops deciding.
 *
 * A file that is wrong when control starts doesn't leave the gateway without decisions: the set that was in force
 * last decides on, and the health list says so. Only a gateway that never had a valid set refuses to start.
 */
import { loadPolicySet } from '../policy/policy-set.ts';
import type { PolicySet } from '../policy/policy-set.ts';
import type { AuditBody } from '../wire/audit-event.ts';
import { Fault, isFault } from '../wire/errors.ts';
import type { EpochMillis } from '../wire/units.ts';
import type { StateStore } from './state-store.ts';

export type Reload =
  | { readonly kind: 'activated'; readonly event: AuditBody<'policy.activated'> }
  | { readonly kind: 'unchanged' }
  /** The set in force stays. */
  | { readonly kind: 'refused'; readonly fault: Fault };

export interface ActivePolicyOptions {
  /** The configured file, for messages. */
  readonly file: string;
  readonly read: () => string;
  readonly store: StateStore;
}

export class ActivePolicy {
  readonly #options: ActivePolicyOptions;
  #set: PolicySet | undefined;
  #fault: Fault | undefined;

  constructor(options: ActivePolicyOptions) {
    this.#options = options;
  }

  get set(): PolicySet | undefined {
    return this.#set;
  }

  /** Why the file isn't what is in force; undefined when it is. */
  get fault(): Fault | undefined {
    return this.#fault;
  }

  /** Load the file, or else the set that was in force last. Fault POLICY_INVALID when there is neither. */
  start(now: EpochMillis): AuditBody<'policy.activated'> {
    const loaded = this.#load();
    if (!isFault(loaded)) return this.#activate(loaded, now);
    this.#fault = loaded;
    const last = this.#options.store.lastPolicy();
    if (!last) throw loaded;
    return this.#activate(loadPolicySet(last.text, `${this.#options.file} (as last activated)`), now);
  }

  /** Read the file again. */
  reload(now: EpochMillis): Reload {
    const loaded = this.#load();
    if (isFault(loaded)) {
      this.#fault = loaded;
      return { kind: 'refused', fault: loaded };
    }
    this.#fault = undefined;
    if (loaded.digest === this.#set?.digest) {
      loaded.close();
      return { kind: 'unchanged' };
    }
    return { kind: 'activated', event: this.#activate(loaded, now) };
  }

  #load(): PolicySet | Fault {
    const { file, read } = this.#options;
    let text: string;
    try {
      text = read();
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      return new Fault('POLICY_INVALID', `${file}: ${why}`, { cause });
    }
    try {
      return loadPolicySet(text, file);
    } catch (error) {
      if (isFault(error)) return error;
      throw error;
    }
  }

  #activate(set: PolicySet, now: EpochMillis): AuditBody<'policy.activated'> {
    const before = this.#set;
    this.#set = set;
    before?.close();
    const { revision, digest, text } = set;
    this.#options.store.savePolicy({ revision, digest, text, activated: now });
    return { revision, digest, policies: set.policies.size };
  }
}
