/** The portal's request parser: one reading of every request, named refusals, bounds, never a throw. */
import fc from 'fast-check';
import t from 'tap';
import { MAX_BODY, MAX_FIELDS, MAX_HEAD } from '../../../src/broker/portal/constants.ts';
import { formOf, jsonOf, parseRequest } from '../../../src/broker/portal/request.ts';
import type { Parsed } from '../../../src/broker/portal/request.ts';

const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1');
const lines = (...all: string[]): Uint8Array => bytes(`${all.join('\r\n')}\r\n\r\n`);
const parse = (...all: string[]): Parsed => parseRequest(lines(...all));
const host = 'Host: 100.96.0.1';
const told = (parsed: Parsed): string =>
  parsed.kind === 'malformed' ? `${parsed.status} ${parsed.detail}` : parsed.kind;

void t.test('a request', (t) => {
  const whole = bytes(
    'POST /requests?done=x&a=%C3%A4 HTTP/1.1\r\nHost: 100.96.0.1\r\nContent-Length: 5\r\nAccept: a\r\naccept:  b \r\n\r\nhello',
  );
  const parsed = parseRequest(whole);
  if (parsed.kind !== 'request') throw new Error(told(parsed));
  const { method, path, query, fields, body } = parsed.request;
  t.same([method, path, query.get('a'), fields.get('accept')], ['POST', '/requests', 'ä', 'a, b']);
  t.equal(Buffer.from(body).toString(), 'hello');
  for (let at = 0; at < whole.length; at++)
    if (parseRequest(whole.subarray(0, at)).kind !== 'incomplete') t.fail(`whole after ${at} bytes`);
  t.equal(told(parseRequest(Buffer.concat([whole, bytes('x')]))), '400 bytes_after', 'nothing rides along');
  t.end();
});

void t.test('what has two readings has none', (t) => {
  const cases: readonly (readonly [string, readonly string[]])[] = [
    ['400 start_line', ['GET  / HTTP/1.1', host]],
    ['400 start_line', ['get / HTTP/1.1', host]],
    ['400 start_line', ['GET http://x/ HTTP/1.1', host]],
    ['400 start_line', ['GET / HTTP/1.1 ', host]],
    ['400 start_line', ['\u0016\u0003\u0001']],
    ['505 version', ['GET / HTTP/1.0', host]],
    ['505 version', ['PRI * HTTP/2.0']],
    ['400 target', ['GET /../x HTTP/1.1', host]],
    ['400 target', ['GET /%2e%2e HTTP/1.1', host]],
    ['400 field', ['GET / HTTP/1.1', 'Host : x']],
    ['400 field', ['GET / HTTP/1.1', host, ' folded']],
    ['400 field', ['GET / HTTP/1.1', host, 'A: b\nC: d']],
    ['400 field', ['GET / HTTP/1.1', host, 'A: b\u0000']],
    ['400 field', ['GET / HTTP/1.1', host, 'nocolon']],
    ['400 field_twice', ['GET / HTTP/1.1', host, host]],
    ['400 field_twice', ['POST / HTTP/1.1', host, 'Content-Length: 1', 'content-length: 1']],
    ['400 no_host', ['GET / HTTP/1.1']],
    ['400 no_host', ['GET / HTTP/1.1', 'Host:']],
    ['501 transfer_coding', ['POST / HTTP/1.1', host, 'Transfer-Encoding: chunked']],
    ['417 expectation', ['POST / HTTP/1.1', host, 'Content-Length: 1', 'Expect: 100-continue']],
    ['411 no_length', ['POST / HTTP/1.1', host]],
    ['400 length', ['POST / HTTP/1.1', host, 'Content-Length: +1']],
    ['400 length', ['POST / HTTP/1.1', host, 'Content-Length: 01']],
    ['413 body_too_large', ['POST / HTTP/1.1', host, `Content-Length: ${MAX_BODY + 1}`]],
    ['413 body_too_large', ['POST / HTTP/1.1', host, 'Content-Length: 9999999999']],
  ];
  for (const [wanted, request] of cases) t.equal(told(parse(...request)), wanted, request.join(' | '));
  t.end();
});

void t.test('bounds', (t) => {
  const many = Array.from({ length: MAX_FIELDS }, (_, i) => `X-${i}: y`);
  t.equal(told(parse('GET / HTTP/1.1', host, ...many)), '431 too_many_fields');
  t.equal(told(parseRequest(bytes(`GET / HTTP/1.1\r\nHost: ${'x'.repeat(MAX_HEAD)}`))), '431 head_too_large');
  t.equal(told(parseRequest(Buffer.alloc(1_000_000, 0x41))), '431 head_too_large');
  t.end();
});

void t.test('any bytes, and any change of a good request: an answer, never a throw', (t) => {
  const good = lines(
    'POST /break-glass HTTP/1.1',
    host,
    'Content-Type: application/json',
    'Content-Length: 0',
  );
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 300 }),
      fc.nat(good.length - 1),
      fc.nat(255),
      (noise, at, byte) => {
        const changed = Uint8Array.from(good);
        changed[at] = byte;
        for (const input of [noise, changed, Buffer.concat([good.subarray(0, at), noise])]) {
          const parsed = parseRequest(input);
          if (parsed.kind === 'malformed' && (parsed.offset < 0 || parsed.offset > input.length))
            return false;
        }
        return true;
      },
    ),
    { numRuns: 2_000 },
  );
  t.pass('2000 runs');
  t.end();
});

void t.test('bodies', (t) => {
  t.equal(formOf(bytes('a=1&b=%C3%A4'))?.get('b'), 'ä');
  t.equal(formOf(Uint8Array.of(0xff)), undefined);
  t.same(jsonOf(bytes('{"a":1}')), { a: 1 });
  t.equal(jsonOf(bytes('{')), undefined);
  t.equal(jsonOf(Uint8Array.of(0x22, 0xff, 0x22)), undefined);
  t.end();
});
