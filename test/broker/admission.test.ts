/** Places: per peer, in all, for refusals; refusals counted instead of flooding the log. */
import t from 'tap';
import { Admission, PeerDirectory } from '../../src/broker/admission.ts';
import type { Place } from '../../src/broker/admission.ts';
import { configSchema } from '../../src/wire/config.ts';
import { FakeTime } from './world.ts';

const { peers } = configSchema.shape;
const directory = new PeerDirectory(
  peers.parse([
    peer('laptop', 'A', ['100.96.0.7/32', 'fd00::7/128']),
    peer('ward', 'B', ['100.96.1.0/24']),
    peer('bed', 'C', ['100.96.1.128/25']),
  ]),
);

function peer(id: string, letter: string, allowedIps: string[]): unknown {
  return { id, publicKey: `${letter.repeat(42)}A=`, allowedIps, user: 'u', userDevice: 'd' };
}

function make(limits = { sessions: 100, sessionsPerPeer: 4 }): {
  admission: Admission;
  time: FakeTime;
  tallies: [string, number][];
} {
  const time = new FakeTime();
  const tallies: [string, number][] = [];
  const { schedule } = time;
  const onTally = (peer: string, count: number): void => void tallies.push([peer, count]);
  return { admission: new Admission({ limits, peers: directory, schedule, onTally }), time, tallies };
}

void t.test('addresses belong to peers', (t) => {
  t.equal(directory.peerOf('100.96.0.7'), 'laptop');
  t.equal(directory.peerOf('fd00:0::7'), 'laptop', 'in any spelling');
  t.equal(directory.peerOf('100.96.1.127'), 'ward');
  t.equal(directory.peerOf('100.96.1.128'), 'bed', 'the longest prefix');
  t.equal(directory.peerOf('100.96.2.1'), '100.96.2.1');
  t.equal(directory.peerOf('nonsense'), 'nonsense');
  t.end();
});

void t.test('a thousand connections of one peer use up its own places', (t) => {
  const { admission } = make();
  const places = Array.from({ length: 1_000 }, (_, i) => admission.enter(`100.96.1.${i % 100}`));
  const count = (kind: Place['kind']): number => places.filter((place) => place.kind === kind).length;
  t.same([count('session'), count('refusal'), count('drop')], [4, 16, 980]);
  t.equal(admission.enter('100.96.0.7').kind, 'session', 'another peer is not disturbed');
  for (const place of places) place.leave();
  for (const place of places) place.leave();
  t.same(admission.taken, { sessions: 1, refusals: 0 }, 'a place is given back once');
  t.equal(admission.enter('100.96.1.3').kind, 'session');
  t.end();
});

void t.test('the limit in all', (t) => {
  const { admission } = make({ sessions: 3, sessionsPerPeer: 64 });
  for (let i = 0; i < 3; i++) t.equal(admission.enter(`100.96.9.${i}`).kind, 'session');
  t.equal(admission.enter('100.96.9.9').kind, 'refusal');
  let refusals = 1;
  for (let i = 0; i < 2_000; i++) if (admission.enter(`100.96.${i % 250}.1`).kind === 'refusal') refusals++;
  t.equal(refusals, 256);
  t.end();
});

void t.test('refusals: the first is recorded, the rest becomes one number', (t) => {
  const { admission, time, tallies } = make();
  t.equal(admission.worthRecording('laptop'), true);
  let worth = 0;
  for (let i = 0; i < 935; i++) if (admission.worthRecording('laptop')) worth++;
  t.equal(worth, 0);
  t.equal(admission.worthRecording('ward'), true, 'another peer has its own');
  time.advance(60_000);
  t.same(tallies, [['laptop', 935]]);
  t.equal(admission.worthRecording('laptop'), true, 'a new span');
  admission.worthRecording('laptop');
  admission.close();
  t.same(tallies.at(-1), ['laptop', 1]);
  t.equal(time.pending, 0);
  t.end();
});
