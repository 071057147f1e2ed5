/**
 * A station for the broker process: the real `main/broker.ts` as a child on loopback, control and audit as
 * servers in this process, and a TCP device. One list, `seen`, holds what all of them saw, in order.
 *
 * Virtual addresses and the device live in 127.0.0.0/8, a part of it per process id, so runs don't meet.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { Server as TcpServer, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { serve } from '../../src/ipc/server.ts';
import type { Server } from '../../src/ipc/server.ts';
import { silentLog } from '../../src/platform/log.ts';
import type { Protocol } from '../../src/wire/action.ts';
import type { AuditBody, AuditEvent, AuditKind } from '../../src/wire/audit-event.ts';
import { configSchema } from '../../src/wire/config.ts';
import type { Config } from '../../src/wire/config.ts';
import { grant as grantSchema, refusal as refusalSchema } from '../../src/wire/grant.ts';
import type { Decision, Grant } from '../../src/wire/grant.ts';
import type { HealthItem } from '../../src/wire/health.ts';
import { auditVerbs, controlPushes, controlVerbs } from '../../src/wire/messages.ts';
import type { SessionProgress } from '../../src/wire/messages.ts';

/** How long a condition may take to come true. */
const DEADLINE_MS = 60_000;
const main = fileURLToPath(new URL('../../src/main/broker.ts', import.meta.url));

const brokerVerbs = {
  'session.authorize': controlVerbs['session.authorize'],
  'session.started': controlVerbs['session.started'],
  'session.progress': controlVerbs['session.progress'],
  'session.ended': controlVerbs['session.ended'],
  'broker.health': controlVerbs['broker.health'],
  'portal.access': controlVerbs['portal.access'],
} as const;
const logVerbs = { 'audit.append': auditVerbs['audit.append'] } as const;

export interface Question {
  readonly session: Grant['session'];
  readonly resource: string;
  readonly source: { address: string; port: number };
}

/** What the station is asked to be; all of it can be changed while it runs. */
export interface Wishes {
  decide: (question: Question, station: Station) => Decision | Promise<Decision>;
  /** Before an append is acknowledged; a fault refuses it. */
  keep: (events: readonly AuditEvent[]) => void | Promise<void>;
  /** What the device does with a connection. */
  device: (socket: Socket) => void;
}

export class Station {
  readonly folder = mkdtempSync(join(tmpdir(), 'anteroom-broker-'));
  readonly net = `127.${64 + (process.pid % 128)}.${(process.pid >> 7) % 256}`;
  readonly deviceAddress = `${this.net}.5`;
  readonly config: Config;
  readonly wishes: Wishes;
  /** What happened, in order, as this process saw it. */
  readonly seen: string[] = [];
  readonly events: AuditEvent[] = [];
  readonly questions: Question[] = [];
  readonly started: Grant[] = [];
  /** Who looked at the portal. */
  readonly visitors: string[] = [];
  readonly ended: { progress: SessionProgress; reason: string }[] = [];
  readonly progress = new Map<string, SessionProgress>();
  health: HealthItem[] = [];
  log = '';
  /** How the broker is started; a test may put it somewhere else, or make it somebody else. */
  launch = (command: readonly string[], env: NodeJS.ProcessEnv): ChildProcess =>
    spawn(command[0] ?? '', command.slice(1), { env, stdio: ['ignore', 'pipe', 'pipe'] });
  #child: ChildProcess | undefined;
  #control: Server<typeof controlPushes> | undefined;
  #audit: Server<Record<string, never>> | undefined;
  #device: TcpServer | undefined;
  readonly #sockets = new Set<Socket>();

  constructor(wishes: Partial<Wishes> = {}, limits: Partial<Config['broker']['limits']> = {}) {
    this.wishes = {
      decide: (question) => this.permit(question),
      keep: () => undefined,
      device: (socket) => void socket.pipe(socket),
      ...wishes,
    };
    const uid = process.getuid?.() ?? 0;
    const resource = (id: string, protocol: Protocol, host: number, port: number): unknown => ({
      id,
      device: 'device',
      protocol,
      virtual: { address: `${this.net}.${host}`, port },
      port: 7_000,
    });
    this.config = configSchema.parse({
      site: { id: 'test', name: 'Test' },
      runtimeDir: join(this.folder, 'run'),
      stateDir: join(this.folder, 'state'),
      uids: { broker: uid },
      overlay: { prefix: '127.0.0.0/8', resources: '127.0.0.0/8' },
      tunnel: { privateKeyFile: '/nonexistent', addresses: [`${this.net}.1/8`] },
      portal: { port: 8080 },
      policy: { file: '/nonexistent' },
      devices: [{ id: 'device', name: 'Device', class: 'pacs', address: this.deviceAddress }],
      resources: [
        resource('tcp', 'tcp', 10, 9100),
        resource('dicom', 'dicom', 11, 11112),
        resource('hl7', 'hl7', 12, 2575),
      ],
      broker: { limits },
    });
  }

  permit(question: Question, more: Partial<Grant> = {}): Decision {
    const resource = this.config.resources.find((r) => r.id === question.resource);
    const now = Date.now();
    const grant = grantSchema.parse({
      session: question.session,
      subject: {
        user: 'mara',
        roles: ['radiologist'],
        peer: 'laptop',
        userDevice: 'laptop',
        posture: { level: 'good', score: 90 },
        kex: 'classical',
        source: question.source,
      },
      target: {
        resource: question.resource,
        device: 'device',
        protocol: resource?.protocol,
        virtual: resource?.virtual,
        dial: { address: this.deviceAddress, port: 7_000 },
      },
      actions: ['view', 'modify'],
      obligations: [],
      limits: { idle: 600_000, end: now + 3_600_000 },
      expiresAt: now + 3_600_000,
      rules: ['test'],
      denials: [],
      revision: 'r1',
      ...more,
    });
    return { decision: 'permit', grant };
  }

  deny(question: Question, reason: string): Decision {
    const refusal = refusalSchema.parse({
      session: question.session,
      code: 'POLICY_DENIED',
      rules: [],
      reasons: [reason],
      revision: 'r1',
    });
    return { decision: 'deny', refusal };
  }

  async open(): Promise<void> {
    await this.openDevice();
    await this.openAudit();
    await this.openControl();
    await this.openBroker();
  }

  async openDevice(): Promise<void> {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      this.seen.push('device: accepted');
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.seen.push('device: closed');
        this.#sockets.delete(socket);
      });
      this.wishes.device(socket);
    });
    this.#device = server;
    server.listen(7_000, this.deviceAddress);
    await once(server, 'listening');
  }

  closeDevice(): void {
    this.#device?.close();
    this.#device = undefined;
  }

  async openAudit(): Promise<void> {
    let seq = 0;
    this.#audit = await serve({
      path: join(this.config.runtimeDir, 'audit', 'audit.sock'),
      verbs: logVerbs,
      pushes: {},
      access: { 'audit.append': ['broker'] },
      uids: this.config.uids,
      log: silentLog,
      handlers: {
        'audit.append': async ({ events }) => {
          for (const { kind } of events) this.seen.push(`audit: ${kind} arrived`);
          await this.wishes.keep(events);
          for (const event of events) {
            this.seen.push(`audit: ${event.kind} durable`);
            this.events.push(event);
          }
          const first = seq;
          seq += events.length;
          return { first, head: { size: seq, root: '00', time: Date.now() } };
        },
      },
    });
  }

  async openControl(): Promise<void> {
    const nothing = {};
    this.#control = await serve({
      path: join(this.config.runtimeDir, 'control', 'control.sock'),
      verbs: brokerVerbs,
      pushes: controlPushes,
      access: {
        'session.authorize': ['broker'],
        'session.started': ['broker'],
        'session.progress': ['broker'],
        'session.ended': ['broker'],
        'broker.health': ['broker'],
        'portal.access': ['broker'],
      },
      uids: this.config.uids,
      log: silentLog,
      handlers: {
        'session.authorize': async (question) => {
          this.seen.push('control: asked');
          this.questions.push(question);
          const decision = await this.wishes.decide(question, this);
          this.seen.push(`control: ${decision.decision}`);
          return decision;
        },
        'session.started': ({ grant }) => {
          this.seen.push('control: told of a start');
          this.started.push(grant);
          return nothing;
        },
        'session.progress': ({ sessions }) => {
          for (const progress of sessions) this.progress.set(progress.session, progress);
          return nothing;
        },
        'session.ended': (end) => {
          this.ended.push(end);
          return nothing;
        },
        'broker.health': ({ health }) => {
          this.health = health;
          return nothing;
        },
        'portal.access': ({ source }) => {
          this.visitors.push(source.address);
          return {
            now: Date.now(),
            site: 'Test',
            user: 'Mara',
            device: 'laptop',
            posture: { level: 'good' as const, score: 90 },
            findings: [],
            resources: [],
            glasses: [],
            requests: [],
            toApprove: [],
            offline: { state: 'standalone' as const, usedMs: 0 },
          };
        },
      },
    });
  }

  async closeControl(): Promise<void> {
    await this.#control?.close();
    this.#control = undefined;
  }

  async closeAudit(): Promise<void> {
    await this.#audit?.close();
    this.#audit = undefined;
  }

  revoke(session: Grant['session'], reason: string): void {
    this.#control?.push('session.revoke', { session, reason });
  }

  regrant(grant: Grant): void {
    this.#control?.push('session.regrant', { grant });
  }

  async openBroker(): Promise<void> {
    const file = join(this.folder, 'config.json');
    writeFileSync(file, JSON.stringify(this.config));
    const env = { ...process.env, ANTEROOM_CONFIG: file, NODE_OPTIONS: '' };
    const child = this.launch([process.execPath, main], env);
    this.#child = child;
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (bytes: Buffer) => {
        this.log += bytes.toString('utf8');
      });
    await this.until(
      () => this.log.includes('"msg":"ready"') || child.exitCode !== null,
      'the broker is ready',
    );
    await this.until(() => this.health.length > 0 || !this.#control, 'control heard of the broker');
  }

  /** End the broker in good order; its exit code. */
  async stopBroker(): Promise<number | null> {
    const child = this.#child;
    if (!child || child.exitCode !== null) return child?.exitCode ?? null;
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    await exited;
    return child.exitCode;
  }

  get brokerPid(): number {
    return this.#child?.pid ?? 0;
  }

  /** A user's connection to a resource, from `host` of the station's net. */
  user(resource: 'tcp' | 'dicom' | 'hl7', host = 100): User {
    const found = this.config.resources.find((r) => r.id === resource);
    if (!found) throw new Error(resource);
    const { address, port } = found.virtual;
    return new User(
      connect({ host: address, port, localAddress: `${this.net}.${host}`, allowHalfOpen: true }),
      this,
    );
  }

  recorded<K extends AuditKind>(kind: K): AuditBody<K>[] {
    return this.events.filter((event) => event.kind === kind).map((event) => event.body as AuditBody<K>);
  }

  async until(condition: () => boolean, what: string): Promise<void> {
    const deadline = Date.now() + DEADLINE_MS;
    while (!condition()) {
      if (Date.now() > deadline)
        throw new Error(`never happened: ${what}\n${this.seen.join('\n')}\n${this.log.slice(-4_000)}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  async close(): Promise<void> {
    try {
      await this.stopBroker();
    } finally {
      for (const socket of this.#sockets) socket.destroy();
      this.closeDevice();
      await this.closeControl();
      await this.closeAudit();
      rmSync(this.folder, { recursive: true, force: true });
    }
  }
}

/** The user's end of a connection: what it heard and how it ended. */
export class User {
  readonly socket: Socket;
  readonly #station: Station;
  heard = Buffer.alloc(0);
  finished = false;
  closed = false;
  error: string | undefined;

  constructor(socket: Socket, station: Station) {
    this.socket = socket;
    this.#station = station;
    socket.setNoDelay(true);
    socket.on('data', (bytes: Buffer) => {
      this.heard = Buffer.concat([this.heard, bytes]);
    });
    socket.on('end', () => {
      this.finished = true;
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.error = error.code ?? error.message;
    });
    socket.on('close', () => {
      this.closed = true;
    });
  }

  say(bytes: string | Uint8Array): void {
    this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  }

  get text(): string {
    return this.heard.toString('latin1');
  }

  /** The other end sent FIN or RST. */
  get over(): boolean {
    return this.finished || this.closed;
  }

  async hears(what: string | RegExp | number): Promise<void> {
    const holds = (): boolean =>
      typeof what === 'number'
        ? this.heard.length >= what
        : typeof what === 'string'
          ? this.text.includes(what)
          : what.test(this.text);
    await this.#station.until(holds, `the user hears ${String(what)}; heard ${JSON.stringify(this.text)}`);
  }

  async ends(): Promise<void> {
    await this.#station.until(() => this.over, 'the user is closed');
    this.socket.end();
  }
}
