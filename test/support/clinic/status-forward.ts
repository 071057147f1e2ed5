/**
 * A way from this machine's loopback to the status page in the management network, which leaves nothing behind:
 * a relay in the management namespace listens on a Unix socket (which namespaces share), the runner on TCP.
 *
 *   browser → 127.0.0.1:PORT → <folder>/status.sock → relay in the namespace → 10.10.0.1:8420
 */
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { join } from 'node:path';
import type { Lease } from './lease.ts';
import type { Namespace } from './namespace.ts';
import { stopChild } from './namespace.ts';
import { until } from '../until.ts';
import { existsSync } from 'node:fs';

const relay = `
const { createServer, connect } = require('node:net');
const [path, port, host] = process.argv.slice(1);
createServer((a) => {
  const b = connect(Number(port), host);
  for (const [x, y] of [[a, b], [b, a]]) { x.on('error', () => y.destroy()); x.pipe(y); }
}).listen(path);`;

export interface StatusForward {
  readonly url: string;
  stop(): Promise<void>;
}

/** `preferred` is used when it is free on 127.0.0.1, another port otherwise. */
export async function forwardStatus(
  lease: Lease,
  management: Namespace,
  to: { readonly address: string; readonly port: number },
  preferred = 0,
): Promise<StatusForward> {
  const path = join(lease.folder, 'status.sock');
  const child = management.spawn(process.execPath, ['-e', relay, path, String(to.port), to.address]);
  await until('the relay listens', () => existsSync(path));
  const open = new Set<Socket>();
  const server: Server = createServer((socket) => {
    const other = connect(path);
    open.add(socket).add(other);
    socket.on('error', () => other.destroy()).on('close', () => open.delete(socket));
    other.on('error', () => socket.destroy()).on('close', () => open.delete(other));
    socket.pipe(other);
    other.pipe(socket);
  });
  const listen = (port: number): Promise<void> =>
    new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', () => {
        server.removeListener('error', reject);
        resolve();
      });
    });
  await listen(preferred).catch(() => listen(0));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    stop: async () => {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      await stopChild(child);
    },
  };
}
