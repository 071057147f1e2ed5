/**
 * The policy set in force where it is a plain file: unsigned, for a gateway that stands alone. Replaced whole or not at
 * all: a new text is read, checked and made ready before the old set stops deciding.
 *
 * A file that is wrong when control starts doesn't leave the gateway without decisions: the set that was in force
 * last decides on, and the health list says so. Only a gateway that never had a valid set refuses to start.
 */
import { loadPolicySet } from '../policy/policy-set.ts';
import type { PolicySet } from '../policy/policy-set.ts';
import type { AuditBody } from '../wire/audit-event.ts';
import { Fault, isFault } from '../wire/errors.ts';
import type { EpochMillis } from '../wire/units.ts';
import type { PolicyStatus } from '../wire/messages.ts';
import type { PolicyFinding, PolicySource, Reload } from './policy-source.ts';
import type { StateStore } from './state-store.ts';

export interface ActivePolicyOptions {
  /** The configured file, for messages. */
  readonly file: string;
  readonly read: () => string;
  readonly store: StateStore;
}

export class ActivePolicy implements PolicySource {
  readonly mode = 'file';
  readonly site = undefined;
  readonly directory = undefined;
  readonly issued = undefined;
  readonly signers = [];
  readonly #options: ActivePolicyOptions;
  #set: PolicySet | undefined;
  #fault: Fault | undefined;

  constructor(options: ActivePolicyOptions) {
    this.#options = options;
  }

  get set(): PolicySet | undefined {
    return this.#set;
  }

  install(): Reload {
    return { kind: 'refused', fault: new Fault('BUNDLE_NO_KEYS') };
  }

  status(): PolicyStatus {
    return {
      mode: 'file',
      ...(this.#set ? { revision: this.#set.revision } : {}),
      signers: [],
      faults: this.#fault ? [this.#fault.message] : [],
    };
  }

  finding(): PolicyFinding {
    const set = this.#set;
    const inForce = set ? `Revision ${set.revision}, ${set.policies.size} policies.` : 'No policy set.';
    return this.#fault
      ? { level: 'critical', text: `The set in force stays: ${inForce} ${this.#fault.message}` }
      : { level: 'ok', text: inForce };
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
