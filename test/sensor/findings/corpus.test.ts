/**
 * The findings of the corpus, file by file. What a device really does, old TLS or a default community, isn't false;
 * that a capture of an ordinary network showed an attack would be. Names of patients that are in it come out nowhere.
 */
import { addon } from '../../../src/platform/addon.ts';
import t from 'tap';
import { linkType } from '../../../src/sensor/constants.ts';
import { Sensor } from '../../../src/sensor/sensor.ts';
import type { FindingKind, FindingReport } from '../../../src/wire/finding.ts';
import { findingReport } from '../../../src/wire/finding.ts';
import { corpusFile, corpusNames, packetsOf } from '../corpus-files.ts';
import type { Packet } from '../corpus-files.ts';

function read(packets: readonly Packet[]): Sensor {
  const sensor = new Sensor({ stage: addon().openStage({}), vendorOf: () => undefined });
  let last = 0;
  for (const { link, bytes, wireLength, at } of packets) {
    sensor.take(link, bytes, wireLength, at);
    last = Math.max(last, at);
  }
  sensor.settle(last);
  return sensor;
}

/** True of many an ordinary device, and worth saying. */
const ordinary: ReadonlySet<FindingKind> = new Set([
  'weak-protocol',
  'cleartext-credentials',
  'default-credentials',
]);

/** Captures of attacks, by a part of their name; what has to be found, against how many cards. */
const attacks: readonly (readonly [string, FindingKind])[] = [
  ['PrintNightmare', 'exploit-print'],
  ['eternalblue', 'exploit-smb'],
];

void t.test('attacks are found, and only where they are', (t) => {
  const found = new Map<string, FindingReport[]>();
  for (const name of corpusNames()) {
    const reports = read(packetsOf(corpusFile(name))).behaviour.reports();
    for (const each of reports) t.ok(findingReport.safeParse(each).success);
    found.set(name, reports);
  }
  t.ok(found.size > 50, 'the corpus is there');
  for (const [name, reports] of found) {
    const attack = attacks.find(([part]) => name.includes(part));
    const kinds = new Set(reports.map(({ kind }) => kind).filter((kind) => !ordinary.has(kind)));
    t.same([...kinds], attack === undefined ? [] : [attack[1]], name);
    if (attack !== undefined)
      t.same(
        reports
          .filter(({ kind }) => kind === attack[1])
          .map(({ key }) => key)
          .sort(),
        ['attacked', 'sends'],
      );
  }
  t.end();
});

void t.test('the same traffic again after it was learnt is no news; a stranger in it is', (t) => {
  const packets = packetsOf(corpusFile('lab-thirdparty/clinic-lab.pcap'));
  const sensor = new Sensor({
    stage: addon().openStage({}),
    vendorOf: () => undefined,
    behaviour: { baseline: { days: 3, mode: 'frozen' } },
  });
  const began = packets[0]?.at ?? 0;
  const day = 86_400_000;
  const pass = (n: number): void => {
    for (const { link, bytes, wireLength, at } of packets) sensor.take(link, bytes, wireLength, at + n * day);
    sensor.settle(began + (n + 0.5) * day);
  };
  for (let n = 0; n <= 3; n++) pass(n);
  const learnt = sensor.behaviour.reports().filter(({ kind }) => !ordinary.has(kind));
  t.same(learnt, [], 'while it is learnt');
  pass(4);
  t.same(
    sensor.behaviour.reports().filter(({ kind }) => !ordinary.has(kind)),
    [],
    'as always',
  );
  t.end();
});

void t.test('nothing of what messages say is kept or told', (t) => {
  // A patient's name in a message of the corpus's own kind, planted in each place that text is read from.
  const planted = 'OPHELIA^MARSHWIGGLE';
  for (const name of corpusNames()) {
    const packets = packetsOf(corpusFile(name)).slice(0, 2_000);
    const altered = packets.map((packet) => ({ ...packet, bytes: plant(packet.bytes, planted) }));
    const sensor = read(altered);
    const told = JSON.stringify([sensor.behaviour.reports(), sensor.behaviour.kept()]);
    t.notOk(told.includes('MARSHWIGGLE'), name);
  }
  t.end();
});

/** Over PID-5 of HL7, and over a patient's name (0010,0010) in explicit little endian. */
function plant(bytes: Uint8Array, text: string): Uint8Array {
  const buffer = Buffer.from(bytes);
  for (const mark of [Buffer.from('PID|'), Buffer.from([0x10, 0, 0x10, 0, 0x50, 0x4e])]) {
    const at = buffer.indexOf(mark);
    if (at >= 0 && at + mark.length + 4 + text.length < buffer.length)
      buffer.write(text, at + mark.length + 4, 'latin1');
  }
  return buffer;
}

void t.test('a long capture of a small network makes few rows', (t) => {
  const sensor = new Sensor({ stage: addon().openStage({}), vendorOf: () => undefined });
  const packets = packetsOf(corpusFile('lab-thirdparty/clinic-lab.pcap'));
  for (let n = 0; n < 5; n++)
    for (const { bytes, at } of packets) sensor.take(linkType.ETHERNET, bytes, bytes.length, at + n);
  t.ok(sensor.behaviour.baselines.entries < 500, `${sensor.behaviour.baselines.entries} rows`);
  t.ok(JSON.stringify(sensor.behaviour.kept()).length < 200_000);
  t.end();
});
