/** Which keypairs a peer has: next, current, previous. */
import t from 'tap';
import { Keypairs } from '../../src/tunnel/keypair.ts';
import type { Keypair } from '../../src/tunnel/keypair.ts';
import type { TunnelSession } from '../../src/wire/messages.ts';
import { monotonicMillis, seconds } from '../../src/wire/units.ts';

const keypair = (localIndex: number, initiator: boolean, created = 0): Keypair => ({
  localIndex,
  initiator,
  created: monotonicMillis(created),
  session: {} as TunnelSession,
});
const indices = (keypairs: readonly Keypair[] | undefined): number[] =>
  (keypairs ?? []).map((k) => k.localIndex);
const now = monotonicMillis(1000);

void t.test('an initiator rekeys: the previous one stays, the one before goes', (t) => {
  const keypairs = new Keypairs();
  t.same(indices(keypairs.install(keypair(1, true))), []);
  t.equal(keypairs.current(now)?.localIndex, 1);
  t.same(indices(keypairs.install(keypair(2, true))), []);
  t.same(indices(keypairs.install(keypair(3, true))), [1]);
  t.equal(keypairs.current(now)?.localIndex, 3);
  t.same(
    indices(keypairs.expire('all')).toSorted((a, b) => a - b),
    [2, 3],
  );
  t.equal(keypairs.deadline, undefined);
  t.end();
});

void t.test(
  'a responder sends with the new one when it is confirmed, and keeps the old one to receive',
  (t) => {
    const keypairs = new Keypairs();
    keypairs.install(keypair(1, true));
    t.same(indices(keypairs.install(keypair(2, false))), []);
    t.equal(keypairs.current(now)?.localIndex, 1, 'not confirmed yet');
    t.equal(keypairs.confirm(9), undefined);
    t.same(indices(keypairs.confirm(2)?.gone), []);
    t.equal(keypairs.current(now)?.localIndex, 2);
    t.equal(keypairs.confirm(2), undefined, 'once');
    t.equal(keypairs.confirm(1), undefined);
    t.same(indices(keypairs.install(keypair(3, false))), [1]);
    t.same(indices(keypairs.install(keypair(4, false))), [3], 'a newer unconfirmed one replaces it');
    t.same(indices(keypairs.confirm(4)?.gone), []);
    t.same(
      indices(keypairs.expire('all')).toSorted((a, b) => a - b),
      [2, 4],
    );
    t.end();
  },
);

void t.test('a confirmation that is reported with a late packet of the old keypair', (t) => {
  const keypairs = new Keypairs();
  keypairs.install(keypair(1, true));
  keypairs.install(keypair(2, false));
  t.equal(keypairs.confirm(1)?.confirmed.localIndex, 2);
  t.end();
});

void t.test('both call at once: the unconfirmed one stays for receiving', (t) => {
  const keypairs = new Keypairs();
  keypairs.install(keypair(1, true));
  keypairs.install(keypair(2, false));
  t.same(indices(keypairs.install(keypair(3, true))), [1]);
  t.equal(keypairs.current(now)?.localIndex, 3);
  t.same(
    indices(keypairs.expire('all')).toSorted((a, b) => a - b),
    [2, 3],
  );
  t.end();
});

void t.test('REJECT_AFTER_TIME', (t) => {
  const keypairs = new Keypairs();
  keypairs.install(keypair(1, true, 0));
  keypairs.install(keypair(2, true, 120_000));
  t.equal(keypairs.deadline, 180_000);
  t.same(indices(keypairs.expire(monotonicMillis(179_999))), []);
  t.same(indices(keypairs.expire(monotonicMillis(180_000))), [1]);
  t.equal(keypairs.deadline, 300_000);
  t.equal(keypairs.current(monotonicMillis(299_999))?.localIndex, 2);
  t.equal(
    keypairs.current(monotonicMillis(120_000 + seconds(180))),
    undefined,
    'not to be used, before it is removed too',
  );
  t.end();
});
