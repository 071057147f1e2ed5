/** Versions in order, ranges as they are written in advisories, and where the answer is that nobody can tell. */
import t from 'tap';
import { parseRange, positionIn } from '../../../src/sensor/advisory/version-range.ts';
import { compareVersions, parseVersion, versionIn } from '../../../src/sensor/advisory/version.ts';

const order = (a: string, b: string): '<' | '>' | '=' | '?' | 'unparsed' => {
  const [x, y] = [parseVersion(a), parseVersion(b)];
  if (!x || !y) return 'unparsed';
  const found = compareVersions(x, y);
  return found === undefined ? '?' : found < 0 ? '<' : found > 0 ? '>' : '=';
};

void t.test('versions are compared as far as that can be done', (t) => {
  const table: readonly (readonly [string, '<' | '>' | '=' | '?' | 'unparsed', string])[] = [
    ['1.10', '>', '1.9'],
    ['1.9', '<', '1.10'],
    ['1.0', '=', '1.0.0'],
    ['1.0', '<', '1.0.1'],
    ['01.2', '=', '1.2'],
    ['2.0.0-rc1', '<', '2.0.0'],
    ['2.0.0-rc1', '<', '2.0.0-rc2'],
    ['2.0.0-beta2', '<', '2.0.0-rc1'],
    ['2.0.0-rc1', '>', '1.9.9'],
    ['2.6A', '>', '2.6'],
    ['2.6A', '<', '2.7A'],
    ['B.04.01', '<', 'B.06.18'],
    ['B.04.01', '<', 'C.02'],
    ['B.04.01', '=', 'b04.1'],
    ['B.04.01', '?', '4.01'],
    ['VM5.0', '?', '3.0'],
    ['BT05', '?', 'SV20.1'],
    ['BT05', '<', 'BT08'],
    ['012U000040', '<', '012U000061'],
    ['R8.0.3', '=', '8.0.3'],
    ['v1.2', '=', 'Version 1.2'],
    ['1.3.1 Build 13', '<', '1.3.1 Build 14'],
    ['99999999999999999999.1', '>', '99999999999999999998.9'],
    ['N', '>', 'M'],
    ['N.01', '>', 'N'],
    ['2018-05-01', '<', 'May 2, 2018'],
    ['8/30/2024', '>', '2024-08-29'],
    ['2018-05-01', '?', 'May 2018'],
    ['2018-06-01', '>', 'May 2018'],
    ['2018-05-01', '?', '3.1'],
    ['2nd Edition', 'unparsed', '2'],
    ['24950 MyCareLink Monitor', 'unparsed', '1'],
    ['', 'unparsed', '1'],
    ['1'.repeat(101), 'unparsed', '1'],
    ['1.2; rm', 'unparsed', '1.2'],
  ];
  for (const [a, expected, b] of table) t.equal(order(a, b), expected, `${a} ${expected} ${b}`);
  t.end();
});

void t.test('a version is found behind the name of its program', (t) => {
  t.equal(versionIn('Orthanc 1.12.1')?.name, 'Orthanc');
  t.equal(versionIn('syngo MR VB19A')?.name, 'syngo MR');
  t.equal(versionIn('1.12.1')?.name, '');
  t.equal(versionIn('no number here'), undefined);
  t.end();
});

void t.test('ranges are read as makers write them, to the last character or not at all', (t) => {
  const table: readonly (readonly [
    range: string,
    version: string | undefined,
    'inside' | 'outside' | 'unknown',
  ])[] = [
    ['vers:all/*', undefined, 'inside'],
    ['*', '1.0', 'inside'],
    ['all versions', undefined, 'inside'],
    ['<1.2.3', '1.2.2', 'inside'],
    ['<1.2.3', '1.2.3', 'outside'],
    ['<1.2.3', undefined, 'unknown'],
    ['< 1.10', '1.9', 'inside'],
    ['< 2.0.0', '2.0.0-rc1', 'inside'],
    ['prior to 1.2.3', '1.2', 'inside'],
    ['before version 2.0', '2.0', 'outside'],
    ['1.2.3 and prior', '1.2.3', 'inside'],
    ['2.3.6 and  below', '2.3.7', 'outside'],
    ['1.4 and later', '1.3', 'outside'],
    ['1.4 or newer versions', '1.5', 'inside'],
    ['up to and including 3.1', '3.0', 'inside'],
    ['2.0 through 2.6', '2.6', 'inside'],
    ['2.0 through 2.6', '2.7', 'outside'],
    ['between 1.0 and 2.0', '0.9', 'outside'],
    ['>= 4.01 | <= 4.34', '4.20', 'inside'],
    ['>= 4.01 | <= 4.34', '4.35', 'outside'],
    ['>= 1.3.4, < 1.5.3', '1.5.3', 'outside'],
    ['>=1.0 <2.0', '1.5', 'inside'],
    ['>=1.0 and <2.0', '2.5', 'outside'],
    ['vers:generic/>=1.0|<1.5|>=2.0|<2.3', '1.7', 'outside'],
    ['vers:generic/>=1.0|<1.5|>=2.0|<2.3', '2.2.9', 'inside'],
    ['vers:intdot/!=1.5', '1.5', 'outside'],
    ['vers:intdot/>=1|!=1.5|<2', '1.4', 'inside'],
    ['9.13 | 9.19 | 9.33 | 12.1', '9.19', 'inside'],
    ['9.13 | 9.19 | 9.33 | 12.1', '9.20', 'outside'],
    ['<= U61 |<= L81', 'L80', 'inside'],
    ['14.1.x', '14.1.7', 'inside'],
    ['14.1.x', '14.2', 'outside'],
    ['<= 12.2.x.x', '12.2.8.1', 'inside'],
    ['<= 12.2.x.x', '12.3', 'outside'],
    ['< 3.x', '3.1', 'outside'],
    ['B.02', 'B.02', 'inside'],
    ['B.02', 'B.02.18', 'unknown'],
    ['<=N', 'N.01', 'unknown'],
    ['<=N', 'M.04', 'inside'],
    ['<= 12.1.3', '12.1.3.5', 'unknown'],
    ['<= 12.1.3', 'PR-12', 'unknown'],
    ['3002', '1.2', 'unknown'],
    ['\u2264 2.0', '1.0', 'inside'],
    ['<8/30/2024', '2024-08-01', 'inside'],
    ['<8/30/2024', '3.1', 'unknown'],
    ['* (end-of-life 2011)', '1.0', 'unknown'],
    ['<=11.2 on Windows 8.1 with IIS 7.5', '11.0', 'unknown'],
    ['distributed  < april 1, 2018', '1.0', 'unknown'],
    ['Rev B-M', 'C', 'unknown'],
    ['2nd Edition', '1', 'unknown'],
    ['A10 < A11', 'A10', 'unknown'],
    ['', '1', 'unknown'],
    ['vers:generic/', '1', 'unknown'],
    [Array.from({ length: 65 }, (_, i) => String(i)).join('|'), '3', 'unknown'],
  ];
  for (const [range, version, expected] of table) {
    const parsed = version === undefined ? undefined : parseVersion(version);
    t.equal(
      positionIn(parseRange(range), parsed),
      expected,
      `${version ?? 'no version'} of "${range.slice(0, 40)}"`,
    );
  }
  t.end();
});
