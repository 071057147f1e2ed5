/** Address text and bytes against hand-written pairs and against node:net's own opinion. */
import { isIPv6 } from 'node:net';
import fc from 'fast-check';
import t from 'tap';
import { addressBytes, addressText, inPrefix } from '../../src/wire/address.ts';

void t.test('text to bytes and back, RFC 5952 forms', (t) => {
  const pairs: [string, string][] = [
    ['::', '::'],
    ['::1', '::1'],
    ['fe80:0:0:0:0:0:0:1', 'fe80::1'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['192.0.2.7', '192.0.2.7'],
  ];
  for (const [text, canonical] of pairs) {
    const bytes = addressBytes(text);
    t.ok(bytes, text);
    if (bytes) t.equal(addressText(bytes), canonical);
  }
  for (const bad of ['', '1.2.3', '1.2.3.256', '1.2.3.4/8', 'example', ':::', '1::2::3', 'fe80::1%eth0']) {
    t.equal(addressBytes(bad), undefined, bad);
  }
  t.end();
});

void t.test('sixteen bytes survive the way through text', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
      const text = addressText(bytes);
      const back = addressBytes(text);
      const mapped = bytes.subarray(0, 10).every((b) => b === 0) && bytes[10] === 0xff && bytes[11] === 0xff;
      if (mapped) return back?.length === 4;
      return isIPv6(text) && back !== undefined && Buffer.from(back).equals(bytes);
    }),
  );
  t.end();
});

void t.test('prefixes', (t) => {
  t.ok(inPrefix('100.96.200.1', '100.96.128.0/17'));
  t.notOk(inPrefix('100.96.127.255', '100.96.128.0/17'));
  t.ok(inPrefix('10.0.0.1', '0.0.0.0/0'));
  t.ok(inPrefix('fd00::1', 'fd00::/8'));
  t.notOk(inPrefix('fd00::1', '0.0.0.0/0'), 'families do not mix');
  t.notOk(inPrefix('nonsense', '0.0.0.0/0'));
  t.end();
});
