/**
 * What the ends of protocols that people and programs log in by say first: SSH, SMB, Remote Desktop, VNC, Telnet, FTP.
 * Machines are named, never users: whoever logs in is stepped over.
 */
import { decodeFtp, recognizeFtp } from '../protocol/ftp/message.ts';
import { decodeRdp, recognizeRdp } from '../protocol/rdp/message.ts';
import { decodeSmb, recognizeSmb } from '../protocol/smb/message.ts';
import { decodeKeyExchange, decodeSsh, hassh, recognizeSsh } from '../protocol/ssh/message.ts';
import { decodeTelnet, recognizeTelnet } from '../protocol/telnet/message.ts';
import { decodeVnc, recognizeVnc } from '../protocol/vnc/message.ts';
import type { Side } from './flow.ts';
import { row } from './greeting.ts';
import type { ProtocolRow, Speaker } from './identify.ts';

function readSsh(speaker: Speaker, from: Side, head: Uint8Array, at: number, last: boolean): boolean {
  if (!last && !head.includes(0x0a) && head.length < 255) return false;
  const decoded = decodeSsh(head);
  if (decoded.kind === 'malformed') return true;
  if (from === 1) speaker.serves(from);
  speaker.say(from, 'software', decoded.message.software, at);
  if (decoded.message.length === 0) return true;
  const exchange = decodeKeyExchange(head, decoded.message.length);
  if (exchange.kind === 'malformed') return true;
  if (exchange.message === undefined) return false;
  const client = from === 0;
  speaker.say(from, client ? 'hassh' : 'hasshServer', hassh(exchange.message, client), at);
  return true;
}

function readSmb(speaker: Speaker, from: Side, head: Uint8Array, at: number): boolean {
  const decoded = decodeSmb(head);
  if (decoded.kind === 'malformed') return true;
  const { server, dialect, nativeOs, nativeLanManager, ntlm, complete } = decoded.message;
  if (server === true) speaker.serves(from);
  speaker.say(from, 'dialect', dialect, at);
  speaker.say(from, 'nativeOs', nativeOs, at);
  speaker.say(from, 'nativeLanManager', nativeLanManager, at);
  if (ntlm !== undefined) {
    const words = speaker.as('ntlm');
    words.say(from, server === true ? 'serverVersion' : 'version', ntlm.version, at);
    words.say(from, 'computer', ntlm.computer, at);
    words.say(from, 'dnsComputer', ntlm.dnsComputer, at);
    words.say(from, 'domain', ntlm.domain, at);
  }
  return complete;
}

function readRdp(speaker: Speaker, from: Side, head: Uint8Array, at: number): boolean {
  const decoded = decodeRdp(head);
  if (decoded.kind === 'malformed') return decoded.name !== 'rdp_truncated';
  const { client, cookie, security } = decoded.message;
  if (!client) speaker.serves(from);
  speaker.say(from, client ? 'offers' : 'security', security, at);
  // It names a user: that there is one is enough.
  if (cookie) speaker.say(from, 'cookie', 'present', at);
  return true;
}

function readVnc(speaker: Speaker, from: Side, head: Uint8Array, at: number): boolean {
  const decoded = decodeVnc(head);
  if (decoded.kind === 'malformed') return true;
  // The server speaks first, the client repeats a version.
  if (from === 0) return true;
  speaker.serves(from);
  speaker.say(from, 'version', decoded.message.version, at);
  speaker.say(from, 'security', decoded.message.security, at);
  return decoded.message.security !== undefined;
}

function readTelnet(speaker: Speaker, from: Side, head: Uint8Array, at: number, last: boolean): boolean {
  // In the middle of a session there is no banner, and only in its beginning it is known who serves.
  if (!speaker.opened || from === 0) return true;
  const decoded = decodeTelnet(head);
  if (decoded.kind === 'malformed') return true;
  speaker.serves(from);
  if (!decoded.message.complete) return last;
  speaker.say(from, 'banner', decoded.message.text, at);
  return true;
}

function readFtp(speaker: Speaker, from: Side, head: Uint8Array, at: number, last: boolean): boolean {
  if (!last && !head.includes(0x0a)) return false;
  const decoded = decodeFtp(head);
  if (decoded.kind === 'malformed') return true;
  speaker.serves(from);
  speaker.say(from, 'banner', decoded.message.banner, at);
  speaker.say(from, 'system', decoded.message.system, at);
  // The reply to SYST comes a little later, if it does.
  return decoded.message.system !== undefined || head.length > 1024;
}

export const loginGreetings: readonly ProtocolRow[] = [
  row('ssh', 'S', recognizeSsh, readSsh),
  row('smb', [0, 0x81], recognizeSmb, readSmb),
  row('rdp', [3], recognizeRdp, readRdp),
  row('vnc', 'R', recognizeVnc, readVnc),
  row('telnet', [0xff], recognizeTelnet, readTelnet),
  row('ftp', '2', recognizeFtp, readFtp),
];
