/**
 * The portal's questions, answered: what a peer's user may do and why, breaking the glass, asking for access, deciding
 * on others' requests, reporting the device's posture. Who asks is found as for a session, by the source address and
 * a live tunnel session; nobody says who they are.
 *
 * Listed is what they can use, open by break-glass, authenticate for or ask for. What is none of that stays unnamed.
 */
import { covers } from '../policy/coverage.ts';
import type { Action } from '../wire/action.ts';
import type { Endpoint } from '../wire/address.ts';
import type { Config, ResourceConfig } from '../wire/config.ts';
import { Fault } from '../wire/errors.ts';
import type { Fact } from '../wire/facts.ts';
import type { Posture } from '../wire/grant.ts';
import type { Actor } from '../wire/life.ts';
import type { portalVerbs } from '../wire/messages.ts';
import type { PortalAccess, PortalResource } from '../wire/portal.ts';
import type { SiteData } from '../wire/site-data.ts';
import type { Clock } from '../wire/units.ts';
import type { Directory } from './directory.ts';
import type { Identity } from './identity.ts';
import type { Life } from './life.ts';
import type { ControlHandlers } from './ports.ts';
import type { Preview, Visitor } from './preview.ts';

/** Rows of each kind in one answer. */
const MAX_RESOURCES = 512;
const MAX_ROWS = 64;

export interface PortalOptions {
  readonly clock: Clock;
  readonly config: Pick<Config, 'site'>;
  readonly directory: Directory;
  readonly life: Life;
  readonly preview: Preview;
  readonly site: () => SiteData;
  readonly identify: (source: Endpoint) => Promise<Identity>;
  /** Take a fact that a peer reports of itself. Fault when it isn't one. */
  readonly report: (fact: Fact) => void;
  /** The posture of a peer as it stands. */
  readonly posture: (visitor: Visitor) => Posture;
}

const actorOf = ({ user }: Visitor): Actor => ({ by: user.id, via: 'portal' });

export class Portal {
  readonly #options: PortalOptions;

  constructor(options: PortalOptions) {
    this.#options = options;
  }

  async access(source: Endpoint): Promise<PortalAccess> {
    const visitor = await this.#visitor(source);
    const { clock, config, directory, life, posture } = this.#options;
    const { user, peer } = visitor;
    const stands = posture(visitor);
    const alarm = life.emergency.active?.emergency;
    const resources: PortalResource[] = [];
    for (const resource of directory.resources.values()) {
      if (resources.length === MAX_RESOURCES) break;
      const row = this.#row(visitor, resource);
      if (row) resources.push(row);
    }
    return {
      now: clock.now(),
      site: config.site.name,
      user: user.name,
      device: peer.userDevice,
      posture: stands,
      findings: stands.findings ?? [],
      resources,
      glasses: life.glass
        .list()
        .filter((each) => each.user === user.id && !each.ended)
        .slice(0, MAX_ROWS),
      requests: life.requests
        .list()
        .filter((each) => each.user === user.id)
        .slice(0, MAX_ROWS),
      toApprove: life.requests.forApprover({ actor: actorOf(visitor), roles: user.roles }).slice(0, MAX_ROWS),
      ...(alarm ? { emergency: { until: alarm.until, reason: alarm.reason } } : {}),
      offline: life.status().offline,
    };
  }

  handlers(): Pick<ControlHandlers, keyof typeof portalVerbs> {
    const { clock, directory, life, preview, report, posture } = this.#options;
    const resourceOf = (id: string): ResourceConfig => {
      const resource = directory.resources.get(id);
      if (!resource) throw new Fault('UNKNOWN_RESOURCE', id);
      return resource;
    };
    return {
      'portal.access': ({ source }) => this.access(source),
      'portal.breakGlass': async ({ source, scenario, resource, reason }) => {
        const visitor = await this.#visitor(source);
        return { glass: life.glass.open(visitor, { scenario, resource, reason }) };
      },
      'portal.request': async ({ source, resource, ...asked }) => {
        const visitor = await this.#visitor(source);
        const place = preview.place(resourceOf(resource));
        if (!place) throw new Fault('UNKNOWN_RESOURCE', resource);
        return { request: life.requests.ask(preview.applicant(visitor), place, asked) };
      },
      'portal.decide': async ({ source, request, approve, note }) => {
        const visitor = await this.#visitor(source);
        const approver = { actor: actorOf(visitor), roles: visitor.user.roles };
        return { request: life.requests.decide(request, approver, approve, note) };
      },
      'portal.posture': async ({ source, signals, patchDays }) => {
        const visitor = await this.#visitor(source);
        report({
          kind: 'posture',
          peer: visitor.peer.id,
          at: clock.now(),
          signals,
          ...(patchDays === undefined ? {} : { patchDays }),
        });
        const stands = posture(visitor);
        return { posture: stands, findings: stands.findings ?? [] };
      },
    };
  }

  async #visitor(source: Endpoint): Promise<Visitor> {
    const identity = await this.#options.identify(source);
    if (identity.kind === 'unknown') throw new Fault(identity.code, identity.reason);
    const peer = this.#options.directory.peers.get(identity.subject.peer);
    if (!peer) throw new Fault('UNKNOWN_PEER', identity.subject.peer);
    return { user: identity.user, peer, subject: identity.subject };
  }

  #row(visitor: Visitor, resource: ResourceConfig): PortalResource | undefined {
    const { directory, preview, life, site } = this.#options;
    const decision = preview.decide(visitor, resource);
    const device = directory.devices.get(resource.device);
    const place = preview.place(resource);
    if (!decision || !device || !place) return undefined;
    const grant = decision.decision === 'permit' ? decision.grant : undefined;
    const refusal = decision.decision === 'deny' ? decision.refusal : undefined;
    const actions: Action[] = [...(grant?.actions ?? [])];
    const scenarios = site()
      .scenarios.filter((each) => covers(each, place))
      .filter((each) => preview.mayBreak(visitor, place, each.name).kind === 'yes')
      .map(({ name, title, minutes }) => ({ name, title, minutes }));
    const rules = life.requests.rules(preview.applicant(visitor), place);
    const wanted = rules.map((rule) => rule.actions.filter((action) => !actions.includes(action)));
    const rule = rules[wanted.findIndex((each) => each.length > 0)];
    const requestable = wanted.find((each) => each.length > 0);
    const stepUp = grant ? grant.denials.flatMap((each) => each.stepUp ?? []) : [...(refusal?.stepUp ?? [])];
    if (actions.length + scenarios.length + stepUp.length === 0 && !requestable) return undefined;
    const changesAt = grant ? grant.expiresAt : refusal?.changesAt;
    return {
      resource: resource.id,
      name: device.name,
      class: device.class,
      unit: device.unit,
      virtual: resource.virtual,
      protocol: resource.protocol,
      actions,
      denials: grant
        ? grant.denials
        : (refusal?.reasons ?? []).map((reason) => ({
            actions: ['view'],
            rules: refusal?.rules ?? [],
            reason,
          })),
      obligations: grant?.obligations ?? [],
      stepUp: [...new Map(stepUp.map((each) => [JSON.stringify(each), each])).values()],
      ...(changesAt === undefined ? {} : { changesAt }),
      scenarios,
      ...(rule && requestable
        ? {
            requestable: {
              actions: requestable,
              maxHours: rule.maxHours,
              approvals: rule.approvals,
              ...(rule.ticket === undefined ? {} : { ticket: rule.ticket }),
            },
          }
        : {}),
    };
  }
}
