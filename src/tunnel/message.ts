/**
 * The handshake messages, byte for byte: WireGuard's three (whitepaper sections 5.4.2, 5.4.3, 5.4.7) and the two of
 * the hybrid exchange (docs/PROTOCOL.md). Integers are little-endian. A datagram is one message: its length is
 * exact or it isn't one. Type 4, transport data, is the native worker's and never gets here.
 *
 *   initiation, 148 bytes                  response, 92 bytes                   cookie reply, 64 bytes
 *     0   1  type = 1                        0   1  type = 2                      0   1  type = 3
 *     1   3  zero                            1   3  zero                          1   3  zero
 *     4   4  sender index                    4   4  sender index                  4   4  receiver index
 *     8  32  ephemeral public key            8   4  receiver index                8  24  nonce
 *    40  48  static public key, sealed      12  32  ephemeral public key         32  32  cookie, sealed
 *    88  28  timestamp, sealed              44  16  nothing, sealed
 *   116  16  mac1                           60  16  mac1
 *   132  16  mac2                           76  16  mac2
 *
 *   hybrid initiation, 1348 bytes          hybrid response, 1196 bytes
 *     0   1  type = 5                        0   1  type = 6
 *     1   3  zero                            1   3  zero
 *     4   4  sender index                    4   4  sender index
 *     8  32  ephemeral public key            8   4  receiver index
 *    40 1200 encapsulation key, sealed      12  32  ephemeral public key
 *  1240  48  static public key, sealed      44 1104 ciphertext, sealed
 *  1288  28  timestamp, sealed            1148  16  nothing, sealed
 *  1316  16  mac1                         1164  16  mac1
 *  1332  16  mac2                         1180  16  mac2
 */
import {
  COOKIE_REPLY_BYTES,
  HYBRID_INITIATION_BYTES,
  HYBRID_RESPONSE_BYTES,
  INITIATION_BYTES,
  RESPONSE_BYTES,
  TYPE_COOKIE_REPLY,
  TYPE_HYBRID_INITIATION,
  TYPE_HYBRID_RESPONSE,
  TYPE_INITIATION,
  TYPE_RESPONSE,
} from './constants.ts';
import type { InitiationFields, ResponseFields } from './handshake.ts';

/** With `sealedKemKey`: a hybrid one, type 5. */
export interface Initiation extends InitiationFields {
  readonly type: typeof TYPE_INITIATION | typeof TYPE_HYBRID_INITIATION;
  readonly sender: number;
}

/** With `sealedCiphertext`: a hybrid one, type 6. */
export interface Response extends ResponseFields {
  readonly type: typeof TYPE_RESPONSE | typeof TYPE_HYBRID_RESPONSE;
  readonly sender: number;
  readonly receiver: number;
}

export interface CookieReply {
  readonly type: typeof TYPE_COOKIE_REPLY;
  readonly receiver: number;
  readonly nonce: Uint8Array;
  readonly sealedCookie: Uint8Array;
}

export type HandshakeMessage = Initiation | Response | CookieReply;

/** Why a datagram isn't a handshake message; `offset` is where it stops being one. */
export type Weird = 'empty' | 'unknown_type' | 'reserved_not_zero' | 'wrong_length';

export type Decoded =
  | { readonly kind: 'message'; readonly message: HandshakeMessage }
  | { readonly kind: 'malformed'; readonly weird: Weird; readonly offset: number };

/** Offset of mac1 from the end of every message but the cookie reply; mac2 follows it. */
export const MACS_BYTES = 32;

const lengths: Readonly<Record<number, number>> = {
  [TYPE_INITIATION]: INITIATION_BYTES,
  [TYPE_RESPONSE]: RESPONSE_BYTES,
  [TYPE_COOKIE_REPLY]: COOKIE_REPLY_BYTES,
  [TYPE_HYBRID_INITIATION]: HYBRID_INITIATION_BYTES,
  [TYPE_HYBRID_RESPONSE]: HYBRID_RESPONSE_BYTES,
};

const malformed = (weird: Weird, offset: number): Decoded => ({ kind: 'malformed', weird, offset });

/** Fields are views of `bytes`, which the caller must not reuse. mac1 and mac2 are checked in cookie.ts, first. */
export function decodeHandshake(bytes: Uint8Array): Decoded {
  const type = bytes[0];
  if (type === undefined) return malformed('empty', 0);
  const length = lengths[type];
  if (length === undefined) return malformed('unknown_type', 0);
  for (let i = 1; i < 4; i++)
    if (bytes[i] !== 0 && bytes.length > i) return malformed('reserved_not_zero', i);
  if (bytes.length !== length) return malformed('wrong_length', Math.min(bytes.length, length));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const first = view.getUint32(4, true);
  const field = (from: number, to: number): Uint8Array => bytes.subarray(from, to);
  switch (type) {
    case TYPE_INITIATION:
      return {
        kind: 'message',
        message: {
          type,
          sender: first,
          ephemeral: field(8, 40),
          sealedStatic: field(40, 88),
          sealedTimestamp: field(88, 116),
        },
      };
    case TYPE_HYBRID_INITIATION:
      return {
        kind: 'message',
        message: {
          type,
          sender: first,
          ephemeral: field(8, 40),
          sealedKemKey: field(40, 1240),
          sealedStatic: field(1240, 1288),
          sealedTimestamp: field(1288, 1316),
        },
      };
    case TYPE_RESPONSE:
      return {
        kind: 'message',
        message: {
          type,
          sender: first,
          receiver: view.getUint32(8, true),
          ephemeral: field(12, 44),
          sealedNothing: field(44, 60),
        },
      };
    case TYPE_HYBRID_RESPONSE:
      return {
        kind: 'message',
        message: {
          type,
          sender: first,
          receiver: view.getUint32(8, true),
          ephemeral: field(12, 44),
          sealedCiphertext: field(44, 1148),
          sealedNothing: field(1148, 1164),
        },
      };
    default:
      return {
        kind: 'message',
        message: {
          type: TYPE_COOKIE_REPLY,
          receiver: first,
          nonce: field(8, 32),
          sealedCookie: field(32, 64),
        },
      };
  }
}

function begin(length: number, type: number): [Uint8Array, DataView] {
  const bytes = new Uint8Array(length);
  bytes[0] = type;
  return [bytes, new DataView(bytes.buffer)];
}

/** With mac1 and mac2 left zero; hybrid when the fields are. */
export function encodeInitiation(message: Omit<Initiation, 'type'>): Uint8Array {
  const { sealedKemKey } = message;
  const [bytes, view] = sealedKemKey
    ? begin(HYBRID_INITIATION_BYTES, TYPE_HYBRID_INITIATION)
    : begin(INITIATION_BYTES, TYPE_INITIATION);
  view.setUint32(4, message.sender, true);
  bytes.set(message.ephemeral, 8);
  if (sealedKemKey) bytes.set(sealedKemKey, 40);
  const at = 40 + (sealedKemKey?.length ?? 0);
  bytes.set(message.sealedStatic, at);
  bytes.set(message.sealedTimestamp, at + 48);
  return bytes;
}

/** With mac1 and mac2 left zero; hybrid when the fields are. */
export function encodeResponse(message: Omit<Response, 'type'>): Uint8Array {
  const { sealedCiphertext } = message;
  const [bytes, view] = sealedCiphertext
    ? begin(HYBRID_RESPONSE_BYTES, TYPE_HYBRID_RESPONSE)
    : begin(RESPONSE_BYTES, TYPE_RESPONSE);
  view.setUint32(4, message.sender, true);
  view.setUint32(8, message.receiver, true);
  bytes.set(message.ephemeral, 12);
  if (sealedCiphertext) bytes.set(sealedCiphertext, 44);
  bytes.set(message.sealedNothing, 44 + (sealedCiphertext?.length ?? 0));
  return bytes;
}

export function encodeCookieReply(message: Omit<CookieReply, 'type'>): Uint8Array {
  const [bytes, view] = begin(COOKIE_REPLY_BYTES, TYPE_COOKIE_REPLY);
  view.setUint32(4, message.receiver, true);
  bytes.set(message.nonce, 8);
  bytes.set(message.sealedCookie, 32);
  return bytes;
}
