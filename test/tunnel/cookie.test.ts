/** mac1, mac2 and the cookie reply between a checker and a generator. */
import t from 'tap';
import { CookieChecker, CookieGenerator } from '../../src/tunnel/cookie.ts';
import { decodeHandshake } from '../../src/tunnel/message.ts';
import type { CookieReply } from '../../src/tunnel/message.ts';
import { monotonicMillis, seconds } from '../../src/wire/units.ts';
import { anyPublicKey, at, randomness } from './support.ts';

const now = monotonicMillis(1000);
const fresh = (): { checker: CookieChecker; generator: CookieGenerator; message: Uint8Array } => ({
  checker: new CookieChecker(anyPublicKey(1), randomness(1)),
  generator: new CookieGenerator(anyPublicKey(1)),
  message: Uint8Array.from({ length: 148 }, (_, i) => i),
});

function decoded(bytes: Uint8Array): CookieReply {
  const result = decodeHandshake(bytes);
  if (result.kind !== 'message' || result.message.type !== 3) throw new Error('not a cookie reply');
  return result.message;
}

void t.test('mac1', (t) => {
  const { checker, generator, message } = fresh();
  t.notOk(checker.checkMac1(message));
  generator.addMacs(message, now);
  t.ok(checker.checkMac1(message));
  for (let i = 0; i < 132; i++) {
    const changed = Uint8Array.from(message);
    changed[i] = (changed[i] ?? 0) ^ 1;
    if (checker.checkMac1(changed)) t.fail(`byte ${i}`);
  }
  t.notOk(new CookieChecker(anyPublicKey(2), randomness(1)).checkMac1(message), 'meant for another key');
  t.end();
});

void t.test('a cookie makes mac2 good at its address and port, for two minutes', (t) => {
  const { checker, generator, message } = fresh();
  generator.addMacs(message, now);
  t.notOk(checker.checkMac2(message, at(9), now), 'no cookie has been given out');
  const reply = checker.reply(message, 77, at(9), now);
  t.equal(decoded(reply).receiver, 77);
  t.ok(generator.consume(decoded(reply), now));
  t.notOk(generator.consume(decoded(reply), now), 'a reply is used once');

  generator.addMacs(message, now);
  t.ok(checker.checkMac1(message));
  t.ok(checker.checkMac2(message, at(9), now));
  t.notOk(checker.checkMac2(message, at(8), now), 'another address');
  t.notOk(checker.checkMac2(message, at(9, 1), now), 'another port');
  for (let i = 0; i < 148; i++) {
    const changed = Uint8Array.from(message);
    changed[i] = (changed[i] ?? 0) ^ 1;
    if (checker.checkMac2(changed, at(9), now)) t.fail(`byte ${i}`);
  }

  const almost = monotonicMillis(now + seconds(119));
  generator.addMacs(message, almost);
  t.ok(checker.checkMac2(message, at(9), almost));
  const late = monotonicMillis(now + seconds(120));
  t.notOk(checker.checkMac2(message, at(9), late), 'the secret is too old');
  const empty = new Uint8Array(16);
  const again = new Uint8Array(148);
  generator.addMacs(again, late);
  t.same(again.subarray(132), empty, 'and so is the cookie');

  checker.reply(message, 77, at(9), late);
  t.notOk(checker.checkMac2(message, at(9), late), 'a new secret makes new cookies');
  t.end();
});

void t.test('a cookie reply opens for the one that sent the message', (t) => {
  const { checker, generator, message } = fresh();
  generator.addMacs(message, now);
  const reply = checker.reply(message, 77, at(9), now);
  t.notOk(new CookieGenerator(anyPublicKey(1)).consume(decoded(reply), now), 'nothing was sent');
  const other = new CookieGenerator(anyPublicKey(1));
  other.addMacs(new Uint8Array(148), now);
  t.notOk(other.consume(decoded(reply), now), 'another message was sent');
  for (let i = 8; i < 64; i++) {
    const changed = Uint8Array.from(reply);
    changed[i] = (changed[i] ?? 0) ^ 1;
    if (generator.consume(decoded(changed), now)) t.fail(`byte ${i}`);
  }
  t.ok(generator.consume(decoded(reply), now), 'the true one is still accepted');
  t.end();
});
