/** A TCP relay on loopback that lets a gate decide between real peers; what it did is kept for the test to read. */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import type { Effect, Gate, Side } from '../../../src/broker/gate/gate.ts';

export interface Relay {
  readonly port: number;
  /** Effects of every session so far; sends are left in. */
  readonly effects: Effect[];
  /** What the device was sent, session after session. */
  toDevice(): Buffer;
  close(): Promise<void>;
}

/** `then` sees each list of effects with its gate, after it was carried out. Without a device nothing is dialled. */
export async function openRelay(
  open: () => Gate,
  device?: number,
  then?: (effects: readonly Effect[], gate: Gate) => readonly Effect[],
): Promise<Relay> {
  const effects: Effect[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((user) => {
    const gate = open();
    const far = device === undefined ? undefined : connect(device, '127.0.0.1');
    const apply = (list: readonly Effect[]): void => {
      for (const effect of list) {
        effects.push(effect.kind === 'send' ? { ...effect, bytes: Uint8Array.from(effect.bytes) } : effect);
        if (effect.kind === 'send') (effect.to === 'user' ? user : far)?.write(effect.bytes);
        if (effect.kind === 'end') {
          user.end();
          far?.end();
        }
      }
      if (then && list.length > 0) apply(then(list, gate));
    };
    const wire = (socket: Socket | undefined, side: Side): void => {
      if (!socket) return;
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('data', (bytes) => apply(gate.receive(side, bytes)));
      socket.on('end', () => apply(gate.closed(side)));
      socket.on('error', () => apply(gate.closed(side)));
      socket.on('close', () => sockets.delete(socket));
    };
    wire(user, 'user');
    wire(far, 'device');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    effects,
    toDevice: () =>
      Buffer.concat(effects.flatMap((e) => (e.kind === 'send' && e.to === 'device' ? [e.bytes] : []))),
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** A loopback port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
