/** Reports of facts as they are handed over on the command line: read strictly, and what is wrong is named. */
import t from 'tap';
import { readFacts } from '../../src/cli/facts.ts';
import { isFault } from '../../src/wire/errors.ts';

const posture = { kind: 'posture', peer: 'laptop', at: 1_800_000_000_000, signals: { edr: 'pass' } };

void t.test('one fact, or a list of them', (t) => {
  t.equal(readFacts(JSON.stringify(posture)).length, 1);
  t.equal(readFacts(JSON.stringify([posture, { ...posture, peer: 'tablet' }])).length, 2);
  t.end();
});

void t.test('what is refused', (t) => {
  const cases: [string, RegExp][] = [
    ['{', /not JSON/],
    ['[]', /./],
    [JSON.stringify({ ...posture, at: null }), /0\.at: /],
    [JSON.stringify({ ...posture, kind: 'mood' }), /0\.kind: /],
    [JSON.stringify([posture, { ...posture, signals: { edr: 'perhaps' } }]), /1\.signals\.edr: /],
  ];
  for (const [text, wanted] of cases) {
    try {
      readFacts(text);
      t.fail(text);
    } catch (error) {
      if (!isFault(error, 'FACT_INVALID')) throw error;
      t.match(error.detail, wanted, text);
    }
  }
  t.end();
});
