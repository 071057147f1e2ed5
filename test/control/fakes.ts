/** The control room with everything around it faked: a clock that is turned by hand, processes that are objects. */
import { randomBytes } from 'node:crypto';
import type { BundlePorts } from '../../src/control/bundle-policy.ts';
import type { Ports, TunnelStatus } from '../../src/control/ports.ts';
import { StateStore } from '../../src/control/state-store.ts';
import type { LocalTime } from '../../src/policy/request.ts';
import { Control } from '../../src/control/control.ts';
import type { AuditEvent } from '../../src/wire/audit-event.ts';
import { configSchema } from '../../src/wire/config.ts';
import type { Config } from '../../src/wire/config.ts';
import { Fault } from '../../src/wire/errors.ts';
import type { ErrorCode } from '../../src/wire/errors.ts';
import type { Decision, Grant } from '../../src/wire/grant.ts';
import { resourceId, sessionId } from '../../src/wire/ids.ts';
import type { SessionId } from '../../src/wire/ids.ts';
import { tunnelSession } from '../../src/wire/messages.ts';
import type { SessionProgress, TunnelSession } from '../../src/wire/messages.ts';
import { hostObservation } from '../../src/wire/observation.ts';
import type { HealthItem } from '../../src/wire/health.ts';
import type { HostObservation } from '../../src/wire/observation.ts';
import { epochMillis, millis, monotonicMillis } from '../../src/wire/units.ts';
import type { Clock } from '../../src/wire/units.ts';

export interface FakeClock extends Clock {
  /** Let time pass. */
  pass(ms: number): void;
  /** Set the wall clock forward, or back, without time passing. */
  set(ms: number): void;
}

export function fakeClock(): FakeClock {
  let ms = 0;
  let wrong = 0;
  return {
    now: () => epochMillis(1_800_000_000_000 + ms + wrong),
    monotonic: () => monotonicMillis(ms),
    pass: (more) => {
      ms += more;
    },
    set: (by) => {
      wrong += by;
    },
  };
}

export const imaging = [
  '@id("imaging") @reason("Imaging.")',
  'permit (principal in Role::"radiologist", action in [Action::"view", Action::"modify"], resource);',
].join('\n');

export function clinicConfig(adjust: (input: Record<string, unknown>) => void = () => undefined): Config {
  const input: Record<string, unknown> = {
    site: { id: 'clinic', name: 'Clinic' },
    tunnel: { privateKeyFile: '/nowhere', addresses: ['100.96.0.1/17'] },
    peers: [
      {
        id: 'ada-laptop',
        publicKey: `${'A'.repeat(43)}=`,
        allowedIps: ['100.96.0.7/32', 'fd00:96::7/128'],
        user: 'ada',
        userDevice: 'laptop',
        posture: { level: 'good', score: 90 },
      },
      {
        id: 'ward',
        publicKey: `${'B'.repeat(42)}A=`,
        allowedIps: ['100.96.1.0/24'],
        user: 'ada',
        userDevice: 'ward',
      },
      {
        id: 'ward-kiosk',
        publicKey: `${'C'.repeat(42)}A=`,
        allowedIps: ['100.96.1.128/25'],
        user: 'ada',
        userDevice: 'kiosk',
      },
    ],
    users: [{ id: 'ada', name: 'Ada', roles: ['radiologist'] }],
    devices: [
      { id: 'pacs', name: 'PACS', class: 'pacs', address: '10.20.0.10' },
      { id: 'pump', name: 'Pump', class: 'infusion-pump', address: '10.20.0.20' },
    ],
    resources: [
      {
        id: 'pacs-dicom',
        device: 'pacs',
        protocol: 'dicom',
        virtual: { address: '100.96.128.11', port: 104 },
        port: 4242,
      },
    ],
    policy: { file: '/etc/anteroom/policy/clinic.cedar' },
  };
  adjust(input);
  return configSchema.parse(input);
}

/** A process that answers, or fails with a code. */
export interface World {
  readonly clock: FakeClock;
  readonly ports: Ports & { readonly tunnel: { status: Ports['tunnel']['status'] } };
  readonly control: Control;
  policyText: string;
  tunnel: TunnelStatus | ErrorCode;
  audit: 'up' | ErrorCode;
  time: LocalTime;
  readonly events: AuditEvent[];
  readonly hints: string[];
  /** How often the broker was told that what is published changed. */
  accepted: number;
  directories: number;
  readonly pushed: {
    readonly event: 'revoke' | 'regrant';
    readonly session: SessionId;
    readonly body: unknown;
  }[];
  of<K extends AuditEvent['kind']>(kind: K): Extract<AuditEvent, { kind: K }>['body'][];
  /** Let a tick and what it started run to its end. */
  tick(): Promise<void>;
  ask(source?: string, session?: SessionId): Promise<Decision>;
  started(grant: Grant, connection?: number): Promise<void>;
}

export const broker = { uid: 973, pid: 1, connection: 1 };
export const sensor = { uid: 972, pid: 2, connection: 2 };
export const operator = { uid: 0, pid: 3, connection: 3 };

export const present = (...sessions: TunnelSession[]): TunnelStatus => ({
  port: 51820,
  health: [],
  peers: sessions.map((session) => ({
    peer: session.peer,
    session,
    endpoint: session.endpoint,
    receivedBytes: 0,
    sentBytes: 0,
  })),
});

export const confirmed = (peer = 'ada-laptop', kex = 'hybrid', number = 1): TunnelSession =>
  tunnelSession.parse({
    peer,
    tunnelSession: number.toString(16).padStart(32, '0'),
    role: 'responder',
    kex,
    endpoint: { address: '192.0.2.9', port: 5000 },
    at: 1,
  });

export const named = (n: number): SessionId => sessionId.parse(`s-${n.toString(16).padStart(32, '0')}`);

export const progressOf = (grant: Grant): SessionProgress => ({
  session: grant.session,
  startedAt: 1,
  lastActivity: 1,
  bytesToDevice: 0,
  bytesToUser: 0,
  units: {},
  refused: 0,
});

export function observation(n: number, more: Partial<HostObservation> = {}): HostObservation {
  const byte = (shift: number): string => ((n >> shift) & 0xff).toString(16).padStart(2, '0');
  return hostObservation.parse({
    mac: `02:00:00:${byte(16)}:${byte(8)}:${byte(0)}`,
    addresses: [`10.21.${(n >> 8) & 0xff}.${n & 0xff}`],
    services: [],
    evidence: [],
    first: 1000 + n,
    last: 2000 + n,
    ...more,
  });
}

/** Let everything that is ready run. */
export const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export interface WorldOptions {
  readonly config?: Config;
  readonly store?: StateStore;
  readonly policyText?: string;
  /** Signed bundles instead of the policy text. */
  readonly bundles?: BundlePorts;
  /** By default no time passes in waiting. */
  readonly delay?: () => Promise<void>;
  /** Which boot of the machine it is. */
  readonly boot?: string;
  readonly checkCredential?: Ports['checkCredential'];
  readonly clock?: FakeClock;
  readonly emergency?: Ports['emergency'];
  readonly dataKey?: Ports['dataKey'];
}

export function world(options: WorldOptions = {}): World {
  const clock = options.clock ?? fakeClock();
  let asked = 0;
  const events: AuditEvent[] = [];
  const silent = (): void => undefined;
  const ports: World['ports'] = {
    clock,
    log: { debug: silent, info: silent, warn: silent, error: silent },
    version: '0.0.0',
    localTime: () => w.time,
    machine: { boot: options.boot ?? 'boot-1', uptime: () => millis(clock.monotonic()) },
    ...(options.emergency ? { emergency: options.emergency } : {}),
    ...(options.dataKey ? { dataKey: options.dataKey } : {}),
    random: (bytes) => Uint8Array.from(randomBytes(bytes)),
    checkCredential: options.checkCredential ?? (() => Promise.resolve({ kind: 'invalid' })),
    delay: options.delay ?? (() => Promise.resolve()),
    readPolicy: () => w.policyText,
    ...(options.bundles ? { bundles: options.bundles } : {}),
    tunnel: {
      status: async () => {
        if (typeof w.tunnel === 'string') throw new Fault(w.tunnel);
        return w.tunnel;
      },
      hint: async (peer) => {
        if (typeof w.tunnel === 'string') throw new Fault(w.tunnel);
        w.hints.push(peer);
      },
    },
    audit: {
      append: async (more) => {
        if (w.audit !== 'up') throw new Fault(w.audit);
        events.push(...more);
      },
      status: async () => {
        if (w.audit !== 'up') throw new Fault(w.audit);
        const disk: HealthItem = { item: 'audit.disk', level: 'ok', text: 'Room enough.', since: 0 };
        return { head: { size: events.length, root: '00', time: 0 }, health: [disk] };
      },
    },
    broker: {
      revoke: (session, reason) => w.pushed.push({ event: 'revoke', session, body: reason }),
      regrant: (grant) => w.pushed.push({ event: 'regrant', session: grant.session, body: grant }),
      directoryChanged: () => void w.directories++,
    },
    sensor: { acceptedChanged: () => void w.accepted++ },
  };
  const w: Omit<World, 'control'> & { control?: Control } = {
    clock,
    ports,
    policyText: options.policyText ?? imaging,
    tunnel: present(confirmed()),
    audit: 'up',
    time: { minute: 600, weekday: 3 },
    events,
    hints: [],
    accepted: 0,
    directories: 0,
    pushed: [],
    of: (kind) => events.flatMap((e) => (e.kind === kind ? [e.body as never] : [])),
    tick: async () => {
      await whole.control.tick();
      await settle();
    },
    ask: async (source = '100.96.0.7', session = named(++asked)) =>
      whole.control.handlers['session.authorize'](
        { session, resource: resourceId.parse('pacs-dicom'), source: { address: source, port: 40000 } },
        broker,
      ) as Promise<Decision>,
    started: async (grant, connection = 1) => {
      await whole.control.handlers['session.started'](
        { grant, progress: progressOf(grant) },
        { ...broker, connection },
      );
    },
  };
  w.control = new Control(
    options.config ?? clinicConfig(),
    ports,
    options.store ?? new StateStore(undefined),
  );
  const whole = w as World;
  return whole;
}

export function granted(decision: Decision): Grant {
  if (decision.decision !== 'permit') throw new Error(`refused: ${decision.refusal.reasons.join(' ')}`);
  return decision.grant;
}

export const refusedCode = (decision: Decision): string =>
  decision.decision === 'deny' ? decision.refusal.code : 'permitted';
