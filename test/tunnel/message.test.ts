/** Handshake messages: exact layouts, exact lengths, no throw on anything. */
import fc from 'fast-check';
import t from 'tap';
import {
  decodeHandshake,
  encodeCookieReply,
  encodeInitiation,
  encodeResponse,
} from '../../src/tunnel/message.ts';

const bytes = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length });
const index = fc.integer({ min: 0, max: 0xffffffff });

void t.test('layouts', (t) => {
  const fill = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value);
  const initiation = encodeInitiation({
    sender: 0x04030201,
    ephemeral: fill(32, 0xe0),
    sealedStatic: fill(48, 0x55),
    sealedTimestamp: fill(28, 0x77),
  });
  t.equal(
    Buffer.from(initiation).toString('hex'),
    `0100000001020304${'e0'.repeat(32)}${'55'.repeat(48)}${'77'.repeat(28)}${'00'.repeat(32)}`,
  );
  const response = encodeResponse({
    sender: 0x04030201,
    receiver: 0x0d0c0b0a,
    ephemeral: fill(32, 0xe0),
    sealedNothing: fill(16, 0x99),
  });
  t.equal(
    Buffer.from(response).toString('hex'),
    `02000000010203040a0b0c0d${'e0'.repeat(32)}${'99'.repeat(16)}${'00'.repeat(32)}`,
  );
  const cookie = encodeCookieReply({
    receiver: 0x04030201,
    nonce: fill(24, 0x11),
    sealedCookie: fill(32, 0xcc),
  });
  t.equal(Buffer.from(cookie).toString('hex'), `0300000001020304${'11'.repeat(24)}${'cc'.repeat(32)}`);
  t.same([initiation.length, response.length, cookie.length], [148, 92, 64]);
  t.end();
});

void t.test('what is encoded is decoded', (t) => {
  fc.assert(
    fc.property(
      index,
      bytes(32),
      bytes(48),
      bytes(28),
      (sender, ephemeral, sealedStatic, sealedTimestamp) => {
        const fields = { sender, ephemeral, sealedStatic, sealedTimestamp };
        t.strictSame(decodeHandshake(encodeInitiation(fields)), {
          kind: 'message',
          message: { type: 1, ...fields },
        });
      },
    ),
    { numRuns: 20 },
  );
  fc.assert(
    fc.property(index, index, bytes(32), bytes(16), (sender, receiver, ephemeral, sealedNothing) => {
      const fields = { sender, receiver, ephemeral, sealedNothing };
      t.strictSame(decodeHandshake(encodeResponse(fields)), {
        kind: 'message',
        message: { type: 2, ...fields },
      });
    }),
    { numRuns: 20 },
  );
  fc.assert(
    fc.property(index, bytes(24), bytes(32), (receiver, nonce, sealedCookie) => {
      const fields = { receiver, nonce, sealedCookie };
      t.strictSame(decodeHandshake(encodeCookieReply(fields)), {
        kind: 'message',
        message: { type: 3, ...fields },
      });
    }),
    { numRuns: 20 },
  );
  t.end();
});

void t.test('layouts of the hybrid messages', (t) => {
  const fill = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value);
  const initiation = {
    sender: 0x04030201,
    ephemeral: fill(32, 0xe0),
    sealedKemKey: fill(1200, 0xe1),
    sealedStatic: fill(48, 0x55),
    sealedTimestamp: fill(28, 0x77),
  };
  const five = encodeInitiation(initiation);
  t.equal(
    Buffer.from(five).toString('hex'),
    `0500000001020304${'e0'.repeat(32)}${'e1'.repeat(1200)}${'55'.repeat(48)}${'77'.repeat(28)}${'00'.repeat(32)}`,
  );
  t.strictSame(decodeHandshake(five), { kind: 'message', message: { type: 5, ...initiation } });
  const response = {
    sender: 0x04030201,
    receiver: 0x0d0c0b0a,
    ephemeral: fill(32, 0xe0),
    sealedCiphertext: fill(1104, 0xcc),
    sealedNothing: fill(16, 0x99),
  };
  const six = encodeResponse(response);
  t.equal(
    Buffer.from(six).toString('hex'),
    `06000000010203040a0b0c0d${'e0'.repeat(32)}${'cc'.repeat(1104)}${'99'.repeat(16)}${'00'.repeat(32)}`,
  );
  t.strictSame(decodeHandshake(six), { kind: 'message', message: { type: 6, ...response } });
  t.same([five.length, six.length], [1348, 1196]);
  t.ok(six.length <= five.length, 'an answer is never longer than what it answers');
  t.end();
});

void t.test('only the exact length is a message', (t) => {
  for (const [type, length] of [
    [1, 148],
    [2, 92],
    [3, 64],
    [5, 1348],
    [6, 1196],
  ] as const) {
    const taken: number[] = [];
    for (let n = 1; n <= 1400; n++) {
      const datagram = new Uint8Array(n);
      datagram[0] = type;
      const decoded = decodeHandshake(datagram);
      if (decoded.kind === 'message') taken.push(n);
      else t.same(decoded, { kind: 'malformed', weird: 'wrong_length', offset: Math.min(n, length) });
    }
    t.same(taken, [length], `type ${type}`);
  }
  t.end();
});

void t.test('named faults', (t) => {
  t.same(decodeHandshake(new Uint8Array(0)), { kind: 'malformed', weird: 'empty', offset: 0 });
  for (const type of [0, 4, 7, 255])
    t.same(decodeHandshake(Uint8Array.of(type, 0, 0, 0)), {
      kind: 'malformed',
      weird: 'unknown_type',
      offset: 0,
    });
  for (const offset of [1, 2, 3]) {
    const datagram = new Uint8Array(148);
    datagram[0] = 1;
    datagram[offset] = 1;
    t.same(decodeHandshake(datagram), { kind: 'malformed', weird: 'reserved_not_zero', offset });
  }
  t.end();
});

void t.test('any bytes at all', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (datagram) => {
      const decoded = decodeHandshake(datagram);
      return decoded.kind === 'message' || decoded.offset <= datagram.length;
    }),
    { numRuns: 2000 },
  );
  t.end();
});
