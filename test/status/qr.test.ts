/**
 * QR codes against another implementation: the digests are those of the npm package `qrcode` 1.5.4 for the same text,
 * level M and mask 3, as lines of 0 and 1. With it all eight masks of versions 1 to 10 were compared, module by module.
 */
import { hash } from 'node:crypto';
import t from 'tap';
import { qrCode, qrSvg } from '../../src/status/qr.ts';

const lines = (code: ReturnType<typeof qrCode>): string =>
  (code ?? []).map((line) => `${line.map((dark) => (dark ? '1' : '0')).join('')}\n`).join('');

void t.test('the same modules as another implementation', (t) => {
  for (const [text, size, digest] of [
    ['anteroom', 21, 'b3745c7d13085cb7d7b312395c2bed62b7126356e61eec8da389ff4e5ac82dda'],
    ['x'.repeat(100), 41, '1c0c45bfdfe7afe6171418eba0f213f39d057b6e46cfd9c2c7213ecbf0f316f5'],
    ['y'.repeat(213), 57, '51ec28296e02598e7524f62f94b8bfbef5972ea6fe348ad7c896f87853746328'],
  ] as const) {
    const code = qrCode(text, 3);
    t.equal(code?.length, size);
    t.equal(hash('sha256', lines(code), 'hex'), digest);
  }
  t.end();
});

void t.test('limits, the best mask, the drawing', (t) => {
  t.equal(qrCode('z'.repeat(214)), undefined);
  t.equal(qrCode('')?.length, 21);
  t.equal(qrCode('é'.repeat(107)), undefined, 'bytes count, not characters');
  const code = qrCode('anteroom') ?? [];
  const all = [0, 1, 2, 3, 4, 5, 6, 7].map((mask) => lines(qrCode('anteroom', mask)));
  t.ok(all.includes(lines(code)));
  const svg = qrSvg(code);
  t.match(svg, /viewBox="0 0 29 29"/, 'four modules of quiet zone');
  t.equal(svg.match(/h1v1/g)?.length, code.flat().filter(Boolean).length);
  t.end();
});
