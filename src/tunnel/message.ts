/**
 * The three handshake messages of WireGuard, byte for byte (whitepaper sections 5.4.2, 5.4.3, 5.4.7). Integers
 * are little-endian. A datagram is one message: its length is exact or it isn't one. Type 4, transport data,
 * is the native worker's and never gets here.
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
 */
import {
  COOKIE_REPLY_BYTES,
  INITIATION_BYTES,
  RESPONSE_BYTES,
  TYPE_COOKIE_REPLY,
  TYPE_INITIATION,
  TYPE_RESPONSE,
} from './constants.ts';

export interface Initiation {
  readonly type: typeof TYPE_INITIATION;
  readonly sender: number;
  readonly ephemeral: Uint8Array;
  readonly sealedStatic: Uint8Array;
  readonly sealedTimestamp: Uint8Array;
}

export interface Response {
  readonly type: typeof TYPE_RESPONSE;
  readonly sender: number;
  readonly receiver: number;
  readonly ephemeral: Uint8Array;
  readonly sealedNothing: Uint8Array;
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

/** Offset of mac1 from the end of messages 1 and 2; mac2 follows it. */
export const MACS_BYTES = 32;

const lengths: Readonly<Record<number, number>> = {
  [TYPE_INITIATION]: INITIATION_BYTES,
  [TYPE_RESPONSE]: RESPONSE_BYTES,
  [TYPE_COOKIE_REPLY]: COOKIE_REPLY_BYTES,
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
  switch (type) {
    case TYPE_INITIATION:
      return {
        kind: 'message',
        message: {
          type,
          sender: first,
          ephemeral: bytes.subarray(8, 40),
          sealedStatic: bytes.subarray(40, 88),
          sealedTimestamp: bytes.subarray(88, 116),
        },
      };
    case TYPE_RESPONSE:
      return {
        kind: 'message',
        message: {
          type,
          sender: first,
          receiver: view.getUint32(8, true),
          ephemeral: bytes.subarray(12, 44),
          sealedNothing: bytes.subarray(44, 60),
        },
      };
    default:
      return {
        kind: 'message',
        message: {
          type: TYPE_COOKIE_REPLY,
          receiver: first,
          nonce: bytes.subarray(8, 32),
          sealedCookie: bytes.subarray(32, 64),
        },
      };
  }
}

function begin(length: number, type: number): [Uint8Array, DataView] {
  const bytes = new Uint8Array(length);
  bytes[0] = type;
  return [bytes, new DataView(bytes.buffer)];
}

/** With mac1 and mac2 left zero. */
export function encodeInitiation(message: Omit<Initiation, 'type'>): Uint8Array {
  const [bytes, view] = begin(INITIATION_BYTES, TYPE_INITIATION);
  view.setUint32(4, message.sender, true);
  bytes.set(message.ephemeral, 8);
  bytes.set(message.sealedStatic, 40);
  bytes.set(message.sealedTimestamp, 88);
  return bytes;
}

/** With mac1 and mac2 left zero. */
export function encodeResponse(message: Omit<Response, 'type'>): Uint8Array {
  const [bytes, view] = begin(RESPONSE_BYTES, TYPE_RESPONSE);
  view.setUint32(4, message.sender, true);
  view.setUint32(8, message.receiver, true);
  bytes.set(message.ephemeral, 12);
  bytes.set(message.sealedNothing, 44);
  return bytes;
}

export function encodeCookieReply(message: Omit<CookieReply, 'type'>): Uint8Array {
  const [bytes, view] = begin(COOKIE_REPLY_BYTES, TYPE_COOKIE_REPLY);
  view.setUint32(4, message.receiver, true);
  bytes.set(message.nonce, 8);
  bytes.set(message.sealedCookie, 32);
  return bytes;
}
