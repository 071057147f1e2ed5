/**
 * `anteroom sensor read FILE…`: what the sensor would have learnt from capture files, with the same code that
 * listens on the wire. Reads each file in pieces; times are the capture's own.
 */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import type { Command } from 'commander';
import { addon } from '../platform/addon.ts';
import { vendorRegistry } from '../platform/vendor-registry.ts';
import { limits } from '../sensor/constants.ts';
import { macText, NO_MAC } from '../sensor/frame.ts';
import type { Host } from '../sensor/host.ts';
import { Sensor } from '../sensor/sensor.ts';
import type { FileWeird as Weird } from '../sensor/sensor.ts';
import { signatureFile, synSystems } from '../sensor/syn-signature.ts';
import type { SystemOf } from '../sensor/syn-signature.ts';
import { vendorTable } from '../sensor/vendor.ts';
import { registerEastWest } from './sensor-east-west.ts';
import { Fault } from '../wire/errors.ts';
import { findingKinds, severities } from '../wire/finding.ts';
import type { FindingReport } from '../wire/finding.ts';

const PIECE = 256 * 1024;
const HOSTS_A_WRITE = 64;

interface FileWeird extends Weird {
  readonly file: string;
}

/** Gives the number of packets. One buffer for all pieces: the sensor keeps nothing of them. */
function readFile(file: string, sensor: Sensor, weirds: FileWeird[]): number {
  const before = sensor.counters.frames;
  try {
    const descriptor = openSync(file, 'r');
    try {
      const piece = Buffer.allocUnsafeSlow(PIECE);
      for (let n = readSync(descriptor, piece); n > 0; n = readSync(descriptor, piece))
        sensor.read(piece.subarray(0, n));
    } finally {
      closeSync(descriptor);
    }
  } catch (cause) {
    throw new Fault('CAPTURE_UNREADABLE', cause instanceof Error ? cause.message : String(cause), { cause });
  }
  for (const weird of sensor.endFile()) weirds.push({ file, ...weird });
  sensor.settle();
  return sensor.counters.frames - before;
}

/** The worst first. */
function findingLines(findings: readonly FindingReport[]): string[] {
  const rank = (f: FindingReport): number => severities.indexOf(f.severity);
  return findings
    .toSorted((a, b) => rank(b) - rank(a) || a.first - b.first)
    .flatMap(({ kind, mac, key, severity, evidence, count }) => {
      const times = count > 1 ? `, ${count} times` : '';
      return [
        `${severity.padEnd(8)} ${kind} ${mac ?? ''} ${key}: ${findingKinds[kind].text} (${findingKinds[kind].technique}${times})`,
        ...evidence.map((text) => `         ${text}`),
      ];
    });
}

/** Signatures of TCP stacks, where they are installed; without them the shapes remain as evidence. */
function installedSystems(): SystemOf | undefined {
  try {
    return synSystems(readFileSync(signatureFile, 'utf8'));
  } catch {
    return undefined;
  }
}

/** Hosts in the order of their first address, numerically; without one, by MAC. */
function inOrder(hosts: Iterable<Host>): Host[] {
  const keyed = Array.from(hosts, (host) => ({ host, key: host.addresses.packed().sort()[0] ?? '\uffff' }));
  keyed.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : a.host.mac - b.host.mac));
  return keyed.map(({ host }) => host);
}

const macOf = (host: Host): string | undefined => (host.mac === NO_MAC ? undefined : macText(host.mac));

/** `class MR scanner, because dicom equipment.modality=MR`, and what contradicts it. */
function identityLines(host: Host): string[] {
  return Object.entries(host.identity().attributes).map(([attribute, finding]) => {
    const because = finding.claims.find((c) => finding.value === undefined || c.weight === finding.weight);
    const conflicts = finding.conflicts.length === 0 ? '' : `; also said: ${finding.conflicts.join(', ')}`;
    return `  ${attribute}: ${finding.value ?? 'unknown'} (${because?.because ?? ''}${conflicts})`;
  });
}

function describe(host: Host): string {
  const head = [macOf(host) ?? '(no MAC)', host.addressTexts().join(', ') || '-'];
  if (host.vendor !== undefined) head.push(host.vendor);
  if (host.router) head.push('(router)');
  const services = host
    .serviceRows()
    .map((s) => `${s.transport}/${s.port}${s.protocol === undefined ? '' : ` ${s.protocol}`}`);
  const lines = [head.join('  '), ...identityLines(host)];
  if (services.length > 0) lines.push(`  answers on ${services.join(', ')}`);
  for (const e of host.evidenceRows()) lines.push(`  ${e.protocol} ${e.field} = ${e.value}`);
  return lines.join('\n');
}

function json(host: Host): object {
  return {
    mac: macOf(host) ?? null,
    vendor: host.vendor ?? null,
    router: host.router,
    identity: host.identity(),
    addresses: host.addressTexts(),
    services: host.serviceRows(),
    evidence: host.evidenceRows(),
  };
}

/** One object with a host a line, written as it is made: a busy link has thousands. */
function printJson(packets: number, hosts: readonly Host[], rest: object): void {
  process.stdout.write(`{"packets":${packets},"hosts":[`);
  for (let at = 0; at < hosts.length; at += HOSTS_A_WRITE) {
    const lines = hosts.slice(at, at + HOSTS_A_WRITE).map((host) => `\n${JSON.stringify(json(host))}`);
    process.stdout.write(`${at === 0 ? '' : ','}${lines.join()}`);
  }
  process.stdout.write(`],\n${JSON.stringify(rest).slice(1)}\n`);
}

export function register(program: Command): void {
  const sensor = program.command('sensor').description('what the sensor sees');
  registerEastWest(sensor);
  sensor
    .command('read')
    .description('list the hosts in capture files (pcap, pcapng), and what is held against them')
    .argument('<files...>', 'capture files')
    .option('--json', 'one JSON object: hosts, findings, packets, weirds')
    .action(async (files: string[], options: { json?: boolean }) => {
      const reading = new Sensor({
        identities: limits.HOSTS,
        vendorOf: vendorTable(vendorRegistry()),
        stage: addon().openStage({}),
        systemOf: installedSystems(),
      });
      const weirds: FileWeird[] = [];
      let packets = 0;
      for (const file of files) packets += readFile(file, reading, weirds);
      const hosts = inOrder(reading.hosts.all());
      if (options.json === true) {
        printJson(packets, hosts, {
          findings: reading.behaviour.reports(),
          weirds,
          frameWeirds: Object.fromEntries(reading.weirds),
        });
        return;
      }
      for (const host of hosts) process.stdout.write(`${describe(host)}\n`);
      const findings = reading.behaviour.reports();
      for (const line of findingLines(findings)) process.stdout.write(`${line}\n`);
      process.stdout.write(`${hosts.length} hosts, ${findings.length} findings, ${packets} packets\n`);
      for (const w of weirds) process.stderr.write(`anteroom: ${w.file}: ${w.weird} at ${w.offset}\n`);
    });
}
