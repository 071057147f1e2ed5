/**
 * The first flight of each side of TLS: what the client offers, what the server chose, and the certificate that
 * either shows in clear (TLS 1.2 and older; TLS 1.3 encrypts it).
 *
 *   record       16 · version 2 · length 2 · handshake bytes
 *   handshake    type 1 · length 3 · body                    a message may span records, a record hold several
 *   ClientHello  version 2 · random 32 · session 1+n · ciphers 2+n · compression 1+n · extensions 2+n
 *   ServerHello  version 2 · random 32 · session 1+n · cipher 2 · compression 1 · extensions 2+n
 *   Certificate  list length 3 · [length 3 · X.509]*         the first is the sender's own
 */
import { malformed, message, text, u8, u16 } from '../parsed.ts';
import type { Parsed } from '../parsed.ts';
import {
  certificateMessage,
  clientHello,
  extensions,
  handshake,
  listLimit,
  messageHeader,
  recordHeader,
  recordLimit,
  serverHello,
} from './constants.ts';

export interface ClientHello {
  readonly version: number;
  readonly ciphers: readonly number[];
  readonly extensions: readonly number[];
  readonly versions: readonly number[];
  readonly signatures: readonly number[];
  /** The first application protocol offered, its bytes as Latin-1. */
  readonly protocol?: string;
}

export interface TlsFlight {
  readonly client: boolean;
  /** Nothing more of interest will come: what follows is encrypted, or everything was found. */
  readonly complete: boolean;
  readonly serverName?: string;
  /** Only of a hello that is all there. */
  readonly hello?: ClientHello;
  /** What the server chose. */
  readonly version?: number;
  /** The sender's own certificate, DER. */
  readonly certificate?: Uint8Array;
}

export function recognizeTls(bytes: Uint8Array): 'yes' | 'no' | 'more' {
  if (u8(bytes, 0) !== handshake) return 'no';
  if (bytes.length < recordHeader + 1) return 'more';
  const type = u8(bytes, recordHeader);
  const plausible = u8(bytes, 1) === 3 && u8(bytes, 2) <= 4 && u16(bytes, 3) <= recordLimit;
  return plausible && (type === clientHello || type === serverHello) ? 'yes' : 'no';
}

/** Handshake bytes of the records that `bytes` begins with; `ended` when a record of another kind follows. */
function unwrap(bytes: Uint8Array): { readonly body: Uint8Array; readonly ended: boolean } {
  const first = recordHeader + u16(bytes, 3);
  // Most flights are one record, or the beginning of one.
  if (first >= bytes.length) return { body: bytes.subarray(recordHeader), ended: false };
  const body = new Uint8Array(bytes.length);
  let length = 0;
  let at = 0;
  while (at + recordHeader <= bytes.length) {
    if (u8(bytes, at) !== handshake || u16(bytes, at + 3) > recordLimit)
      return { body: body.subarray(0, length), ended: true };
    const end = at + recordHeader + u16(bytes, at + 3);
    const part = bytes.subarray(at + recordHeader, end);
    body.set(part, length);
    length += part.length;
    at = end;
  }
  return { body: body.subarray(0, length), ended: false };
}

const u24 = (bytes: Uint8Array, at: number): number => u8(bytes, at) * 0x10000 + u16(bytes, at + 1);

/** Two-byte values of a list that `length` bytes long starts at `at`. */
function values(bytes: Uint8Array, at: number, length: number): number[] {
  const list: number[] = [];
  const end = Math.min(bytes.length, at + length);
  for (let here = at; here + 2 <= end && list.length < listLimit; here += 2) list.push(u16(bytes, here));
  return list;
}

/** A hello that is all there, and whom it asks for. */
export interface ClientOffer {
  readonly hello: ClientHello;
  readonly serverName?: string;
}

/** A ClientHello message without records around it, as QUIC carries it (RFC 9001 section 4); malformed while it is cut. */
export function decodeClientHello(bytes: Uint8Array): Parsed<ClientOffer> {
  const end = messageHeader + u24(bytes, 1);
  if (u8(bytes, 0) !== clientHello || bytes.length < messageHeader || end > bytes.length)
    return malformed('tls_hello_cut', 0);
  const { serverName, ...hello } = readClientHello(bytes.subarray(messageHeader, end));
  return message(serverName === undefined ? { hello } : { hello, serverName });
}

type Offer = { -readonly [K in keyof ClientHello]: ClientHello[K] } & { serverName?: string };

/** What is there: a hello that is cut short has fewer extensions. */
function readClientHello(body: Uint8Array): Offer {
  const version = u16(body, 0);
  let at = 34;
  at += 1 + u8(body, at);
  const ciphers = values(body, at + 2, u16(body, at));
  at += 2 + u16(body, at);
  at += 1 + u8(body, at);
  const offer: Offer = { version, ciphers, extensions: [], versions: [], signatures: [] };
  const kinds: number[] = [];
  offer.extensions = kinds;
  const end = Math.min(body.length, at + 2 + u16(body, at));
  at += 2;
  for (; kinds.length < listLimit && at + 4 <= end;) {
    const kind = u16(body, at);
    const start = at + 4;
    const stop = start + u16(body, at + 2);
    kinds.push(kind);
    if (stop > end) break;
    if (kind === extensions.serverName && stop > start + 5)
      offer.serverName = text(body, start + 5, Math.min(stop, start + 5 + u16(body, start + 3)));
    else if (kind === extensions.applicationProtocols && stop > start + 3)
      offer.protocol = text(body, start + 3, Math.min(stop, start + 3 + u8(body, start + 2)));
    else if (kind === extensions.supportedVersions)
      offer.versions = values(body, start + 1, stop - start - 1);
    else if (kind === extensions.signatureAlgorithms)
      offer.signatures = values(body, start + 2, stop - start - 2);
    at = stop;
  }
  return offer;
}

/** TLS 1.3 puts the version that counts into an extension (RFC 8446 section 4.2.1). */
function chosenVersion(body: Uint8Array): number {
  let at = 34;
  at += 1 + u8(body, at) + 3;
  const end = Math.min(body.length, at + 2 + u16(body, at));
  at += 2;
  for (let n = 0; n < listLimit && at + 4 <= end; n++) {
    if (u16(body, at) === extensions.supportedVersions && u16(body, at + 2) === 2) return u16(body, at + 4);
    at += 4 + u16(body, at + 2);
  }
  return u16(body, 0);
}

/** The first flight of a direction, as far as it is there. */
export function decodeTls(bytes: Uint8Array): Parsed<TlsFlight> {
  if (recognizeTls(bytes) !== 'yes') return malformed('tls_no_hello', 0);
  const { body, ended } = unwrap(bytes);
  const client = u8(body, 0) === clientHello;
  const flight: { -readonly [K in keyof TlsFlight]: TlsFlight[K] } = { client, complete: ended };
  for (let at = 0, first = true; at + messageHeader <= body.length; first = false) {
    const type = u8(body, at);
    const end = at + messageHeader + u24(body, at + 1);
    const whole = end <= body.length;
    const unit = body.subarray(at + messageHeader, end);
    if (first && client) {
      const { serverName, ...hello } = readClientHello(unit);
      if (serverName !== undefined) flight.serverName = serverName;
      if (whole) flight.hello = hello;
    } else if (first) {
      if (whole && unit.length < 38) return malformed('tls_server_hello', at);
      if (whole) flight.version = chosenVersion(unit);
    } else if (type === certificateMessage && unit.length >= 6) {
      const length = u24(unit, 3);
      if (length > 0 && 6 + length <= unit.length) {
        flight.certificate = unit.slice(6, 6 + length);
        flight.complete = true;
        break;
      }
      // No certificate: the client has none.
      if (whole) flight.complete = true;
    }
    if (!whole) break;
    at = end;
  }
  return message(flight);
}
