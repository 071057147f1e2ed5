/**
 * One frame that the native stage hands over, decoded there from the link layer to the transport payload
 * (`native/sensor/frame.h`): the headers as they were, and of the payload what is to be read.
 *
 * `Frame` is one object that every frame is loaded into, so a frame allocates only the two address strings.
 * Addresses are packed two bytes a UTF-16 unit (2 units IPv4, 8 units IPv6) and MAC addresses are numbers, so both
 * are cheap map keys; `addressOf` and `macText` print them.
 */
import { addressText } from '../wire/address.ts';
import { packed } from './batch.ts';

export type Network = 'none' | 'arp' | 'ipv4' | 'ipv6' | 'other';
export type Transport = 'none' | 'tcp' | 'udp' | 'fragment' | 'other';

const networks: readonly Network[] = ['none', 'arp', 'ipv4', 'ipv6', 'other'];
const transports: readonly Transport[] = ['none', 'tcp', 'udp', 'fragment', 'other'];
const arps = ['none', 'request', 'reply'] as const;
const flowBit = { SERVER: 1, OPENED: 2, HTTP: 4, MIDSTREAM: 8, TLS: 16, OTHER_DONE: 32 } as const;

/** No MAC address is in the frame (raw IP, loopback). */
export const NO_MAC = -1;

/** No flow has the frame. */
export const NO_ROW = 0xffff_ffff;

const nothing = new Uint8Array(0);

export class Frame {
  /** The batch, and where the frame is in it. */
  #batch: Uint8Array = nothing;
  #from = 0;
  #to = 0;
  #bytes: Uint8Array | undefined;
  #payload: Uint8Array | undefined;
  sourceMac = NO_MAC;
  destinationMac = NO_MAC;
  /** Innermost VLAN identifier, 0 when untagged. */
  vlan = 0;
  network: Network = 'none';
  source = '';
  destination = '';
  hopLimit = 0;
  transport: Transport = 'none';
  sourcePort = 0;
  destinationPort = 0;
  tcpFlags = 0;
  sequence = 0;
  /** Where the IP and the TCP header begin. */
  networkStart = 0;
  transportStart = 0;
  payloadStart = 0;
  payloadEnd = 0;
  /** Payload bytes that were on the wire and are not here. */
  payloadMissing = 0;
  /** Address that the source MAC says is its own, by ARP or neighbour discovery; '' when it said none. */
  claim = '';
  /** An ARP request or reply; whom it asks for, or tells, is in `destination`. */
  arp: (typeof arps)[number] = 'none';

  /** Row and generation of its flow in the stage, or `NO_ROW`; the sender's side, and whether the client is known. */
  row = NO_ROW;
  generation = 0;
  side: 0 | 1 = 0;
  opened = false;
  /** This direction's start was not seen. */
  midstream = false;
  /** What the flow speaks, where the stage read that; nothing of the other direction will come. */
  spoken: string | undefined = undefined;
  otherDone = false;
  /** The part of the payload that is new and in order, as offsets. */
  chunkStart = 0;
  chunkEnd = 0;

  /** All of it that is here. What isn't asked for isn't made: of most frames only the headers are read. */
  get bytes(): Uint8Array {
    this.#bytes ??= this.#batch.subarray(this.#from, this.#to);
    return this.#bytes;
  }

  get payload(): Uint8Array {
    this.#payload ??= this.#batch.subarray(this.#from + this.payloadStart, this.#from + this.payloadEnd);
    return this.#payload;
  }

  get chunk(): Uint8Array {
    return this.#batch.subarray(this.#from + this.chunkStart, this.#from + this.chunkEnd);
  }

  /** Its bytes are those of the batch from there to there. Keeps no copy: valid as long as the batch is. */
  protected place(batch: Uint8Array, from: number, to: number): void {
    this.#batch = batch;
    this.#from = from;
    this.#to = to;
    this.#bytes = this.#payload = undefined;
  }

  /** The record of the batch that begins at `at`, the frame's bytes from `from` to `to`. */
  load(view: DataView, at: number, batch: Uint8Array, from: number, to: number): void {
    this.place(batch, from, to);
    this.sourceMac = view.getFloat64(at + 16, true);
    this.destinationMac = view.getFloat64(at + 24, true);
    this.vlan = view.getUint16(at + 32, true);
    this.network = networks[view.getUint8(at + 1)] ?? 'other';
    this.source = packed(view, at + 80, view.getUint8(at + 35));
    this.destination = packed(view, at + 96, view.getUint8(at + 36));
    this.hopLimit = view.getUint8(at + 34);
    this.transport = transports[view.getUint8(at + 2)] ?? 'other';
    this.sourcePort = view.getUint16(at + 40, true);
    this.destinationPort = view.getUint16(at + 42, true);
    this.tcpFlags = view.getUint8(at + 3);
    this.sequence = view.getUint32(at + 44, true);
    this.networkStart = view.getUint32(at + 48, true);
    this.transportStart = view.getUint32(at + 52, true);
    this.payloadStart = view.getUint32(at + 56, true);
    this.payloadEnd = view.getUint32(at + 60, true);
    this.payloadMissing = view.getUint32(at + 64, true);
    const claimLength = view.getUint8(at + 37);
    this.claim = claimLength === 0 ? '' : packed(view, at + 112, claimLength);
    this.arp = arps[view.getUint8(at + 38)] ?? 'none';
    this.row = view.getUint32(at + 68, true);
    if (this.row === NO_ROW) return;
    this.generation = view.getUint32(at + 72, true);
    const bits = view.getUint8(at + 39);
    this.side = (bits & flowBit.SERVER) !== 0 ? 1 : 0;
    this.opened = (bits & flowBit.OPENED) !== 0;
    this.midstream = (bits & flowBit.MIDSTREAM) !== 0;
    this.spoken = (bits & flowBit.HTTP) !== 0 ? 'http' : (bits & flowBit.TLS) !== 0 ? 'tls' : undefined;
    this.otherDone = (bits & flowBit.OTHER_DONE) !== 0;
    this.chunkStart = view.getUint32(at + 76, true);
    this.chunkEnd = this.chunkStart + view.getUint32(at + 128, true);
  }
}

/** Bytes of a packed address. */
export function addressOf(packed: string): Uint8Array {
  const bytes = new Uint8Array(packed.length * 2);
  for (let i = 0; i < packed.length; i++) {
    bytes[2 * i] = packed.charCodeAt(i) >> 8;
    bytes[2 * i + 1] = packed.charCodeAt(i) & 0xff;
  }
  return bytes;
}

/** Texts of the addresses met lately: each is asked for many times. */
const TEXTS = 2048;
const texts = new Map<string, string>();

/** Text of a packed address. */
export function printAddress(packed: string): string {
  const known = texts.get(packed);
  if (known !== undefined) return known;
  if (texts.size >= TEXTS) texts.clear();
  const text = addressText(addressOf(packed));
  texts.set(packed, text);
  return text;
}

const hex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** `aa:bb:cc:dd:ee:ff`. */
export function macText(mac: number): string {
  const high = Math.floor(mac / 4294967296);
  const low = mac >>> 0;
  const bytes = [
    (high >>> 8) & 255,
    high & 255,
    low >>> 24,
    (low >>> 16) & 255,
    (low >>> 8) & 255,
    low & 255,
  ];
  // In one piece, as it is kept.
  return bytes.map((byte) => hex[byte]).join(':');
}

/** A MAC that one card can have: not a group address, not all zeros. */
export const isUnicastMac = (mac: number): boolean => mac > 0 && (Math.floor(mac / 1099511627776) & 1) === 0;

/** The locally administered bit (IEEE 802 clause 8.2.2): no maker is behind such an address. */
export const isLocalMac = (mac: number): boolean => (Math.floor(mac / 1099511627776) & 2) !== 0;

/** An address one host can have: not unspecified, loopback, multicast or broadcast. */
export function isUnicast(packed: string): boolean {
  const head = packed.charCodeAt(0);
  if (packed.length === 2) {
    const first = head >> 8;
    return first !== 0 && first !== 127 && first < 224;
  }
  if (packed.length !== 8 || head >= 0xff00) return false;
  for (let i = 0; i < 7; i++) if (packed.charCodeAt(i) !== 0) return true;
  return packed.charCodeAt(7) > 1;
}

/** Unicast, or loopback, which a capture of one machine's own traffic shows. */
export function isHostAddress(packed: string): boolean {
  if (packed.length === 2 && packed.charCodeAt(0) >> 8 === 127) return true;
  return isUnicast(packed) || packed === '\0\0\0\0\0\0\0\u0001';
}

/** Private, link-local or unique local (RFC 1918, 3927, 4193, 4291): an address that only means something here. */
export function isPrivate(packed: string): boolean {
  const head = packed.charCodeAt(0);
  if (packed.length === 2) {
    return head >> 8 === 10 || (head & 0xfff0) === 0xac10 || head === 0xc0a8 || head === 0xa9fe;
  }
  return (head & 0xffc0) === 0xfe80 || (head & 0xfe00) === 0xfc00;
}
