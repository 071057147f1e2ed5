/**
 * What the bench of the sensor measures in processes of their own; one line of JSON on stdout:
 *
 *   node test/bench/sensor-end.ts stage FILE        the native stage alone over a capture: CPU seconds, packets
 *   node test/bench/sensor-end.ts crowd             10,000 hosts, 50,000 flows, a million invented cards: memory
 *   node test/bench/sensor-end.ts flows             as many flows as there may be, of few hosts: memory
 *   node test/bench/sensor-end.ts listen INTERFACE  the sensor on an interface until stdin closes: CPU, frames, drops
 */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { addon } from '../../src/platform/addon.ts';
import { tuneEngine } from '../../src/platform/engine.ts';
import { limits, linkType } from '../../src/sensor/constants.ts';
import { Sensor } from '../../src/sensor/sensor.ts';
import { vendorRegistry } from '../../src/platform/vendor-registry.ts';
import { vendorTable } from '../../src/sensor/vendor.ts';
import * as wire from '../sensor/wire-builder.ts';
import type { Station } from '../sensor/wire-builder.ts';

const cpu = (since?: NodeJS.CpuUsage): number => {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1e6;
};

const openStage = (): ReturnType<ReturnType<typeof addon>['openStage']> =>
  addon().openStage({ flows: limits.FLOWS, sightings: limits.SIGHTINGS });

/** Bytes of a flow and its places in the index (`native/sensor/flow_table.h`). */
const IDLE_FLOW = 112;

/** Reading the file isn't counted: each piece is read before the clock starts. */
function stageAlone(file: string): object {
  const stage = openStage();
  const piece = Buffer.alloc(1 << 20);
  const descriptor = openSync(file, 'r');
  let seconds = 0;
  let bytes = 0;
  for (let n = readSync(descriptor, piece); n > 0; n = readSync(descriptor, piece)) {
    const before = process.cpuUsage();
    stage.push(piece.subarray(0, n));
    for (let length = stage.next(); length > 0; length = stage.next()) bytes += length;
    seconds += cpu(before);
  }
  closeSync(descriptor);
  return { seconds, bytes };
}

const kilobytes = (field: string): number =>
  Number(new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);

/** What is in memory once nothing that can go is: what V8 does itself when a process has been quiet for some seconds. */
function settled(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as (how: object) => void;
  for (let n = 0; n < 3; n++) collect({ type: 'major', flavor: 'last-resort', execution: 'sync' });
  return kilobytes('VmRSS');
}

const hex = (n: number): string => n.toString(16).padStart(2, '0');
const macOf = (first: number, n: number): string =>
  `${hex(first)}:03:b1:${hex(n >> 16)}:${hex((n >> 8) & 255)}:${hex(n & 255)}`;
const ipOf = (n: number): string => `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`;
const stationOf = (n: number): Station => ({ mac: macOf(0, n), ip: ipOf(n + 1) });

/** A sensor, and how it is given a frame: one a millisecond. */
function listener(): { sensor: Sensor; take: (frame: Uint8Array) => void } {
  const sensor = new Sensor({ vendorOf: vendorTable(vendorRegistry()), stage: openStage() });
  let at = 1_700_000_000_000;
  return { sensor, take: (frame) => sensor.take(linkType.ETHERNET, frame, frame.length, at++) };
}

/**
 * What an idle flow takes: conversations that tell nothing new, between few hosts, since each host's own rows are
 * measured apart. The first of them, with which what was collected of the program itself comes back, aren't counted.
 */
function flows(): object {
  const { sensor, take } = listener();
  const [hosts, first] = [200, 4_000];
  const until = (count: number): void => {
    for (let n = sensor.flows.size; n < count; n++) {
      const ends: [Station, Station] = [stationOf(n % hosts), stationOf((n + 1) % hosts)];
      for (const frame of wire.exchange(...ends, [50_000 + Math.floor(n / hosts), 104], [])) take(frame);
    }
  };
  until(first);
  const warm = settled();
  until(limits.FLOWS);
  const after = settled();
  return { idleFlow: ((after - warm) * 1024) / (sensor.flows.size - first) };
}

function crowd(): object {
  const { sensor, take } = listener();
  const start = kilobytes('VmRSS');
  const HOSTS = 10_000;
  const associate = wire.ascii('GET / HTTP/1.1\r\nhost: archive\r\nuser-agent: Viewer 2.1\r\n\r\n');
  for (let n = 0; n < HOSTS; n++) {
    const [mac, ip] = [macOf(0, n), ipOf(n + 1)];
    take(wire.ethernet(mac, 'ff:ff:ff:ff:ff:ff', 0x806, wire.arp(1, mac, ip, '10.9.9.9')));
    for (let flow = 0; flow < 5; flow++) {
      const other = (n + 1 + flow * 997) % HOSTS;
      const peer = { mac: macOf(0, other), ip: ipOf(other + 1) };
      const said = flow === 0 ? [{ from: 'client' as const, data: associate }] : [];
      for (const frame of wire.exchange({ mac, ip }, peer, [40_000 + flow, 104 + flow], said)) take(frame);
    }
  }
  const full = {
    hosts: sensor.hosts.size,
    flows: sensor.flows.size,
    peak: kilobytes('VmHWM'),
    rss: kilobytes('VmRSS'),
  };
  const before = settled();
  const frame = Buffer.from(
    wire.ethernet(macOf(2, 0), 'ff:ff:ff:ff:ff:ff', 0x806, wire.arp(1, macOf(2, 0), '10.9.0.1', '10.9.9.9')),
  );
  for (let n = 0; n < 1_000_000; n++) {
    for (const place of [6, 22]) frame.writeUIntBE(0x0203_b100_0000 + n, place, 6);
    take(frame);
  }
  const findings = sensor.behaviour.reports().map((f) => f.kind);
  return {
    start,
    ...full,
    // Without the flows, which are the stage's.
    host: (before - start) / HOSTS - (5 * IDLE_FLOW) / 1024,
    afterFlood: kilobytes('VmRSS'),
    hostsAfterFlood: sensor.hosts.size,
    created: sensor.hosts.created,
    flooded: findings.includes('mac-flood'),
  };
}

async function listen(interfaceName: string): Promise<object> {
  const sensor = new Sensor({ vendorOf: vendorTable(vendorRegistry()), stage: openStage() });
  const capture = addon().openCapture({
    interfaceName,
    snapLength: limits.SNAP,
    onFrames: (bytes) => sensor.takeBatch(bytes),
    onFailure: (error) => {
      throw error;
    },
  });
  process.stdout.write('{"listening":true}\n');
  const before = process.cpuUsage();
  for await (const _ of process.stdin);
  const { packets, drops } = capture.statistics();
  const seconds = cpu(before);
  capture.close();
  return { seconds, packets, drops, frames: sensor.counters.frames, rss: kilobytes('VmRSS') };
}

tuneEngine('sensor');
const [mode = '', argument = ''] = process.argv.slice(2);
const modes: Readonly<Record<string, (argument: string) => object | Promise<object>>> = {
  stage: stageAlone,
  crowd,
  flows,
  listen,
};
const run = modes[mode];
if (!run) throw new Error(`no such mode: ${mode}`);
process.stdout.write(`${JSON.stringify(await run(argument))}\n`);
