/** Which keypairs a peer has: next, current, older. */
import t from 'tap';
import { OLDER_KEYPAIRS } from '../../src/tunnel/constants.ts';
import { Keypairs } from '../../src/tunnel/keypair.ts';
import type { Keypair } from '../../src/tunnel/keypair.ts';
import type { TunnelSession } from '../../src/wire/messages.ts';
import { monotonicMillis, seconds } from '../../src/wire/units.ts';
import { randomness } from './support.ts';

const keypair = (localIndex: number, initiator: boolean, created = 0): Keypair => ({
  localIndex,
  initiator,
  created: monotonicMillis(created),
  session: {} as TunnelSession,
});
const indices = (keypairs: readonly Keypair[] | undefined): number[] =>
  (keypairs ?? []).map((k) => k.localIndex);
const now = monotonicMillis(1000);

const sorted = (keypairs: readonly Keypair[]): number[] => indices(keypairs).toSorted((a, b) => a - b);

void t.test('an initiator rekeys: older ones stay, a bounded number of them', (t) => {
  const keypairs = new Keypairs();
  for (let i = 1; i <= 2 + OLDER_KEYPAIRS; i++) {
    t.same(indices(keypairs.install(keypair(i, true))), []);
    t.equal(keypairs.current(now)?.localIndex, i);
  }
  t.same(indices(keypairs.install(keypair(8, true))), [1]);
  t.same(indices(keypairs.install(keypair(9, true))), [2]);
  t.equal(keypairs.current(now)?.localIndex, 9);
  t.same(sorted(keypairs.expire('all')), [3, 4, 5, 8, 9]);
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
    t.same(keypairs.confirm([9], 9), { confirmed: [], gone: [] });
    t.equal(keypairs.current(now)?.localIndex, 1);
    t.same(indices(keypairs.confirm([2], 2).confirmed), [2]);
    t.equal(keypairs.current(now)?.localIndex, 2);
    t.same(keypairs.confirm([2], 2), { confirmed: [], gone: [] }, 'once');
    t.same(keypairs.confirm([1], 2), { confirmed: [], gone: [] }, 'an initiator’s needs no confirmation');
    keypairs.install(keypair(3, false));
    keypairs.install(keypair(4, false));
    t.same(indices(keypairs.confirm([4], 4).confirmed), [4], 'a newer unconfirmed one replaces it');
    t.equal(keypairs.current(now)?.localIndex, 4);
    t.same(sorted(keypairs.expire('all')), [1, 2, 3, 4]);
    t.end();
  },
);

void t.test('both call at once: the unconfirmed one stays for receiving, and so does the one before', (t) => {
  const keypairs = new Keypairs();
  keypairs.install(keypair(1, true));
  t.notOk(keypairs.respondedSince(monotonicMillis(0)));
  keypairs.install(keypair(2, false, 10));
  t.ok(keypairs.respondedSince(monotonicMillis(10)));
  t.notOk(keypairs.respondedSince(monotonicMillis(11)));
  t.same(indices(keypairs.install(keypair(3, true, 20))), []);
  t.equal(keypairs.current(now)?.localIndex, 3);
  t.same(indices(keypairs.confirm([2], 3).confirmed), [2], 'it is a session all the same');
  t.equal(keypairs.current(now)?.localIndex, 3, 'and not the one to send with');
  t.same(sorted(keypairs.expire('all')), [1, 2, 3]);
  t.end();
});

/** The worker: as the class, and what it does is told later. */
class Worker {
  next = 0;
  current = 0;
  older: number[] = [];
  readonly confirmed: number[] = [];
  retire(index: number): void {
    if (index === 0) return;
    this.older = [index, ...this.older].toSorted((a, b) => b - a).slice(0, OLDER_KEYPAIRS);
  }
  install(index: number, initiator: boolean): void {
    if (initiator) {
      this.retire(this.current);
      this.retire(this.next);
      this.current = index;
      this.next = 0;
    } else {
      this.next = index;
    }
  }
  promote(): void {
    if (this.next === 0) return;
    this.confirmed.push(this.next);
    this.retire(this.current);
    this.current = this.next;
    this.next = 0;
  }
}

void t.test(
  'what the worker has done before it tells: all its keypairs are known, and which one sends',
  (t) => {
    const random = randomness(7);
    for (let round = 0; round < 3000; round++) {
      const keypairs = new Keypairs();
      const worker = new Worker();
      const gone: number[] = [];
      let made = 0;
      // It tells of a promotion at once: before the next one, and one is installed meanwhile at most: the
      // others of one peer come later than the next turn of the event loop.
      let untold = 0;
      const tell = (): void => {
        untold = 0;
        gone.push(...indices(keypairs.confirm(worker.confirmed.splice(0), worker.current).gone));
      };
      for (let step = 0; step < 12; step++) {
        const choice = (random(1)[0] ?? 0) % 6;
        if (choice < 3) {
          if (worker.confirmed.length > 0 && ++untold > 1) tell();
          made++;
          worker.install(made, choice === 0);
          gone.push(...indices(keypairs.install(keypair(made, choice === 0))));
        } else if (choice < 5) {
          if (worker.confirmed.length > 0) tell();
          worker.promote();
        }
        if (choice === 5) tell();
      }
      tell();
      const there = [worker.next, worker.current, ...worker.older].filter((index) => index !== 0);
      if (keypairs.current(now)?.localIndex !== (worker.current || undefined))
        t.fail(`round ${round}: current`);
      const known = sorted(keypairs.expire('all'));
      if (!there.every((index) => known.includes(index))) t.same(known, there, `round ${round}`);
      if (known.length > OLDER_KEYPAIRS + 4) t.fail(`round ${round}: ${known.length} keypairs`);
      if (new Set([...gone, ...known]).size !== made || gone.length + known.length !== made)
        t.fail(`round ${round}: each is there or gone`);
    }
    t.end();
  },
);

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
