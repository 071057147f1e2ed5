/**
 * Where the policy set in force comes from: a plain file (`active-policy.ts`) or signed bundles (`bundle-policy.ts`).
 * Either replaces the set whole or not at all.
 */
import type { OrderSigners } from '../policy/order.ts';
import type { PolicySet } from '../policy/policy-set.ts';
import type { AuditBody } from '../wire/audit-event.ts';
import type { BundleDirectory } from '../wire/bundle.ts';
import type { Fault } from '../wire/errors.ts';
import type { PolicyStatus } from '../wire/messages.ts';
import type { SiteData } from '../wire/site-data.ts';
import type { EpochMillis } from '../wire/units.ts';

export type Reload =
  | { readonly kind: 'activated'; readonly event: AuditBody<'policy.activated'> }
  | { readonly kind: 'unchanged' }
  /** The set in force stays. */
  | { readonly kind: 'refused'; readonly fault: Fault; readonly event?: AuditBody<'policy.refused'> };

export interface PolicyFinding {
  readonly level: 'ok' | 'warning' | 'critical';
  readonly text: string;
}

export interface PolicySource {
  readonly mode: 'file' | 'bundle';
  /** What decides; undefined where nothing does yet, and everything is refused. */
  readonly set: PolicySet | undefined;
  /** What came with it and stands in place of the configuration's `siteData`, and of its lists. */
  readonly site: SiteData | undefined;
  readonly directory: BundleDirectory | undefined;
  /** No earlier was it made; undefined for a plain file. */
  readonly issued: EpochMillis | undefined;
  /** Who may sign now; nobody for a plain file. */
  readonly signers: OrderSigners;
  /** Load what was in force last, or what there is. Undefined when nothing can decide. */
  start(now: EpochMillis): AuditBody<'policy.activated'> | undefined;
  /** Read the configured file again. */
  reload(now: EpochMillis): Reload;
  /** Take this bundle. */
  install(bytes: Uint8Array, now: EpochMillis, from: string): Reload;
  status(): PolicyStatus;
  /** For the health list. */
  finding(now: EpochMillis): PolicyFinding;
}
