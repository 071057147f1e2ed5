/**
 * Logins without encryption: FTP and POP3 (RFC 959, RFC 1939), Telnet, HTTP Basic (RFC 7617), LDAP simple bind (RFC 4511
 * section 4.2), MQTT with a password (OASIS MQTT 3.1.1 section 3.1), SNMP v1 and v2c communities (RFC 3584 section 5).
 *
 * That there was one is the finding, held against the end that takes it. The secret itself is compared with two
 * famous defaults where that is possible and goes nowhere.
 */
import { patientRequest } from '../../protocol/http/healthcare.ts';
import { mark, saysAt } from './content.ts';
import type { ContentRule, Look } from './content.ts';
import type { Flow, Side } from '../flow.ts';
import type { Frame } from '../frame.ts';
import type { Reading } from '../identify.ts';

/** The server end: known, or the lower port. */
const serverOf = ({ opened, ends }: Flow<Reading>): Side => (opened || ends[1].port <= ends[0].port ? 1 : 0);
const server = ({ flow }: Look): Side => serverOf(flow);

function said(look: Look, protocol: string, evidence: string): void {
  if (look.has(mark.said)) return;
  look.set(mark.said);
  const side = server(look);
  look.raise(side, 'cleartext-credentials', `${protocol} ${look.flow.ends[side].port}`, evidence);
}

/** USER and PASS lines after a greeting. */
const commands: ContentRule = (look) => {
  const { bytes, from } = look;
  if (from === server(look)) {
    if (saysAt(bytes, 0, '220') || saysAt(bytes, 0, '+OK')) look.set(mark.greeted);
    return;
  }
  if (!look.has(mark.greeted)) return;
  if (saysAt(bytes, 0, 'USER ANONYMOUS') || saysAt(bytes, 0, 'USER FTP\r')) look.set(mark.anonymous);
  else if (saysAt(bytes, 0, 'USER ')) look.clear(mark.anonymous);
  else if (saysAt(bytes, 0, 'PASS ') && bytes.length > 7 && !look.has(mark.anonymous))
    said(look, look.protocol === 'ftp' ? 'ftp' : 'user-pass', 'a password in clear by a PASS command');
};

/** Bytes that are searched for words. */
const HEADERS = 4096;

const COLON = 0x3a;

const telnet: ContentRule = (look) => {
  const { bytes, from } = look;
  if (from === server(look)) {
    if (look.has(mark.asked) || !bytes.includes(COLON)) return;
    const prompt = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, HEADERS)).toString(
      'latin1',
    );
    if (/pass(word|code) ?:/i.test(prompt)) look.set(mark.asked);
  } else if (look.has(mark.asked) && bytes[0] !== 0xff)
    said(look, 'telnet', 'a password was asked for and typed over telnet');
};

const http: ContentRule = (look) => {
  const { bytes, from } = look;
  const first = bytes[0] ?? 0;
  // A request begins with its method; what goes on with a body doesn't.
  if (from === server(look) || first < 0x41 || first > 0x5a) return;
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, HEADERS));
  const text = buffer.toString('latin1');
  const end = text.indexOf('\r\n\r\n');
  const head = end < 0 ? text : text.slice(0, end);
  // What carries patients is called by its own name from then on: the baseline and the finding know it by that.
  if (look.protocol === 'http') look.flow.protocol = patientRequest(head) ?? 'http';
  if (/\r\nauthorization: *basic +[a-z0-9+/]/i.test(head))
    said(look, 'http', 'a password in clear by HTTP Basic');
};

/** HTTP, by whatever name. */
const web: ReadonlySet<string> = new Set(['http', 'fhir', 'dicomweb']);

/** SEQUENCE · messageID INTEGER · [APPLICATION 0] { version INTEGER · name OCTET STRING · [0] password }. */
const ldap: ContentRule = (look) => {
  const { bytes, flow } = look;
  if (flow.transport !== 'tcp' || bytes[0] !== 0x30 || look.has(mark.said)) return;
  let at = 2 + lengthOctets(bytes, 1);
  if (bytes[at] !== 0x02) return;
  at += 2 + (bytes[at + 1] ?? 0);
  if (bytes[at] !== 0x60) return;
  at += 2 + lengthOctets(bytes, at + 1);
  if (bytes[at] !== 0x02 || bytes[at + 1] !== 1) return;
  at += 3;
  const name = bytes[at + 1] ?? 0;
  if (bytes[at] !== 0x04 || name === 0 || name > 127) return;
  at += 2 + name;
  if (bytes[at] === 0x80 && (bytes[at + 1] ?? 0) > 0)
    said(look, 'ldap', 'a password in clear by an LDAP simple bind');
};

/** Octets of a BER length after its first. */
const lengthOctets = (bytes: Uint8Array, at: number): number => {
  const first = bytes[at] ?? 0;
  return first < 0x80 ? 0 : Math.min(4, first & 0x7f);
};

/** CONNECT with the password flag. */
const mqtt: ContentRule = (look) => {
  const { bytes, flow } = look;
  if (flow.transport !== 'tcp' || bytes[0] !== 0x10) return;
  const at = (bytes[1] ?? 0) < 0x80 ? 2 : 3;
  if (!saysAt(bytes, at + 2, 'MQTT') || bytes[at + 6] === undefined) return;
  if (((bytes[at + 7] ?? 0) & 0x40) !== 0) said(look, 'mqtt', 'a password in clear in an MQTT connect');
};

const SNMP = 161;

/** SEQUENCE · version 0 or 1 · community · a PDU. Answered ones alone: what nobody accepts is no login. */
const snmp: ContentRule = (look) => {
  const { bytes, flow, from } = look;
  if (flow.transport !== 'udp' || bytes[0] !== 0x30 || look.has(mark.said)) return;
  if (flow.ends[0].port !== SNMP && flow.ends[1].port !== SNMP) return;
  const at = 2 + lengthOctets(bytes, 1);
  const version = bytes[at + 2] ?? 9;
  if (bytes[at] !== 0x02 || bytes[at + 1] !== 1 || version > 1 || bytes[at + 3] !== 0x04) return;
  const length = bytes[at + 4] ?? 0;
  // GetResponse: the agent took it.
  if (length === 0 || length > 64 || bytes[at + 5 + length] !== 0xa2) return;
  const community = bytes.subarray(at + 5, at + 5 + length);
  const name = version === 0 ? 'SNMPv1' : 'SNMPv2c';
  look.set(mark.said);
  const isDefault = ['PUBLIC', 'PRIVATE'].some(
    (each) => each.length === length && saysAt(community, 0, each),
  );
  if (isDefault) look.raise(from, 'default-credentials', 'snmp', `${name} with a default community`);
  else look.raise(from, 'cleartext-credentials', 'snmp', `${name}: its community is a password in clear`);
};

/** Whether rules would look at more of a direction of what they know: logins once, of HTTP requests and not answers. */
export function wantsMore(flow: Flow<Reading>, from: Side, protocol: string): boolean {
  if (cleartextRules[protocol] === undefined || protocol === 'unknown') return true;
  if ((flow.mark & mark.said) !== 0 && protocol !== 'http') return false;
  return !web.has(protocol) || from !== serverOf(flow);
}

/** By what a flow speaks; `unknown` while nothing told. */
export const cleartextRules: Readonly<Record<string, readonly ContentRule[]>> = {
  ftp: [commands],
  telnet: [telnet],
  http: [http],
  fhir: [http],
  dicomweb: [http],
  unknown: [commands, ldap, mqtt],
};
export const cleartextDatagramRules: readonly ContentRule[] = [snmp];
/** A frame whose flow is of interest: of datagrams only what the rules on them are about. */
export const isLookedAt = ({ transport, sourcePort, destinationPort }: Frame): boolean =>
  transport !== 'udp' || sourcePort === SNMP || destinationPort === SNMP;
