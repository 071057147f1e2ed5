/** Floors under how well the corpus is named: what is reached must not be lost again. */
import t from 'tap';
import { precision, recall, score, scoreTable } from './scoring.ts';

const goals: readonly (readonly [string, number, number])[] = [
  ['medical class', 0.98, 0.98],
  ['medical vendor', 0.98, 0.98],
  ['medical model', 0.98, 0.98],
  ['medical version', 0.98, 0.98],
  ['medical protocol', 1, 1],
  ['network class', 0.98, 0.98],
  ['network vendor', 0.98, 0.98],
  ['network model', 0.98, 0.98],
  ['network version', 0.98, 0.98],
  // Two kinds of thing, of which the one on the wire is another and the other says nothing (`truth.ts`).
  ['things class', 0.87, 0.87],
  ['things type', 0.98, 0.93],
  ['things vendor', 0.98, 0.93],
  ['things model', 0.98, 0.98],
];

void t.test('classes, vendors, models and versions of the corpus', async (t) => {
  const result = await score();
  t.comment(scoreTable(result));
  for (const [key, wantedPrecision, wantedRecall] of goals) {
    const tally = result.tallies.get(key);
    if (tally === undefined) {
      t.fail(`nothing was asked about ${key}`);
      continue;
    }
    t.ok(precision(tally) >= wantedPrecision, `${key}: precision ${precision(tally)}`);
    t.ok(recall(tally) >= wantedRecall, `${key}: recall ${recall(tally)}`);
  }
  t.ok(result.others > 150, `${result.others} other hosts`);
  t.ok(result.falseMedical.length <= result.others * 0.005, result.falseMedical.join(', '));
});
