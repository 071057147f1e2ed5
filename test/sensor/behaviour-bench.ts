/** A sensor that is fed frames by hand, with a clock that is turned by hand. */
import { addon } from '../../src/platform/addon.ts';
import { linkType } from '../../src/sensor/constants.ts';
import type { BehaviourOptions } from '../../src/sensor/behaviour.ts';
import { Sensor } from '../../src/sensor/sensor.ts';
import type { FindingKind, FindingReport } from '../../src/wire/finding.ts';
import * as wire from './wire-builder.ts';
import type { Station } from './wire-builder.ts';

export const DAY = 86_400_000;
export const START = 1_800_000_000_000 - (1_800_000_000_000 % DAY) + 9 * 3_600_000;

export interface Bench {
  readonly sensor: Sensor;
  at: number;
  take(...frames: Uint8Array[]): void;
  /** Let time pass, with what the sensor does from time to time. */
  pass(ms: number): void;
  of(kind: FindingKind): FindingReport[];
  kinds(): FindingKind[];
}

export function bench(behaviour: BehaviourOptions = {}, sizes: { hosts?: number } = {}): Bench {
  const sensor = new Sensor({ stage: addon().openStage({}), vendorOf: () => undefined, behaviour, ...sizes });
  const self: Bench = {
    sensor,
    at: START,
    take: (...frames) => {
      for (const frame of frames) {
        self.at += 10;
        sensor.take(linkType.ETHERNET, frame, frame.length, self.at);
      }
    },
    pass: (ms) => {
      self.at += ms;
      sensor.settle(self.at);
      sensor.idle(self.at);
    },
    of: (kind) => sensor.behaviour.reports().filter((f) => f.kind === kind),
    kinds: () => [...new Set(sensor.behaviour.reports().map((f) => f.kind))].sort(),
  };
  return self;
}

export const station = (n: number): Station => ({
  mac: `00:1b:00:00:00:${n.toString(16).padStart(2, '0')}`,
  ip: `10.1.0.${n}`,
});

/** The same station behind a router: its address, the router's card. */
export const behind = (ip: string): Station => ({ mac: '00:1b:00:00:00:fe', ip });

let port = 40_000;
/** A whole conversation on a port of the client's that wasn't used before. */
export function talk(
  client: Station,
  server: Station,
  serverPort: number,
  turns: Parameters<typeof wire.exchange>[3],
): Uint8Array[] {
  port = port >= 60_000 ? 40_000 : port + 1;
  return wire.exchange(client, server, [port, serverPort], turns);
}

export const said = (text: string): readonly number[] => wire.ascii(text);

/** A few words each way. */
export const chat = (client: Station, server: Station, serverPort: number): Uint8Array[] =>
  talk(client, server, serverPort, [
    { from: 'client', data: said('\u0001\u0002hello') },
    { from: 'server', data: said('\u0001\u0002hello') },
  ]);
