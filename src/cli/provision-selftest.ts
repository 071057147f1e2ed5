/**
 * The self-test of a gateway that is being set up: link, addressing, name service, time, UDP out, coordinator, enclave
 * port, reachability, TPM, disk. Each is one question to this machine or one packet to a server that the stick named;
 * the enclave is only looked at, and no device is asked anything unless somebody named its address.
 *
 * UDP out and time are asked of the site's time servers (RFC 5905): one packet answers both whether UDP gets through
 * and how far the clock is off. Says what is wrong in words for the person beside the box.
 */
import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { accessSync, existsSync, readFileSync, rmSync, statfsSync } from 'node:fs';
import { connect, isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import type { EnrolmentPlan } from '../wire/provision.ts';
import type { SelfTestId, SelfTestItem } from '../wire/provision-status.ts';
import { writeNew } from './durable-file.ts';
import { askDevices } from './provision-reachability.ts';
import type { Reachability } from './provision-reachability.ts';
import { portNames } from './provision-site.ts';

export interface SelfTestOptions {
  readonly plan: EnrolmentPlan;
  readonly state: string;
  readonly now: () => number;
  /** How long a server may take, ms. */
  readonly timeoutMs?: number;
  /** Where the kernel tells of devices; `/sys`. */
  readonly sys?: string;
  readonly resolvers?: readonly string[];
  /** Devices that are asked whether they answer, besides those that the stick names. */
  readonly ping?: readonly string[];
  /** Asks them; undefined while somebody else is still about to. */
  readonly ask?: (
    addresses: readonly string[],
    port: string,
    timeoutMs: number,
  ) => Promise<Reachability | undefined>;
}

/** RFC 5905 section 7.3: 48 bytes; NTP counts seconds from 1900. */
const NTP_BYTES = 48;
const NTP_PORT = 123;
const NTP_EPOCH_SECONDS = 2_208_988_800;
/** TLS, audit times and orders bear this much. */
const CLOCK_TOLERANCE_MS = 5_000;
const DISK_WARNING_BYTES = 512 * 1024 * 1024;
const TIMEOUT_MS = 3_000;
/** A device is on the next switch. */
export const PING_TIMEOUT_MS = 1_000;

type Finding = Omit<SelfTestItem, 'id'>;
const ok = (text: string): Finding => ({ level: 'ok', text });
const off = (text: string): Finding => ({ level: 'off', text });
const warning = (text: string, action: string): Finding => ({ level: 'warning', text, action });
const failed = (text: string, action: string): Finding => ({ level: 'failed', text, action });

/** True, false, or undefined where there is no such interface. */
function carrier(sys: string, name: string): boolean | undefined {
  const folder = join(sys, 'class', 'net', name);
  if (!existsSync(folder)) return undefined;
  try {
    return readFileSync(join(folder, 'carrier'), 'latin1').trim() === '1';
  } catch {
    // EINVAL: the interface is down.
    return false;
  }
}

function link(name: string, what: string, sys: string): Finding {
  const up = carrier(sys, name);
  if (up === undefined)
    return failed(`There is no ${what} port.`, 'Check that the network adapter is plugged in.');
  return up
    ? ok(`The ${what} port has a link.`)
    : failed(`The ${what} port has no link.`, 'Look at the cable and the link light at both ends.');
}

function addressing(): Finding {
  const all = networkInterfaces()[portNames.uplink] ?? [];
  const usable = all.filter(({ address }) => !/^(?:fe80|169\.254\.)/i.test(address));
  return usable.length > 0
    ? ok(`The uplink has ${usable.map(({ address }) => address).join(', ')}.`)
    : failed(
        'The uplink has no address.',
        'Check the clinic’s DHCP, or have a stick made with a static address.',
      );
}

const coordinatorHost = ({ coordinator }: EnrolmentPlan): { host: string; port: number } | undefined => {
  if (!coordinator) return undefined;
  const { hostname, port } = new URL(coordinator.url);
  return { host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? 443 : Number(port) };
};

async function resolveName(
  name: string,
  { resolvers, timeoutMs = TIMEOUT_MS }: SelfTestOptions,
): Promise<string> {
  if (isIP(name) !== 0) return name;
  const resolver = new Resolver({ timeout: timeoutMs, tries: 1 });
  if (resolvers) resolver.setServers(resolvers);
  const [address] = await resolver.resolve4(name).catch(() => resolver.resolve6(name));
  if (address === undefined) throw new Error('no address');
  return address;
}

async function dns(options: SelfTestOptions): Promise<Finding> {
  const names = [coordinatorHost(options.plan)?.host, ...timeServers(options.plan)].filter(
    (name): name is string => name !== undefined && isIP(name) === 0,
  );
  const [name] = names;
  if (name === undefined) return off('Nothing here is given by name.');
  try {
    await resolveName(name, options);
    return ok(`${name} has an address.`);
  } catch {
    return failed(
      `${name} cannot be resolved.`,
      'Check the name servers of the clinic’s network or of the stick.',
    );
  }
}

/** Servers of authenticated time answer the plain question too. */
const timeServers = ({ nts, ntp }: EnrolmentPlan): string[] => [...nts, ...ntp];

/** How far the server's clock is ahead of ours, ms. Undefined for no answer. */
function askTime(
  address: string,
  port: number,
  now: () => number,
  timeoutMs: number,
): Promise<number | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket(isIP(address) === 6 ? 'udp6' : 'udp4');
    const finish = (answer: number | undefined): void => {
      clearTimeout(timer);
      socket.close();
      resolve(answer);
    };
    const timer = setTimeout(() => finish(undefined), timeoutMs);
    const request = Buffer.alloc(NTP_BYTES);
    // Version 4, mode 3: client. The transmit timestamp is a nonce that the answer returns.
    request[0] = (4 << 3) | 3;
    const sent = now();
    request.writeUInt32BE((Math.floor(sent / 1000) + NTP_EPOCH_SECONDS) >>> 0, 40);
    request.writeUInt32BE(Math.floor(((sent % 1000) / 1000) * 2 ** 32), 44);
    socket.on('error', () => finish(undefined));
    socket.on('message', (answer) => {
      const mode = (answer[0] ?? 0) & 7;
      if (answer.length < NTP_BYTES || mode !== 4 || answer.compare(request, 40, 48, 24, 32) !== 0) return;
      const seconds = answer.readUInt32BE(40) - NTP_EPOCH_SECONDS;
      const fraction = answer.readUInt32BE(44) / 2 ** 32;
      const received = now();
      finish((seconds + fraction) * 1000 - (sent + received) / 2);
    });
    // A callback given to `connect` would be called for a failure too, such as no route; that is an error here.
    socket.once('connect', () => socket.send(request));
    socket.connect(port, address);
  });
}

/** `host` or `host:port`, for tests on a port of their own. */
async function timeAndUdp(
  options: SelfTestOptions,
  ntpPort: number,
): Promise<{ time: Finding; udp: Finding }> {
  const { plan, now, timeoutMs = TIMEOUT_MS } = options;
  if (timeServers(plan).length === 0)
    return {
      time: warning('No time server is named.', 'Compare the time here with your own.'),
      udp: off('There is no server to ask.'),
    };
  for (const server of timeServers(plan)) {
    const address = await resolveName(server, options).catch(() => undefined);
    const ahead = address === undefined ? undefined : await askTime(address, ntpPort, now, timeoutMs);
    if (ahead === undefined) continue;
    const seconds = Math.round(Math.abs(ahead) / 100) / 10;
    return {
      time:
        Math.abs(ahead) <= CLOCK_TOLERANCE_MS
          ? ok(`The clock is right to ${seconds} s.`)
          : warning(`The clock is off by ${seconds} s.`, 'Wait a minute: it is being set.'),
      udp: ok(`${server} answers by UDP.`),
    };
  }
  const action = 'Ask the clinic to let UDP out: port 123 for time, and the tunnel’s port.';
  return {
    time: warning('No time server answers.', 'Compare the time here with your own.'),
    udp: failed('No answer by UDP.', action),
  };
}

async function coordinator(options: SelfTestOptions): Promise<Finding> {
  const at = coordinatorHost(options.plan);
  if (!at) return off('This gateway has no coordinator.');
  const action = 'Nothing, if the internet line is not there yet; else ask the clinic to let TCP out to it.';
  if (options.plan.proxy !== undefined) return off('It is reached by the proxy, which is not tried here.');
  const address = await resolveName(at.host, options).catch(() => undefined);
  if (address === undefined) return warning(`${at.host} cannot be resolved.`, action);
  const reached = await new Promise<boolean>((resolve) => {
    const socket = connect({ host: address, port: at.port });
    const finish = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(options.timeoutMs ?? TIMEOUT_MS, () => finish(false));
    socket.once('connect', () => finish(true));
    socket.once('error', () => finish(false));
  });
  return reached ? ok(`${at.host} can be reached.`) : warning(`${at.host} cannot be reached.`, action);
}

async function reachability({
  plan,
  ping = [],
  ask = askDevices,
  timeoutMs = PING_TIMEOUT_MS,
}: SelfTestOptions): Promise<Finding> {
  const addresses = [...new Set([...(plan.reachability ?? []), ...ping])];
  if (addresses.length === 0) return off('No device was named, so none was asked.');
  const asked = await ask(addresses, portNames.enclave, timeoutMs);
  if (!asked) return warning('The devices that were named are being asked.', 'Wait a minute.');
  switch (asked.kind) {
    case 'outside':
      return warning(
        `${asked.addresses.join(', ')}: not in the enclave’s network, so nobody was asked.`,
        'Compare the address with the enclave port’s own.',
      );
    case 'failed':
      return warning(`The devices could not be asked: ${asked.why}`.slice(0, 300), 'Use the device itself.');
    case 'asked':
      return asked.silent.length === 0
        ? ok(`${asked.answered.join(', ')}: each answers.`)
        : warning(
            `${asked.silent.join(', ')}: no answer.${asked.answered.length === 0 ? '' : ` ${asked.answered.join(', ')}: answers.`}`,
            'Look at the device, its address and its cable. Some devices never answer a ping and are well.',
          );
  }
}

function tpm(sys: string): Finding {
  return existsSync(join(sys, 'class', 'tpm', 'tpm0'))
    ? ok('There is a TPM.')
    : warning(
        'There is no TPM: the disk’s key is in a file on the same device.',
        'Put the box where nobody can take it away.',
      );
}

function disk(state: string): Finding {
  const file = join(state, '.selftest');
  try {
    rmSync(file, { force: true });
    writeNew(file, 'written and read back\n', 0o600);
    accessSync(file);
    rmSync(file);
  } catch {
    return failed('The disk cannot be written.', 'Restart the box; if that does not help, use another one.');
  }
  const { bavail, bsize } = statfsSync(state);
  const free = bavail * bsize;
  return free >= DISK_WARNING_BYTES
    ? ok(`The disk can be written; ${(free / 2 ** 30).toFixed(1)} GB are free.`)
    : warning(`Only ${Math.floor(free / 2 ** 20)} MB of the disk are free.`, 'Use a box with a larger disk.');
}

/** All ten, in the order in which a technician puts them right. */
export async function selfTest(options: SelfTestOptions, ntpPort = NTP_PORT): Promise<SelfTestItem[]> {
  const sys = options.sys ?? '/sys';
  const [names, { time, udp }, reached, devices] = await Promise.all([
    dns(options),
    timeAndUdp(options, ntpPort),
    coordinator(options),
    reachability(options),
  ]);
  const findings: Record<SelfTestId, Finding> = {
    link: link(portNames.uplink, 'uplink', sys),
    addressing: addressing(),
    dns: names,
    time,
    udp,
    coordinator: reached,
    enclave: link(portNames.enclave, 'enclave', sys),
    reachability: devices,
    tpm: tpm(sys),
    disk: disk(options.state),
  };
  return Object.entries(findings).map(([id, finding]) => ({ id: id as SelfTestId, ...finding }));
}
