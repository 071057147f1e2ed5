/** `node test/support/score.ts`: how well the sensor names the hosts of the corpus, attribute by attribute. */
import { score, scoreTable } from '../sensor/scoring.ts';

process.stdout.write(`${scoreTable(await score())}\n`);
