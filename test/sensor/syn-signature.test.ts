/** Shapes of SYNs and the systems behind them, as p0f itself has them for captures of the corpus. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import t from 'tap';
import { addon } from '../../src/platform/addon.ts';
import { PcapReader } from './reference/pcap.ts';
import { Sensor } from '../../src/sensor/sensor.ts';
import { signatureFile, synSystems } from '../../src/sensor/syn-signature.ts';
import { shared } from '../protocol/capture.ts';
import { corpusFile } from './corpus-files.ts';

const files = [
  'zeek__zeek/ssh.pcap',
  'ntop__nDPI/iphone.pcap',
  'idaholab__Malcolm-Test-Artifacts/Telnet.pcap',
  'idaholab__Malcolm-Test-Artifacts/eternalblue-success-unpatched-win7.pcap',
  'andypitcher__IoT_Sentinel/WeMoLink__Setup-C-4-STA.pcap',
  'andypitcher__IoT_Sentinel/D-LinkSiren__Setup-C-9-STA.pcap',
  'andypitcher__IoT_Sentinel/EdimaxPlug2101W__Setup-C-7-STA.pcap',
  'lab-thirdparty/clinic-lab.pcap',
];

interface Seen {
  readonly address: string;
  readonly kind: 'syn' | 'synAck';
  readonly shape: string;
  readonly system: string | undefined;
}

/** What p0f prints of each SYN and SYN-ACK. */
function theirs(file: string): Seen[] {
  const text = execFileSync('p0f', ['-f', signatureFile, '-r', shared(`corpus/${file}`)], {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return text.split('.-[ ').flatMap((block): Seen[] => {
    const kind = /\((syn|syn\+ack)\) \]-/.exec(block)?.[1];
    const field = (name: string): string => new RegExp(`\\| ${name} += (.*)`).exec(block)?.[1]?.trim() ?? '';
    const shape = field('raw_sig');
    const address = (field('client') || field('server')).split('/')[0] ?? '';
    if (kind === undefined || shape === '') return [];
    const os = field('os') || field('app');
    return [
      { address, kind: kind === 'syn' ? 'syn' : 'synAck', shape, system: os === '???' ? undefined : os },
    ];
  });
}

void t.test('the shapes, and the systems that the installed signatures name', (t) => {
  const systemOf = synSystems(readFileSync(signatureFile, 'utf8'));
  let shapes = 0;
  let systems = 0;
  for (const file of files) {
    const sensor = new Sensor({ stage: addon().openStage({}), vendorOf: () => undefined, systemOf });
    const reader = new PcapReader({
      packet: (link, bytes, wireLength, at) => sensor.take(link, bytes, wireLength, at),
      weird: () => undefined,
    });
    reader.push(corpusFile(file));
    reader.end();
    const rows = theirs(file);
    for (const host of sensor.hosts.all()) {
      const addresses = new Set(host.addressTexts());
      const own = rows.filter((row) => addresses.has(row.address));
      const evidence = host.evidenceRows().filter((e) => e.protocol === 'tcp');
      for (const { field, value } of evidence) {
        if (field === 'syn' || field === 'synAck') {
          // p0f says nothing of connections whose beginning it takes for a repeat.
          if (!own.some((row) => row.kind === field)) continue;
          // It knows more ways to write a window; the rest is the same to the letter.
          const plain = (shape: string): string => shape.replace(/^((?:[^:]*:){4})[^,]*,/, '$1');
          t.ok(
            own.some((row) => row.kind === field && plain(row.shape) === plain(value)),
            `${file}: ${value}`,
          );
          shapes++;
        } else if (field === 'system' && own.length > 0) {
          const named = new Set(own.map((row) => row.system));
          t.ok(named.has(value), `${file}: ${value} of ${[...named].join(', ')}`);
          systems++;
        }
      }
    }
  }
  t.ok(shapes >= 20, `${shapes} shapes`);
  t.ok(systems >= 8, `${systems} systems`);
  t.end();
});
