/**
 * HL7 messages that clinicians' systems send to the pump, and one exchange of them through a connection that runs
 * inside a user's namespace. Written with the pump's own codec.
 */
import { FrameReader, Message, frame, header } from '../pump/message.ts';
import { PROFILE_PIV } from '../pump/infusion.ts';
import type { Agent } from './agent.ts';
import { until } from '../until.ts';

let counter = 0;
const control = (): string => `CLN${process.pid}-${(counter += 1)}`;

const head = (type: string, profile?: string) =>
  header({
    sender: 'WARD',
    senderFacility: 'CLINIC',
    receiver: 'PUMP3',
    receiverFacility: 'ICU',
    type,
    control: control(),
    at: new Date(),
    accept: 'NE',
    application: 'AL',
    ...(profile === undefined ? {} : { profile }),
  });

/** A question: how is the infusion going? */
export const query = (): Message =>
  new Message([
    head('QBP^Q11^QBP_Q11'),
    ['QPD', 'IHE_PCD_QUERY^Infusion status^IHE PCD', `Q${counter}`],
    ['RCP', 'I'],
  ]);

/** PCD-03: an infusion order. Rate in mL/h, volume in mL. */
export const order = (rate: number, volume: number): Message =>
  new Message([
    head('RGV^O15^RGV_O15', PROFILE_PIV),
    ['PID', '', '', 'INV0042^^^Invented^PI', '', 'Sample^Petra^^^^^L'],
    ['ORC', 'RE', `ORD${process.pid}-${counter}`],
    // RXG-5 amount, RXG-7 its units, RXG-15 rate, RXG-16 its units.
    `RXG|1|||^Sodium chloride 0.9 %|${volume}||263762^MDC_DIM_MILLI_L^MDC||||||||${rate}|265266^MDC_DIM_MILLI_L_PER_HR^MDC`.split(
      '|',
    ),
    ['RXR', '^IV'],
    ['OBX', '1', '', '69986^MDC_DEV_PUMP_INFUS_VMD^MDC', '1.1.0.0'],
  ]);

/** Send one message on a connection of its own and wait for its answer; undefined when the connection ends without one. */
export async function exchange(
  agent: Agent,
  to: { readonly address: string; readonly port: number },
  message: Message,
  deadlineMs = 10_000,
): Promise<Message | undefined> {
  const connection = agent.connect(to.address, to.port);
  if (!(await connection.settled(deadlineMs))) return undefined;
  connection.send(frame(message));
  try {
    return await until(
      'an answer',
      () => {
        const [answer] = new FrameReader().read(connection.received);
        return answer ?? (connection.closed || connection.ended ? 'none' : undefined);
      },
      deadlineMs,
    ).then((answer) => (answer instanceof Message ? answer : undefined));
  } finally {
    connection.destroy();
  }
}
