/** A stick's copy and the receipt's way back; what is public of a box. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { announce } from '../../src/cli/provision-announce.ts';
import { readAnnounced } from '../../src/platform/announced.ts';
import { copyStick, receiptsToReturn, returnReceipts } from '../../src/cli/provision-carry.ts';
import { writeSelfTest, writeStickState } from '../../src/cli/provision-facts.ts';
import { deviceCodeOf, openDeviceKey, placesOf } from '../../src/cli/provision-memory.ts';
import { MAX_STICK_NAMES } from '../../src/wire/provision.ts';
import { NOW, clinic } from './provision-sample.ts';

void t.test('the copy is taken, and the receipt goes back to the stick', async (t) => {
  const c = clinic(t);
  const { root, made } = await c.stick({ device: deviceCodeOf(openDeviceKey(placesOf(c.state()))) });
  const copy = join(c.folder, 'copy');
  t.same(copyStick(root, copy), { kind: 'copied' });
  t.same(
    readdirSync(join(copy, 'anteroom')).toSorted(),
    ['enrolment', 'enrolment.sealed'],
    'nothing else of it',
  );
  t.match(await c.apply([copy]), { code: 'OK2' });
  const receipt = `receipt-${made.head.id}`;
  t.notOk(existsSync(join(root, 'anteroom', receipt)), 'what was judged is the copy');
  t.same(receiptsToReturn(copy, root), [receipt]);
  t.equal(returnReceipts(copy, root), 1);
  t.same(readFileSync(join(root, 'anteroom', receipt)), readFileSync(join(c.state(), 'site/receipt')));
  t.equal(returnReceipts(copy, root), 0, 'it is there');
  const again = join(c.folder, 'again');
  copyStick(root, again);
  t.match(await c.apply([again]), { code: 'OK4' }, 'the same stick again: nothing to do');
});

void t.test('a stick that changes after it was read gains nothing', async (t) => {
  const c = clinic(t);
  const { root } = await c.stick({ device: deviceCodeOf(openDeviceKey(placesOf(c.state()))) });
  const copy = join(c.folder, 'copy');
  copyStick(root, copy);
  writeFileSync(join(root, 'anteroom/enrolment'), 'something else');
  t.match(await c.apply([copy]), { code: 'OK2' });
});

void t.test('what is not ours is not copied', (t) => {
  const folder = mkdtempSync(join(t.testdir(), 'stick-'));
  const to = join(folder, 'to');
  const from = (name: string, fill: (root: string) => void): string => {
    const root = join(folder, name);
    mkdirSync(root);
    fill(root);
    return root;
  };
  t.same(
    copyStick(
      from('empty', () => undefined),
      to,
    ),
    { kind: 'empty' },
  );
  const crowded = from('crowded', (root) => {
    for (let i = 0; i <= MAX_STICK_NAMES; i++) writeFileSync(join(root, `${i}`), '');
  });
  t.match(copyStick(crowded, to), { kind: 'unreadable', detail: /more than 256 files/ });
  t.match(copyStick(join(folder, 'pulled-out'), to), { kind: 'unreadable' });
  t.notOk(existsSync(to), 'nothing is written');
  t.end();
});

void t.test('what is public is read without the memory, and holds no secret', async (t) => {
  const c = clinic(t);
  const places = placesOf(c.state());
  const run = join(c.folder, 'run');
  const keep = join(c.state(), 'provision', 'box.json');
  t.equal(readAnnounced(run, { now: NOW }), undefined, 'nothing was said');
  const key = openDeviceKey(places);
  announce(places, run, { version: '0.1.0', now: NOW, keep });
  t.match(readAnnounced(run, { now: NOW }), {
    phase: 'new',
    device: deviceCodeOf(key),
    stick: { state: 'none' },
    selfTest: [],
  });
  t.same(readFileSync(keep, 'utf8'), readFileSync(join(run, 'box.json'), 'utf8'));

  const { root } = await c.stick({ device: deviceCodeOf(key) });
  await c.apply([root]);
  writeStickState(run, { state: 'read', code: 'OK2', at: NOW });
  writeSelfTest(run, [{ id: 'disk', level: 'ok', text: 'Good.' }]);
  announce(places, run, { version: '0.1.0', now: NOW });
  const facts = readAnnounced(run, { now: NOW, devicesSeen: 3 });
  t.match(facts, { phase: 'enrolled', site: { id: 'riverside' }, stick: { code: 'OK2' }, devicesSeen: 3 });
  t.match(facts?.identity, /^anteroom-signer:/);
  const said = readFileSync(join(run, 'box.json'), 'utf8');
  for (const name of ['keys/identity.key', 'keys/tunnel.key'])
    t.notOk(said.includes(readFileSync(join(places.site, name), 'utf8').trim()), name);
  t.notOk(said.includes(readFileSync(places.deviceKey, 'utf8').trim()));
  t.equal(facts?.clock, 'unset', 'nobody has said how good the clock is');
  mkdirSync(join(run, '../time'));
  writeFileSync(join(run, '../time/state'), 'authenticated\n');
  t.equal(readAnnounced(run, { now: NOW })?.clock, 'authenticated');
  t.equal(readAnnounced(run, { now: 0 })?.now, NOW, 'no earlier than the time the box has seen');
});
