/**
 * A real network for the tunnel's system tests: gateway `a` between gateway `b` and a stock wireguard-go `c`,
 * each in a network namespace. Both of a's links end at its one UDP port. Removed by `close`, whatever happened.
 *
 *   b 192.0.2.2, 100.96.0.2 ── 192.0.2.1  a 100.96.0.1  198.51.100.1 ── c 198.51.100.3, 100.96.0.3
 *     2001:db8::2               2001:db8::1   2001:db8:1::1     2001:db8:1::3
 */
import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createPrivateKey, createPublicKey, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { connect } from '../../src/ipc/client.ts';
import { serve } from '../../src/ipc/server.ts';
import { silentLog } from '../../src/platform/log.ts';
import type { KexPolicy } from '../../src/wire/action.ts';
import type { AuditEvent } from '../../src/wire/audit-event.ts';
import { configSchema } from '../../src/wire/config.ts';
import { auditPushes, auditVerbs, tunnelPushes, tunnelVerbs } from '../../src/wire/messages.ts';
import type { PeerStatus } from '../../src/wire/messages.ts';
import { uapiListens, uapiSocket } from '../support/uapi.ts';
import { until } from '../support/until.ts';

export const run = promisify(execFile);
export const root = fileURLToPath(new URL('../../', import.meta.url));

export interface Keys {
  readonly secret: Buffer;
  readonly public: string;
}

export function makeKeys(): Keys {
  const secret = randomBytes(32);
  const der = Buffer.concat([Buffer.from('302e020100300506032b656e04220420', 'hex'), secret]);
  const publicKey = createPublicKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }));
  const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
  return { secret, public: raw.toString('base64') };
}

export interface PeerOf {
  readonly id: string;
  readonly key: string;
  readonly address: string;
  /** What it may send from; without it, its address alone. */
  readonly allowed?: readonly string[];
  readonly kex: KexPolicy;
  readonly psk?: Buffer;
  readonly endpoint?: string;
  readonly port?: number;
  readonly keepalive?: number;
}

export async function spawnIn(namespace: string, command: string, args: readonly string[]): Promise<string> {
  const { stdout } = await run('ip', ['netns', 'exec', namespace, command, ...args], {
    env: { ...process.env, NODE_OPTIONS: '' },
    timeout: 60_000,
  });
  return stdout;
}

/** One tunnel process of ours, with a stand-in for the audit log. */
export class Gateway {
  readonly namespace: string;
  readonly folder: string;
  readonly keys: Keys;
  readonly events: AuditEvent[] = [];
  log = '';
  #child: ChildProcess | undefined;
  #close: (() => Promise<void>)[] = [];
  #client: ReturnType<typeof connect<typeof tunnelVerbs, typeof tunnelPushes>> | undefined;

  constructor(namespace: string, folder: string, keys: Keys) {
    this.namespace = namespace;
    this.folder = folder;
    this.keys = keys;
  }

  get configFile(): string {
    return join(this.folder, 'config.json');
  }

  async prepare(address: string, peers: readonly PeerOf[]): Promise<void> {
    mkdirSync(this.folder, { recursive: true });
    const secretFile = (name: string, bytes: Buffer): string => {
      const file = join(this.folder, name);
      writeFileSync(file, `${bytes.toString('base64')}\n`, { mode: 0o600 });
      return file;
    };
    const uids = { tunnel: 0, sensor: 0, broker: 0, control: 0, audit: 0, operators: [] };
    const config = {
      site: { id: 'test', name: 'Test' },
      runtimeDir: this.folder,
      stateDir: join(this.folder, 'state'),
      logLevel: 'debug',
      uids,
      tunnel: { privateKeyFile: secretFile('key', this.keys.secret), addresses: [`${address}/17`] },
      users: [{ id: 'someone', name: 'Someone', roles: ['tester'] }],
      peers: peers.map((p) => ({
        id: p.id,
        publicKey: p.key,
        allowedIps: p.allowed ?? [`${p.address}/32`],
        user: 'someone',
        userDevice: p.id,
        kex: p.kex,
        persistentKeepalive: p.keepalive ?? 0,
        ...(p.psk && { presharedKeyFile: secretFile(`${p.id}.psk`, p.psk) }),
        ...(p.endpoint !== undefined && { endpoint: { address: p.endpoint, port: p.port ?? 51820 } }),
      })),
      policy: { file: '/nonexistent' },
    };
    configSchema.parse(config);
    writeFileSync(this.configFile, JSON.stringify(config));
    if (this.#close.length > 0) return;
    const audit = await serve({
      path: join(this.folder, 'audit/audit.sock'),
      verbs: { 'audit.append': auditVerbs['audit.append'] },
      pushes: auditPushes,
      access: { 'audit.append': ['tunnel'] },
      uids,
      log: silentLog,
      handlers: {
        'audit.append': ({ events }) => {
          this.events.push(...events);
          return { first: this.events.length, head: { size: this.events.length, root: '', time: 0 } };
        },
      },
    });
    this.#close.push(async () => await audit.close());
  }

  /** The process's id; `ip netns exec` becomes the process itself. */
  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** `hurried`: constants of the protocol with other values, in milliseconds (hurried.ts). */
  async start(hurried?: Readonly<Record<string, number>>): Promise<void> {
    const imports = hurried ? ['--import', join(root, 'test/tunnel/hurried.ts')] : [];
    const child = spawn(
      'ip',
      ['netns', 'exec', this.namespace, process.execPath, ...imports, join(root, 'src/main/tunnel.ts')],
      {
        env: {
          ...process.env,
          ANTEROOM_CONFIG: this.configFile,
          NODE_OPTIONS: '',
          HURRIED: JSON.stringify(hurried ?? {}),
        },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    this.#child = child;
    this.log = '';
    const hear = (chunk: Buffer): void => {
      this.log += chunk.toString();
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    await until('our tunnel listens', () => {
      if (child.exitCode !== null) throw new Error(`our tunnel ended: ${this.log}`);
      return this.log.includes('"listening"');
    });
    this.#client ??= connect({
      path: join(this.folder, 'tunnel/tunnel.sock'),
      verbs: tunnelVerbs,
      pushes: tunnelPushes,
      log: silentLog,
    });
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await ended;
  }

  async peer(id: string): Promise<PeerStatus> {
    if (!this.#client) throw new Error('not started');
    const { peers } = await this.#client.call('tunnel.status', {});
    const found = peers.find((p) => p.peer === id);
    if (!found) throw new Error(`no peer ${id}`);
    return found;
  }

  only<K extends AuditEvent['kind']>(kind: K): Extract<AuditEvent, { kind: K }>[] {
    return this.events.filter((e): e is Extract<AuditEvent, { kind: K }> => e.kind === kind);
  }

  async close(): Promise<void> {
    this.#client?.close();
    await this.end('SIGTERM');
    for (const close of this.#close) await close();
  }
}

export interface StockOptions {
  /** More keys that it takes for peers. */
  readonly others?: readonly string[];
  /** Where it takes a to be; null when a has to call first. */
  readonly endpoint?: string | null;
  readonly psk?: Buffer;
  /** Which build; without it, the one on the PATH. */
  readonly program?: string;
}

let networks = 0;

export class ThreeWay {
  readonly names: readonly [string, string, string];
  readonly folder = mkdtempSync(join(tmpdir(), 'ar-tun-hybrid-'));
  readonly device: string;
  readonly a: Gateway;
  readonly b: Gateway;
  readonly stock = makeKeys();
  #wireguard: ChildProcess | undefined;

  private constructor() {
    const id = `${process.pid}${String.fromCodePoint(97 + networks++)}`;
    this.names = [`ar-hyb-a-${id}`, `ar-hyb-b-${id}`, `ar-hyb-c-${id}`];
    this.device = `arh${id}`;
    this.a = new Gateway(this.names[0], join(this.folder, 'a'), makeKeys());
    this.b = new Gateway(this.names[1], join(this.folder, 'b'), makeKeys());
  }

  /** The namespaces and their links; nothing runs yet. */
  static async make(): Promise<ThreeWay> {
    const network = new ThreeWay();
    try {
      await network.#build();
    } catch (error) {
      await network.close();
      throw error;
    }
    return network;
  }

  async #build(): Promise<void> {
    const [a, b, c] = this.names;
    for (const name of this.names) await run('ip', ['netns', 'add', name]);
    for (const [far, link, near, there] of [
      [b, 'uplink0', '192.0.2.1/24', '192.0.2.2/24'],
      [c, 'uplink1', '198.51.100.1/24', '198.51.100.3/24'],
    ] as const) {
      await run('ip', [
        '-n',
        a,
        'link',
        'add',
        link,
        'type',
        'veth',
        'peer',
        'name',
        'uplink0',
        'netns',
        far,
      ]);
      for (const [namespace, device, address] of [
        [a, link, near],
        [far, 'uplink0', there],
      ] as const) {
        await run('ip', ['-n', namespace, 'address', 'add', address, 'dev', device]);
        await run('ip', ['-n', namespace, 'link', 'set', device, 'up']);
        await run('ip', ['-n', namespace, 'link', 'set', 'lo', 'up']);
      }
    }
    for (const [namespace, device, address] of [
      [a, 'uplink0', '2001:db8::1/64'],
      [b, 'uplink0', '2001:db8::2/64'],
      [a, 'uplink1', '2001:db8:1::1/64'],
      [c, 'uplink0', '2001:db8:1::3/64'],
    ] as const)
      await run('ip', ['-n', namespace, 'address', 'add', address, 'dev', device, 'nodad']);
  }

  /** wireguard-go in c. */
  async startStock(options: StockOptions = {}): Promise<void> {
    const { others = [], endpoint = '198.51.100.1', psk, program = 'wireguard-go' } = options;
    const c = this.names[2];
    this.#wireguard = spawn('ip', ['netns', 'exec', c, program, '-f', this.device], {
      env: { ...process.env, WG_PROCESS_FOREGROUND: '1', LOG_LEVEL: 'error' },
      stdio: 'ignore',
    });
    await uapiListens(this.#wireguard, this.device);
    const file = join(this.folder, 'stock.key');
    writeFileSync(file, this.stock.secret.toString('base64'), { mode: 0o600 });
    await this.wg('set', this.device, 'listen-port', '51820', 'private-key', file);
    const peer = ['peer', this.a.keys.public, 'allowed-ips', '100.96.0.1/32'];
    if (endpoint !== null) peer.push('endpoint', `[${endpoint}]:51820`);
    if (psk) {
      const secret = join(this.folder, 'stock.psk');
      writeFileSync(secret, psk.toString('base64'), { mode: 0o600 });
      peer.push('preshared-key', secret);
    }
    await this.wg('set', this.device, ...peer);
    for (const key of others) await this.wg('set', this.device, 'peer', key);
    await run('ip', ['-n', c, 'address', 'add', '100.96.0.3/17', 'dev', this.device]);
    await run('ip', ['-n', c, 'link', 'set', this.device, 'mtu', '1420', 'up']);
  }

  async wg(...args: string[]): Promise<string> {
    return await spawnIn(this.names[2], 'wg', args);
  }

  async close(): Promise<void> {
    await this.a.close();
    await this.b.close();
    const child = this.#wireguard;
    if (child && child.exitCode === null && child.signalCode === null) {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await ended;
    }
    for (const name of this.names)
      if (existsSync(`/var/run/netns/${name}`)) await run('ip', ['netns', 'del', name]);
    rmSync(uapiSocket(this.device), { force: true });
    rmSync(this.folder, { recursive: true, force: true });
  }
}
