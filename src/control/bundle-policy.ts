/**
 * The policy set in force where it comes in signed bundles. A bundle is verified, admitted, compiled and tried before
 * anything changes; then it is sealed as seen, put in force by one transaction of the store, and takes over.
 *
 * There is no way back but forward: an older revision is refused, whoever offers it and wherever it lies. What was
 * right once is put in force again by signing it anew with a higher revision.
 *
 * What surprises:
 * - A bundle's time is when it may be activated. One that is in force stays so past it, and says so on the health list:
 *   a clinic isn't locked out by a date or by a clock.
 * - At the start the store's bundle is verified again. Where its signers are no longer pinned (the configuration was
 *   changed), it decides on as long as the seal knows its digest, and says so.
 * - Without a bundle that may decide the process runs and refuses every session: `policy install` mends it.
 */
import { prepareBundle } from '../policy/bundle-content.ts';
import type { PreparedBundle } from '../policy/bundle-content.ts';
import { contentDigest, unframe } from '../policy/bundle.ts';
import { readContent, readSigners, verifyBundle } from '../policy/bundle-verify.ts';
import type { Signers, VerifiedBundle } from '../policy/bundle-verify.ts';
import type { PolicySet } from '../policy/policy-set.ts';
import type { AuditBody } from '../wire/audit-event.ts';
import type { BundleDirectory } from '../wire/bundle.ts';
import { Fault, isFault } from '../wire/errors.ts';
import type { BundleSummary, PolicyStatus } from '../wire/messages.ts';
import type { SignerText } from '../wire/signer.ts';
import type { SiteData } from '../wire/site-data.ts';
import { epochMillis } from '../wire/units.ts';
import type { Clock, EpochMillis } from '../wire/units.ts';
import { admit, listsOf, sparing } from './bundle-admission.ts';
import type { BundleRow, BundleStore } from './bundle-store.ts';
import { eventOf, summary, summaryOf } from './bundle-summary.ts';
import { bundleFinding } from './bundle-finding.ts';
import type { PolicyFinding, PolicySource, Reload } from './policy-source.ts';
import { Seal } from './seal.ts';
import type { Mark, SealPort } from './seal.ts';

/** How long a bundle's vectors may take, ms. */
const VECTORS_MS = 1_000;

/** What `main` hands in where the configuration pins signers. */
export interface BundlePorts {
  /** The pinned signers' texts, and the files that they are from. */
  readonly pinned: readonly { readonly text: string; readonly from: string }[];
  readonly store: BundleStore;
  readonly seal: SealPort;
  /** The bytes of the configured bundle, where there is one. Throws what the file system says. */
  readonly read?: () => Uint8Array;
}

export interface BundlePolicyOptions extends BundlePorts {
  readonly clock: Clock;
  readonly site: string;
  readonly overlay: string;
  /** The configured lists, which hold where a bundle brings none. */
  readonly configured: BundleDirectory;
}

interface InForce extends PreparedBundle {
  readonly activated: number;
}

export class BundlePolicy implements PolicySource {
  readonly mode = 'bundle';
  readonly #options: BundlePolicyOptions;
  readonly #seal: Seal;
  readonly #configuredSigners: Signers;
  #inForce: InForce | undefined;
  #previous: BundleSummary | undefined;
  /** Why what was offered last isn't in force. */
  #refused: Fault | undefined;
  /** What is wrong with what was found at the start. */
  #found: string | undefined;

  /** Fault SIGNER_INVALID. */
  constructor(options: BundlePolicyOptions) {
    this.#options = options;
    this.#seal = new Seal(options.seal);
    this.#configuredSigners = readSigners(options.pinned);
  }

  get set(): PolicySet | undefined {
    return this.#inForce?.set;
  }

  get site(): SiteData | undefined {
    return this.#inForce?.content.site;
  }

  get signers(): PolicySource['signers'] {
    return [...this.#trust().pinned.values()];
  }

  get directory(): BundleDirectory | undefined {
    return this.#inForce?.content.directory;
  }

  get issued(): EpochMillis | undefined {
    return this.#inForce && epochMillis(this.#inForce.content.notBefore);
  }

  start(now: EpochMillis): AuditBody<'policy.activated'> | undefined {
    try {
      const row = this.#options.store.active();
      this.#previous = summaryOf(this.#options.store.previous());
      if (row) this.#inForce = this.#resume(row);
      if (this.#options.store.fault) this.#found = this.#options.store.fault.message;
    } catch (error) {
      if (!isFault(error)) throw error;
      this.#found = `What was in force last can't decide. ${error.message}`;
    }
    const { read } = this.#options;
    const offered = read && this.reload(now);
    // An operator may have installed a newer one since the file was written.
    if (offered?.kind === 'refused' && this.set && isFault(offered.fault, 'BUNDLE_OLDER'))
      this.#refused = undefined;
    return this.#inForce && eventOf(this.#inForce);
  }

  reload(now: EpochMillis): Reload {
    const { read } = this.#options;
    if (!read) return { kind: 'unchanged' };
    let bytes: Uint8Array;
    try {
      bytes = read();
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      this.#refused = new Fault('BUNDLE_MALFORMED', why, { cause });
      return { kind: 'refused', fault: this.#refused };
    }
    return this.install(bytes, now, 'file');
  }

  install(bytes: Uint8Array, now: EpochMillis, from: string): Reload {
    try {
      const bundle = this.#verify(bytes);
      if (bundle.digest === this.#inForce?.digest && !this.#found) {
        this.#refused = undefined;
        return { kind: 'unchanged' };
      }
      const event = this.#activate(bundle, bytes, now);
      this.#refused = undefined;
      return { kind: 'activated', event };
    } catch (error) {
      if (!isFault(error)) throw error;
      this.#refused = error;
      const { code, detail } = error;
      return { kind: 'refused', fault: error, event: { code, detail, digest: contentDigest(bytes), from } };
    }
  }

  status(): PolicyStatus {
    const active = this.#inForce && summary(this.#inForce, this.#inForce.activated, this.#inForce.set);
    const { wrong, highest } = this.#seal;
    return {
      mode: 'bundle',
      ...(this.set ? { revision: this.set.revision } : {}),
      ...(active ? { active } : {}),
      ...(this.#previous ? { previous: this.#previous } : {}),
      ...(highest ? { highest: highest.revision } : {}),
      signers: [...this.#trust().pinned.keys()].sort(),
      faults: [
        ...(this.#refused ? [this.#refused.message] : []),
        ...(this.#found === undefined ? [] : [this.#found]),
        ...(wrong === undefined ? [] : [`The seal: ${wrong}`]),
      ],
    };
  }

  finding(now: EpochMillis): PolicyFinding {
    return bundleFinding({
      now,
      inForce: this.#inForce,
      refused: this.#refused,
      found: this.#found,
      seal: this.#seal.wrong,
    });
  }

  // ── inside ─────────────────────────────────────────────────────────────────────────────────────

  /** Signers that count from `mark` on, and those that did. */
  #trust(mark: Mark | undefined = this.#seal.settled): { pinned: Signers; retired: Signers } {
    const signersOf = (texts: readonly SignerText[]): Signers =>
      readSigners(texts.map((text) => ({ text, from: 'the seal' })));
    const retired = signersOf(mark?.retired ?? []);
    const pinned = new Map([...this.#configuredSigners, ...signersOf(mark?.signers ?? [])]);
    for (const id of retired.keys()) pinned.delete(id);
    return { pinned, retired };
  }

  #verify(bytes: Uint8Array): VerifiedBundle {
    return verifyBundle(bytes, this.#trust());
  }

  #prepare(bundle: VerifiedBundle): PreparedBundle {
    const { clock } = this.#options;
    // From the first vector on: what comes before is bounded by its size.
    let end: number | undefined;
    return prepareBundle(bundle, () => clock.monotonic() > (end ??= clock.monotonic() + VECTORS_MS));
  }

  #activate(bundle: VerifiedBundle, bytes: Uint8Array, now: EpochMillis): AuditBody<'policy.activated'> {
    const { site, overlay, configured, store } = this.#options;
    admit(bundle, { site, overlay, highest: this.#seal.highest, now });
    const { content, digest } = bundle;
    const prepared = this.#prepare(bundle);
    try {
      if (!content.destructive)
        sparing(
          listsOf(this.set?.policies.keys() ?? [], this.directory ?? configured),
          listsOf(prepared.set.policies.keys(), content.directory ?? configured),
        );
      const mark = this.#markOf(bundle);
      const before = this.#inForce && summary(this.#inForce, this.#inForce.activated, this.#inForce.set);
      this.#seal.intend(mark);
      store.activate({ revision: content.revision, digest, bytes, activated: now });
      this.#inForce?.set.close();
      this.#inForce = { ...prepared, activated: now };
      this.#found = undefined;
      this.#seal.settle(mark);
      if (before && before.digest !== digest) this.#previous = before;
    } catch (error) {
      prepared.set.close();
      throw error;
    }
    return eventOf(prepared);
  }

  #markOf({ content: { revision }, digest, keys }: VerifiedBundle): Mark {
    const before = this.#seal.settled;
    const same = { revision, digest, signers: before?.signers ?? [], retired: before?.retired ?? [] };
    if (!keys) return same;
    const { pinned, retired } = this.#trust();
    const out = [...retired.values(), ...pinned.values()].filter(({ id }) => !keys.has(id));
    return {
      revision,
      digest,
      signers: [...keys.values()].map(({ text }) => text),
      retired: out.map(({ text }) => text),
    };
  }

  /** The store's bundle at the start. Faults where it may not decide. */
  #resume(row: BundleRow): InForce {
    const { settled, pending } = this.#seal;
    const { revision, digest } = row;
    const after = pending?.digest === digest ? pending : settled;
    if (after && revision < after.revision)
      throw new Fault('BUNDLE_OLDER', `the store holds revision ${revision}; ${after.revision} was in force`);
    if (after?.revision === revision && after.digest !== digest)
      throw new Fault('BUNDLE_REVISION_REUSED', `the store holds another revision ${revision}`);
    const verified = this.#verifyAgain(row, after);
    const next = { ...this.#prepare(verified), activated: row.activated };
    if (settled?.digest === digest) return next;
    if (pending?.digest !== digest)
      this.#found ??= `The seal ${this.#seal.empty ? 'was gone' : 'was older than the store'} and is made anew of it.`;
    this.#seal.settle(pending?.digest === digest ? pending : this.#markOf(verified));
    return next;
  }

  /** By the signers that counted; without them, by the digest that was sealed. */
  #verifyAgain({ bytes, digest }: BundleRow, mark: Mark | undefined): VerifiedBundle {
    try {
      const verified = verifyBundle(bytes, this.#trust(mark));
      if (verified.digest !== digest) throw new Fault('BUNDLE_MALFORMED', 'its digest is not the kept one');
      return verified;
    } catch (error) {
      const framed = unframe(bytes);
      const known = framed.kind === 'bundle' && contentDigest(framed.content) === mark?.digest;
      if (!isFault(error, 'BUNDLE_SIGNER_UNKNOWN') || !known) throw error;
      this.#found = `The bundle in force is of signers that are no longer pinned. ${error.message}`;
      const signers = framed.signatures.map(({ signer }) => signer).sort();
      return { content: readContent(framed.content), digest, signers };
    }
  }
}
