/**
 * A program's TCP connections, driven from outside its network namespace: the test says what to do, this reports
 * what happened. One JSON object a line each way.
 *
 *   in   {"do":"connect","id","address","port","from"?} {"do":"send","id","bytes"} {"do":"end"|"close","id"}
 *        {"do":"listen","id","port"}                       accepts; connections are named `<id>/<n>`
 *   out  {"event":"open"|"data"|"end"|"close"|"error"|"listening","id",…}
 */
import { connect, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { createInterface } from 'node:readline';

interface Order {
  readonly do: 'connect' | 'send' | 'end' | 'close' | 'listen';
  readonly id: string;
  readonly address?: string;
  readonly port?: number;
  readonly bytes?: string;
  /** Source address. */
  readonly from?: string;
}

const sockets = new Map<string, Socket>();
const servers = new Map<string, Server>();
const say = (event: string, id: string, more: Record<string, unknown> = {}): void =>
  void process.stdout.write(`${JSON.stringify({ event, id, ...more })}\n`);

function follow(id: string, socket: Socket): void {
  sockets.set(id, socket);
  socket.setNoDelay(true);
  socket.on('data', (chunk: Buffer) => say('data', id, { bytes: chunk.toString('base64') }));
  socket.on('end', () => say('end', id));
  socket.on('error', (error: NodeJS.ErrnoException) =>
    say('error', id, { code: error.code ?? error.message }),
  );
  socket.on('close', () => {
    sockets.delete(id);
    say('close', id);
  });
}

function obey(order: Order): void {
  const { id } = order;
  if (order.do === 'connect') {
    const socket = connect({
      host: order.address ?? '',
      port: order.port ?? 0,
      allowHalfOpen: true,
      ...(order.from === undefined ? {} : { localAddress: order.from }),
    });
    socket.once('connect', () => say('open', id));
    follow(id, socket);
  } else if (order.do === 'listen') {
    let n = 0;
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      const name = `${id}/${n}`;
      n += 1;
      follow(name, socket);
      say('open', name);
    });
    servers.set(id, server);
    server.on('error', (error: NodeJS.ErrnoException) => say('error', id, { code: error.code ?? '' }));
    server.listen({ port: order.port ?? 0, host: '0.0.0.0', backlog: 2048 }, () => say('listening', id));
  } else if (order.do === 'send') {
    sockets.get(id)?.write(Buffer.from(order.bytes ?? '', 'base64'));
  } else if (order.do === 'end') {
    sockets.get(id)?.end();
  } else {
    sockets.get(id)?.destroy();
    servers.get(id)?.close();
  }
}

createInterface({ input: process.stdin })
  .on('line', (line) => obey(JSON.parse(line) as Order))
  .on('close', () => process.exit(0));
