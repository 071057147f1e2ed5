/**
 * A real network for the tunnel's system tests: two network namespaces joined by a veth, our tunnel process in one and
 * a stock wireguard-go in the other. Everything made here is removed by `close`, whatever happened in between.
 *
 *   ar-tun-a-PID  192.0.2.1  anteroom0 100.96.0.1/17   |   ar-tun-b-PID  192.0.2.2  artPID 100.96.0.2/17
 */
import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { connect } from '../../src/ipc/client.ts';
import type { Client } from '../../src/ipc/client.ts';
import { serve } from '../../src/ipc/server.ts';
import type { Server } from '../../src/ipc/server.ts';
import { silentLog } from '../../src/platform/log.ts';
import type { AuditEvent } from '../../src/wire/audit-event.ts';
import { configSchema } from '../../src/wire/config.ts';
import { Fault } from '../../src/wire/errors.ts';
import { auditPushes, auditVerbs, tunnelPushes, tunnelVerbs } from '../../src/wire/messages.ts';
import type { TunnelSession } from '../../src/wire/messages.ts';
import { uapiListens, uapiSocket } from '../support/uapi.ts';
import { until } from '../support/until.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../../', import.meta.url));

export interface WorldOptions {
  readonly psk?: boolean;
  /** The stock peer's pre-shared key is another one than ours. */
  readonly wrongPsk?: boolean;
  /** Ours knows where the stock peer is, and the stock peer doesn't know where we are. */
  readonly weInitiate?: boolean;
  readonly persistentKeepalive?: number;
}

let worlds = 0;

export class World {
  readonly ours: string;
  readonly stock: string;
  readonly device: string;
  readonly folder: string;
  readonly options: WorldOptions;
  readonly events: AuditEvent[] = [];
  readonly sessions: TunnelSession[] = [];
  /** False: the audit log refuses everything. */
  auditing = true;
  log = '';
  ourPublicKey = '';
  stockPublicKey = '';
  #children = new Set<ChildProcess>();
  #tunnel: ChildProcess | undefined;
  #wireguard: ChildProcess | undefined;
  #audit: Server<typeof auditPushes> | undefined;
  #client: Client<typeof tunnelVerbs> | undefined;

  private constructor(options: WorldOptions) {
    const id = `${process.pid}${String.fromCodePoint(97 + worlds++)}`;
    this.ours = `ar-tun-a-${id}`;
    this.stock = `ar-tun-b-${id}`;
    this.device = `art${id}`;
    this.folder = mkdtempSync(join(tmpdir(), 'ar-tun-'));
    this.options = options;
  }

  static async make(options: WorldOptions = {}): Promise<World> {
    const world = new World(options);
    try {
      await world.#build();
    } catch (error) {
      await world.close();
      throw error;
    }
    return world;
  }

  async #build(): Promise<void> {
    const { ours, stock } = this;
    await run('ip', ['netns', 'add', ours]);
    await run('ip', ['netns', 'add', stock]);
    await run('ip', [
      '-n',
      ours,
      'link',
      'add',
      'uplink0',
      'type',
      'veth',
      'peer',
      'name',
      'uplink0',
      'netns',
      stock,
    ]);
    for (const [namespace, address] of [
      [ours, '192.0.2.1/24'],
      [stock, '192.0.2.2/24'],
    ] as const) {
      await run('ip', ['-n', namespace, 'address', 'add', address, 'dev', 'uplink0']);
      await run('ip', ['-n', namespace, 'link', 'set', 'uplink0', 'up']);
      await run('ip', ['-n', namespace, 'link', 'set', 'lo', 'up']);
    }
    this.ourPublicKey = await this.#makeKey('ours');
    this.stockPublicKey = await this.#makeKey('stock');
    await this.#writeKey('psk', (await run('wg', ['genpsk'])).stdout);
    await this.#writeKey('other-psk', (await run('wg', ['genpsk'])).stdout);
    this.#audit = await serve({
      path: this.path('audit/audit.sock'),
      verbs: { 'audit.append': auditVerbs['audit.append'] },
      pushes: auditPushes,
      access: { 'audit.append': ['tunnel'] },
      uids: this.#uids(),
      log: silentLog,
      handlers: {
        'audit.append': ({ events }) => {
          if (!this.auditing) throw new Fault('AUDIT_STORAGE_FULL');
          this.events.push(...events);
          return { first: this.events.length, head: { size: this.events.length, root: '', time: 0 } };
        },
      },
    });
    this.#writeConfig();
    await this.startTunnel();
    await this.startStock();
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  async #makeKey(name: string): Promise<string> {
    const { stdout } = await run('wg', ['genkey']);
    await this.#writeKey(name, stdout);
    const child = execFile('wg', ['pubkey']);
    let text = '';
    child.stdout?.on('data', (chunk: string) => (text += chunk));
    child.stdin?.end(stdout);
    await new Promise((resolve) => child.on('close', resolve));
    return text.trim();
  }

  async #writeKey(name: string, text: string): Promise<void> {
    writeFileSync(this.path(`${name}.key`), text, { mode: 0o600 });
  }

  #uids(): {
    tunnel: number;
    sensor: number;
    broker: number;
    control: number;
    audit: number;
    operators: number[];
  } {
    return { tunnel: 0, sensor: 0, broker: 0, control: 0, audit: 0, operators: [] };
  }

  #writeConfig(): void {
    const config = {
      site: { id: 'test', name: 'Test' },
      runtimeDir: this.folder,
      stateDir: this.folder,
      logLevel: 'debug',
      uids: this.#uids(),
      tunnel: {
        privateKeyFile: this.path('ours.key'),
        addresses: ['100.96.0.1/17'],
        listen: { port: 51820 },
      },
      users: [{ id: 'someone', name: 'Someone', roles: ['tester'] }],
      peers: [
        {
          id: 'stock',
          publicKey: this.stockPublicKey,
          allowedIps: ['100.96.0.2/32'],
          user: 'someone',
          userDevice: 'laptop',
          persistentKeepalive: this.options.persistentKeepalive ?? 0,
          ...(this.options.psk && { presharedKeyFile: this.path('psk.key') }),
          ...(this.options.weInitiate && { endpoint: { address: '192.0.2.2', port: 51820 } }),
        },
      ],
      policy: { file: '/nonexistent' },
    };
    configSchema.parse(config);
    writeFileSync(this.path('config.json'), JSON.stringify(config));
  }

  #spawn(
    namespace: string,
    command: string,
    args: readonly string[],
    env: NodeJS.ProcessEnv = {},
  ): ChildProcess {
    const child = spawn('ip', ['netns', 'exec', namespace, command, ...args], {
      env: { ...process.env, ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.#children.add(child);
    child.on('exit', () => this.#children.delete(child));
    return child;
  }

  /** Our tunnel process, ready; also after `killTunnel`. */
  async startTunnel(): Promise<void> {
    const child = this.#spawn(this.ours, process.execPath, [join(root, 'src/main/tunnel.ts')], {
      ANTEROOM_CONFIG: this.path('config.json'),
      NODE_OPTIONS: '',
    });
    this.#tunnel = child;
    let ready = false;
    const hear = (chunk: Buffer): void => {
      this.log += chunk.toString();
      ready ||= this.log.includes('"listening"');
    };
    this.log = '';
    child.stdout?.on('data', hear);
    child.stderr?.on('data', hear);
    await until('our tunnel listens', () => {
      if (child.exitCode !== null) throw new Error(`our tunnel ended: ${this.log}`);
      return ready;
    });
    this.#client ??= connect({
      path: this.path('tunnel/tunnel.sock'),
      verbs: tunnelVerbs,
      pushes: tunnelPushes,
      log: silentLog,
      onPush: (_event, body) => this.sessions.push(body as TunnelSession),
    });
    await this.client.call('tunnel.status', {});
  }

  get client(): Client<typeof tunnelVerbs> {
    if (!this.#client) throw new Error('not connected');
    return this.#client;
  }

  get tunnelPid(): number {
    return this.#tunnel?.pid ?? 0;
  }

  async #end(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<number | null> {
    if (!child || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
    child.kill(signal);
    return await ended;
  }

  /** SIGKILL: `ip netns exec` becomes the process itself, so this is its pid. */
  async killTunnel(): Promise<void> {
    await this.#end(this.#tunnel, 'SIGKILL');
  }

  async stopTunnel(): Promise<number | null> {
    return await this.#end(this.#tunnel, 'SIGTERM');
  }

  async startStock(): Promise<void> {
    const child = this.#spawn(this.stock, 'wireguard-go', ['-f', this.device], {
      WG_PROCESS_FOREGROUND: '1',
      LOG_LEVEL: 'error',
    });
    this.#wireguard = child;
    await uapiListens(child, this.device);
    await this.wg('set', this.device, 'listen-port', '51820', 'private-key', this.path('stock.key'));
    await this.addStockPeer();
    await run('ip', ['-n', this.stock, 'address', 'add', '100.96.0.2/17', 'dev', this.device]);
    await run('ip', ['-n', this.stock, 'link', 'set', this.device, 'mtu', '1420', 'up']);
  }

  async killStock(): Promise<void> {
    await this.#end(this.#wireguard, 'SIGKILL');
    rmSync(uapiSocket(this.device), { force: true });
    await until('the interface is gone', async () => {
      const { stdout } = await run('ip', ['-n', this.stock, '-br', 'link']);
      return !stdout.includes(this.device);
    });
  }

  /** We, as the stock peer's peer. */
  async addStockPeer(): Promise<void> {
    const key = this.options.wrongPsk ? 'other-psk' : 'psk';
    await this.wg(
      'set',
      this.device,
      'peer',
      this.ourPublicKey,
      'allowed-ips',
      '100.96.0.0/16',
      ...(this.options.psk ? ['preshared-key', this.path(`${key}.key`)] : []),
      ...(this.options.weInitiate ? [] : ['endpoint', '192.0.2.1:51820']),
    );
  }

  async wg(...args: string[]): Promise<string> {
    return (await run('ip', ['netns', 'exec', this.stock, 'wg', ...args])).stdout;
  }

  /** Unix seconds of the last handshake as `wg show` tells it, 0 for none. */
  async latestHandshake(): Promise<number> {
    return Number((await this.wg('show', this.device, 'latest-handshakes')).trim().split('\t')[1] ?? 0);
  }

  /** Run a script of Node in a namespace. Resolves with what it printed; rejects when it fails. */
  async script(namespace: string, code: string, seconds = 20): Promise<string> {
    const child = this.#spawn(namespace, process.execPath, ['--input-type=module', '-e', code], {
      NODE_OPTIONS: '',
    });
    let out = '';
    child.stdout?.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr?.on('data', (chunk: Buffer) => (out += chunk.toString()));
    const timer = setTimeout(() => child.kill('SIGKILL'), seconds * 1000);
    const status = await new Promise((resolve) => child.once('close', resolve));
    clearTimeout(timer);
    if (status !== 0) throw new Error(`script in ${namespace} ended with ${String(status)}: ${out}`);
    return out;
  }

  /** Send bytes over TCP to an echo service in the other namespace, and compare what comes back. */
  async echo(direction: 'to ours' | 'to stock', bytes: number, seconds = 20): Promise<void> {
    const [from, to, address] =
      direction === 'to ours' ? [this.stock, this.ours, '100.96.0.1'] : [this.ours, this.stock, '100.96.0.2'];
    const server = this.#spawn(
      to,
      process.execPath,
      [
        '--input-type=module',
        '-e',
        `import net from 'node:net';
         const s = net.createServer((c) => { c.pipe(c); c.on('error', () => {}); });
         s.listen(7777, '${address}', () => console.log('ready'));`,
      ],
      { NODE_OPTIONS: '' },
    );
    try {
      let out = '';
      server.stdout?.on('data', (chunk: Buffer) => (out += chunk.toString()));
      server.stderr?.on('data', (chunk: Buffer) => (out += chunk.toString()));
      await until('the echo service listens', () => {
        if (server.exitCode !== null) throw new Error(`no echo service: ${out}`);
        return out.includes('ready');
      });
      await this.script(
        from,
        `import net from 'node:net';
         import { createHash, randomBytes } from 'node:crypto';
         const data = randomBytes(${bytes});
         const digest = (b) => createHash('sha256').update(b).digest('hex');
         const c = net.connect(7777, '${address}');
         const got = [];
         c.on('data', (d) => got.push(d));
         c.on('end', () => process.exit(digest(Buffer.concat(got)) === digest(data) ? 0 : 3));
         c.on('error', (e) => { console.error(e); process.exit(4); });
         c.end(data);`,
        seconds,
      );
    } finally {
      await this.#end(server, 'SIGKILL');
    }
  }

  async close(): Promise<void> {
    this.#client?.close();
    await this.#end(this.#tunnel, 'SIGTERM');
    for (const child of this.#children) await this.#end(child, 'SIGKILL');
    await this.#audit?.close();
    for (const namespace of [this.ours, this.stock]) {
      // Not there when making it was what failed.
      if (existsSync(`/var/run/netns/${namespace}`)) await run('ip', ['netns', 'del', namespace]);
    }
    rmSync(uapiSocket(this.device), { force: true });
    rmSync(this.folder, { recursive: true, force: true });
  }
}
