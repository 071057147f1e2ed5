/** MSH with the message's own delimiters; other segments only when asked for. */
import fc from 'fast-check';
import t from 'tap';
import {
  escapeText,
  fieldOf,
  headerCode,
  headerField,
  parseHeader,
  segmentsOf,
  unitOf,
  versionOf,
} from '../../../src/protocol/hl7/message.ts';
import type { Header } from '../../../src/protocol/hl7/message.ts';
import { message } from './sample.ts';

const parse = (bytes: Uint8Array | string): Header => {
  const parsed = parseHeader(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  if (parsed.kind !== 'message') throw new Error(parsed.name);
  return parsed.message;
};
const nameOf = (text: string): string => {
  const parsed = parseHeader(Buffer.from(text, 'latin1'));
  return parsed.kind === 'malformed' ? parsed.name : 'message';
};

void t.test('MSH fields are counted as the standard counts them', (t) => {
  const header = parse(message({ charset: '8859/1~UNICODE UTF-8' }));
  t.equal(headerField(header, 2), '^~\\&');
  t.equal(headerField(header, 3), 'CONSOLE^1^ISO');
  t.equal(headerField(header, 6), 'BED&7');
  t.equal(headerField(header, 10), 'M1');
  t.equal(headerField(header, 99), '');
  t.equal(headerCode(header, 3), 'CONSOLE');
  t.equal(headerCode(header, 18), '8859/1');
  t.strictSame([header.type, header.event, unitOf(header)], ['ORU', 'R01', 'ORU^R01']);
  t.strictSame(versionOf(header), [2, 6]);
  t.strictSame(versionOf(parse(message({ version: '2.5.1^USA' }))), [2, 5]);
  t.strictSame(versionOf(parse(message({ version: '' }))), [2, 1]);
  t.end();
});

void t.test("delimiters are the message's own", (t) => {
  const header = parse('MSH#*~\\&#A*1#F#B#G###QBP*Q22*QBP_Q21#id#P#2.7.1\rPID#1');
  t.strictSame(header.delimiters, {
    field: '#',
    component: '*',
    repetition: '~',
    escape: '\\',
    subcomponent: '&',
  });
  t.equal(unitOf(header), 'QBP^Q22');
  t.equal(headerField(header, 3), 'A*1');
  t.equal(escapeText('a#b*c|d\\e\u00e9', header.delimiters), 'a\\F\\b\\S\\c|d\\E\\e?');
  t.equal(nameOf('MSH|^~\\&#|A'), 'message', 'the truncation character of version 2.7');
  t.end();
});

void t.test('bytes of any character set survive', (t) => {
  const bytes = Buffer.from(
    'MSH|^~\\&|KLINIK M\u00dcNCHEN|F|A|B|||ADT^A08|1|P|2.3|||||CHE|8859/1\r',
    'latin1',
  );
  t.strictSame(Buffer.from(headerField(parse(bytes), 3), 'latin1'), bytes.subarray(9, 23));
  t.end();
});

void t.test("what isn't one message is malformed", (t) => {
  t.equal(nameOf(''), 'hl7_no_header');
  t.equal(nameOf('MS'), 'hl7_no_header');
  t.equal(nameOf('PID|1'), 'hl7_no_header');
  t.equal(nameOf('FHS|^~\\&|'), 'hl7_no_header');
  t.equal(nameOf('MSH'), 'hl7_bad_delimiters');
  t.equal(nameOf('MSH|^~\\|A'), 'hl7_bad_delimiters', 'too few');
  t.equal(nameOf('MSH|^^\\&|A'), 'hl7_bad_delimiters', 'one twice');
  t.equal(nameOf('MSHA^~\\&AB'), 'hl7_bad_delimiters', 'a letter');
  t.equal(nameOf(`MSH|^~\\&|${'x'.repeat(9000)}`), 'hl7_header_too_long');
  t.equal(nameOf('MSH|^~\\&|A||||||ORU^R01\rMSH|^~\\&|A||||||RGV^O15'), 'hl7_several_headers');
  t.equal(nameOf('MSH|^~\\&|A||||||ORU^R01\nMSH|^~\\&|A||||||RGV^O15'), 'hl7_several_headers', 'LF too');
  t.equal(nameOf('MSH|^~\\&|A||||||ORU^R01\r\nBHS|^~\\&|'), 'hl7_several_headers');
  t.end();
});

void t.test('units are codes or question marks, never content', (t) => {
  t.equal(unitOf(parse(message({ type: 'ADT' }))), 'ADT');
  t.equal(unitOf(parse(message({ type: 'Doe John^A01' }))), '?^A01');
  t.equal(unitOf(parse(message({ type: '' }))), '?');
  t.end();
});

void t.test('segments come one by one', (t) => {
  const bytes = Buffer.from('MSH|a\r\nOBX|1|NM||v\r\rZ', 'latin1');
  t.strictSame(
    [...segmentsOf(bytes)].map(({ name, start, end }) => [name, start, end]),
    [
      ['MSH', 0, 5],
      ['OBX', 7, 18],
      ['Z', 20, 21],
    ],
  );
  const obx = { name: 'OBX', start: 7, end: 18 };
  t.strictSame(
    [0, 1, 2, 3, 4, 5].map((n) => fieldOf(bytes, obx, '|', n)),
    ['OBX', '1', 'NM', '', 'v', ''],
  );
  t.end();
});

void t.test('any mutation of a message is read or malformed', (t) => {
  const good = message();
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), fc.nat(good.length), (at, value, cut) => {
        const broken = Buffer.from(good);
        broken[at] = value;
        const parsed = parseHeader(broken.subarray(0, cut));
        if (parsed.kind === 'message') unitOf(parsed.message);
      }),
      { numRuns: 2000 },
    ),
  );
  t.end();
});
