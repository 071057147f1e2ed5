/**
 * What both ends of SMB say before a session: dialect, native operating system, NTLM's names and version.
 *
 *   frame            0 · length 3 · message
 *   SMB1             FF "SMB" · command 1 · status 4 · flags 1 · flags2 2 · … 32 · word count 1 · words · byte count 2 · bytes
 *   session setup    request bytes: passwords · account · domain · native OS · native LAN manager
 *                    response bytes: native OS · native LAN manager · domain
 *                    with a token, the token stands first and the account is inside it
 *   SMB2             FE "SMB" · size 2 · credit 2 · status 4 · command 2 · credits 2 · flags 4 · next 4 · … 64 · body
 *
 * Accounts and passwords are stepped over. Later commands end the reading: they concern files.
 */
import { decodeNtlm, findNtlm } from '../ntlmssp/message.ts';
import type { NtlmMessage } from '../ntlmssp/message.ts';
import { malformed, message, text, u8, u16, u16le, u32le, wideText } from '../parsed.ts';
import type { Parsed } from '../parsed.ts';
import { dialects, frame, frameHeader, frameLimit, marks, one, two, words } from './constants.ts';

export interface SmbGreeting {
  /** The sender answers, so it is the server; undefined when nothing told. */
  readonly server?: boolean;
  readonly dialect?: string;
  readonly nativeOs?: string;
  readonly nativeLanManager?: string;
  readonly ntlm?: NtlmMessage;
  /** Commands other than those of the greeting follow. */
  readonly complete: boolean;
}

type Greeting = { -readonly [K in keyof SmbGreeting]: SmbGreeting[K] };

const systemName = /^[\x20-\x7e]{3,128}$/;

const begins = (bytes: Uint8Array, at: number, mark: readonly number[]): boolean =>
  mark.every((b, i) => bytes[at + i] === b);

export function recognizeSmb(bytes: Uint8Array): 'yes' | 'no' | 'more' {
  const first = u8(bytes, 0);
  // A NetBIOS session request names two machines in 68 bytes.
  if (first === frame.request) {
    if (bytes.length < 6) return 'more';
    return u8(bytes, 1) === 0 && u16(bytes, 2) === 68 && u8(bytes, 4) === 32 ? 'yes' : 'no';
  }
  if (first !== frame.message) return 'no';
  if (bytes.length < frameHeader + 4) return 'more';
  return begins(bytes, frameHeader, marks.one) || begins(bytes, frameHeader, marks.two) ? 'yes' : 'no';
}

function takeToken(bytes: Uint8Array, start: number, end: number, found: Greeting): void {
  const token = bytes.subarray(start, end);
  const at = findNtlm(token);
  if (at < 0) return;
  const decoded = decodeNtlm(token.subarray(at));
  if (decoded.kind === 'message') found.ntlm = { ...found.ntlm, ...decoded.message };
}

/** Strings one after another, NUL-terminated; wide ones are aligned to the message. */
function strings(bytes: Uint8Array, start: number, wide: boolean, count: number): string[] {
  const list: string[] = [];
  let at = wide ? start + (start & 1) : start;
  for (let n = 0; n < count && at < bytes.length; n++) {
    const value = wide ? wideText(bytes, at, bytes.length) : text(bytes, at, bytes.length);
    list.push(value);
    at += (value.length + 1) * (wide ? 2 : 1);
  }
  return list;
}

/** `bytes` is one SMB1 message. */
function readOne(bytes: Uint8Array, found: Greeting): void {
  const command = u8(bytes, one.command);
  const reply = (u8(bytes, one.flags) & one.reply) !== 0;
  found.server = reply;
  if (command !== one.negotiate && command !== one.sessionSetup) {
    found.complete = true;
    return;
  }
  const wide = (u16le(bytes, one.flags2) & one.unicode) !== 0;
  const count = u8(bytes, one.header);
  const parameters = one.header + 1;
  const data = parameters + 2 * count + 2;
  if (data > bytes.length) return;
  if (command === one.negotiate) {
    if (reply && count === words.negotiated) found.dialect = '1';
    return;
  }
  const token = reply ? count === words.responseToken : count === words.requestToken;
  if (!token && count !== (reply ? words.response : words.request)) return;
  let at = data;
  if (token) {
    const length = u16le(bytes, parameters + (reply ? 6 : 14));
    takeToken(bytes, data, data + length, found);
    at += length;
  } else if (!reply) {
    at += u16le(bytes, parameters + 14) + u16le(bytes, parameters + 16);
  }
  const list = strings(bytes, at, wide, 4);
  // Account and domain stand before the system's names when there is no token.
  const [os, manager] = !token && !reply ? list.slice(2) : list;
  // Exploits put noise where names belong.
  if (os !== undefined && systemName.test(os)) found.nativeOs = os;
  if (manager !== undefined && systemName.test(manager)) found.nativeLanManager = manager;
}

/** `bytes` is one SMB2 message. */
function readTwo(bytes: Uint8Array, found: Greeting): void {
  if (bytes.length < two.header + 4) return;
  const command = u16le(bytes, two.command);
  const reply = (u32le(bytes, two.flags) & two.reply) !== 0;
  found.server = reply;
  if (command !== two.negotiate && command !== two.sessionSetup) {
    found.complete = true;
    return;
  }
  if (command === two.negotiate) {
    const dialect = reply ? dialects[u16le(bytes, two.header + two.dialect)] : undefined;
    if (dialect !== undefined) found.dialect = dialect;
    return;
  }
  const field = two.header + (reply ? 4 : 12);
  const start = u16le(bytes, field);
  if (start >= two.header) takeToken(bytes, start, start + u16le(bytes, field + 2), found);
}

/** The frames that a direction begins with, as far as they are there. */
export function decodeSmb(bytes: Uint8Array): Parsed<SmbGreeting> {
  if (recognizeSmb(bytes) === 'no' && u8(bytes, 0) !== frame.positive) return malformed('smb_no_frame', 0);
  const found: Greeting = { complete: false };
  let at = 0;
  for (let n = 0; n < frameLimit && at + frameHeader <= bytes.length && !found.complete; n++) {
    const kind = u8(bytes, at);
    const start = at + frameHeader;
    const end = start + u8(bytes, at + 1) * 0x10000 + u16(bytes, at + 2);
    if (kind === frame.message) {
      if (end > bytes.length) break;
      const unit = bytes.subarray(start, end);
      if (begins(unit, 0, marks.one) && unit.length > one.header) readOne(unit, found);
      else if (begins(unit, 0, marks.two)) readTwo(unit, found);
      else return malformed('smb_no_message', start);
    } else if (kind < frame.request || kind > frame.keepAlive) return malformed('smb_bad_frame', at);
    at = end;
  }
  return message(found);
}
