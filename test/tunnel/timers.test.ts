/** The timers of one peer, as a table: what happens when, and what is due when. */
import t from 'tap';
import { PeerTimers } from '../../src/tunnel/timers.ts';
import type { TimerAction } from '../../src/tunnel/timers.ts';
import { millis, monotonicMillis, seconds } from '../../src/wire/units.ts';

type Event =
  | 'start'
  | 'dataSent'
  | 'dataReceived'
  | 'anySent'
  | 'anyReceived'
  | 'handshakeWanted'
  | 'handshakeInitiated'
  | 'handshakeComplete'
  | 'sessionDerived';

interface Row {
  readonly name: string;
  readonly persistent?: number;
  /** Seconds, and what happens then. */
  readonly events: readonly (readonly [number, Event])[];
  /** Seconds, and what is due then; nothing else is, up to `until`. A retransmission is answered by initiating again. */
  readonly due: readonly (readonly [number, TimerAction])[];
  readonly until?: number;
}

const rows: readonly Row[] = [
  { name: 'nothing happens', events: [], due: [] },
  {
    name: 'data sent and nothing back: a new handshake',
    events: [[0, 'dataSent']],
    due: [[15, 'newHandshake']],
  },
  {
    name: 'more data sent does not put that off',
    events: [
      [0, 'dataSent'],
      [9, 'dataSent'],
    ],
    due: [[15, 'newHandshake']],
  },
  {
    name: 'anything back settles it',
    events: [
      [0, 'dataSent'],
      [14, 'anyReceived'],
    ],
    due: [],
  },
  {
    name: 'data received and nothing sent: one keepalive',
    events: [[0, 'dataReceived']],
    due: [[10, 'keepalive']],
  },
  {
    name: 'data received again meanwhile: another one later',
    events: [
      [0, 'dataReceived'],
      [3, 'dataReceived'],
      [4, 'dataReceived'],
    ],
    due: [
      [10, 'keepalive'],
      [20, 'keepalive'],
    ],
  },
  {
    name: 'anything sent settles it',
    events: [
      [0, 'dataReceived'],
      [9, 'anySent'],
    ],
    due: [],
  },
  {
    name: 'persistent keepalive starts at once and follows the last packet',
    persistent: 25,
    events: [
      [0, 'start'],
      [30, 'anyReceived'],
      [40, 'anySent'],
    ],
    due: [
      [0, 'persistent'],
      [25, 'persistent'],
      [65, 'persistent'],
      [90, 'persistent'],
    ],
    until: 100,
  },
  {
    name: 'an initiation is repeated for 90 s and then given up',
    events: [[0, 'handshakeInitiated']],
    due: [
      ...Array.from({ length: 17 }, (_, i) => [5 * (i + 1), 'retransmit'] as const),
      [90, 'giveUp'],
      [630, 'zeroKeys'],
    ],
    until: 1000,
  },
  {
    name: 'a handshake wanted anew begins the 90 s anew',
    events: [
      [0, 'handshakeInitiated'],
      [52, 'handshakeWanted'],
    ],
    due: [...Array.from({ length: 28 }, (_, i) => [5 * (i + 1), 'retransmit'] as const), [145, 'giveUp']],
    until: 150,
  },
  {
    name: 'an answered initiation is not repeated',
    events: [
      [0, 'handshakeInitiated'],
      [4, 'sessionDerived'],
      [4, 'handshakeComplete'],
    ],
    due: [[544, 'zeroKeys']],
    until: 1000,
  },
  {
    name: 'a new session puts off the end of keys',
    events: [
      [0, 'sessionDerived'],
      [500, 'sessionDerived'],
    ],
    due: [[1040, 'zeroKeys']],
    until: 2000,
  },
];

for (const row of rows) {
  void t.test(row.name, (t) => {
    const timers = new PeerTimers(seconds(row.persistent ?? 0), () => 0);
    const seen: [number, TimerAction][] = [];
    const events = [...row.events];
    for (let s = 0; s <= (row.until ?? 100); s++) {
      const now = monotonicMillis(s * 1000);
      while (events[0]?.[0] === s) timers[events.shift()?.[1] ?? 'start'](now);
      for (const action of timers.due(now)) {
        seen.push([s, action]);
        if (action === 'retransmit') timers.handshakeInitiated(now);
        if (action === 'persistent') timers.anySent(now);
      }
      const { deadline } = timers;
      t.ok(deadline === undefined || deadline > now, 'a deadline lies ahead');
    }
    t.strictSame(seen, row.due);
    t.end();
  });
}

void t.test('jitter: up to a third of a second, on handshakes alone', (t) => {
  const timers = new PeerTimers(seconds(0), () => 0.999);
  timers.handshakeInitiated(monotonicMillis(0));
  t.equal(timers.deadline, 5332);
  const quiet = new PeerTimers(seconds(0), () => 0.999);
  quiet.dataReceived(monotonicMillis(0));
  t.equal(quiet.deadline, 10_000);
  t.end();
});

void t.test('a handshake that is put off is tried at the time said', (t) => {
  const timers = new PeerTimers(millis(0), () => 0);
  timers.handshakePutOff(monotonicMillis(3000));
  t.equal(timers.deadline, 3000);
  timers.handshakePutOff(monotonicMillis(4000));
  t.equal(timers.deadline, 3000, 'the earlier one stands');
  t.same(timers.due(monotonicMillis(3000)), ['retransmit']);
  t.end();
});
