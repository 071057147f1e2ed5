/**
 * `node test/support/clinic/sensor-watch.ts INTERFACE`: the sensor on one interface, which writes a line of JSON for
 * each new word of a host: MAC, word, identity, when the packet that says it was captured and when it was told
 * (epoch ms). A batch is looked at as soon as it was taken, so the difference is how long the sensor needs.
 */
import { addon } from '../../../src/platform/addon.ts';
import { limits } from '../../../src/sensor/constants.ts';
import { macText } from '../../../src/sensor/frame.ts';
import { Sensor } from '../../../src/sensor/sensor.ts';
import { vendorRegistry } from '../../../src/platform/vendor-registry.ts';
import { vendorTable } from '../../../src/sensor/vendor.ts';

export interface Told {
  readonly mac: string;
  readonly word: string;
  readonly identity: Readonly<Record<string, string | undefined>>;
  readonly captured: number;
  readonly told: number;
}

async function watch(interfaceName: string): Promise<void> {
  const sensor = new Sensor({ vendorOf: vendorTable(vendorRegistry()), stage: addon().openStage({}) });
  const known = new Map<string, Set<string>>();
  const tell = (): void => {
    const rows: Told[] = [];
    for (const host of sensor.hosts.all()) {
      if (!host.changed) continue;
      host.changed = false;
      const mac = macText(host.mac);
      const words = known.get(mac) ?? new Set();
      known.set(mac, words);
      const attributes = Object.entries(host.identity().attributes);
      const identity = Object.fromEntries(attributes.map(([name, finding]) => [name, finding.value]));
      const told = performance.timeOrigin + performance.now();
      for (const e of host.evidenceRows()) {
        const word = `${e.protocol} ${e.field}=${e.value}`;
        if (words.has(word)) continue;
        words.add(word);
        rows.push({ mac, word, identity, captured: e.first, told });
      }
    }
    for (const row of rows) process.stdout.write(`${JSON.stringify(row)}\n`);
  };
  addon().openCapture({
    interfaceName,
    snapLength: limits.SNAP,
    onFrames: (bytes) => {
      sensor.takeBatch(bytes);
      tell();
    },
    onFailure: (error) => {
      process.stderr.write(`${error.message}\n`);
      process.exitCode = 1;
    },
  });
  process.stdout.write('{"listening":true}\n');
}

const [interfaceName = ''] = process.argv.slice(2);
if (interfaceName !== '') await watch(interfaceName);
