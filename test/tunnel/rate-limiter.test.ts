/** The token bucket of each source of handshakes. */
import t from 'tap';
import { HANDSHAKES_PER_SECOND, HANDSHAKE_BURST, MAX_LIMITED_SOURCES } from '../../src/tunnel/constants.ts';
import { sourceBlock } from '../../src/tunnel/endpoint.ts';
import { RateLimiter } from '../../src/tunnel/rate-limiter.ts';
import { addressBytes } from '../../src/wire/address.ts';
import { monotonicMillis } from '../../src/wire/units.ts';

const allowed = (limiter: RateLimiter, source: string, n: number, ms: number): number =>
  Array.from({ length: n }, () => limiter.allow(source, monotonicMillis(ms))).filter(Boolean).length;

void t.test('a burst, then the rate', (t) => {
  const limiter = new RateLimiter();
  t.equal(allowed(limiter, 'a', 100, 0), HANDSHAKE_BURST);
  t.equal(allowed(limiter, 'b', 100, 0), HANDSHAKE_BURST, 'another source has its own');
  t.equal(allowed(limiter, 'a', 100, 1000 / HANDSHAKES_PER_SECOND), 1);
  t.equal(allowed(limiter, 'a', 100, 10_000), HANDSHAKE_BURST, 'never more than the burst');
  let passed = 0;
  for (let ms = 20_000; ms < 30_000; ms++) passed += allowed(limiter, 'a', 1, ms);
  t.equal(passed, HANDSHAKE_BURST + 10 * HANDSHAKES_PER_SECOND - 1);
  t.end();
});

void t.test('memory is bounded, and quiet sources are forgotten', (t) => {
  const limiter = new RateLimiter();
  let passed = 0;
  for (let i = 0; i < 2 * MAX_LIMITED_SOURCES; i++) passed += allowed(limiter, `s${i}`, 1, 0);
  t.equal(passed, MAX_LIMITED_SOURCES);
  t.equal(limiter.size, MAX_LIMITED_SOURCES);
  t.ok(limiter.allow('late', monotonicMillis(1000)));
  t.equal(limiter.size, 1);
  t.end();
});

void t.test('a source is an IPv4 address or an IPv6 /64', (t) => {
  const block = (address: string): string =>
    sourceBlock({ address: addressBytes(address) as Uint8Array, port: 1 });
  t.not(block('192.0.2.1'), block('192.0.2.2'));
  t.equal(block('2001:db8:1:2::1'), block('2001:db8:1:2:ffff::9'));
  t.not(block('2001:db8:1:2::1'), block('2001:db8:1:3::1'));
  t.end();
});
