/** Plays hand-made frames to a sensor and gives back who it thinks the stations are. */
import { addon } from '../../src/platform/addon.ts';
import { linkType } from '../../src/sensor/constants.ts';
import { macText } from '../../src/sensor/frame.ts';
import type { Attribute } from '../../src/sensor/knowledge/rule.ts';
import { Sensor } from '../../src/sensor/sensor.ts';
import { vendorRegistry } from '../../src/platform/vendor-registry.ts';
import { vendorTable } from '../../src/sensor/vendor.ts';
import { exchange } from './wire-builder.ts';
import type { Station } from './wire-builder.ts';

const vendorOf = vendorTable(vendorRegistry());

export interface Who extends Partial<Record<Attribute, string>> {
  readonly medical: boolean;
}

export interface Heard {
  /** Of the station with that MAC. */
  readonly who: (mac: string) => Who;
  /** Everything that was said, for words that must not be in it. */
  readonly text: string;
}

export interface Talk {
  readonly client: Station;
  readonly server: Station;
  readonly ports: readonly [number, number];
  readonly turns: readonly { from: 'client' | 'server'; data: readonly number[] }[];
}

export function hear(frames: readonly Uint8Array[]): Heard {
  const sensor = new Sensor({ stage: addon().openStage({}), vendorOf });
  for (const [i, frame] of frames.entries()) sensor.take(linkType.ETHERNET, frame, frame.length, 1000 + i);
  const hosts = [...sensor.hosts.all()];
  return {
    who: (mac) => {
      const identity = hosts.find((host) => macText(host.mac) === mac)?.identity();
      const found = Object.entries(identity?.attributes ?? {}).flatMap(([name, { value }]) =>
        value === undefined ? [] : [[name, value] as const],
      );
      return { ...Object.fromEntries(found), medical: identity?.medical === true };
    },
    text: JSON.stringify(hosts.map((host) => host.observation())),
  };
}

export const hearTalk = (...talks: readonly Talk[]): Heard =>
  hear(talks.flatMap(({ client, server, ports, turns }) => exchange(client, server, ports, turns)));
