/**
 * What the pump is doing, and how it says so: the infusion's state and its IHE PCD messages. Terms are of
 * ISO/IEEE 11073-10101 as the Rosetta table gives them; units are UCUM beside MDC.
 *
 *   PCD-01 Communicate PCD Data     ORU^R01^ORU_R01   out, unsolicited, and as what a query is answered with
 *   PCD-03 Communicate Infusion Order  RGV^O15^RGV_O15  in, answered by RRG^O16^RRG_O16
 *
 * The patient and every identifier are invented.
 */
import { Message, header, timestamp } from './message.ts';
import type { Segment } from './message.ts';

/** MSH-3: namespace and EUI-64, whose first three bytes are the maker's OUI. */
export const PUMP_NAME = 'PAT_DEVICE_BBRAUN^0012210000A4C701^EUI-64';
const PUMP_FACILITY = 'BBRAUN';
const PROFILE_DEC = 'IHE_PCD_001^IHE PCD^1.3.6.1.4.1.19376.1.6.1.1.1^ISO';
export const PROFILE_PIV = 'IHE_PCD_003^IHE PCD^1.3.6.1.4.1.19376.1.6.1.3.1^ISO';
const ML_PER_HOUR = '265266^MDC_DIM_MILLI_L_PER_HR^MDC^mL/h^mL/h^UCUM';
const ML = '263762^MDC_DIM_MILLI_L^MDC^mL^mL^UCUM';

export class Infusion {
  rate = 25;
  volumeToInfuse = 250;
  infused = 0;
  drug = 'Sodium chloride 0.9 %';
  /** Orders that were taken, oldest first: what a test looks at to know that nothing else got through. */
  readonly orders: { control: string; rate: number; volume: number }[] = [];
  #counter = 0;

  nextControl(at: Date): string {
    this.#counter += 1;
    return `PUMP${timestamp(at).slice(0, 14)}${String(this.#counter).padStart(4, '0')}`;
  }

  /** Time passes: the volume moves. */
  advance(milliseconds: number): void {
    this.infused = Math.min(this.volumeToInfuse, this.infused + (this.rate * milliseconds) / 3_600_000);
  }

  observations(at: Date): Segment[] {
    const remaining = this.volumeToInfuse - this.infused;
    const metric = (n: number, code: string, at_: string, value: number, unit: string): Segment => {
      return ['OBX', String(n), 'NM', `${code}^MDC`, at_, value.toFixed(2), unit, '', '', '', '', 'R'];
    };
    return [
      ['PID', '', '', 'INV0042^^^Invented^PI', '', 'Sample^Petra^^^^^L'],
      ['OBR', '1', 'A1^PUMP', 'A1^PUMP', '69986^MDC_DEV_PUMP_INFUS_VMD^MDC', '', '', timestamp(at)],
      ['OBX', '1', '', '69985^MDC_DEV_PUMP_INFUS_MDS^MDC', '1.0.0.0', '', '', '', '', '', '', 'X'],
      ['OBX', '2', '', '69986^MDC_DEV_PUMP_INFUS_VMD^MDC', '1.1.0.0', '', '', '', '', '', '', 'X'],
      metric(3, '157784^MDC_FLOW_FLUID_PUMP', '1.1.1.101', this.rate, ML_PER_HOUR),
      metric(4, '157884^MDC_VOL_FLUID_TBI', '1.1.1.102', this.volumeToInfuse, ML),
      metric(5, '157864^MDC_VOL_FLUID_DELIV', '1.1.1.103', this.infused, ML),
      metric(6, '157872^MDC_VOL_FLUID_TBI_REMAIN', '1.1.1.104', remaining, ML),
    ];
  }

  /** PCD-01, to a consumer that acknowledges. */
  report(at: Date): Message {
    return new Message([
      header({
        sender: PUMP_NAME,
        senderFacility: PUMP_FACILITY,
        receiver: 'CIS',
        receiverFacility: 'CLINIC',
        type: 'ORU^R01^ORU_R01',
        control: this.nextControl(at),
        at,
        accept: 'NE',
        application: 'AL',
        profile: PROFILE_DEC,
      }),
      ...this.observations(at),
    ]);
  }

  /** What the pump says to `request`: one message, or an accept acknowledgement and then the answer. */
  answer(request: Message, at: Date): Message[] {
    const [type, event] = [request.field('MSH', 9, 1), request.field('MSH', 9, 2)];
    const accept = request.field('MSH', 15);
    const application = request.field('MSH', 16);
    const enhanced = accept !== '' || application !== '';
    const reply = (kind: string, code: string, rest: Segment[] = [], text = ''): Message =>
      new Message([
        header({
          sender: PUMP_NAME,
          senderFacility: PUMP_FACILITY,
          receiver: request.field('MSH', 3),
          receiverFacility: request.field('MSH', 4),
          type: kind,
          control: this.nextControl(at),
          at,
        }),
        text === '' ? ['MSA', code, request.field('MSH', 10)] : ['MSA', code, request.field('MSH', 10), text],
        ...rest,
      ]);
    const answers: Message[] = [];
    if (enhanced && accept === 'AL') answers.push(reply(`ACK^${event}^ACK`, 'CA'));
    if (enhanced && application !== 'AL') return answers;
    if (type === 'RGV' && event === 'O15') {
      const [rate, volume] = [Number(request.field('RXG', 15)), Number(request.field('RXG', 5))];
      const usable =
        Number.isFinite(rate) && rate > 0 && rate <= 999 && Number.isFinite(volume) && volume > 0;
      if (usable) {
        this.rate = rate;
        this.volumeToInfuse = volume;
        this.infused = 0;
        this.orders.push({ control: request.field('MSH', 10), rate, volume });
      }
      const order = [request.segment('ORC') ?? ['ORC', 'OK']];
      answers.push(
        usable
          ? reply('RRG^O16^RRG_O16', 'AA', order)
          : reply('RRG^O16^RRG_O16', 'AE', [], 'rate or volume is outside what the pump does'),
      );
    } else if (type === 'QBP') {
      const query = request.segment('QPD') ?? ['QPD'];
      const tag = query[2] ?? '';
      answers.push(
        reply(`RSP^K${event.slice(1)}`, 'AA', [['QAK', tag, 'OK'], query, ...this.observations(at)]),
      );
    } else if (type === 'ORU') {
      answers.push(reply(`ACK^${event}^ACK`, 'AA'));
    } else {
      answers.push(reply(`ACK^${event}^ACK`, 'AR', [], 'message type is not one the pump knows'));
    }
    return answers;
  }
}
