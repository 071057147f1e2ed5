/**
 * `session.authorize`: may the peer at `source` open a session on `resource`? Always answers: what can't be
 * decided is refused, with the code of the reason.
 *
 * The same question comes again for an open session at its grant's `expiresAt`, and is put by control itself when
 * the policy set or the tunnel session changed. The absolute end of an open session is never put off, and it keeps who it was
 * given to: an idle peer's tunnel session lapses after three minutes, and that is no reason to cut its session.
 */
import { decide } from '../policy/decide.ts';
import type { Evaluation } from '../policy/evaluate.ts';
import type { PolicySet } from '../policy/policy-set.ts';
import type { AccessRequest } from '../policy/request.ts';
import { formatEndpoint } from '../wire/address.ts';
import type { Endpoint } from '../wire/address.ts';
import type { Config, ResourceConfig, UserConfig } from '../wire/config.ts';
import type { ErrorCode } from '../wire/errors.ts';
import type { Decision, Grant, Subject, Target } from '../wire/grant.ts';
import type { ResourceId, SessionId } from '../wire/ids.ts';
import { epochMillis } from '../wire/units.ts';
import type { Circumstances } from './circumstances.ts';
import { canonical } from './directory.ts';
import type { Directory } from './directory.ts';
import { identify, person } from './identity.ts';
import type { Ports } from './ports.ts';
import type { TunnelView } from './tunnel-view.ts';

export interface Question {
  readonly session: SessionId;
  readonly resource: ResourceId;
  readonly source: Endpoint;
}

export interface AuthorizerOptions {
  readonly ports: Pick<Ports, 'clock' | 'localTime' | 'log' | 'delay'>;
  readonly directory: Directory;
  readonly limits: Config['broker']['limits'];
  readonly tunnel: TunnelView;
  readonly circumstances: Circumstances;
  readonly refresh: () => Promise<void>;
  /** The set that decides now. */
  readonly policy: () => PolicySet | undefined;
  /** A policy could not be evaluated. */
  readonly onFailure: (failures: readonly string[]) => void;
  /** Policy was asked and has answered. */
  readonly onDecided: (request: AccessRequest, answer: Evaluation) => void;
}

/** True when `question` asks again for the session that `grant` opened. */
function sameQuestion(grant: Grant, { resource, source }: Question): boolean {
  const { subject, target } = grant;
  return (
    target.resource === resource &&
    subject.source.port === source.port &&
    subject.source.address === canonical(source.address)
  );
}

/** What is dialled, and how it is spoken to: a resource that was deleted and made again may be another one. */
const sameDevice = (a: Target, b: Target): boolean =>
  a.device === b.device && a.protocol === b.protocol && formatEndpoint(a.dial) === formatEndpoint(b.dial);

export class Authorizer {
  readonly #options: AuthorizerOptions;

  constructor(options: AuthorizerOptions) {
    this.#options = options;
  }

  /** `open`: the grant of the session where it is already open. */
  async authorize(question: Question, open?: Grant): Promise<Decision> {
    try {
      if (open && sameQuestion(open, question)) return this.again(open);
      return await this.#first(question);
    } catch (err) {
      this.#options.ports.log.error({ err, session: question.session }, 'a decision failed');
      return this.#refuse(question.session, 'INTERNAL', 'The gateway failed to decide.');
    }
  }

  /** Decide an open session again, under what holds now. */
  again(grant: Grant): Decision {
    const { directory, tunnel, ports } = this.#options;
    const { session } = grant;
    const resource = directory.resources.get(grant.target.resource);
    const target = resource && this.#target(resource);
    const peer = directory.peers.get(grant.subject.peer);
    const known = peer && person(directory, peer);
    if (!resource || !target || !sameDevice(target, grant.target))
      return this.#refuse(session, 'UNKNOWN_RESOURCE', 'The resource is no longer published.', grant.subject);
    if (!known || directory.peerAt(grant.subject.source.address)?.id !== grant.subject.peer)
      return this.#refuse(session, 'UNKNOWN_PEER', 'The peer is no longer enrolled.', undefined, target);
    const presence = tunnel.presence(grant.subject.peer, ports.clock.monotonic());
    const carried =
      presence.kind === 'none'
        ? { kex: grant.subject.kex, tunnelSession: grant.subject.tunnelSession }
        : { kex: presence.session.kex, tunnelSession: presence.session.tunnelSession };
    const { tunnelSession } = carried;
    const subject: Subject = {
      ...known.facts,
      kex: carried.kex,
      ...(tunnelSession === undefined ? {} : { tunnelSession }),
      source: grant.subject.source,
    };
    return this.#decide(session, subject, known.user, resource, target, grant);
  }

  async #first(question: Question): Promise<Decision> {
    const { directory } = this.#options;
    const { session, source } = question;
    const resource = directory.resources.get(question.resource);
    const target = resource && this.#target(resource);
    if (!resource || !target)
      return this.#refuse(session, 'UNKNOWN_RESOURCE', `No resource ${question.resource} is published.`);
    const { tunnel, refresh, ports } = this.#options;
    const { clock, delay } = ports;
    const identity = await identify({ directory, tunnel, clock, refresh, delay }, source);
    if (identity.kind === 'unknown')
      return this.#refuse(session, identity.code, identity.reason, undefined, target);
    if (identity.lastKnown)
      this.#options.ports.log.warn(
        { session, peer: identity.subject.peer },
        'decided on the last known tunnel session: the tunnel process cannot be reached',
      );
    return this.#decide(session, identity.subject, identity.user, resource, target);
  }

  /** `open`: the grant of the session where it is already open. */
  #decide(
    session: SessionId,
    identified: Subject,
    user: UserConfig,
    resource: ResourceConfig,
    target: Target,
    open?: Grant,
  ): Decision {
    const { ports, limits, directory, circumstances } = this.#options;
    const set = this.#options.policy();
    const device = directory.devices.get(resource.device);
    const peer = directory.peers.get(identified.peer);
    if (!set || !device || !peer)
      return this.#refuse(session, 'POLICY_UNAVAILABLE', 'No policy set is loaded.', identified, target);
    const { posture, facts } = circumstances.gather({ session, user, peer, resource, device });
    const request = { ...facts, subject: { ...identified, posture }, target };
    const { decision, evaluation } = decide(set, request, session, ports.clock.now(), {
      idle: limits.idleMs,
      session: limits.sessionMs,
      where: circumstances.where,
      ...(open ? { end: epochMillis(open.limits.end) } : {}),
      ...(open?.start === undefined ? {} : { start: epochMillis(open.start) }),
    });
    if (evaluation.failures.length > 0) this.#options.onFailure(evaluation.failures);
    this.#options.onDecided(request, evaluation);
    return decision;
  }

  #target(resource: ResourceConfig): Target | undefined {
    const device = this.#options.directory.devices.get(resource.device);
    return (
      device && {
        resource: resource.id,
        device: device.id,
        protocol: resource.protocol,
        virtual: resource.virtual,
        dial: { address: device.address, port: resource.port },
      }
    );
  }

  #refuse(session: SessionId, code: ErrorCode, reason: string, subject?: Subject, target?: Target): Decision {
    return {
      decision: 'deny',
      refusal: {
        session,
        ...(subject ? { subject } : {}),
        ...(target ? { target } : {}),
        code,
        rules: [],
        reasons: [reason],
        revision: this.#options.policy()?.revision ?? '',
      },
    };
  }
}
