/** What the health list says of the key of the data partition. */
import t from 'tap';
import { dataKey } from '../../src/control/data-key.ts';
import type { DataKey } from '../../src/control/data-key.ts';
import { world } from './fakes.ts';

await t.test('the line that the appliance writes, and no other, is understood', (t) => {
  t.equal(dataKey('data: open, tpm\n'), 'tpm');
  t.equal(dataKey('data: open, key\n'), 'file');
  for (const line of [
    undefined,
    '',
    'data: open',
    'data: the key file does not open the disk',
    'data: open, tpm x',
  ])
    t.equal(dataKey(line), undefined, line ?? 'no line');
  t.end();
});

await t.test('a key file is a warning for good, a TPM is in order, elsewhere there is no item', async (t) => {
  const item = async (key?: DataKey) => {
    const w = world(key ? { dataKey: key } : {});
    await w.tick();
    return w.control.overview().health.find((each) => each.item === 'control.data');
  };
  t.match(await item('file'), { level: 'warning', text: /no TPM.*Lock it away/ });
  t.match(await item('tpm'), { level: 'ok' });
  t.equal(await item(), undefined);
});
