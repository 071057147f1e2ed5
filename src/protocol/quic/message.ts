/**
 * A QUIC client's first packet, opened: whom it wants and how it speaks TLS. Initial packets are sealed with keys that
 * follow from the connection id in their header (RFC 9001 section 5.2), so that whoever sees them can read them; they keep
 * nothing secret. What comes after them does, and isn't looked at.
 *
 *   long header  1|1|type 2|protected 4 · version 4 · length, destination · length, source · [length, token] · length
 *   then         packet number 1-4 (protected) · frames, sealed by AES-128-GCM · tag 16
 *   CRYPTO       06 · offset · length · handshake bytes of TLS without records
 *
 * Numbers are of one, two, four or eight bytes by their first two bits (RFC 9000 section 16). What surprises: a hello is cut
 * into many frames in any order, over several packets, with padding and pings between them: `HelloStream` puts it together.
 */
import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto';
import { malformed, message, u8, u32 } from '../parsed.ts';
import type { Parsed } from '../parsed.ts';
import { clientHello } from '../tls/constants.ts';
import { decodeClientHello } from '../tls/message.ts';
import type { ClientOffer } from '../tls/message.ts';
import {
  clientLabel,
  connectionId,
  frameLimit,
  frames,
  header,
  helloLimit,
  leastDatagram,
  rangeLimit,
  sample,
  tagLength,
  versions,
} from './constants.ts';
import type { Version } from './constants.ts';

/** A piece of the handshake. */
export interface CryptoPiece {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

const versionOf = (bytes: Uint8Array): Version | undefined => {
  const kind = u8(bytes, 0) & header.mask;
  return versions.find(({ number, type }) => type === kind && u32(bytes, 1) === number);
};

/** A datagram that begins with an Initial packet of a version that is known, of either side. */
export const isInitial = (bytes: Uint8Array): boolean =>
  bytes.length >= leastDatagram && versionOf(bytes) !== undefined;

const hmac = (key: Uint8Array, data: Uint8Array): Buffer => createHmac('sha256', key).update(data).digest();

/** HKDF-Expand-Label with no context (RFC 8446 section 7.1); `length` is at most one block of the hash. */
function expandLabel(secret: Uint8Array, label: string, length: number): Buffer {
  const name = Buffer.from(`tls13 ${label}`, 'latin1');
  const info = Buffer.concat([Uint8Array.of(0, length, name.length), name, Uint8Array.of(0, 1)]);
  return hmac(secret, info).subarray(0, length);
}

/** Of the client's side: what seals, and what hides the packet number. */
export interface InitialKeys {
  readonly key: Buffer;
  readonly iv: Buffer;
  readonly protection: Buffer;
}

export function clientInitialKeys(version: Version, destination: Uint8Array): InitialKeys {
  const secret = expandLabel(hmac(Buffer.from(version.salt, 'hex'), destination), clientLabel, 32);
  return {
    key: expandLabel(secret, version.labels.key, 16),
    iv: expandLabel(secret, version.labels.iv, 12),
    protection: expandLabel(secret, version.labels.protection, 16),
  };
}

interface Numbered {
  readonly value: number;
  readonly next: number;
}

/** A number of variable length; past the end it reads as zeros. */
function number(bytes: Uint8Array, at: number): Numbered {
  const length = 1 << (u8(bytes, at) >> 6);
  let value = u8(bytes, at) & 0x3f;
  for (let i = 1; i < length; i++) value = value * 256 + u8(bytes, at + i);
  return { value, next: at + length };
}

/** The frames of a client's Initial packet. Malformed too when it is of the server, or sealed with other keys. */
export function openInitial(bytes: Uint8Array): Parsed<readonly CryptoPiece[]> {
  const version = versionOf(bytes);
  if (version === undefined || bytes.length < leastDatagram) return malformed('quic_no_initial', 0);
  const idLength = u8(bytes, 5);
  if (idLength < connectionId.first || idLength > connectionId.longest)
    return malformed('quic_connection_id', 5);
  const destination = bytes.subarray(6, 6 + idLength);
  let at = 6 + idLength;
  if (u8(bytes, at) > connectionId.longest) return malformed('quic_connection_id', at);
  at += 1 + u8(bytes, at);
  const token = number(bytes, at);
  const length = number(bytes, token.next + token.value);
  const start = length.next;
  const end = start + length.value;
  if (token.value > bytes.length || end > bytes.length || length.value < sample.offset + sample.length)
    return malformed('quic_length', at);
  return open(bytes, start, end, clientInitialKeys(version, destination));
}

function open(
  bytes: Uint8Array,
  start: number,
  end: number,
  keys: InitialKeys,
): Parsed<readonly CryptoPiece[]> {
  const sampled = bytes.subarray(start + sample.offset, start + sample.offset + sample.length);
  const mask = createCipheriv('aes-128-ecb', keys.protection, null).setAutoPadding(false).update(sampled);
  const first = u8(bytes, 0) ^ (u8(mask, 0) & 0x0f);
  const numberLength = (first & 3) + 1;
  const head = Buffer.from(bytes.subarray(0, start + numberLength));
  head.writeUInt8(first, 0);
  const nonce = Buffer.from(keys.iv);
  for (let i = 0; i < numberLength; i++) {
    const byte = u8(bytes, start + i) ^ u8(mask, 1 + i);
    head.writeUInt8(byte, start + i);
    const place = nonce.length - numberLength + i;
    nonce.writeUInt8(nonce.readUInt8(place) ^ byte, place);
  }
  if (end - start - numberLength < tagLength) return malformed('quic_length', start);
  const decipher = createDecipheriv('aes-128-gcm', keys.key, nonce);
  decipher.setAAD(head).setAuthTag(bytes.subarray(end - tagLength, end));
  const plain = decipher.update(bytes.subarray(start + numberLength, end - tagLength));
  try {
    decipher.final();
  } catch {
    // Not what the client sealed: the server's, damaged, or no QUIC at all.
    return malformed('quic_sealed_otherwise', start);
  }
  return readFrames(plain);
}

function readFrames(plain: Uint8Array): Parsed<readonly CryptoPiece[]> {
  const pieces: CryptoPiece[] = [];
  let at = 0;
  for (let count = 0; at < plain.length && count < frameLimit;) {
    const type = u8(plain, at++);
    if (type === frames.padding) continue;
    count++;
    if (type === frames.ping) continue;
    if (type === frames.close) break;
    if (type === frames.ack || type === frames.ackEcn) {
      const next = skipAck(plain, at, type === frames.ackEcn);
      if (next === undefined) return malformed('quic_ack', at);
      at = next;
    } else if (type === frames.crypto) {
      const offset = number(plain, at);
      const length = number(plain, offset.next);
      const end = length.next + length.value;
      if (end > plain.length) return malformed('quic_crypto', at);
      pieces.push({ offset: offset.value, bytes: plain.subarray(length.next, end) });
      at = end;
    } else return malformed('quic_frame', at - 1);
  }
  return message(pieces);
}

/** Largest · delay · count · first range · [gap · range]* · [ECN counts, three]. */
function skipAck(plain: Uint8Array, at: number, counts: boolean): number | undefined {
  const count = number(plain, number(plain, number(plain, at).next).next);
  if (count.value > rangeLimit) return undefined;
  let here = number(plain, count.next).next;
  for (let n = 2 * count.value + (counts ? 3 : 0); n > 0; n--) here = number(plain, here).next;
  return here;
}

/** The first flight of a client, put together from pieces in any order; the first copy of a byte stays. */
export class HelloStream {
  readonly #bytes = new Uint8Array(helloLimit);
  readonly #there = new Uint8Array(helloLimit);
  #length = 0;

  /** False when it is no hello, or longer than is waited for. */
  add(pieces: readonly CryptoPiece[]): boolean {
    for (const { offset, bytes } of pieces) {
      if (offset + bytes.length > helloLimit) return false;
      for (const [i, byte] of bytes.entries()) {
        if (this.#there[offset + i] === 1) continue;
        this.#there[offset + i] = 1;
        this.#bytes[offset + i] = byte;
      }
    }
    while (this.#there[this.#length] === 1) this.#length++;
    if (this.#length === 0) return true;
    return u8(this.#bytes, 0) === clientHello && (this.#length < 2 || u8(this.#bytes, 1) === 0);
  }

  /** The hello, once all of it is there. */
  hello(): ClientOffer | undefined {
    const decoded = decodeClientHello(this.#bytes.subarray(0, this.#length));
    return decoded.kind === 'message' ? decoded.message : undefined;
  }
}
