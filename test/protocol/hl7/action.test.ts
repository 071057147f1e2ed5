/** The HL7 action table: queries view, orders and settings modify, master files administer, the rest is refused. */
import t from 'tap';
import { needOf } from '../../../src/protocol/hl7/action.ts';

void t.test('into a device', (t) => {
  const rows: [string, string, string | undefined][] = [
    ['QBP', 'Q22', 'view'],
    ['QRY', 'A19', 'view'],
    ['ESR', 'U02', 'view'],
    ['ORU', 'R01', 'modify'],
    ['RGV', 'O15', 'modify'],
    ['ORM', 'O01', 'modify'],
    ['ADT', 'A01', 'modify'],
    ['ADT', '', 'modify'],
    ['EAC', 'U07', 'modify'],
    ['MFN', 'M01', 'administer'],
    ['NMD', 'N02', 'administer'],
    ['ACK', 'R01', 'acknowledgement'],
    ['RRG', 'O16', 'acknowledgement'],
    ['ORU', 'R40', undefined],
    ['ORU', '', undefined],
    ['ZZZ', 'Z01', undefined],
    ['', '', undefined],
    ['oru', 'R01', undefined],
    ['constructor', '', undefined],
  ];
  for (const [type, event, need] of rows) t.equal(needOf('to-device', type, event), need, `${type}^${event}`);
  t.end();
});

void t.test('out of a device everything is its duty', (t) => {
  for (const type of ['ORU', 'ACK', 'ZZZ', '']) t.equal(needOf('from-device', type, 'R40'), 'duty');
  t.end();
});
