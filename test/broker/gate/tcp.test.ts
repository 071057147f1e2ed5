/** Raw TCP: allow or deny, by `modify`. */
import t from 'tap';
import { openRefusal } from '../../../src/broker/gate/gate.ts';
import { countingSources, feed, gateOf, grantOf, sentTo, told } from './world.ts';

const hello = Buffer.from('hello');

void t.test('with modify everything passes, named once', (t) => {
  const gate = gateOf('tcp', ['modify']);
  t.strictSame(told(feed(gate, 'device', hello)), []);
  const first = feed(gate, 'user', hello);
  t.strictSame(told(first), ['unit TCP modify user']);
  t.strictSame(sentTo('device', first), hello);
  const second = feed(gate, 'user', hello);
  t.strictSame([told(second), sentTo('device', second)], [[], hello]);
  t.strictSame(told(gate.closed('user')), [], 'a half-close leaves the other direction open');
  t.strictSame(sentTo('user', feed(gate, 'device', hello)), hello);
  t.strictSame(told(gate.closed('device')), ['end closed by the device']);
  t.strictSame(gate.receive('user', hello), []);
  t.end();
});

void t.test('without modify nothing passes, in either direction', (t) => {
  for (const from of ['user', 'device'] as const) {
    const gate = gateOf('tcp', ['view', 'download', 'print', 'administer']);
    const effects = feed(gate, from, hello);
    t.match(told(effects), [`refused TCP modify ${from}`, /^end /]);
    t.equal(effects.filter((effect) => effect.kind === 'send').length, 0);
    t.strictSame(gate.receive(from, hello), []);
  }
  t.end();
});

void t.test('a step-down ends the session at the next byte', (t) => {
  const gate = gateOf('tcp', ['modify']);
  feed(gate, 'user', hello);
  gate.regrant(grantOf('tcp', ['view']));
  t.match(told(feed(gate, 'device', hello)), ['refused TCP modify device', /^end /]);
  t.end();
});

void t.test('a refused session ends without a word, at once', (t) => {
  const gate = openRefusal('tcp', 'denied', 'POLICY_DENIED', countingSources());
  t.strictSame(told(gate.receive('user', new Uint8Array(0))), ['refused TCP - user', 'end denied']);
  t.strictSame(gate.receive('user', hello), []);
  t.strictSame(told(openRefusal('tcp', 'x', 'INTERNAL', countingSources()).closed('user')), [
    'end closed by the user',
  ]);
  t.end();
});
