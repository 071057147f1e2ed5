/** Overviews and findings for the tests of the page: a small clinic, and as many hostile or ordinary sessions as asked for. */
import { findingKinds, keptFinding, riskOf, severities } from '../../src/wire/finding.ts';
import type { FindingKind, KeptFinding } from '../../src/wire/finding.ts';
import { overview as overviewSchema } from '../../src/wire/messages.ts';
import type { Overview } from '../../src/wire/messages.ts';

export const NOW = Date.parse('2026-03-02T09:30:00Z');
const MINUTE = 60_000;

/** What a device or a user might call itself to break a page. */
export const hostile = [
  '<script>window.broken=1</script>',
  '<img src=x onerror="window.broken=2">',
  '"><svg onload=window.broken=3>',
  "javascript:window.broken=4//'",
  '</td></tr></table><h1>broken</h1>',
  '{{constructor.constructor("window.broken=5")()}}',
  '\u202Egnp.exe',
  'x'.repeat(128),
];

const kexModes = ['hybrid', 'classical', 'classical+psk'] as const;
const actionSets = [['view'], ['view', 'modify'], ['view', 'modify', 'download'], ['view', 'print']] as const;
const people = ['dr.vogel', 'dr.amari', 'nurse.lind', 'tech.okafor', 'service.brandt'];
const places = [
  ['pacs', 'pacs-dicom', 'dicom', 104],
  ['ct-2', 'ct-2-dicom', 'dicom', 104],
  ['pump-14', 'pump-14-hl7', 'hl7', 2575],
  ['lab-analyser', 'lab-tcp', 'tcp', 9100],
] as const;

function sessionOf(i: number, text?: string): object {
  const [device, resource, protocol, port] = places[i % places.length] ?? places[0];
  const startedAt = NOW - (i % 50) * MINUTE - 20_000;
  const session = `s-${i.toString(16).padStart(32, '0')}`;
  return {
    grant: {
      session,
      subject: {
        user: people[i % people.length],
        roles: ['radiologist'],
        peer: `laptop-${i % 9}`,
        userDevice: text ?? `reading room laptop ${i % 9}`,
        posture: { level: i % 5 === 0 ? 'minor' : 'good', score: 80 },
        kex: kexModes[i % 3],
        source: { address: '100.96.0.7', port: 40_000 + (i % 20_000) },
      },
      target: {
        resource,
        device,
        protocol,
        virtual: { address: '100.96.128.10', port },
        dial: { address: '10.20.0.5', port },
      },
      actions: actionSets[i % actionSets.length],
      obligations: [],
      limits: { idle: 900_000, end: NOW + 3_600_000 },
      expiresAt: NOW + 1_800_000,
      rules: ['radiology.pacs'],
      denials:
        text === undefined && i % 4 > 0
          ? []
          : [{ actions: ['download'], rules: ['posture.major'], reason: text ?? 'posture is not good' }],
      revision: 'r1',
    },
    progress: {
      session,
      startedAt,
      lastActivity: NOW - (i % 50) * 1000,
      bytesToDevice: 1234 * (i + 1),
      bytesToUser: 987_654 * (i + 1),
      units: text === undefined ? { 'C-ECHO': 1, 'C-STORE': 1 + (i % 40) } : { [text]: 3 },
      refused: i % 6 === 1 ? i : 0,
    },
    ...(i % 4 === 3 && { ended: { at: NOW - MINUTE, reason: text ?? 'idle' } }),
  };
}

/** Card of the archive. */
export const PACS = '02:00:00:00:00:05';

/** What is held against the archive and the unknown host, in the order of the ledger; `more` others. */
export function findingsOf(options: { text?: string; more?: number } = {}): KeptFinding[] {
  const { text, more = 0 } = options;
  const row = (i: number, kind: FindingKind, mac: string | undefined, rest: object = {}): KeptFinding =>
    keptFinding.parse({
      id: `f-${i.toString(16).padStart(16, '0')}`,
      kind,
      ...(mac === undefined ? {} : { mac }),
      key: text ?? `10.20.0.${i} tcp/104`,
      severity: findingKinds[kind].severity,
      evidence: [text ?? `uses tcp/104 dicom of 10.20.0.${i}`],
      first: NOW - 3 * 60 * MINUTE,
      last: NOW - 5 * MINUTE,
      count: 1234 + i,
      device: text?.slice(0, 100) ?? (mac === PACS ? 'pacs' : (mac ?? 'the link')),
      technique: findingKinds[kind].technique,
      state: 'open',
      ...rest,
    });
  const unknown = '02:00:00:00:00:99';
  const list = [
    row(1, 'hard-coded-destination', unknown),
    row(2, 'mac-flood', undefined),
    row(3, 'new-peer', PACS),
    row(4, 'weak-protocol', PACS),
    row(5, 'new-service', PACS, { state: 'acknowledged', by: 'uid 0', note: text ?? 'the new printer' }),
    row(6, 'dials-out', unknown, { state: 'suppressed', until: NOW + 60 * MINUTE, by: 'uid 0', note: '' }),
    ...Array.from({ length: more }, (_, i) => row(100 + i, 'unusual-hours', PACS)),
  ];
  const rank = ({ state, severity }: KeptFinding): number =>
    (state === 'open' ? 0 : 10) - severities.indexOf(severity);
  return list.toSorted((a, b) => rank(a) - rank(b));
}

/** `sessions` rows; with `text`, every free text of the answer is that text. */
export function overviewOf(options: { sessions?: number; text?: string } = {}): Overview {
  const { sessions = 3, text } = options;
  return overviewSchema.parse({
    site: { id: 'clinic-north', name: text ?? 'Clinic North' },
    version: '0.1.0',
    startedAt: NOW - 26 * 60 * MINUTE,
    now: NOW,
    policy: { revision: text ?? 'r1', policies: 12 },
    peers: [
      {
        peer: 'laptop-7',
        endpoint: { address: '203.0.113.9', port: 51820 },
        session: {
          peer: 'laptop-7',
          tunnelSession: '00112233445566778899aabbccddeeff',
          role: 'responder',
          kex: 'classical+psk',
          endpoint: { address: '203.0.113.9', port: 51820 },
          at: NOW - MINUTE,
        },
        lastReceived: NOW - 4_000,
        receivedBytes: 1_234_567,
        sentBytes: 98_765_432,
      },
      {
        peer: 'laptop-8',
        endpoint: { address: '2001:db8::1', port: 51820 },
        lastReceived: NOW - 3 * 60 * MINUTE,
        receivedBytes: 500,
        sentBytes: 0,
      },
      { peer: 'laptop-9', receivedBytes: 0, sentBytes: 0 },
    ],
    sessions: Array.from({ length: sessions }, (_, i) => sessionOf(i, text)),
    devices: [
      {
        device: { id: 'pacs', name: text ?? 'Archive', class: 'pacs', unit: 'radiology' },
        observation: {
          mac: PACS,
          vendor: text ?? 'Example Imaging GmbH',
          addresses: ['10.20.0.5', 'fe80::5'],
          services: [
            { transport: 'tcp', port: 4242, protocol: 'dicom' },
            { transport: 'tcp', port: 8042, protocol: 'http' },
          ],
          evidence: [
            'calledAeTitle',
            'implementationClassUid',
            'implementationVersionName',
            'callingAeTitle',
          ].map((field, i) => ({
            protocol: 'dicom',
            field,
            value: text ?? ['ARCHIVE', '1.2.276.0.7230010.3.0.3.6.4', 'OFFIS_DCMTK_367', 'CT2'][i],
            first: NOW - 9 * MINUTE,
            last: NOW - MINUTE,
          })),
          identity: [
            {
              attribute: 'class',
              value: text ?? 'PACS',
              because: text ?? 'dicom calledAeTitle=ARCHIVE',
              conflicts: [],
            },
            {
              attribute: 'vendor',
              because: text ?? 'dicom equipment.manufacturer=Example',
              conflicts: [text ?? 'Example', 'Sample'],
            },
          ],
          first: NOW - 9 * MINUTE,
          last: NOW - 30_000,
        },
        standing: {
          record: {
            id: 'd-0123456789abcdef',
            keys: [{ kind: 'mac', value: PACS }],
            macs: ['02:00:00:00:00:04', PACS],
            lifecycle: 'in-service',
            confirmed: { by: 'uid 0', at: NOW - 60 * MINUTE },
            said: {
              owner: { value: text?.slice(0, 100) ?? 'Radiology IT', by: 'uid 0', at: NOW - 60 * MINUTE },
            },
            first: NOW - 9 * MINUTE,
            last: NOW - 30_000,
          },
          risk: riskOf(findingsOf().filter(({ mac, state }) => mac === PACS && state === 'open')),
        },
      },
      {
        observation: {
          mac: '02:00:00:00:00:99',
          addresses: ['10.20.0.77'],
          services: [],
          evidence: [{ protocol: 'hl7', field: 'MSH-3', value: text ?? 'PUMP', first: NOW, last: NOW }],
          first: NOW - MINUTE,
          last: NOW - 1_000,
        },
      },
      { device: { id: 'ct-2', name: 'CT 2', class: 'modality', unit: 'radiology' } },
    ],
    audit: { size: 18_231, root: 'ab'.repeat(32), time: NOW - 2_000 },
    health: [
      { item: 'audit.process', level: 'ok', text: 'The audit process answers.', since: NOW - 9 * MINUTE },
      {
        item: 'sensor.drops',
        level: 'warning',
        text: text ?? 'The sensor lost 3 % of the frames; what it says of devices may be incomplete.',
        since: NOW - MINUTE,
      },
      {
        item: 'tunnel.process',
        level: 'ok',
        text: 'The tunnel listens on UDP port 51820.',
        since: NOW - 9 * MINUTE,
      },
    ],
  });
}
