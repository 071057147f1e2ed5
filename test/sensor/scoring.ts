/** Reads the corpus with the offline reader and compares what it says of hosts with the truth about them. */
import { addon } from '../../src/platform/addon.ts';
import { macText, NO_MAC } from '../../src/sensor/frame.ts';
import type { Host } from '../../src/sensor/host.ts';
import type { Identity } from '../../src/sensor/identity.ts';
import type { Attribute } from '../../src/sensor/knowledge/rule.ts';
import { PcapReader } from './reference/pcap.ts';
import { Sensor } from '../../src/sensor/sensor.ts';
import { vendorRegistry } from '../../src/platform/vendor-registry.ts';
import { vendorTable } from '../../src/sensor/vendor.ts';
import { corpusFile, corpusNames } from './corpus-files.ts';
import { truths } from './truth.ts';
import type { Truth } from './truth.ts';

export interface Tally {
  right: number;
  wrong: number;
  missing: number;
}

export interface Miss {
  readonly file: string;
  readonly host: string;
  readonly attribute: string;
  readonly said: string | undefined;
}

export interface Score {
  /** By group (medical, things, network) and attribute. */
  readonly tallies: ReadonlyMap<string, Tally>;
  readonly misses: readonly Miss[];
  /** Hosts that no truth calls medical, and those of them that were. */
  readonly others: number;
  readonly falseMedical: readonly string[];
}

const asked: readonly (readonly ['class' | 'vendor' | 'model' | 'version', Attribute])[] = [
  ['class', 'class'],
  ['vendor', 'vendor'],
  ['model', 'model'],
  ['version', 'software'],
];

const groupOf = (truth: Truth): string =>
  truth.medical ? 'medical' : truth.file.source.includes('IoT') ? 'things' : 'network';

export const precision = (t: Tally): number => (t.right + t.wrong === 0 ? 1 : t.right / (t.right + t.wrong));
export const recall = (t: Tally): number => t.right / (t.right + t.wrong + t.missing);

export async function score(): Promise<Score> {
  const vendorOf = vendorTable(vendorRegistry());
  const tallies = new Map<string, Tally>();
  const misses: Miss[] = [];
  const falseMedical: string[] = [];
  let others = 0;
  const count = (group: string, attribute: string, how: keyof Tally): void => {
    const key = `${group} ${attribute}`;
    const tally = tallies.get(key) ?? { right: 0, wrong: 0, missing: 0 };
    tally[how]++;
    tallies.set(key, tally);
  };
  const judge = (
    file: string,
    truth: Truth,
    host: Host | undefined,
    identity: Identity | undefined,
  ): void => {
    const group = groupOf(truth);
    const miss = (attribute: string, said: string | undefined): void => {
      count(group, attribute, said === undefined ? 'missing' : 'wrong');
      misses.push({ file, host: truth.host, attribute, said });
    };
    for (const [name, attribute] of asked) {
      const wanted = truth[name];
      if (wanted === undefined || wanted === null) continue;
      const said = identity?.attributes[attribute]?.value;
      if (said !== undefined && wanted.test(said)) count(group, name, 'right');
      else miss(name, said);
    }
    // A type of the public set: maker and model, or maker and class where there is no model.
    if (group === 'things') {
      const of = (attribute: Attribute): string | undefined => identity?.attributes[attribute]?.value;
      const maker = of('vendor');
      const [what, wanted] = truth.model ? [of('model'), truth.model] : [of('class'), truth.class];
      const right = truth.vendor?.test(maker ?? '') === true && wanted?.test(what ?? '') === true;
      if (right) count(group, 'type', 'right');
      else miss('type', maker === undefined || what === undefined ? undefined : `${maker} ${what}`);
    }
    if (truth.serves === undefined) return;
    const found = host?.serviceRows().some((s) => s.protocol === truth.serves) === true;
    if (found) count(group, 'protocol', 'right');
    else miss('protocol', undefined);
  };
  for (const file of corpusNames()) {
    const sensor = new Sensor({ stage: addon().openStage({}), vendorOf });
    const reader = new PcapReader({
      packet: (link, bytes, wireLength, at) => sensor.take(link, bytes, wireLength, at),
      weird: () => undefined,
    });
    reader.push(corpusFile(file));
    reader.end();
    const expected = truths.filter((truth) => truth.file.test(file));
    const seen = new Set<Truth>();
    for (const host of sensor.hosts.all()) {
      const identity = host.identity();
      const mac = host.mac === NO_MAC ? '' : macText(host.mac);
      const truth = expected.find((t) => t.host === mac || host.addressTexts().includes(t.host));
      if (truth !== undefined) {
        seen.add(truth);
        judge(file, truth, host, identity);
      }
      if (truth?.medical === true) continue;
      others++;
      const role = file.includes('clinic-lab') || file.includes('tapirx') || file.includes('reconstructed');
      // Peers of medical equipment that the index names no class for.
      if (identity.medical && !(role && truth === undefined))
        falseMedical.push(`${file} ${mac} ${identity.attributes.class?.value ?? ''}`);
    }
    for (const truth of expected) if (!seen.has(truth)) judge(file, truth, undefined, undefined);
  }
  return { tallies, misses, others, falseMedical };
}

/** The table for people. */
export function scoreTable({ tallies, misses, others, falseMedical }: Score): string {
  const percent = (n: number): string => `${(n * 100).toFixed(1)} %`.padStart(8);
  const lines = ['group    attribute   right  wrong  missing  precision    recall'];
  for (const [key, tally] of [...tallies].toSorted(([a], [b]) => a.localeCompare(b))) {
    const [group = '', attribute = ''] = key.split(' ');
    const numbers = [tally.right, tally.wrong, tally.missing].map((n) => String(n).padStart(7)).join('');
    lines.push(
      `${group.padEnd(9)}${attribute.padEnd(10)}${numbers}  ${percent(precision(tally))}  ${percent(recall(tally))}`,
    );
  }
  lines.push(`not medical, called medical: ${falseMedical.length} of ${others}`);
  for (const name of falseMedical) lines.push(`  ${name}`);
  for (const m of misses)
    lines.push(
      `  ${m.file} ${m.host}: ${m.attribute} ${m.said === undefined ? 'missing' : `said ${m.said}`}`,
    );
  return lines.join('\n');
}
