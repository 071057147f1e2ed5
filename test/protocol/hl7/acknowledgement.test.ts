/** Refusing acknowledgements: which one is owed, and its words in each version. */
import t from 'tap';
import { epochMillis } from '../../../src/wire/units.ts';
import { awaitsAnswer, refusalCode, refuse } from '../../../src/protocol/hl7/acknowledgement.ts';
import { parseHeader } from '../../../src/protocol/hl7/message.ts';
import type { Header } from '../../../src/protocol/hl7/message.ts';
import { message } from './sample.ts';
import type { MessageWish } from './sample.ts';

const header = (wish: MessageWish): Header => {
  const parsed = parseHeader(message(wish));
  if (parsed.kind !== 'message') throw new Error(parsed.name);
  return parsed.message;
};
const sources = { controlId: 'NEW1', now: epochMillis(Date.UTC(2026, 0, 2, 3, 4, 5)) };
const words = { code: 'ACTION_REFUSED', reason: 'modify is not permitted' };
const segments = (
  wish: MessageWish,
  extra: Partial<Parameters<typeof refuse>[1]> = {},
): string[] | undefined => {
  const answer = refuse(header(wish), { ...words, ...extra }, sources);
  return answer && Buffer.from(answer).toString('latin1').split('\r');
};

void t.test('MSH-15 and MSH-16 say which answer is owed', (t) => {
  const rows: [string, string, string | undefined, boolean][] = [
    ['', '', 'AR', true],
    ['AL', '', 'CR', true],
    ['AL', 'NE', 'CR', true],
    ['AL', 'AL', 'CR', true],
    ['ER', 'NE', 'CR', false],
    ['NE', 'AL', 'AR', true],
    ['NE', 'ER', 'AR', false],
    ['', 'AL', 'AR', true],
    ['NE', 'NE', undefined, false],
    ['SU', 'SU', undefined, false],
    ['NE', '', undefined, false],
  ];
  for (const [accept, application, code, awaits] of rows) {
    const asked = header({ accept, application });
    t.equal(refusalCode(asked), code, `${accept}/${application}`);
    t.equal(awaitsAnswer(asked), awaits, `${accept}/${application} awaits`);
    t.equal(segments({ accept, application })?.[1]?.split('|')[1], code);
  }
  t.end();
});

void t.test('version 2.6 has an ERR segment of its own shape', (t) => {
  t.strictSame(segments({ type: 'RGV^O15^RGV_O15', id: 'M7', charset: 'UNICODE UTF-8' }), [
    'MSH|^~\\&|PUMP|BED&7|CONSOLE^1^ISO|ICU|20260102030405+0000||ACK^O15^ACK|NEW1|P|2.6||||||UNICODE UTF-8',
    'MSA|AR|M7',
    'ERR||MSH^1^9|207^Application internal error^HL70357|E|ACTION_REFUSED^^L|||modify is not permitted',
    '',
  ]);
  t.match(segments({ type: '' }, { condition: 'requiredFieldMissing' }), [
    /\|ACK\|NEW1\|/,
    'MSA|AR|M1',
    /\|101\^Required field missing\^HL70357\|/,
  ]);
  t.end();
});

void t.test('older versions have the words in MSA-3 and a shorter MSH-9', (t) => {
  const rows: [string, string][] = [
    ['2.1', 'ACK'],
    ['2.2', 'ACK^A01'],
    ['2.3.1', 'ACK^A01'],
    ['2.4', 'ACK^A01^ACK'],
  ];
  for (const [version, type] of rows) {
    const [msh = '', msa] = segments({ type: 'ADT^A01', version }) ?? [];
    t.equal(msh.split('|')[8], type, version);
    t.equal(msa, 'MSA|AR|M1|modify is not permitted');
  }
  t.equal(segments({ version: '2.5' })?.length, 4, '2.5 has ERR');
  t.end();
});

void t.test('reasons are escaped and short', (t) => {
  const [, msa = ''] = segments({ version: '2.3' }, { reason: `a|b^c\r\n${'x'.repeat(200)}` }) ?? [];
  t.match(msa, /^MSA\|AR\|M1\|a\\F\\b\\S\\c\?\?x+$/);
  t.ok(msa.length < 120);
  t.end();
});
