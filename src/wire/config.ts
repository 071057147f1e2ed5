/**
 * The gateway's configuration: one strict schema, defaults inside it, unknown keys are errors that name
 * the path. JSON, read by `platform/config.ts`; every process reads the same file.
 *
 * Secrets are never in it: key material is named by file.
 */
import * as z from 'zod';
import { kexPolicy, protocol } from './action.ts';
import type { KexPolicy } from './action.ts';
import { endpoint, ipAddress, ipPrefix, port } from './address.ts';
import { owner, word } from './facts.ts';
import { posture } from './grant.ts';
import { deviceId, peerId, publicKeyText, resourceId, siteId, userId } from './ids.ts';
import { siteData } from './site-data.ts';
import { filledText, integer, text } from './scalar.ts';

/** Absolute path of a file or folder. */
const path = z.string().regex(/^\//, 'must be an absolute path').max(4096);
/** Linux interface name, IFNAMSIZ - 1. */
const interfaceName = z.string().regex(/^[A-Za-z0-9._-]{1,15}$/, 'must be an interface name');
const uid = integer.min(0).max(4294967294);

const site = z.strictObject({ id: siteId, name: filledText(100) });

const tunnel = z.strictObject({
  interface: interfaceName.default('anteroom0'),
  listen: z.strictObject({ port: port.default(51820) }).prefault({}),
  /** File of the static private key, base64 in one line, readable by the tunnel process alone. */
  privateKeyFile: path,
  /** The gateway's own addresses on the tunnel interface, with prefix length. */
  addresses: z.array(ipPrefix).min(1),
  mtu: integer.min(1280).max(9000).default(1420),
});

const peer = z.strictObject({
  id: peerId,
  publicKey: publicKeyText,
  presharedKeyFile: path.optional(),
  /** How keys are agreed with it; without a word `classical+psk` where there is a pre-shared key, else `classical`. */
  kex: kexPolicy.optional(),
  /** Source addresses this peer may use inside the tunnel; they identify it to the broker. */
  allowedIps: z.array(ipPrefix).min(1),
  /** Where to reach the peer before it has spoken; roaming replaces it. */
  endpoint: endpoint.optional(),
  /** Seconds between keepalives, 0 for none. */
  persistentKeepalive: integer.min(0).max(65535).default(0),
  user: userId,
  /** What the user's own device is, and its posture until a report says otherwise. */
  userDevice: filledText(100),
  /** Whose device that is, and whether it is a workstation that many use. */
  owner: owner.default('clinic'),
  shared: z.boolean().default(false),
  posture: posture.default({ level: 'unknown', score: 50 }),
});

const user = z.strictObject({
  id: userId,
  name: filledText(100),
  roles: z.array(filledText(64)).min(1),
  /** Units of the site the user works in, the same words as a device's `unit`; policy may tie access to them. */
  units: z.array(filledText(64)).max(64).default([]),
  /** `service`: a machine that signs in by itself. */
  kind: z.enum(['person', 'service']).default('person'),
  groups: z.array(word).max(64).default([]),
  /** 0 to 9; policy compares it with a resource's `sensitivity`. */
  clearance: integer.min(0).max(9).default(0),
});

const device = z.strictObject({
  id: deviceId,
  name: filledText(100),
  class: filledText(64),
  unit: filledText(64).default('unassigned'),
  /** Where in the site's network it belongs: "imaging", "bedside". */
  zone: word.default('unassigned'),
  address: ipAddress,
});

const resource = z.strictObject({
  id: resourceId,
  device: deviceId,
  protocol,
  /** Virtual address and port inside `overlay.resources`; unique. */
  virtual: endpoint,
  /** Port on the device. */
  port,
  ephi: z.boolean().default(true),
  /** 0 to 9, above a user's `clearance` where policy says so. */
  sensitivity: integer.min(0).max(9).default(0),
  /** An administration console, not the clinical application. */
  admin: z.boolean().default(false),
  /** What a quarantined device may still reach, to be put right: an update server, the help desk. */
  remediation: z.boolean().default(false),
});

/** The directory's lists, which a policy bundle may carry in place of the configured ones (`bundle.ts`). */
export const usersSchema = z.array(user).max(16384);
export const devicesSchema = z.array(device).max(4096);
export const resourcesSchema = z.array(resource).max(4096);

/**
 * How policy comes. Without `keys` it is the text of `file`, whatever that says. With them it is what a bundle says
 * that one of those signers signed, and there is no other way.
 */
const policy = z
  .strictObject({
    file: path.optional(),
    /** Files of signers' public keys, as `anteroom policy keygen` writes them: the pinned keys. */
    keys: z.array(path).max(8).default([]),
    /** A bundle that is read at the start and on SIGHUP; without it bundles come by `anteroom policy install`. */
    bundle: path.optional(),
    /** Where the highest revision ever seen is kept, apart from the store; `${stateDir}/control/seal/policy.seal`. */
    seal: path.optional(),
  })
  .superRefine((value, context) => {
    const report = (at: string, message: string): void => {
      context.addIssue({ code: 'custom', path: [at], message });
    };
    const signed = value.keys.length > 0;
    if (!signed && value.file === undefined) report('file', 'is needed where there are no keys');
    if (signed && value.file !== undefined) report('file', 'is not signed: with keys there are only bundles');
    if (!signed && value.bundle !== undefined) report('bundle', 'cannot be verified without keys');
    if (!signed && value.seal !== undefined) report('seal', 'is for bundles: there are no keys');
  });

const overlay = z.strictObject({
  /** Every address used inside the tunnel. */
  prefix: ipPrefix.default('100.96.0.0/16'),
  /** The part of it that the broker listens on (AnyIP). */
  resources: ipPrefix.default('100.96.128.0/17'),
});

const limits = z.strictObject({
  /** Open sessions from one peer, and in all. */
  sessionsPerPeer: integer.min(1).default(64),
  sessions: integer.min(1).default(1024),
  /** How long a device may take to accept a connection, and to say its first byte, ms. */
  connectMs: integer.min(100).default(5_000),
  firstByteMs: integer.min(100).default(15_000),
  /** Idle and absolute limits of a session where policy gives none, ms. */
  idleMs: integer.min(1_000).default(900_000),
  sessionMs: integer.min(1_000).default(43_200_000),
});

/** User ids of the processes: who may use which local socket. The image's sysusers.d uses the same numbers. */
const uids = z.strictObject({
  tunnel: uid.default(971),
  sensor: uid.default(972),
  broker: uid.default(973),
  control: uid.default(974),
  audit: uid.default(975),
  /** Operators who may use the command line, besides root. */
  operators: z.array(uid).default([]),
});

interface Finding {
  readonly at: (string | number)[];
  readonly message: string;
}

/** Rows of a list that use a value which an earlier one has. */
function repeated<T>(list: string, field: string, rows: readonly T[], key: (row: T) => string): Finding[] {
  const seen = new Set<string>();
  const findings: Finding[] = [];
  rows.forEach((each, i) => {
    const value = key(each);
    if (seen.has(value)) findings.push({ at: [list, i, field], message: `is used twice: ${value}` });
    seen.add(value);
  });
  return findings;
}

/** What is wrong between the rows of a directory, the configured one or a bundle's: where, and in words. */
export function directoryFindings(directory: {
  readonly users: readonly z.infer<typeof user>[];
  readonly devices: readonly z.infer<typeof device>[];
  readonly resources: readonly z.infer<typeof resource>[];
}): Finding[] {
  const { users, devices, resources } = directory;
  const known = new Set<string>(devices.map((d) => d.id));
  return [
    ...repeated('users', 'id', users, (u) => u.id),
    ...repeated('devices', 'id', devices, (d) => d.id),
    ...repeated('resources', 'id', resources, (r) => r.id),
    ...repeated('resources', 'virtual', resources, (r) => `${r.virtual.address} ${r.virtual.port}`),
    ...resources.flatMap((r, i): Finding[] =>
      known.has(r.device)
        ? []
        : [{ at: ['resources', i, 'device'], message: `names no device: ${r.device}` }],
    ),
  ];
}

export const configSchema = z
  .strictObject({
    site,
    /** Sockets live here, one folder a process. */
    runtimeDir: path.default('/run/anteroom'),
    /** Stores live here, one folder a process. */
    stateDir: path.default('/var/lib/anteroom'),
    logLevel: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
    uids: uids.prefault({}),
    overlay: overlay.prefault({}),
    /** The gateway's interfaces by what is behind them, for the packet filter. The enclave's are `sensor.interfaces`. */
    interfaces: z
      .strictObject({
        uplink: interfaceName.default('uplink0'),
        management: interfaceName.default('mgmt0'),
      })
      .prefault({}),
    tunnel,
    peers: z.array(peer).max(4096).default([]),
    users: usersSchema.default([]),
    devices: devicesSchema.default([]),
    resources: resourcesSchema.default([]),
    policy,
    /** What policy reads of the site, where no bundle brings it. */
    siteData: siteData.prefault({}),
    broker: z.strictObject({ limits: limits.prefault({}) }).prefault({}),
    /** The page for peers, on the gateway's own address inside the tunnel: what they may do, and asking for more. */
    portal: z.strictObject({ enabled: z.boolean().default(true), port: port.default(80) }).prefault({}),
    /** Who looks after this gateway from outside. Without it the gateway is standalone and no grace runs out. */
    coordinator: z.strictObject({ name: filledText(100) }).optional(),
    /** Where `anteroom update install` looks when nobody says: the folder of manifest.json, and whose certificate it has. */
    update: z
      .strictObject({
        url: text(512).regex(
          /^https:\/\/[A-Za-z0-9.:[\]-]+(?:\/[A-Za-z0-9._~/-]*)?$/,
          'must be an https address',
        ),
        ca: path,
      })
      .optional(),
    sensor: z
      .strictObject({
        interfaces: z.array(interfaceName).min(1).default(['enclave0']),
        /** Prefixes of the site; a device that calls elsewhere dials out. Private addresses are the site's anyway. */
        prefixes: z.array(ipPrefix).max(256).default([]),
        baseline: z
          .strictObject({
            /** How long a device is learnt before what is new of it counts. */
            days: integer.min(1).max(90).default(14),
            /** `rolling`: what goes on for days becomes normal. `frozen`: only an operator makes it so. */
            mode: z.enum(['rolling', 'frozen']).default('rolling'),
          })
          .prefault({}),
      })
      .prefault({}),
    audit: z
      .strictObject({
        /** Appends are refused when fewer bytes are free on the store's file system. */
        reserveBytes: integer.min(0).default(16 * 1024 * 1024),
      })
      .prefault({}),
    status: z
      .strictObject({
        listen: z
          .strictObject({ address: ipAddress.default('127.0.0.1'), port: port.default(8420) })
          .prefault({}),
      })
      .prefault({}),
  })
  .superRefine((config, context) => {
    const report = (at: (string | number)[], message: string): void => {
      context.addIssue({ code: 'custom', path: at, message });
    };
    const peers = [
      ...repeated('peers', 'id', config.peers, (p) => p.id),
      ...repeated('peers', 'publicKey', config.peers, (p) => p.publicKey),
    ];
    for (const { at, message } of [...peers, ...directoryFindings(config)]) report(at, message);
    const users = new Set<string>(config.users.map((u) => u.id));
    config.peers.forEach((p, i) => {
      if (!users.has(p.user)) report(['peers', i, 'user'], `names no user: ${p.user}`);
      if (p.kex === 'classical+psk' && p.presharedKeyFile === undefined)
        report(['peers', i, 'presharedKeyFile'], 'is needed where kex is classical+psk');
      if (p.kex === 'classical' && p.presharedKeyFile !== undefined)
        report(['peers', i, 'kex'], 'classical has no use for presharedKeyFile; say classical+psk');
    });
  });

export type Config = z.infer<typeof configSchema>;
export type PeerConfig = Config['peers'][number];

/** The peer's policy, said or understood. */
export const kexPolicyOf = (peer: Pick<PeerConfig, 'kex' | 'presharedKeyFile'>): KexPolicy =>
  peer.kex ?? (peer.presharedKeyFile === undefined ? 'classical' : 'classical+psk');

export type UserConfig = Config['users'][number];
export type DeviceConfig = Config['devices'][number];
export type ResourceConfig = Config['resources'][number];
