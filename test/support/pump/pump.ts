/**
 * An infusion pump on the wire, as a program: answers on its MLLP port, and reports to a consumer by itself.
 *
 *   node pump.ts --listen PORT [--report ADDRESS:PORT --every MS]     the pump
 *   node pump.ts --consume PORT                                       a consumer that acknowledges reports
 *
 * Standard output: one JSON line a message, `{"event": "received" | "sent" | "acknowledged", "type", "control"}`.
 */
import { connect, createServer } from 'node:net';
import type { Socket } from 'node:net';
import { parseArgs } from 'node:util';
import { Infusion } from './infusion.ts';
import { FrameReader, Message, frame, header } from './message.ts';

const { values } = parseArgs({
  options: {
    listen: { type: 'string' },
    report: { type: 'string' },
    every: { type: 'string', default: '5000' },
    consume: { type: 'string' },
  },
});

const say = (event: string, message: Message, more: Record<string, unknown> = {}): void => {
  const line = { event, type: message.field('MSH', 9), control: message.field('MSH', 10), ...more };
  process.stdout.write(`${JSON.stringify(line)}\n`);
};

function serve(port: number, answer: (message: Message) => Message[]): void {
  createServer({ noDelay: true }, (socket: Socket) => {
    const reader = new FrameReader();
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => {
      for (const message of reader.read(chunk)) {
        say('received', message);
        for (const reply of answer(message)) socket.write(frame(reply));
      }
    });
  }).listen(port, '0.0.0.0');
}

if (values.listen !== undefined) {
  const infusion = new Infusion();
  const every = Number(values.every);
  serve(Number(values.listen), (message) => infusion.answer(message, new Date()));
  const [address = '', port = ''] = (values.report ?? '').split(':');
  if (address !== '') {
    let socket: Socket | undefined;
    setInterval(() => {
      infusion.advance(every);
      if (!socket || socket.destroyed) {
        const reader = new FrameReader();
        socket = connect({ host: address, port: Number(port), noDelay: true });
        socket.on('error', () => socket?.destroy());
        socket.on('data', (chunk: Buffer) => {
          for (const ack of reader.read(chunk)) say('acknowledged', ack, { code: ack.field('MSA', 1) });
        });
      }
      const report = infusion.report(new Date());
      socket.write(frame(report));
      say('sent', report);
    }, every);
  }
} else if (values.consume !== undefined) {
  let counter = 0;
  serve(Number(values.consume), (message) => [
    new Message([
      header({
        sender: message.field('MSH', 5),
        senderFacility: message.field('MSH', 6),
        receiver: message.field('MSH', 3),
        receiverFacility: message.field('MSH', 4),
        type: `ACK^${message.field('MSH', 9, 2)}^ACK`,
        control: `CIS${process.pid}-${(counter += 1)}`,
        at: new Date(),
      }),
      ['MSA', 'AA', message.field('MSH', 10)],
    ]),
  ]);
} else {
  process.stderr.write('pump: --listen PORT or --consume PORT\n');
  process.exit(64);
}
