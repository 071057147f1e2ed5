/**
 * The process inside a namespace that loads the addon for a test: does what its parent asks, over the channel
 * `spawn` opened, and passes on what the addon says. station.ts is the parent's half.
 */
import { createSocket, type Socket } from 'node:dgram';
import { readdirSync, readFileSync } from 'node:fs';
import {
  addon,
  type CaptureOptions,
  type NativeCapture,
  type NativeTransport,
  type TransportOptions,
} from '../../src/platform/addon.ts';
import { walkBatch } from './capture-batch.ts';
import type { Answer, Request, StationEvent } from './station.ts';

const say = (event: StationEvent): void => void process.send?.(event);
const reportFailure = (error: Error & { code?: string }): void =>
  say({ event: 'failure', code: error.code ?? '', text: error.message });

let transport: NativeTransport | undefined;
let capture: NativeCapture | undefined;
const sockets = new Map<number, Socket>();

type Method = (...args: unknown[]) => unknown;

const verbs: Record<string, (body: never) => unknown> = {
  openTransport: (body: Omit<TransportOptions, 'onHandshake' | 'onActivity' | 'onFailure'>) => {
    transport = addon().openTransport({
      ...body,
      onHandshake: (batch) => say({ event: 'handshakes', batch }),
      onActivity: (batch) => say({ event: 'activity', batch }),
      onFailure: reportFailure,
    });
    return transport.port;
  },
  transport: (body: { method: keyof NativeTransport; args: unknown[] }) => {
    if (!transport) throw new Error('no transport');
    return (transport[body.method] as Method).apply(transport, body.args);
  },
  openCapture: (body: Pick<CaptureOptions, 'interfaceName' | 'snapLength'>) => {
    capture = addon().openCapture({
      ...body,
      onFrames: (bytes, count) => {
        const frames: { kept: Uint8Array; wireLength: number; at: number }[] = [];
        const end = walkBatch(bytes, count, (frame, wireLength, at) =>
          frames.push({ kept: Uint8Array.from(frame), wireLength, at }),
        );
        say({ event: 'frames', frames, end: end.kind });
      },
      onFailure: reportFailure,
    });
  },
  capture: (body: { method: keyof NativeCapture }) => {
    if (!capture) throw new Error('no capture');
    return capture[body.method]();
  },
  bindUdp: async (body: { address: string; port: number }) => {
    const socket = createSocket(body.address.includes(':') ? 'udp6' : 'udp4');
    socket.on('message', (bytes, from) =>
      say({ event: 'datagram', port: socket.address().port, bytes, from: from.port }),
    );
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.bind(body.port, body.address, resolve);
    });
    const { port } = socket.address();
    sockets.set(port, socket);
    return port;
  },
  sendUdp: (body: { from: number; address: string; port: number; bytes: Uint8Array }) =>
    new Promise<void>((resolve, reject) => {
      const socket = sockets.get(body.from);
      if (!socket) throw new Error(`no socket on port ${body.from}`);
      socket.send(body.bytes, body.port, body.address, (error) => (error ? reject(error) : resolve()));
    }),
  harden: () => {
    addon().hardenProcess();
    return readFileSync('/proc/self/limits', 'utf8');
  },
  descriptors: () => readdirSync('/proc/self/fd').length,
  /** Nothing of ours may now hold the process: it must end by itself. */
  leave: () => {
    for (const socket of sockets.values()) socket.close();
    setImmediate(() => process.disconnect());
  },
};

process.on('message', (request: Request) => {
  const answer = async (): Promise<Answer> => {
    try {
      return { answer: request.id, value: await verbs[request.verb]?.(request.body as never) };
    } catch (cause) {
      const error = cause as Error & { code?: string; syscall?: string };
      return { answer: request.id, error: { name: error.name, code: error.code ?? '', text: error.message } };
    }
  };
  void answer().then((message) => process.send?.(message));
});
