/**
 * The tunnel process: the internet's UDP on one side, the TUN interface on the other. The native transport moves
 * packets; `tunnel/device.ts` decides about handshakes and keys; this file joins the two, and tells control and
 * the audit log what happened.
 *
 * SIGHUP reads the pre-shared keys again; a new one is used from the next handshake on.
 *
 * Nothing here waits for another process: with control and audit away, sessions begin and go on.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { connect } from '../ipc/client.ts';
import { serve } from '../ipc/server.ts';
import { activity, addon } from '../platform/addon.ts';
import type { ActivityReport, NativeTransport, TransportOptions } from '../platform/addon.ts';
import { socketPath } from '../platform/config.ts';
import { runProcess } from '../platform/process.ts';
import { version } from '../platform/version.ts';
import { PublicKey } from '../crypto/public-key.ts';
import type { SecretKey } from '../crypto/secret-key.ts';
import { publicKeyOf, engine as x25519 } from '../crypto/x25519.ts';
import { Device } from '../tunnel/device.ts';
import type { Effect, PeerActivity, Refusal } from '../tunnel/effect.ts';
import { endpointBytes, endpointText } from '../tunnel/endpoint.ts';
import type { OuterEndpoint } from '../tunnel/endpoint.ts';
import { TunnelHealth } from '../tunnel/health.ts';
import type { PeerSettings } from '../tunnel/peer.ts';
import { addressBytes } from '../wire/address.ts';
import type { Endpoint } from '../wire/address.ts';
import type { AuditBody, AuditEvent } from '../wire/audit-event.ts';
import { kexPolicyOf } from '../wire/config.ts';
import type { Config } from '../wire/config.ts';
import { Fault } from '../wire/errors.ts';
import { auditPushes, auditVerbs, tunnelOperatorVerbs, tunnelPushes, tunnelVerbs } from '../wire/messages.ts';
import { between, millis, seconds } from '../wire/units.ts';
import type { MonotonicMillis } from '../wire/units.ts';
import { AuditBacklog } from './tunnel-audit.ts';
import { NativeResponding, isUnderstood } from './tunnel-handshakes.ts';
import { readKeyFile } from './tunnel-keys.ts';
import { TimestampFile } from './tunnel-timestamps.ts';

/** Threads that compute answers: one keeps this one free to decide, more would take the transport's time. */
const HANDSHAKE_THREADS = 1;

/** What isn't urgent waits so long for the timer to be set again. */
const ARM_INTERVAL = millis(50);

type Prefix = TransportOptions['routes'][number];

/** `text` has passed the configuration's schema. */
function prefixBytes(text: string): Prefix {
  const [address = '', length = ''] = text.split('/');
  return { address: addressBytes(address) as Uint8Array, prefix: Number(length) };
}

const outer = (endpoint: Endpoint): OuterEndpoint => endpointBytes(endpoint) as OuterEndpoint;

/** Fault CONFIG_INVALID for 32 zero bytes too, which are how the protocol says that there is no such key. */
function readPresharedKey(file: string): SecretKey {
  const key = readKeyFile(file);
  if (key.isZero) throw new Fault('CONFIG_INVALID', `${file}: a pre-shared key of zeros is none`);
  return key;
}

const peersOf = (config: Config, timestamps: TimestampFile): PeerSettings[] =>
  config.peers.map((peer, number) => {
    const publicKey = PublicKey.fromText(peer.publicKey);
    const storedTimestamp = timestamps.label(publicKey);
    return {
      number,
      id: peer.id,
      publicKey,
      kex: kexPolicyOf(peer),
      persistentKeepalive: seconds(peer.persistentKeepalive),
      ...(peer.presharedKeyFile !== undefined && { presharedKey: readPresharedKey(peer.presharedKeyFile) }),
      ...(peer.endpoint && { endpoint: outer(peer.endpoint) }),
      ...(storedTimestamp && { storedTimestamp }),
    };
  });

const reported = (report: ActivityReport): PeerActivity => {
  const has = (bits: number): boolean => (report.flags & bits) !== 0;
  return {
    peer: report.peer,
    sentData: has(activity.SENT_DATA),
    sentAny: has(activity.SENT_ANY),
    receivedData: has(activity.RECEIVED_DATA),
    receivedAny: has(activity.RECEIVED_ANY),
    needHandshake: has(activity.NEED_HANDSHAKE),
    expired: has(activity.EXPIRED | activity.REKEY_DUE),
    receivedBytes: report.receivedBytes,
    sentBytes: report.sentBytes,
    ...(report.endpoint && { endpoint: report.endpoint }),
    ...(report.confirmed && { confirmed: report.confirmed }),
    ...(report.sending !== undefined && { sending: report.sending }),
  };
};

/** Short ones, which are indices and never keys, from a reserve: asking the system costs the same for 1 KiB. */
function pooled(random: (length: number) => Uint8Array): (length: number) => Uint8Array {
  const SHORT = 4;
  let reserve: Uint8Array = new Uint8Array(0);
  return (length) => {
    if (length > SHORT) return random(length);
    if (reserve.length < length) reserve = random(1024);
    const taken = reserve.subarray(0, length);
    reserve = reserve.subarray(length);
    return taken;
  };
}

const errorCode = (e: unknown): string => (e instanceof Error && 'code' in e ? String(e.code) : '');

runProcess('tunnel', async (context) => {
  const { config, log, clock } = context;
  const secretKey = readKeyFile(config.tunnel.privateKeyFile);
  const publicKey = publicKeyOf(secretKey);
  const timestamps = new TimestampFile(
    join(config.stateDir, 'tunnel', 'timestamps'),
    [publicKey, ...config.peers.map((peer) => PublicKey.fromText(peer.publicKey))],
    log,
  );
  const storedTimestamp = timestamps.label(publicKey);
  const { openHandshakes } = addon();
  let responding: NativeResponding | undefined;
  const device = new Device({
    secretKey,
    peers: peersOf(config, timestamps),
    clock,
    randomBytes: pooled(randomBytes),
    ...(storedTimestamp && { storedTimestamp }),
    ...(isUnderstood(openHandshakes) && {
      respond: (local, peers, plain) => {
        const progress = (): void => carryOut(device.work());
        responding = new NativeResponding(openHandshakes, HANDSHAKE_THREADS, local, peers, plain, progress);
        return responding;
      },
    }),
  });

  const audit = connect({
    path: socketPath(config, 'audit'),
    verbs: auditVerbs,
    pushes: auditPushes,
    log,
  });
  const backlog = new AuditBacklog((events) => audit.call('audit.append', { events }), log);
  const record = <K extends AuditEvent['kind']>(kind: K, body: AuditBody<K>): void =>
    backlog.add({ kind, at: clock.now(), origin: 'tunnel', body } as AuditEvent);

  let transport: NativeTransport | undefined;
  let timer: NodeJS.Timeout | undefined;
  let rearm: NodeJS.Timeout | undefined;
  let armed: MonotonicMillis | undefined;
  let turn: NodeJS.Immediate | undefined;

  const refused = ({ from, ...rest }: Refusal): void => {
    const body = { ...rest, endpoint: endpointText(from) };
    log.info(body, 'handshake refused');
    record('tunnel.refused', body);
  };

  const attempt = (effect: Effect['kind'], f: () => void): void => {
    try {
      f();
    } catch (err) {
      log.warn({ err, effect }, 'the transport refused');
    }
  };

  const apply = (native: NativeTransport, effect: Effect): void => {
    switch (effect.kind) {
      case 'storeTimestamp':
        timestamps.store(effect.owner, effect.label);
        break;
      case 'sendHandshake':
        timestamps.stored(() => {
          // A process that ends meanwhile sends nothing more.
          if (transport) attempt(effect.kind, () => native.sendHandshake(effect.to, effect.bytes));
        });
        break;
      case 'setEndpoint':
        native.setEndpoint(effect.peer, effect.endpoint);
        break;
      case 'setKeypair':
        try {
          native.setKeypair(effect.keys);
        } finally {
          effect.keys.sendKey.fill(0);
          effect.keys.receiveKey.fill(0);
        }
        break;
      case 'removeKeypair':
        native.removeKeypair(effect.localIndex);
        break;
      case 'sendKeepalive':
        native.sendKeepalive(effect.peer);
        break;
      case 'dropQueue':
        native.dropQueue(effect.peer);
        break;
      case 'session': {
        const { at, ...body } = effect.session;
        log.info({ ...body, at }, 'tunnel session');
        record('tunnel.session', body);
        server?.push('tunnel.session', effect.session, 'control');
        break;
      }
      case 'refused':
        refused(effect.refusal);
        break;
    }
  };

  /** Carry out what the device says, then see to it that it is called again when it has to be. */
  const carryOut = (effects: readonly Effect[]): void => {
    if (!transport) return;
    const native = transport;
    for (const effect of effects) attempt(effect.kind, () => apply(native, effect));
    if (device.hasWork)
      turn ??= setImmediate(() => {
        turn = undefined;
        carryOut(device.work());
      });
    const now = clock.monotonic();
    if (armed === undefined || between(armed, now) >= ARM_INTERVAL) arm(now);
    else rearm ??= setTimeout(() => arm(clock.monotonic()), ARM_INTERVAL);
  };

  /** Looks at every peer: not for each of a thousand handshakes a second. */
  const arm = (now: MonotonicMillis): void => {
    clearTimeout(rearm);
    rearm = undefined;
    clearTimeout(timer);
    armed = now;
    const { deadline } = device;
    if (deadline !== undefined)
      timer = setTimeout(() => carryOut(device.tick()), Math.max(0, Math.ceil(between(now, deadline))));
  };

  const rereadPresharedKeys = (): void => {
    for (const { id, presharedKeyFile } of config.peers) {
      if (presharedKeyFile === undefined) continue;
      const act = (outcome: 'done' | 'refused'): void =>
        record('operator.action', { operator: 'SIGHUP', verb: 'peer.preshared-key', object: id, outcome });
      try {
        if (!device.changePresharedKey(id, readPresharedKey(presharedKeyFile))) continue;
        log.info({ peer: id }, 'a new pre-shared key');
        act('done');
      } catch (err) {
        log.error({ err, peer: id }, 'the pre-shared key stays as it was');
        act('refused');
      }
    }
  };

  const health = new TunnelHealth();
  const status = () => {
    const peers = device.status();
    const facts = {
      port: transport?.port ?? config.tunnel.listen.port,
      peers: peers.length,
      sessions: peers.filter((p) => p.session).length,
      underLoad: device.underLoad,
      overflow: device.counters.overflow + (transport?.counters().dropHandshakeRing ?? 0),
      auditWaiting: backlog.waiting,
      auditDropped: backlog.dropped,
      timestampsStored: !timestamps.failing,
      offloads: { ...transport?.offloads() },
      nativeHandshakes: { classical: responding !== undefined, hybrid: responding?.hybrid === true },
    };
    return { peers, port: facts.port, health: health.items(facts, clock.now()) };
  };

  const server = await serve({
    path: socketPath(config, 'tunnel'),
    verbs: { ...tunnelVerbs, ...tunnelOperatorVerbs },
    pushes: tunnelPushes,
    access: {
      'tunnel.status': ['control', 'operator'],
      'tunnel.hint': ['control'],
      'tunnel.resetClock': ['operator'],
    },
    uids: config.uids,
    log,
    handlers: {
      'tunnel.status': status,
      'tunnel.hint': ({ peer, endpoint }) => {
        carryOut(device.hint(peer, outer(endpoint)));
        return {};
      },
      'tunnel.resetClock': ({ peer }, { uid }) => {
        const act = (outcome: 'done' | 'refused'): void =>
          record('operator.action', {
            operator: `uid ${uid}`,
            verb: 'peer.reset-clock',
            object: peer,
            outcome,
          });
        try {
          carryOut(device.resetClock(peer));
        } catch (error) {
          act('refused');
          throw error;
        }
        act('done');
        log.info({ peer, uid }, 'the clock of a peer was reset');
        return {};
      },
    },
  });

  const routes = [...new Set(config.peers.flatMap((peer) => peer.allowedIps))].map(prefixBytes);
  try {
    transport = addon().openTransport({
      interfaceName: config.tunnel.interface,
      mtu: config.tunnel.mtu,
      port: config.tunnel.listen.port,
      addresses: config.tunnel.addresses.map(prefixBytes),
      routes,
      local: [prefixBytes(config.overlay.resources)],
      onHandshake: (batch) => {
        device.receive(batch);
        carryOut([]);
      },
      onActivity: (batch) => carryOut(device.activity(batch.map(reported))),
      onFailure: (error) =>
        context.stop('the transport failed', new Fault('INTERNAL', error.message, { cause: error })),
    });
  } catch (cause) {
    const code = errorCode(cause) === 'EPERM' ? 'CAPABILITY_MISSING' : 'INTERNAL';
    const what = cause instanceof Error ? cause.message : String(cause);
    throw new Fault(code, `the tunnel can't be opened: ${what}`, { cause });
  }
  config.peers.forEach((peer, number) => transport?.setPeer(number, peer.allowedIps.map(prefixBytes)));
  carryOut(device.start());
  process.on('SIGHUP', rereadPresharedKeys);
  record('process.start', { process: 'tunnel', version });
  log.info(
    {
      publicKey: device.publicKey.text,
      port: transport.port,
      peers: config.peers.length,
      x25519: x25519.name,
      handshakes: responding?.name ?? 'javascript',
    },
    'listening',
  );

  return async () => {
    process.off('SIGHUP', rereadPresharedKeys);
    clearTimeout(timer);
    clearTimeout(rearm);
    clearImmediate(turn);
    const native = transport;
    transport = undefined;
    native?.close();
    for (const effect of device.close()) if (effect.kind === 'refused') refused(effect.refusal);
    record('process.stop', { process: 'tunnel', reason: 'stopped' });
    await backlog.close();
    audit.close();
    await server.close();
    timestamps.close();
  };
});
