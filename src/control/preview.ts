/**
 * What somebody could do, without opening anything: the decision that `session.authorize` would make now, and whether
 * they may break the glass. The same facts, the same engine.
 */
import { decide } from '../policy/decide.ts';
import { evaluateBreakGlass } from '../policy/evaluate.ts';
import type { PolicySet } from '../policy/policy-set.ts';
import type { AccessRequest } from '../policy/request.ts';
import type { Config, PeerConfig, ResourceConfig, UserConfig } from '../wire/config.ts';
import type { Decision, Subject } from '../wire/grant.ts';
import { sessionId } from '../wire/ids.ts';
import type { Clock } from '../wire/units.ts';
import type { Applicant, Place } from './applicant.ts';
import type { MayBreak } from './break-glass.ts';
import type { Circumstances } from './circumstances.ts';
import type { Directory } from './directory.ts';

/** Previews open no session. */
const NO_SESSION = sessionId.parse(`s-${'0'.repeat(32)}`);

export interface PreviewOptions {
  readonly clock: Clock;
  readonly directory: Directory;
  readonly circumstances: Circumstances;
  readonly limits: Config['broker']['limits'];
  readonly policy: () => PolicySet | undefined;
}

/** Somebody at a connected device. */
export interface Visitor {
  readonly user: UserConfig;
  readonly peer: PeerConfig;
  readonly subject: Subject;
}

export class Preview {
  readonly #options: PreviewOptions;

  constructor(options: PreviewOptions) {
    this.#options = options;
  }

  applicant({ user, peer }: Visitor): Applicant {
    const groups = this.#options.circumstances.groupsOf(user);
    return { user: user.id, peer: peer.id, roles: user.roles, groups };
  }

  place(resource: ResourceConfig): Place | undefined {
    const device = this.#options.directory.devices.get(resource.device);
    return device && { resource: resource.id, class: device.class, unit: device.unit };
  }

  places(): Place[] {
    return [...this.#options.directory.resources.values()].flatMap((each) => this.place(each) ?? []);
  }

  /** Undefined without a policy set or a device. */
  decide(visitor: Visitor, resource: ResourceConfig): Decision | undefined {
    const { clock, limits, circumstances, policy } = this.#options;
    const set = policy();
    const request = this.#request(visitor, resource);
    if (!set || !request) return undefined;
    return decide(set, request, NO_SESSION, clock.now(), {
      idle: limits.idleMs,
      session: limits.sessionMs,
      where: circumstances.where,
    }).decision;
  }

  mayBreak(visitor: Visitor, place: Place, scenario: string): MayBreak {
    const { directory, policy } = this.#options;
    const set = policy();
    const resource = directory.resources.get(place.resource);
    const request = resource && this.#request(visitor, resource);
    if (!set || !request) return { kind: 'no', reasons: ['No policy set is loaded.'] };
    const { allowed, reasons } = evaluateBreakGlass(set, { ...request, scenario });
    return allowed ? { kind: 'yes' } : { kind: 'no', reasons };
  }

  #request({ user, peer, subject }: Visitor, resource: ResourceConfig): AccessRequest | undefined {
    const { directory, circumstances } = this.#options;
    const device = directory.devices.get(resource.device);
    if (!device) return undefined;
    const { posture, facts } = circumstances.gather({ user, peer, resource, device });
    return {
      ...facts,
      subject: { ...subject, posture },
      target: {
        resource: resource.id,
        device: device.id,
        protocol: resource.protocol,
        virtual: resource.virtual,
        dial: { address: device.address, port: resource.port },
      },
    };
  }
}
