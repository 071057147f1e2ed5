/** Canonical JSON: RFC 8785's own examples, and what must be refused. */
import * as fc from 'fast-check';
import t from 'tap';
import { canonicalJson, canonicalRecord, parseRecord } from '../../src/audit/record.ts';
import { isFault } from '../../src/wire/errors.ts';
import { processStart } from './sample.ts';

void t.test('RFC 8785 examples', (t) => {
  // Section 3.2.2 and 3.2.3.
  const sample = JSON.parse(
    String.raw`{
      "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
      "string": "€$\nA'B\"\\\"\/",
      "literals": [null, true, false]
    }`.replace('\\nA', '\\u000F\\u000aA'),
  ) as unknown;
  t.equal(
    canonicalJson(sample),
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],' +
      '"string":"€$\\u000f\\nA\'B\\"\\\\\\"/"}',
  );
  const keys = { '\u20ac': 1, '\r': 2, '\ufb33': 3, '1': 4, '\ud83d\ude00': 5, '\u0080': 6, '\u00f6': 7 };
  t.equal(
    canonicalJson(keys),
    '{"\\r":2,"1":4,"\u0080":6,"\u00f6":7,"\u20ac":1,"\ud83d\ude00":5,"\ufb33":3}',
    'sorted by UTF-16 code units',
  );
  // Appendix B.
  const numbers: [number, string][] = [
    [0, '0'],
    [-0, '0'],
    [5e-324, '5e-324'],
    [1.7976931348623157e308, '1.7976931348623157e+308'],
    [9007199254740992, '9007199254740992'],
    [295147905179352830000, '295147905179352830000'],
    [9.999999999999997e22, '9.999999999999997e+22'],
    [1e23, '1e+23'],
    [0.000001, '0.000001'],
    [1e-7, '1e-7'],
    [333333333.3333332, '333333333.3333332'],
  ];
  for (const [n, text] of numbers) t.equal(canonicalJson(n), text);
  t.end();
});

void t.test('what JSON cannot say is refused', (t) => {
  const deep = (n: number): unknown => (n === 0 ? 1 : [deep(n - 1)]);
  for (const bad of [
    NaN,
    Infinity,
    -Infinity,
    '\ud800',
    { '\udc00': 1 },
    ['a\udfff'],
    undefined,
    1n,
    deep(40),
  ])
    try {
      canonicalJson({ body: bad });
      t.fail(`accepted ${typeof bad}`);
    } catch (e) {
      t.ok(isFault(e, 'IPC_MALFORMED'));
    }
  t.end();
});

void t.test('canonical form is a fixed point, whatever the order of members', (t) => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
      const text = canonicalJson(value);
      return (
        canonicalJson(JSON.parse(text)) === text &&
        t.same(JSON.parse(text), JSON.parse(JSON.stringify(value)))
      );
    }),
    { numRuns: 200 },
  );
  t.end();
});

void t.test('a record is read back only from its canonical bytes', (t) => {
  const event = processStart(5);
  const text = canonicalRecord(canonicalJson(event), 3, 1700000000000);
  t.same(parseRecord(text), { kind: 'record', seq: 3, time: 1700000000000, event });
  t.equal(canonicalJson(JSON.parse(text)), text);
  for (const bad of [
    '',
    'null',
    '[]',
    text.replace('"seq":3', '"seq":3.0'),
    text.replace('"seq":3', '"seq":-3'),
    text.replace('{"event"', '{ "event"'),
    '{"event":null,"seq":3,"time":5}',
    '{"event":"x","seq":3,"time":5}',
    '{"event":{},"seq":3}',
    text.slice(0, -1),
  ]) {
    t.equal(parseRecord(bad).kind, 'malformed', bad.slice(0, 40));
  }
  t.equal(parseRecord(text.replace('process.start', 'from.another.version')).kind, 'record');
  t.end();
});
