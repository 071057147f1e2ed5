/**
 * The broker without its sockets: accepts connections of the published resources, gives each a place and a
 * session, and keeps control told. `main/broker.ts` opens the listeners and the local sockets and hands them in.
 *
 * What surprises: nothing here decides and nothing here dials by itself. A session's decision is control's, and the
 * one address it may dial is in its grant. When control is away its news waits: open sessions go on, and what was
 * opened and ended meanwhile is told when it is back, live sessions first.
 */
import type { Socket } from 'node:net';
import { formatEndpoint, inPrefix } from '../wire/address.ts';
import type { Endpoint } from '../wire/address.ts';
import type { AuditEvent } from '../wire/audit-event.ts';
import type { Config, ResourceConfig } from '../wire/config.ts';
import { errorTable, isFault } from '../wire/errors.ts';
import type { Decision, Grant, Target } from '../wire/grant.ts';
import type { HealthItem } from '../wire/health.ts';
import { sessionId } from '../wire/ids.ts';
import type { ResourceId, SessionId } from '../wire/ids.ts';
import type { SessionProgress } from '../wire/messages.ts';
import type { Clock } from '../wire/units.ts';
import { Admission, PeerDirectory } from './admission.ts';
import type { Place } from './admission.ts';
import { openGate, openRefusal } from './gate/gate.ts';
import { EmergencyRecord } from './emergency-record.ts';
import type { EmergencyStore } from './emergency-record.ts';
import { BrokerHealth } from './health.ts';
import { Recorder } from './recorder.ts';
import type { Append } from './recorder.ts';
import { Registry } from './registry.ts';
import { Relay } from './relay.ts';
import type { Dial } from './relay.ts';
import { Session } from './session.ts';
import type { SessionEffects, SessionSetting } from './session-effects.ts';
import type { Log, Schedule } from './surroundings.ts';

/** Ended sessions that control hasn't been told of. */
const MAX_UNTOLD = 4096;
/** Sessions in one progress report (the verb's own bound). */
const PROGRESS_BATCH = 1024;
/** How long stopping waits for last words, and then for the audit log, ms. */
const STOP_SESSIONS = 500;
const STOP_AUDIT = 3_000;

/** The verbs of control, as the broker uses them; rejections are Faults. */
export interface Control {
  authorize(request: { session: SessionId; resource: ResourceId; source: Endpoint }): Promise<Decision>;
  started(grant: Grant, progress: SessionProgress): Promise<unknown>;
  progress(sessions: SessionProgress[]): Promise<unknown>;
  ended(progress: SessionProgress, reason: string): Promise<unknown>;
  health(items: HealthItem[]): Promise<unknown>;
}

export interface BrokerOptions {
  readonly config: Pick<Config, 'broker' | 'overlay' | 'peers' | 'devices' | 'resources'>;
  readonly clock: Clock;
  readonly schedule: Schedule;
  readonly random: (bytes: number) => Uint8Array;
  readonly log: Log;
  readonly control: Control;
  readonly append: Append;
  readonly dial: Dial;
  /** Where starts of break-glass go while the log can't be written. */
  readonly emergency?: EmergencyStore;
  /** Listeners that don't work, described. */
  readonly failingListeners: () => readonly string[];
}

export class Broker {
  readonly registry = new Registry();
  readonly #options: BrokerOptions;
  readonly #recorder: Recorder;
  readonly #admission: Admission;
  readonly #health = new BrokerHealth();
  #devices: ReadonlyMap<string, string> = new Map();
  #resources = 0;
  readonly #untold: { readonly progress: SessionProgress; readonly reason: string }[] = [];
  #controlConnected = false;
  #strangers = 0;
  #stopping = false;
  #whenEmpty: (() => void) | undefined;

  constructor(options: BrokerOptions) {
    const { config, schedule, log } = options;
    this.#options = options;
    const emergency = options.emergency && new EmergencyRecord(options.emergency);
    this.#recorder = new Recorder({
      append: options.append,
      schedule,
      log,
      ...(emergency ? { emergency } : {}),
    });
    for (const event of emergency?.left(options.clock.now()) ?? []) this.record(event);
    this.#admission = new Admission({
      limits: config.broker.limits,
      peers: new PeerDirectory(config.peers),
      schedule,
      onTally: (peer, count) => this.#recordTally(peer, count),
    });
    this.publish(config.devices, config.resources.length);
  }

  /** Keep an event of the process itself for the log. */
  record(event: AuditEvent): void {
    if (!this.#recorder.add(event)) this.#options.log.error({ kind: event.kind }, 'a record was not kept');
  }

  /** What is published is this now: where its devices are, and how many resources. The listeners are the caller's. */
  publish(devices: Config['devices'], resources: number): void {
    this.#devices = new Map(devices.map((device) => [device.id, device.address]));
    this.#resources = resources;
  }

  /** A connection reached the listener of `resource`. The socket is paused and allows half-open. */
  accept(resource: ResourceConfig, socket: Socket): void {
    const { counters } = this.registry;
    const { config } = this.#options;
    counters.accepted++;
    const { remoteAddress: address, remotePort: port } = socket;
    const known = address !== undefined && port !== undefined;
    if (this.#stopping || !known || !inPrefix(address, config.overlay.prefix)) {
      if (known && !this.#stopping) this.#strangers++;
      this.#drop(socket);
      return;
    }
    const place = this.#admission.enter(address);
    if (place.kind === 'drop') {
      this.#admission.worthRecording(place.peer);
      this.#drop(socket);
      return;
    }
    this.#open(resource, socket, { address, port }, place);
  }

  /** Control took a session's grant back. */
  revoked(id: SessionId, reason: string): void {
    this.registry.get(id)?.revoke(reason);
  }

  /** Control decided a live session again. */
  regranted(grant: Grant): void {
    this.registry.get(grant.session)?.regrant(grant);
  }

  /** Control is (again) there: tell it every live session, then what ended while it was away. */
  controlConnected(): void {
    this.#controlConnected = true;
    for (const { grant, progress } of this.registry.live()) this.#tellStarted(grant, progress);
    for (const { progress, reason } of this.#untold.splice(0)) this.#tellEnded(progress, reason);
    this.#tellHealth(true);
  }

  controlDisconnected(): void {
    this.#controlConnected = false;
  }

  /** Once a second: what changed. */
  tick(): void {
    const changed = this.registry.changed();
    const { control, log } = this.#options;
    if (this.#strangers > 0) {
      log.warn({ connections: this.#strangers }, 'connections from outside the overlay were dropped');
      this.#strangers = 0;
    }
    if (!this.#controlConnected) return;
    for (let i = 0; i < changed.length; i += PROGRESS_BATCH) {
      const part = changed.slice(i, i + PROGRESS_BATCH);
      control.progress(part).catch((err: unknown) => log.debug({ err }, 'progress was not taken'));
    }
    this.#tellHealth(false);
  }

  /** End every session, keep `last` for the log, then wait for the log to have it all. */
  async stop(last: AuditEvent): Promise<void> {
    const { schedule, log } = this.#options;
    this.#stopping = true;
    const sessions = this.registry.all();
    for (const session of sessions) session.stop();
    if (this.registry.size > 0) {
      await new Promise<void>((resolve) => {
        const cancel = schedule(STOP_SESSIONS, resolve);
        this.#whenEmpty = () => {
          cancel();
          resolve();
        };
      });
    }
    this.#admission.close();
    this.record(last);
    let cancel = (): void => undefined;
    const late = new Promise<'late'>((resolve) => {
      cancel = schedule(STOP_AUDIT, () => resolve('late'));
    });
    if ((await Promise.race([this.#recorder.drained(), late])) === 'late')
      log.error({ waiting: this.#recorder.state.waiting }, 'records were not taken before the end');
    cancel();
  }

  /** What the health list says now. */
  health(): { readonly items: HealthItem[]; readonly changed: boolean } {
    const { config, clock, failingListeners } = this.#options;
    const facts = {
      listeners: failingListeners(),
      resources: this.#resources,
      controlConnected: this.#controlConnected,
      recorder: this.#recorder.state,
      sessions: this.#admission.taken.sessions,
      sessionLimit: config.broker.limits.sessions,
    };
    return this.#health.list(facts, clock.now());
  }

  #drop(socket: Socket): void {
    this.registry.counters.dropped++;
    socket.on('error', () => undefined);
    socket.resetAndDestroy();
  }

  #open(resource: ResourceConfig, socket: Socket, source: Endpoint, place: Place): void {
    const { clock, config, dial, random, schedule } = this.#options;
    const relay = new Relay(socket, dial, schedule);
    const setting: SessionSetting = {
      id: this.#newId(),
      source,
      target: this.#targetOf(resource),
      limits: config.broker.limits,
      clock,
      sources: { random, now: () => clock.now() },
      gates: { open: openGate, refuse: openRefusal },
    };
    const session: Session = new Session(
      setting,
      this.#effectsOf(() => session, setting, relay, place),
    );
    this.registry.add(session);
    if (place.kind === 'session') session.begin();
    else {
      this.registry.counters.turnedAway++;
      session.turnAway('SESSION_LIMIT', this.#admission.worthRecording(place.peer));
    }
    relay.attach(session);
  }

  #effectsOf(itself: () => Session, setting: SessionSetting, relay: Relay, place: Place): SessionEffects {
    const { control, log } = this.#options;
    const { id, source, target } = setting;
    const about = { session: id, resource: target.resource, source: formatEndpoint(source) };
    return {
      authorise: () => {
        control.authorize({ session: id, resource: target.resource, source }).then(
          (decision) => itself().decided(decision),
          (error: unknown) => {
            log.warn({ err: error, ...about }, 'no decision could be had');
            itself().undecided(isFault(error) ? error.code : 'INTERNAL');
          },
        );
      },
      record: (event) => this.#recorder.start(event, (answer) => itself().recorded(answer)),
      append: (event) => this.#recorder.add(event),
      dial: (to) => relay.dial(to),
      send: (to, bytes) => relay.send(to, bytes),
      cork: () => relay.cork(),
      uncork: () => relay.uncork(),
      finish: (side) => relay.finish(side),
      reset: (side) => relay.reset(side),
      pause: (side) => relay.pause(side),
      resume: (side) => relay.resume(side),
      wake: (afterMs) => relay.wake(afterMs),
      started: (grant, progress) => {
        this.registry.counters.started++;
        this.registry.announced(itself());
        if (this.#controlConnected) this.#tellStarted(grant, progress);
      },
      finished: (progress, reason) => {
        this.registry.finished(id);
        this.#tellEnded(progress, reason);
      },
      weird: (name, from, offset, detail) => {
        this.registry.counters.weird++;
        log.info({ ...about, name, from, offset, detail }, 'weird');
      },
      over: (reason) => {
        this.registry.counters.ended++;
        relay.release();
        place.leave();
        this.registry.remove(id);
        log.info({ ...about, reason }, 'session over');
        if (this.registry.size === 0) this.#whenEmpty?.();
      },
    };
  }

  #tellStarted(grant: Grant, progress: SessionProgress): void {
    const { control, log } = this.#options;
    control.started(grant, progress).catch((err: unknown) => {
      // Unreachable: the session is told again with the next connection.
      log.debug({ err, session: grant.session }, 'control did not take a session');
    });
  }

  #tellEnded(progress: SessionProgress, reason: string): void {
    const { control, log } = this.#options;
    const keep = (): void => {
      if (this.#untold.length < MAX_UNTOLD) this.#untold.push({ progress, reason });
    };
    if (!this.#controlConnected) {
      keep();
      return;
    }
    control.ended(progress, reason).catch((err: unknown) => {
      if (isFault(err, 'IPC_UNREACHABLE')) keep();
      else log.debug({ err, session: progress.session }, 'control did not take an end');
    });
  }

  #tellHealth(always: boolean): void {
    const { items, changed } = this.health();
    if (!this.#controlConnected || (!changed && !always)) return;
    const { control, log } = this.#options;
    control.health(items).catch((err: unknown) => log.debug({ err }, 'health was not taken'));
  }

  #recordTally(peer: string, count: number): void {
    const { text } = errorTable.SESSION_LIMIT;
    const body = {
      refusal: {
        session: this.#newId(),
        code: 'SESSION_LIMIT',
        rules: [],
        reasons: [text, `${count} more connections of ${peer === '' ? 'other peers' : peer}`],
        revision: '',
      },
    };
    const at = this.#options.clock.now();
    this.#recorder.add({ kind: 'session.refused', at, origin: 'broker', body });
  }

  #newId(): SessionId {
    return sessionId.parse(`s-${Buffer.from(this.#options.random(16)).toString('hex')}`);
  }

  #targetOf(resource: ResourceConfig): Target {
    const address = this.#devices.get(resource.device) ?? resource.virtual.address;
    return {
      resource: resource.id,
      device: resource.device,
      protocol: resource.protocol,
      virtual: resource.virtual,
      dial: { address, port: resource.port },
    };
  }
}
