/**
 * The native addon's facade: the only TypeScript that loads `build/native/anteroom.node`, and the shape of
 * what is in it. Each process loads the whole addon and uses one part of it.
 *
 * Packets never pass here: the transport moves them between UDP and TUN in its own threads. What crosses is
 * handshake datagrams (bounded ring), activity reports (at most one batch per `ACTIVITY_INTERVAL`), and keys
 * going in. Methods throw `Error` with `code` (an errno name such as `EPERM`) and the system call in the message.
 */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { Fault } from '../wire/errors.ts';

/** A UDP source or destination: 4 or 16 address bytes and a port. */
export interface NativeEndpoint {
  readonly address: Uint8Array;
  readonly port: number;
}

/**
 * A handshake datagram (message types 1, 2 and 3 or anything else that isn't type 4), as received. Those of one batch are
 * views of one buffer: whoever keeps an address for long copies it.
 */
export interface HandshakeDatagram {
  readonly from: NativeEndpoint;
  readonly bytes: Uint8Array;
}

/** What one peer's transport did since the last report. Flags are `activity` bits, ored. */
export interface ActivityReport {
  readonly peer: number;
  readonly flags: number;
  /** Totals since the peer was added, inner bytes that were authenticated. */
  readonly receivedBytes: number;
  readonly sentBytes: number;
  /** Outer address of the last authenticated packet (roaming, whitepaper section 6.3), when one arrived. */
  readonly endpoint?: NativeEndpoint;
  /** With CONFIRMED: local indices of the keypairs that were confirmed, and of the one that sends now, if any. */
  readonly confirmed?: readonly number[];
  readonly sending?: number;
}

/** Bits of `ActivityReport.flags`. */
export const activity = {
  /** Data (not a keepalive) was sent. */
  SENT_DATA: 1,
  /** Anything authenticated was sent, keepalives too. */
  SENT_ANY: 2,
  /** Data (not a keepalive) arrived and was authentic. */
  RECEIVED_DATA: 4,
  /** Anything authentic arrived. */
  RECEIVED_ANY: 8,
  /**
   * The first authentic packet on a responder's keypair: it is confirmed, and now the one to send with unless a newer
   * one of ours, as initiator, has come meanwhile.
   */
  CONFIRMED: 16,
  /**
   * A packet for the peer waits and there is no keypair to send it with. The first that waits is reported at
   * once; while more come it is repeated with each batch.
   */
  NEED_HANDSHAKE: 32,
  /** A keypair refused to send because a limit (messages or age) was passed. */
  EXPIRED: 64,
  /** A packet was dropped: inner source not in allowed IPs. */
  BAD_SOURCE: 128,
  /** The sending keypair has passed REKEY_AFTER_MESSAGES; it goes on sending until a new one comes. */
  REKEY_DUE: 256,
} as const;

/** A transport keypair. Keys are 32 bytes and are copied; the caller wipes its own. */
export interface NativeKeypair {
  readonly peer: number;
  readonly localIndex: number;
  readonly remoteIndex: number;
  readonly sendKey: Uint8Array;
  readonly receiveKey: Uint8Array;
  /** Initiators may send at once; responders after the first authentic packet. */
  readonly initiator: boolean;
}

/**
 * What the transport leaves to the kernel or to faster code. Each is tried when it opens and given up by itself when
 * it isn't to be had.
 */
export interface TransportOffloads {
  /** TCP is read from the TUN interface in pieces of up to 64 KiB, and cut here. */
  readonly tunTcp: boolean;
  /** The same for UDP (Linux 6.2). */
  readonly tunUdp: boolean;
  /** Packets of one flow are joined for the write to the TUN interface. */
  readonly tunJoin: boolean;
  /** Datagrams to one place are sent in series (UDP_SEGMENT). */
  readonly udpSend: boolean;
  /** And received so (UDP_GRO). */
  readonly udpReceive: boolean;
  /** ChaCha20-Poly1305 by OpenSSL's primitives rather than its EVP interface. */
  readonly chacha: boolean;
}

export interface TransportOptions {
  readonly interfaceName: string;
  readonly mtu: number;
  readonly port: number;
  /** Addresses of the TUN interface: bytes and prefix length. */
  readonly addresses: readonly { readonly address: Uint8Array; readonly prefix: number }[];
  /** Prefixes routed into the TUN (peers), and prefixes made local on lo (AnyIP, the broker's listeners). */
  readonly routes: readonly { readonly address: Uint8Array; readonly prefix: number }[];
  readonly local: readonly { readonly address: Uint8Array; readonly prefix: number }[];
  /** Which offloads may be used: all of them, but for those said to be false. */
  readonly offloads?: Partial<TransportOffloads>;
  /** Called on the main thread. */
  readonly onHandshake: (batch: readonly HandshakeDatagram[]) => void;
  readonly onActivity: (batch: readonly ActivityReport[]) => void;
  /** The transport stopped by itself: a system call failed for good. */
  readonly onFailure: (error: Error) => void;
}

/** Counters of the whole transport since it opened. */
export interface TransportCounters {
  readonly udpReceived: number;
  readonly udpSent: number;
  readonly tunRead: number;
  readonly tunWritten: number;
  readonly dropUnknownIndex: number;
  readonly dropAuthentication: number;
  readonly dropReplay: number;
  readonly dropMalformed: number;
  readonly dropBadSource: number;
  /** Arrived on a keypair older than REJECT_AFTER_TIME or past REJECT_AFTER_MESSAGES. */
  readonly dropExpired: number;
  readonly dropNoRoute: number;
  readonly dropHandshakeRing: number;
  readonly dropQueue: number;
  /** Authentic packets the TUN device didn't take (link down, no memory). */
  readonly dropTun: number;
}

/**
 * TUN device, UDP sockets (IPv4 and IPv6 on one port) and the AEAD worker between them. Needs CAP_NET_ADMIN.
 *
 * Opening fails with EPERM, EBUSY (the interface name is taken) or EADDRINUSE and leaves nothing behind. Methods
 * throw ENOENT for a peer that was never set and EBADF after `close`. Open, it keeps the process alive.
 */
export interface NativeTransport {
  /** Port the sockets are bound to. */
  readonly port: number;
  /** `peer` is the caller's own number, 0 to 4095. Replaces an existing peer's allowed IPs. */
  setPeer(
    peer: number,
    allowedIps: readonly { readonly address: Uint8Array; readonly prefix: number }[],
  ): void;
  removePeer(peer: number): void;
  setEndpoint(peer: number, endpoint: NativeEndpoint): void;
  /**
   * Install a keypair: an initiator's becomes current, a responder's becomes next until confirmed. The
   * three before stay for receiving. Packets that waited are sent when the keypair may send. Its age counts
   * from this call, on CLOCK_BOOTTIME: after 180 s it neither sends nor receives. Throws EEXIST when `localIndex`
   * is in use.
   */
  setKeypair(keypair: NativeKeypair): void;
  /** Forget one keypair, wiping its keys; unknown indices are ignored. */
  removeKeypair(localIndex: number): void;
  /**
   * Send an empty transport message to the peer, when it has a keypair that may send; otherwise do nothing. When
   * packets were waiting and go out now, they take its place.
   */
  sendKeepalive(peer: number): void;
  /** Send a handshake datagram. Best effort, as UDP is. */
  sendHandshake(to: NativeEndpoint, bytes: Uint8Array): void;
  /** Drop the packets that wait for a handshake. */
  dropQueue(peer: number): void;
  counters(): TransportCounters;
  /** Which are in use now. */
  offloads(): TransportOffloads;
  /** Stop the threads, close everything, wipe keys. The TUN interface goes with it. */
  close(): void;
}

export interface CaptureOptions {
  readonly interfaceName: string;
  /** Bytes kept of each frame, 64 to 65535. */
  readonly snapLength: number;
  /**
   * One batch of at most 1 MiB at most every 20 ms. `bytes`: `count` times {u32le bytes kept, u32le bytes on the
   * wire, f64le epoch ms, frame bytes, padding to 8}. Valid only during the call. Both directions are seen, the
   * gateway's own frames too; VLAN tags stand in the frame.
   */
  readonly onFrames: (bytes: Uint8Array, count: number) => void;
  readonly onFailure: (error: Error) => void;
}

/**
 * A TPACKET_V3 receive ring in promiscuous mode. It has no way to send. Needs CAP_NET_RAW. Opening fails with
 * EPERM or ENODEV. The link may go down and come back; `onFailure` tells when the interface is gone.
 */
export interface NativeCapture {
  /** Since it opened: frames that passed the filter, and those of them the ring had no room for. */
  statistics(): { readonly packets: number; readonly drops: number };
  close(): void;
}

/** Rows of the tables of a stage; `all`: hand over every frame, to compare the decoder with another. */
export interface StageOptions {
  readonly flows?: number;
  readonly sightings?: number;
  readonly all?: boolean;
  /** False: hand over all TCP payload, of HTTP and TLS too, to compare the reassembly. */
  readonly listens?: boolean;
}

/** The sensor's native stage (`native/sensor/stage.h`): what it does is told in `sensor/stage.ts`. */
export interface NativeStage {
  readonly batch: Uint8Array;
  frame(link: number, bytes: Uint8Array, wireLength: number, at: number): number;
  walk(records: Uint8Array, from: number): number;
  walked(): number;
  push(bytes: Uint8Array): void;
  next(): number;
  end(): void;
  expire(at: number): number;
  tell(): number;
  done(list: Uint8Array): void;
}

export interface HandshakesOptions {
  /** 32 bytes, copied. */
  readonly secretKey: Uint8Array;
  /** How many threads compute, 0 to 8. With none, `read` and `write` compute at once and `take` has the result. */
  readonly threads: number;
  /** Noise's prologue; WireGuard's, but for vectors. */
  readonly prologue?: Uint8Array;
  /** There is something to take; called on the main thread, once a turn of the event loop. */
  readonly onDone: () => void;
}

/** What became of a job. A job without `peer` is over and its number free. */
export interface HandshakeDone {
  readonly job: number;
  /** Of an initiation: type 5. Absent: this is what became of `write`. */
  readonly hybrid?: boolean;
  /** Number of the peer that sent it, and its timestamp. The job then waits for `write` or `release`. */
  readonly peer?: number;
  readonly timestamp?: Uint8Array;
  /** The static key that it claims to be from, when it could be read and isn't from a peer that holds it. */
  readonly claimed?: Uint8Array;
  /** No peer has that key. */
  readonly stranger?: boolean;
  /**
   * The response with its mac1, then 32 bytes each: the key to send with, the key to receive with, the handshake's hash.
   * Absent when a key in the initiation isn't one. The caller wipes it.
   */
  readonly answer?: Uint8Array;
  /** The pre-shared key wasn't zeros. */
  readonly presharedKey?: boolean;
}

/** The responder's computation (types 1, 2, 5, 6), in threads of its own. Open with any, it keeps the process alive. */
export interface NativeHandshakes {
  /** How many initiations can be under way. */
  readonly jobs: number;
  /** Type 5 too: OpenSSL has ML-KEM. Without, a type 5 mustn't be answered here. */
  readonly hybrid: boolean;
  /** False for a public key of small order. */
  setPeer(peer: number, publicKey: Uint8Array, presharedKey?: Uint8Array): boolean;
  /** From the next `write` on. False when there is no such peer. */
  setPresharedKey(publicKey: Uint8Array, presharedKey: Uint8Array): boolean;
  checkMac1(message: Uint8Array): boolean;
  /** The job's number, or -1 when all are taken. */
  read(initiation: Uint8Array): number;
  /** Answer the initiation of a job that named a peer. `ephemeral` and `kemRandomness` are for vectors. */
  write(job: number, localIndex: number, ephemeral?: Uint8Array, kemRandomness?: Uint8Array): boolean;
  /** Don't answer it. */
  release(job: number): void;
  take(): HandshakeDone[];
  /** Stop the threads, wipe everything. */
  close(): void;
}

/** What the native handshake is computed with, one by one: to be checked against other implementations. */
export interface NativePrimitives {
  publicKey(secret: Uint8Array): Uint8Array | undefined;
  /** Undefined for all zeros. */
  shared(secret: Uint8Array, remote: Uint8Array): Uint8Array | undefined;
  /** BLAKE2s with 32 bytes of output. */
  hash(data: Uint8Array): Uint8Array;
  /** Keyed BLAKE2s with 16. */
  mac(key: Uint8Array, data: Uint8Array): Uint8Array;
  /** HKDF with three outputs, 96 bytes. */
  derive(chainingKey: Uint8Array, material: Uint8Array): Uint8Array;
  seal(key: Uint8Array, nonce: Uint8Array, ad: Uint8Array, plaintext: Uint8Array): Uint8Array;
  open(key: Uint8Array, nonce: Uint8Array, ad: Uint8Array, ciphertext: Uint8Array): Uint8Array | undefined;
  /** ML-KEM-768: ciphertext and shared secret, 1120 bytes. Undefined for a key that is none, and without ML-KEM. */
  encapsulate(encapsulationKey: Uint8Array, randomness?: Uint8Array): Uint8Array | undefined;
}

/** Credentials of the process at the other end of a connected Unix socket (SO_PEERCRED, unix(7)). */
export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

export interface Addon {
  openTransport(options: TransportOptions): NativeTransport;
  openCapture(options: CaptureOptions): NativeCapture;
  openStage(options: StageOptions): NativeStage;
  /** What the stage's numbers for what is wrong with bytes mean. */
  readonly weirdNames: readonly string[];
  /** Throws ERR_SELF_TEST when BLAKE2s or X25519 isn't what its RFC says. */
  openHandshakes(this: void, options: HandshakesOptions): NativeHandshakes;
  readonly primitives: NativePrimitives;
  /** `fd`: descriptor of a connected Unix stream socket. Throws EBADF, ENOTSOCK, or EINVAL for another family. */
  peerCredentials(fd: number): PeerCredentials;
  /** sd_notify(3): sends `state` to $NOTIFY_SOCKET, path or abstract; false when there is none. */
  notify(state: string): boolean;
  /** No core dumps, no ptrace by others: PR_SET_DUMPABLE 0 and RLIMIT_CORE 0. */
  hardenProcess(): void;
}

let loaded: Addon | undefined;

/** Load the addon once. Fault ADDON_UNAVAILABLE names the file and why. */
export function addon(): Addon {
  if (loaded) return loaded;
  const file =
    process.env['ANTEROOM_ADDON'] ??
    fileURLToPath(new URL('../../build/native/anteroom.node', import.meta.url));
  try {
    loaded = createRequire(import.meta.url)(file) as Addon;
  } catch (cause) {
    throw new Fault(
      'ADDON_UNAVAILABLE',
      `${file}: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    );
  }
  return loaded;
}
