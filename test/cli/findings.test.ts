/** What the commands about findings and flows print, and the times they take. */
import t from 'tap';
import { devicesTable } from '../../src/cli/devices.ts';
import { acknowledgedText, endOf, findingText, findingsTable } from '../../src/cli/findings.ts';
import { eastWest, eastWestText, rulesText } from '../../src/cli/sensor-east-west.ts';
import { findingKinds, keptFinding } from '../../src/wire/finding.ts';
import type { BaselineFlow, KeptFinding } from '../../src/wire/finding.ts';

const now = 1_800_000_000_000;
const HOUR = 3_600_000;
const kept: KeptFinding = keptFinding.parse({
  id: 'f-0123456789abcdef',
  kind: 'dials-out',
  mac: '00:1b:00:00:00:0a',
  key: '203.0.113.0/24 tcp/443',
  severity: 'high',
  evidence: ['calls 203.0.113.9 tcp/443'],
  first: now - HOUR,
  last: now - 60_000,
  count: 3,
  device: 'monitor-7\u001b[2J',
  technique: 'T0869',
  state: 'open',
});

void t.test('findings: a row, everything about one, and nothing that moves a cursor', (t) => {
  const text = findingsTable([kept, { ...kept, state: 'suppressed', until: now + HOUR }], now);
  t.match(text, /f-0123456789abcdef {2}high {6}dials-out {2}T0869 {3}monitor-7\?\[2J/);
  t.match(text, /until 2027-01-15T09:00/);
  const whole = findingText({ ...kept, by: 'uid 0', note: 'the vendor’s cloud', state: 'acknowledged' }, now);
  t.match(
    whole,
    /Calls an address outside the site\. ATT&CK for ICS 18\.1:\s+T0869 Standard\s+Application\s+Layer\s+Protocol\./,
  );
  t.match(whole, /What to do: Find out whether the vendor needs it\./);
  t.match(whole, /acknowledged by uid 0: the vendor’s cloud/);
  for (const line of `${text}${whole}`.split('\n')) t.notOk(line.includes('\u001b'));
  for (const line of whole.split('\n')) t.ok(line.length <= 80, line);
  t.end();
});

void t.test('an acknowledgement offers to take in what can be normal', (t) => {
  const open = findingText(kept, now);
  t.match(open.replaceAll(/\s+/g, ' '), /If it is meant: `anteroom findings ack f-0123456789abcdef --learn`/);
  const acknowledged: KeptFinding = { ...kept, state: 'acknowledged', by: 'uid 0' };
  t.match(
    acknowledgedText(acknowledged).replaceAll(/\s+/g, ' '),
    /is acknowledged\. The baseline is as it was.*--learn/,
  );
  const learned: KeptFinding = { ...acknowledged, learned: true };
  t.match(acknowledgedText(learned), /part of the baseline\.\n$/);
  t.match(
    findingText(learned, now).replaceAll(/\s+/g, ' '),
    /It is part of the baseline; `anteroom findings unlearn f-0123456789abcdef` takes that back\./,
  );
  t.match(
    findingText({ ...acknowledged, unlearned: true }, now),
    /was part of the baseline and is no longer/,
  );
  t.equal(acknowledgedText({ ...acknowledged, kind: 'mac-flood' }), 'f-0123456789abcdef is acknowledged.\n');
  t.end();
});

void t.test('every kind has a technique and advice', (t) => {
  for (const [kind, row] of Object.entries(findingKinds)) {
    t.match(row.technique, /^T0\d{3}$/, kind);
    t.ok(row.text.endsWith('.') && row.advice.endsWith('.'), kind);
  }
  t.end();
});

void t.test('ends of suppression: spans and instants that are to come', (t) => {
  t.equal(endOf('12h', now), now + 12 * HOUR);
  t.equal(endOf('30d', now), now + 30 * 24 * HOUR);
  t.equal(endOf('2w', now), now + 14 * 24 * HOUR);
  t.equal(endOf('2027-06-01', now), Date.parse('2027-06-01'));
  for (const wrong of ['', '12', '-1h', 'soon', '2020-01-01', '0h'])
    t.throws(() => endOf(wrong, now), { code: 'FINDING_UNKNOWN' }, wrong);
  t.end();
});

const flow = (more: Partial<BaselineFlow> = {}): BaselineFlow => ({
  mac: '00:1b:00:00:00:0a',
  role: 'client',
  peer: '00:1b:00:00:00:14',
  address: '10.1.0.20',
  outside: false,
  transport: 'tcp',
  port: 104,
  protocol: 'dicom',
  first: now,
  last: now,
  flows: 7,
  bytesOut: 1_000,
  bytesIn: 500,
  learnt: true,
  ...more,
});

void t.test('east-west: what is needed is kept, what is new, unknown or dangerous would be cut', (t) => {
  const rows = eastWest([
    flow(),
    flow({ role: 'server' }),
    flow({ peer: '203.0.113.0/24', outside: true }),
    flow({ port: 445, protocol: 'smb' }),
    flow({ port: 2575, protocol: 'hl7', learnt: false }),
    { ...flow({ port: 9999 }), protocol: undefined },
    flow({ transport: 'udp', port: 24_105, protocol: 'intellivue' }),
  ]);
  t.same(
    rows.map(({ port, cut }) => [port, cut]),
    [
      [104, undefined],
      [24_105, undefined],
      [445, 'file sharing between devices spreads malware'],
      [2575, 'new since the device was learnt'],
      [9999, 'content not recognised'],
    ],
  );
  const text = eastWestText(rows, (mac) => (mac.endsWith('0a') ? 'CT 1' : mac));
  t.match(text, /CT 1 {2}00:1b:00:00:00:14 \(10\.1\.0\.20\) {2}tcp\/104 dicom .* kept/);
  t.match(text, /2 kept, 3 cut\.\n$/);
  const rules = rulesText(rows);
  t.match(rules, /elements = \{\n {6}00:1b:00:00:00:0a \. 00:1b:00:00:00:14 \. 104\n {4}\}/);
  t.notOk(rules.includes('445'));
  t.match(rulesText([]), /type ether_addr \. ether_addr \. inet_service\n {2}\}/);
  t.end();
});

void t.test('devices: the given name and the risk', (t) => {
  const text = devicesTable(
    [
      {
        observation: {
          mac: '00:1b:00:00:00:0a',
          addresses: ['10.1.0.10'],
          services: [],
          evidence: [],
          first: now,
          last: now,
        },
        standing: {
          risk: 35,
          record: {
            id: 'd-0123456789abcdef',
            keys: [],
            macs: ['00:1b:00:00:00:0a'],
            lifecycle: 'new',
            said: { name: { value: 'Monitor 7', by: 'uid 0', at: now } },
            first: now,
            last: now,
          },
        },
      },
    ],
    now,
  );
  t.match(text, /^Monitor 7 .* 35 +0 s ago$/m);
  t.end();
});
