/**
 * A remote user's end of the tunnel: stock wireguard-go, configured by stock `wg`, in the user's own namespace.
 * The UAPI socket is in one folder for the whole machine, so the interface carries the run's prefix.
 */
import { createWriteStream, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Lease } from './lease.ts';
import type { Namespace } from './namespace.ts';
import { stopChild } from './namespace.ts';
import { uapiListens, uapiSocket } from '../uapi.ts';

export interface RemoteOptions {
  readonly name: string;
  readonly privateKey: string;
  /** Address inside the tunnel, without prefix length. */
  readonly address: string;
  readonly listenPort?: number;
  readonly gateway: {
    readonly publicKey: string;
    readonly presharedKey?: string;
    readonly endpoint?: string;
    readonly allowedIps: readonly string[];
  };
  readonly mtu?: number;
}

export interface Remote {
  readonly interfaceName: string;
  readonly pid: number;
  /** Seconds since the Unix epoch of the last handshake, 0 for none: `wg show`. */
  lastHandshake(): Promise<number>;
  stop(): Promise<void>;
}

export async function startRemote(
  lease: Lease,
  namespace: Namespace,
  options: RemoteOptions,
): Promise<Remote> {
  const interfaceName = `${lease.prefix}-${options.name}`.slice(0, 15);
  const folder = join(lease.folder, `remote-${options.name}`);
  mkdirSync(folder, { mode: 0o700 });
  const child = namespace.spawn('wireguard-go', ['-f', interfaceName], {
    env: { ...process.env, LOG_LEVEL: 'verbose' },
  });
  const logFile = join(folder, 'log');
  const log = createWriteStream(logFile);
  child.stdout?.pipe(log, { end: false });
  child.stderr?.pipe(log, { end: false });
  const wg = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await namespace.run('wg', args);
    if (code !== 0) throw new Error(`wg ${args.join(' ')}: ${stderr.trim()}`);
    return stdout;
  };
  const { gateway } = options;
  const settings = join(folder, 'wg.conf');
  writeFileSync(
    settings,
    [
      '[Interface]',
      `PrivateKey = ${options.privateKey}`,
      ...(options.listenPort === undefined ? [] : [`ListenPort = ${options.listenPort}`]),
      '[Peer]',
      `PublicKey = ${gateway.publicKey}`,
      ...(gateway.presharedKey === undefined ? [] : [`PresharedKey = ${gateway.presharedKey}`]),
      ...(gateway.endpoint === undefined ? [] : [`Endpoint = ${gateway.endpoint}`]),
      `AllowedIPs = ${gateway.allowedIps.join(', ')}`,
      '',
    ].join('\n'),
    { mode: 0o600 },
  );
  await uapiListens(child, interfaceName, () => readFileSync(logFile, 'utf8'));
  await wg('setconf', interfaceName, settings);
  namespace.ip('addr', 'add', `${options.address}/32`, 'dev', interfaceName);
  namespace.ip('link', 'set', interfaceName, 'mtu', String(options.mtu ?? 1420), 'up');
  for (const prefix of gateway.allowedIps) namespace.ip('route', 'add', prefix, 'dev', interfaceName);
  return {
    interfaceName,
    pid: child.pid ?? 0,
    lastHandshake: async () =>
      Number((await wg('show', interfaceName, 'latest-handshakes')).trim().split('\t')[1] ?? 0),
    stop: async () => {
      await stopChild(child);
      log.end();
      rmSync(uapiSocket(interfaceName), { force: true });
    },
  };
}
