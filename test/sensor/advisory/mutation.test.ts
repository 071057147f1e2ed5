/** Good documents with bytes changed, dropped and doubled: each is read or is malformed, in little time, and never throws. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import t from 'tap';
import { readAdvisoryFile, readDeviceFile } from '../../../src/sensor/advisory/document.ts';
import { matchAdvisory, advisoryTerms } from '../../../src/sensor/advisory/match.ts';
import { likeness } from '../../../src/sensor/advisory/product-name.ts';
import { parseRange, positionIn } from '../../../src/sensor/advisory/version-range.ts';
import { compareVersions, parseVersion } from '../../../src/sensor/advisory/version.ts';
import { csafFiles, device } from './samples.ts';
import { mds2Workbook, workbookEntries, zip, formRows } from './workbook-builder.ts';

const change = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
  kind: fc.constantFrom('set', 'drop', 'double', 'cut'),
  length: fc.integer({ min: 1, max: 64 }),
  byte: fc.integer({ min: 0, max: 255 }),
});

function mutate(
  bytes: Buffer,
  changes: readonly { at: number; kind: string; length: number; byte: number }[],
): Buffer {
  let now = Buffer.from(bytes);
  for (const { at, kind, length, byte } of changes) {
    const from = Math.floor(at * now.length);
    if (kind === 'set' && now.length > 0) now[from] = byte;
    else if (kind === 'drop') now = Buffer.concat([now.subarray(0, from), now.subarray(from + length)]);
    else if (kind === 'double') now = Buffer.concat([now.subarray(0, from + length), now.subarray(from)]);
    else now = kind === 'cut' && byte < 32 ? now.subarray(0, from) : now;
  }
  return now;
}

const changes = fc.array(change, { minLength: 1, maxLength: 6 });
const seeds = [1, 2, 3];

void t.test('advisories', (t) => {
  const files = csafFiles()
    .filter((_, i) => i % 24 === 0)
    .map((file) => readFileSync(file));
  const subject = device('Philips', 'MX800', 'N.01', { components: [{ name: 'openssl', version: '1' }] });
  let understood = 0;
  for (const seed of seeds)
    fc.assert(
      fc.property(fc.constantFrom(...files), changes, (bytes, list) => {
        const read = readAdvisoryFile(mutate(bytes, list));
        if (read.kind === 'malformed' || !('advisory' in read)) return;
        understood++;
        advisoryTerms(read.advisory);
        matchAdvisory(read.advisory, subject, new Map());
      }),
      { seed, numRuns: 120 },
    );
  t.ok(understood > 10, `${understood} were understood all the same`);
  t.end();
});

void t.test('documents of devices', (t) => {
  const cyclone = Buffer.from(
    JSON.stringify({
      bomFormat: 'CycloneDX',
      specVersion: '1.5',
      components: [{ name: 'a', components: [{ name: 'b' }] }],
    }),
  );
  const xml = Buffer.from(
    '<bom xmlns="http://cyclonedx.org/schema/bom/1.4"><components><component><name>a</name></component></components></bom>',
  );
  const tags = Buffer.from('SPDXVersion: SPDX-2.3\nPackageName: a\nPackageVersion: 1\n');
  // Stored entries let the changes reach the XML inside.
  const open = zip(workbookEntries({ MDS2: formRows }).map((each) => ({ ...each, stored: true })));
  let understood = 0;
  for (const seed of seeds)
    fc.assert(
      fc.property(fc.constantFrom(mds2Workbook(), open, cyclone, xml, tags), changes, (bytes, list) => {
        if (readDeviceFile(mutate(bytes, list), 'mutant').kind === 'message') understood++;
      }),
      { seed, numRuns: 240 },
    );
  t.ok(understood > 10, `${understood} were understood all the same`);
  t.end();
});

void t.test('any text is a version, a range, a name, or none', (t) => {
  const piece = fc.constantFrom(
    '1',
    '10',
    '.',
    '-',
    'x',
    '*',
    '<',
    '<=',
    '>',
    '=',
    '!',
    '|',
    ',',
    ' ',
    'rc',
    'B',
    'and prior',
    'vers:',
    '/',
    '(',
  );
  const text = fc.oneof(
    fc.array(piece, { maxLength: 24 }).map((list) => list.join('')),
    fc.string({ maxLength: 80 }),
  );
  for (const seed of seeds)
    fc.assert(
      fc.property(text, text, (a, b) => {
        const [x, y] = [parseVersion(a), parseVersion(b)];
        if (x && y) {
          const [forth, back] = [compareVersions(x, y), compareVersions(y, x)];
          if (Math.sign(forth ?? 0) !== -Math.sign(back ?? 0))
            throw new Error(`${a} and ${b}: ${forth}, ${back}`);
        }
        positionIn(parseRange(a), y);
        likeness(a, b);
      }),
      { seed, numRuns: 2_000 },
    );
  // Nothing here takes more than a moment, however long.
  const long = `${'1 | '.repeat(20_000)}< 2`;
  const began = performance.now();
  parseRange(long);
  parseRange(`>=${'1 '.repeat(20_000)}`);
  parseRange(`${' '.repeat(50_000)}x and prior`);
  likeness('MX1/2/3'.repeat(40), 'MX2');
  t.ok(performance.now() - began < 1_000);
  t.end();
});
