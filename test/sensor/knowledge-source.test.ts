/**
 * Which facts name the hosts of the corpus, and where they are from: leave out what was only ever seen in the captures of
 * one family, and see whose names are gone. A rule that rests on one capture is a guess about every other; the list of
 * hosts that hang on such rules may get shorter, never longer.
 */
import t from 'tap';
import { addon } from '../../src/platform/addon.ts';
import { macText, NO_MAC } from '../../src/sensor/frame.ts';
import { identify } from '../../src/sensor/identity.ts';
import { medicalRules } from '../../src/sensor/knowledge/medical.ts';
import { dicomRules } from '../../src/sensor/knowledge/dicom.ts';
import { generalRules } from '../../src/sensor/knowledge/general.ts';
import { networkRules } from '../../src/sensor/knowledge/network.ts';
import { plantRules } from '../../src/sensor/knowledge/plant.ts';
import { softwareRules } from '../../src/sensor/knowledge/software.ts';
import { thingRules } from '../../src/sensor/knowledge/things.ts';
import type { Attribute } from '../../src/sensor/knowledge/rule.ts';
import { Sensor } from '../../src/sensor/sensor.ts';
import { vendorRegistry } from '../../src/platform/vendor-registry.ts';
import { vendorTable } from '../../src/sensor/vendor.ts';
import { corpusFile, corpusNames } from './corpus-files.ts';
import { PcapReader } from './reference/pcap.ts';
import { truths } from './truth.ts';

/** What was seen and nowhere read. */
const seen = /^seen on a wire|^sysDescr seen/;

const asked: readonly (readonly ['class' | 'vendor' | 'model' | 'version', Attribute])[] = [
  ['class', 'class'],
  ['vendor', 'vendor'],
  ['model', 'model'],
  ['version', 'software'],
];

/** `family: attribute` of hosts whose right answer only facts of one family's captures give. */
const onCapturesAlone: ReadonlySet<string> = new Set([
  // A camera of an unlisted kit that only asks for an address and for an update: the maker is its card's.
  'EdnetCam2: class',
  // Names of a camera without its maker's, and a cloud that cameras and plugs share.
  'EdimaxCam2: class',
  'EdimaxPlug2101W: class',
  // What is on the wire is an access point, told from others of its maker by the port that it goes to.
  'HomeMaticPlug: model',
]);

void t.test('right answers rest on facts that are written down elsewhere', async (t) => {
  const vendorOf = vendorTable(vendorRegistry());
  const alone = new Set<string>();
  let answers = 0;
  for (const file of corpusNames()) {
    const expected = truths.filter((truth) => truth.file.test(file));
    if (expected.length === 0) continue;
    const sensor = new Sensor({ stage: addon().openStage({}), vendorOf });
    const reader = new PcapReader({
      packet: (link, bytes, wireLength, at) => sensor.take(link, bytes, wireLength, at),
      weird: () => undefined,
    });
    reader.push(corpusFile(file));
    reader.end();
    for (const host of sensor.hosts.all()) {
      const mac = host.mac === NO_MAC ? '' : macText(host.mac);
      const truth = expected.find((row) => row.host === mac || host.addressTexts().includes(row.host));
      if (truth === undefined) continue;
      const { attributes } = identify({
        evidence: host.evidenceRows(),
        services: host.serviceRows(),
        vendor: host.vendor,
      });
      for (const [name, attribute] of asked) {
        const wanted = truth[name];
        if (wanted === undefined || wanted === null) continue;
        const right = (attributes[attribute]?.claims ?? []).filter(({ value }) => wanted.test(value));
        if (right.length === 0) continue;
        answers++;
        const family = /([^/]+?)(?:__[^/]*)?$/.exec(file)?.[1] ?? file;
        if (right.every(({ source }) => seen.test(source))) alone.add(`${family}: ${name}`);
      }
    }
  }
  t.ok(answers > 180, `${answers} right answers`);
  const unexpected = [...alone].filter((row) => !onCapturesAlone.has(row));
  t.same(unexpected, [], 'nobody else hangs on one family’s captures');
  t.comment([...alone].join(', '));
  t.end();
});

void t.test('every fact says where it is from, and none is of one address', (t) => {
  const rules = [
    ...medicalRules,
    ...dicomRules,
    ...generalRules,
    ...networkRules,
    ...plantRules,
    ...thingRules,
    ...softwareRules,
  ];
  t.ok(rules.length > 400, `${rules.length} rules`);
  for (const rule of rules) {
    t.not(rule.source.trim(), '', String(rule.pattern));
    for (const condition of rule.also === undefined ? [rule] : [rule, rule.also]) {
      const { source } = condition.pattern;
      // Neither a card, an address, a serial number nor a digest of one capture.
      if (!condition.on.endsWith('ClassUid'))
        t.notMatch(source, /(?:[0-9a-f]{2}:){5}[0-9a-f]{2}|\b(?:\d{1,3}\\?\.){3}\d{1,3}(?![\d.\\])/i, source);
      t.notMatch(source, /[0-9a-f]{24,}/, source);
    }
  }
  t.end();
});
