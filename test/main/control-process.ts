/** The control process in a folder of its own, with stand-ins for the tunnel and the audit log beside it. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { connect } from '../../src/ipc/client.ts';
import type { Client } from '../../src/ipc/client.ts';
import { serve } from '../../src/ipc/server.ts';
import type { Server } from '../../src/ipc/server.ts';
import { silentLog } from '../../src/platform/log.ts';
import type { AuditEvent } from '../../src/wire/audit-event.ts';
import { configSchema } from '../../src/wire/config.ts';
import type { Config } from '../../src/wire/config.ts';
import type { Grant } from '../../src/wire/grant.ts';
import { sessionId } from '../../src/wire/ids.ts';
import type { SessionId } from '../../src/wire/ids.ts';
import {
  auditPushes,
  auditVerbs,
  controlPushes,
  controlVerbs,
  peerStatus,
  tunnelPushes,
  tunnelVerbs,
} from '../../src/wire/messages.ts';
import type { PeerStatus, SessionProgress, TunnelSession } from '../../src/wire/messages.ts';

const source = fileURLToPath(new URL('../../src/', import.meta.url));
const me = process.getuid?.() ?? 0;
const LIMIT_MS = 60_000;

export const policyText = [
  '@id("imaging") @reason("Imaging.")',
  'permit (principal in Role::"radiologist", action in [Action::"view", Action::"modify"], resource);',
  '',
].join('\n');

export interface Site {
  readonly folder: string;
  readonly configFile: string;
  readonly policyFile: string;
  readonly config: Config;
  remove(): void;
}

export function makeSite(): Site {
  const folder = mkdtempSync(join(tmpdir(), 'anteroom-control-'));
  chmodSync(folder, 0o755);
  mkdirSync(join(folder, 'run'));
  const policyFile = join(folder, 'policy.cedar');
  const configFile = join(folder, 'config.json');
  writeFileSync(policyFile, policyText);
  const input = {
    site: { id: 'clinic-north', name: 'Clinic North' },
    runtimeDir: join(folder, 'run'),
    stateDir: join(folder, 'state'),
    uids: { tunnel: me, sensor: me, broker: me, control: me, audit: me, operators: [me] },
    tunnel: { privateKeyFile: '/nowhere', addresses: ['100.96.0.1/17'] },
    peers: [
      {
        id: 'ada-laptop',
        publicKey: `${'A'.repeat(43)}=`,
        allowedIps: ['100.96.0.7/32'],
        user: 'ada',
        userDevice: 'laptop',
        posture: { level: 'good', score: 90 },
      },
      {
        id: 'bob-laptop',
        publicKey: `${'B'.repeat(42)}A=`,
        allowedIps: ['100.96.0.8/32'],
        user: 'bob',
        userDevice: 'laptop',
      },
    ],
    users: [
      { id: 'ada', name: 'Ada', roles: ['radiologist'] },
      { id: 'bob', name: 'Bob', roles: ['visitor'] },
    ],
    devices: [{ id: 'pacs', name: 'PACS', class: 'pacs', unit: 'imaging', address: '10.20.0.10' }],
    resources: [
      {
        id: 'pacs-dicom',
        device: 'pacs',
        protocol: 'dicom',
        virtual: { address: '100.96.128.11', port: 104 },
        port: 4242,
      },
    ],
    policy: { file: policyFile },
    status: { listen: { port: 20_000 + (process.pid % 20_000) } },
  };
  writeFileSync(configFile, JSON.stringify(input));
  return {
    folder,
    configFile,
    policyFile,
    config: configSchema.parse(input),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

export interface ControlProcess {
  readonly child: ChildProcess;
  readonly lines: string[];
  /** SIGTERM; the exit code. */
  stop(): Promise<number | null>;
  kill(): Promise<void>;
}

/** Start it; resolves when it is ready, or, with `ends`, when it has ended. */
export async function startControl(site: Site, ends = false): Promise<ControlProcess> {
  const child = spawn(process.execPath, [join(source, 'main', 'control.ts')], {
    env: { ...process.env, ANTEROOM_CONFIG: site.configFile },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = once(child, 'exit') as Promise<[number | null]>;
  const lines: string[] = [];
  const ready = Promise.withResolvers<void>();
  const hear = (line: string): void => {
    lines.push(line);
    if (line.includes('"msg":"ready"')) ready.resolve();
  };
  createInterface(child.stdout).on('line', hear);
  createInterface(child.stderr).on('line', hear);
  const early = exited.then(([code]) => {
    if (!ends) throw new Error(`control ended with ${code}: ${lines.join('\n')}`);
  });
  await Promise.race([ready.promise, early]);
  early.catch(() => undefined);
  return {
    child,
    lines,
    stop: async () => {
      child.kill('SIGTERM');
      return (await exited)[0];
    },
    kill: async () => {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

/** Try until `look` gives something; a failing look isn't an answer yet. */
export async function until<T>(what: string, look: () => T | undefined | Promise<T | undefined>): Promise<T> {
  const end = performance.now() + LIMIT_MS;
  let last: unknown;
  while (performance.now() < end) {
    try {
      const found = await look();
      if (found !== undefined && found !== false) return found;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`never happened: ${what}`, { cause: last });
}

export interface FakeAudit {
  readonly events: AuditEvent[];
  of(kind: AuditEvent['kind']): AuditEvent[];
  close(): Promise<void>;
}

export async function startAudit(site: Site, events: AuditEvent[] = []): Promise<FakeAudit> {
  const head = (): { size: number; root: string; time: number } => ({
    size: events.length,
    root: '00',
    time: 0,
  });
  const anyone = ['control', 'operator'] as const;
  const server = await serve({
    path: join(site.config.runtimeDir, 'audit', 'audit.sock'),
    verbs: auditVerbs,
    pushes: auditPushes,
    access: {
      'audit.append': anyone,
      'audit.head': anyone,
      'audit.status': anyone,
      'audit.read': anyone,
      'audit.checkpoint': anyone,
    },
    uids: site.config.uids,
    handlers: {
      'audit.append': ({ events: more }) => {
        const first = events.length;
        events.push(...more);
        return { first, head: head() };
      },
      'audit.head': head,
      'audit.status': () => ({ head: head(), health: [] }),
      'audit.read': () => ({ records: [] }),
      'audit.checkpoint': () => ({ key: '' }),
    },
    log: silentLog,
  });
  return {
    events,
    of: (kind) => events.filter((e) => e.kind === kind),
    close: () => server.close(),
  };
}

export interface FakeTunnel {
  peers: PeerStatus[];
  readonly hints: unknown[];
  readonly server: Server<typeof tunnelPushes>;
}

export async function startTunnel(site: Site, peers: PeerStatus[]): Promise<FakeTunnel> {
  const hints: unknown[] = [];
  const server = await serve({
    path: join(site.config.runtimeDir, 'tunnel', 'tunnel.sock'),
    verbs: tunnelVerbs,
    pushes: tunnelPushes,
    access: { 'tunnel.status': ['control'], 'tunnel.hint': ['control'] },
    uids: site.config.uids,
    handlers: {
      'tunnel.status': () => ({
        peers: fake.peers,
        port: 51820,
        health: [{ item: 'tunnel.link', level: 'ok' as const, text: 'up', since: 1 }],
      }),
      'tunnel.hint': (hint) => {
        hints.push(hint);
        return {};
      },
    },
    log: silentLog,
  });
  const fake: FakeTunnel = { peers, hints, server };
  return fake;
}

export function tunnelSession(peer: string, kex = 'hybrid', number = 1): TunnelSession {
  return peerStatus.parse({
    ...present(peer),
    session: {
      peer,
      tunnelSession: number.toString(16).padStart(32, '0'),
      role: 'responder',
      kex,
      endpoint: { address: '192.0.2.9', port: 5000 },
      at: 1,
    },
  }).session as TunnelSession;
}

/** A peer as the tunnel tells of it. */
export function present(peer: string, session?: TunnelSession): PeerStatus {
  return peerStatus.parse({
    peer,
    ...(session ? { session, endpoint: session.endpoint } : {}),
    receivedBytes: 0,
    sentBytes: 0,
  });
}

export type ControlClient = Client<typeof controlVerbs>;
export interface Caller {
  readonly control: ControlClient;
  readonly pushed: { readonly event: string; readonly body: Record<string, unknown> }[];
}

export function callControl(site: Site): Caller {
  const pushed: { event: string; body: Record<string, unknown> }[] = [];
  const control = connect({
    path: join(site.config.runtimeDir, 'control', 'control.sock'),
    verbs: controlVerbs,
    pushes: controlPushes,
    log: silentLog,
    onPush: (event, body) => pushed.push({ event, body }),
  });
  return { control, pushed };
}

export const newSession = (n: number): SessionId => sessionId.parse(`s-${n.toString(16).padStart(32, '0')}`);

export const progressOf = (grant: Grant): SessionProgress => ({
  session: grant.session,
  startedAt: 1,
  lastActivity: 1,
  bytesToDevice: 0,
  bytesToUser: 0,
  units: {},
  refused: 0,
});
