/**
 * A world for session tests: a clock that moves when told, effects that are written down, grants made to measure.
 */
import type { AuditEvent } from '../../src/wire/audit-event.ts';
import type { Action, Protocol } from '../../src/wire/action.ts';
import { grant as grantSchema, refusal as refusalSchema } from '../../src/wire/grant.ts';
import type { Decision, Grant } from '../../src/wire/grant.ts';
import { sessionId } from '../../src/wire/ids.ts';
import { epochMillis, monotonicMillis } from '../../src/wire/units.ts';
import type { Clock } from '../../src/wire/units.ts';
import { openGate, openRefusal } from '../../src/broker/gate/gate.ts';
import type { Effect } from '../../src/broker/gate/gate.ts';
import { Session } from '../../src/broker/session.ts';
import type { SessionEffects, SessionSetting } from '../../src/broker/session-effects.ts';
import type { Cancel, Schedule, Side } from '../../src/broker/surroundings.ts';

export const ID = sessionId.parse(`s-${'0123456789abcdef'.repeat(2)}`);
export const SOURCE = { address: '100.96.0.7', port: 40_000 };
const START = 1_800_000_000_000;

/** A clock and its timers; `advance` runs what falls due, in order. */
export class FakeTime {
  #mono = 1_000;
  #next = 1;
  readonly #timers = new Map<number, { due: number; run: () => void }>();

  readonly clock: Clock = {
    now: () => epochMillis(START + this.#mono - 1_000),
    monotonic: () => monotonicMillis(this.#mono),
  };

  readonly schedule: Schedule = (ms, then): Cancel => {
    const id = this.#next++;
    this.#timers.set(id, { due: this.#mono + ms, run: then });
    return () => this.#timers.delete(id);
  };

  get pending(): number {
    return this.#timers.size;
  }

  advance(ms: number): void {
    const until = this.#mono + ms;
    for (;;) {
      const [id, timer] = [...this.#timers].sort((a, b) => a[1].due - b[1].due)[0] ?? [];
      if (id === undefined || !timer || timer.due > until) break;
      this.#timers.delete(id);
      this.#mono = Math.max(this.#mono, timer.due);
      timer.run();
    }
    this.#mono = until;
  }
}

export interface GrantWish {
  protocol?: Protocol;
  actions?: Action[];
  idle?: number;
  /** From the start of the test's clock. */
  endIn?: number;
  expiresIn?: number;
  dial?: { address: string; port: number };
}

export function makeGrant(time: FakeTime, wish: GrantWish = {}): Grant {
  const now = time.clock.now();
  const end = now + (wish.endIn ?? 3_600_000);
  return grantSchema.parse({
    session: ID,
    subject: {
      user: 'mara',
      roles: ['radiologist'],
      peer: 'laptop-7',
      userDevice: 'laptop',
      posture: { level: 'good', score: 90 },
      kex: 'classical',
      source: SOURCE,
    },
    target: targetOf(wish.protocol ?? 'tcp', wish.dial),
    actions: wish.actions ?? ['view', 'modify'],
    obligations: [],
    limits: { idle: wish.idle ?? 600_000, end },
    expiresAt: wish.expiresIn === undefined ? end : now + wish.expiresIn,
    rules: ['radiology'],
    denials: [{ actions: ['download', 'print', 'administer'], rules: ['bedside'], reason: 'Not here.' }],
    revision: 'r1',
  });
}

function targetOf(protocol: Protocol, dial = { address: '10.0.0.5', port: 104 }): Grant['target'] {
  return grantSchema.shape.target.parse({
    resource: 'pacs-dicom',
    device: 'pacs',
    protocol,
    virtual: { address: '100.96.128.10', port: 104 },
    dial,
  });
}

export const permit = (grant: Grant): Decision => ({ decision: 'permit', grant });

export const deny = (reason = 'No policy permits this.'): Decision => ({
  decision: 'deny',
  refusal: refusalSchema.parse({
    session: ID,
    code: 'POLICY_DENIED',
    rules: [],
    reasons: [reason],
    revision: 'r1',
  }),
});

export const realGates: SessionSetting['gates'] = { open: openGate, refuse: openRefusal };

/**
 * Gates of a made-up protocol, one unit a chunk: `view …` and `modify …` pass when permitted and are answered
 * `NO` when not; `bad` is weird; `quit` ends. A refusal answers `SORRY <reason>` to the first chunk. A cut says
 * `BYE` to both sides.
 */
export const wordGates: SessionSetting['gates'] = {
  open: ({ grant }) => {
    let actions: readonly string[] = grant.actions;
    const end = (reason: string): Effect => ({ kind: 'end', reason });
    return {
      receive: (from, bytes) => {
        if (from === 'device') return [{ kind: 'send', to: 'user', bytes }];
        const [word = ''] = Buffer.from(bytes).toString('latin1').split(' ');
        if (word === 'quit') return [{ kind: 'send', to: 'user', bytes: Buffer.from('OK') }, end('quit')];
        if (word === 'bad') return [{ kind: 'weird', name: 'bad-word', from, offset: 3 }];
        const action = word === 'view' ? 'view' : 'modify';
        if (!actions.includes(action)) {
          const refused: Effect = { kind: 'refused', unit: word, action, reason: 'not permitted', from };
          return [refused, { kind: 'send', to: 'user', bytes: Buffer.from('NO') }];
        }
        return [
          { kind: 'unit', unit: word, action, from },
          { kind: 'send', to: 'device', bytes },
        ];
      },
      closed: () => [],
      regrant: (next) => {
        actions = next.actions;
      },
      revoke: (reason) => [
        { kind: 'send', to: 'user', bytes: Buffer.from('BYE') },
        { kind: 'send', to: 'device', bytes: Buffer.from('BYE') },
        end(`gate ${reason}`),
      ],
    };
  },
  refuse: (_protocol, reason) => ({
    receive: (_from, bytes) =>
      bytes.length === 0
        ? []
        : [
            { kind: 'send', to: 'user', bytes: Buffer.from(`SORRY ${reason}`) },
            { kind: 'end', reason },
          ],
    closed: () => [{ kind: 'end', reason }],
    regrant: () => undefined,
    revoke: () => [{ kind: 'end', reason }],
  }),
};

/** One session in a world that writes down what it does. */
export class World {
  readonly time: FakeTime;
  readonly protocol: Protocol;
  readonly session: Session;
  /** Every effect by name, in order; sends as `send user hello`. */
  readonly did: string[] = [];
  readonly events: AuditEvent[] = [];
  readonly sent = { user: [] as Uint8Array[], device: [] as Uint8Array[] };
  readonly reports: string[] = [];
  readonly weird: string[] = [];
  overReason: string | undefined;
  /** What `send` and `append` answer. */
  room = { user: true, device: true };
  keeps = true;
  #wake: Cancel | undefined;

  constructor(protocol: Protocol = 'tcp', gates: SessionSetting['gates'] = realGates, time = new FakeTime()) {
    this.time = time;
    this.protocol = protocol;
    const setting: SessionSetting = {
      id: ID,
      source: SOURCE,
      target: targetOf(protocol),
      limits: { connectMs: 5_000, firstByteMs: 15_000 },
      clock: time.clock,
      sources: { random: (n) => new Uint8Array(n).fill(7), now: () => time.clock.now() },
      gates,
    };
    this.session = new Session(setting, this.#effects());
  }

  /** Text that went to one side. */
  heard(side: Side): string {
    return Buffer.concat(this.sent[side]).toString('latin1');
  }

  kinds(): string[] {
    return this.events.map((event) => event.kind);
  }

  end(): Extract<AuditEvent, { kind: 'session.end' }>['body'] | undefined {
    return this.events.find((event) => event.kind === 'session.end')?.body;
  }

  refusal(): Extract<AuditEvent, { kind: 'session.refused' }>['body']['refusal'] | undefined {
    return this.events.find((event) => event.kind === 'session.refused')?.body.refusal;
  }

  hasDone(prefix: string): boolean {
    return this.did.some((what) => what.startsWith(prefix));
  }

  say(from: Side, text: string): void {
    this.session.bytes(from, Buffer.from(text, 'latin1'));
  }

  /** Drive a session as far as `state`, with a permitting grant. */
  reach(state: 'authorising' | 'recording' | 'dialling' | 'open', wish: GrantWish = {}): this {
    this.session.begin();
    if (state === 'authorising') return this;
    this.session.decided(permit(makeGrant(this.time, { protocol: this.protocol, ...wish })));
    if (state === 'recording') return this;
    this.session.recorded({ kind: 'durable' });
    if (state === 'dialling') return this;
    this.session.dialled();
    return this;
  }

  /** Close the sockets as the network would once everything was flushed. */
  bothGone(): void {
    this.session.gone('user');
    this.session.gone('device');
  }

  #effects(): SessionEffects {
    return {
      authorise: () => void this.did.push('authorise'),
      record: (event) => {
        this.did.push('record');
        this.events.push(event);
      },
      append: (event) => {
        this.did.push(`append ${event.kind}`);
        if (this.keeps || event.kind === 'session.end') this.events.push(event);
        return this.keeps;
      },
      dial: (to) => void this.did.push(`dial ${to.address}:${to.port}`),
      send: (to, bytes) => {
        this.did.push(`send ${to}`);
        this.sent[to].push(bytes);
        return this.room[to];
      },
      cork: () => undefined,
      uncork: () => undefined,
      finish: (side) => void this.did.push(`finish ${side}`),
      reset: (side) => void this.did.push(`reset ${side}`),
      pause: (side) => void this.did.push(`pause ${side}`),
      resume: (side) => void this.did.push(`resume ${side}`),
      wake: (afterMs) => {
        this.#wake?.();
        this.#wake = this.time.schedule(afterMs, () => this.session.timer());
      },
      started: () => void this.reports.push('started'),
      finished: (_progress, reason) => void this.reports.push(`finished ${reason}`),
      weird: (name) => void this.weird.push(name),
      over: (reason) => {
        this.#wake?.();
        this.overReason = reason;
      },
    };
  }
}
