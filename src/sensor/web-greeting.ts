/**
 * What the ends of HTTP and TLS say first: servers, agents, UPnP and DPWS descriptions, printers over IPP, a TLS
 * client's fingerprint, the certificates that are shown in clear.
 *
 * A SOAP message of the medical profiles and a certificate for one of their roles make the flow IEEE 11073 SDC.
 */
import { decodeDescription, isMedicalSoap } from '../protocol/discovery/description.ts';
import { patientAnswer, patientRequest } from '../protocol/http/healthcare.ts';
import { decodeHttp, isHttp } from '../protocol/http/message.ts';
import { contentType as ippType } from '../protocol/ipp/constants.ts';
import { dechunk, decodeIpp, deviceId } from '../protocol/ipp/message.ts';
import { ja4 } from '../protocol/tls/ja4.ts';
import { decodeTls, recognizeTls } from '../protocol/tls/message.ts';
import { certificateNameText, decodeCertificate } from '../protocol/x509/message.ts';
import type { Side } from './flow.ts';
import { row } from './greeting.ts';
import type { ProtocolRow, Recognition, Speaker } from './identify.ts';

const upnpFields = ['manufacturer', 'modelName', 'modelNumber', 'modelDescription'] as const;

/** A UPnP device description (UPnP Device Architecture 1.1 section 2.3): the root device's own elements. */
function describeUpnp(speaker: Speaker, from: Side, body: string, at: number): void {
  for (const field of upnpFields) {
    const value = new RegExp(`<${field}>([^<]{1,128})<`).exec(body)?.[1];
    if (value !== undefined) speaker.say(from, `upnp.${field}`, value, at);
  }
}

/** A device that describes itself over DPWS; a medical one speaks SDC. */
function describeDevice(speaker: Speaker, from: Side, body: string, at: number): void {
  const described = decodeDescription(body);
  const medical = isMedicalSoap(body);
  if (described.size === 0 && !medical) return;
  const inner = speaker.as(medical ? 'sdc' : 'wsd');
  if (medical) inner.serves(from);
  for (const [field, value] of described) inner.say(from, field, value, at);
}

function describePrinter(speaker: Speaker, from: Side, body: Uint8Array, at: number): boolean {
  const decoded = decodeIpp(body);
  if (decoded.kind === 'malformed') return true;
  const ipp = speaker.as('ipp');
  ipp.serves(from);
  for (const [name, value] of decoded.message.printer) {
    if (name !== 'printer-device-id') {
      ipp.say(from, name, value, at);
      continue;
    }
    const { maker, model, serial } = deviceId(value);
    ipp.say(from, 'maker', maker, at);
    ipp.say(from, 'model', model, at);
    ipp.say(from, 'serial', serial, at);
  }
  return decoded.message.complete;
}

function readHttp(speaker: Speaker, from: Side, head: Uint8Array, at: number, last: boolean): boolean {
  const decoded = decodeHttp(head, last);
  if (decoded.kind === 'malformed') return decoded.name !== 'http_head_open';
  const { request, headers, body, status } = decoded.message;
  const type = headers.get('content-type') ?? '';
  if (!request && status === 100) return last ? true : readHttpAgain(speaker, from, head.subarray(body), at);
  if (request) {
    speaker.say(from, 'userAgent', headers.get('user-agent'), at);
    const about = patientRequest(Buffer.from(head.subarray(0, body)).toString('latin1'));
    if (about !== undefined) speaker.as(about).serves(from === 0 ? 1 : 0);
    if (!/soap\+xml/.test(type)) return true;
    const text = Buffer.from(head.subarray(body)).toString('utf8');
    if (!text.includes('Body') && !last) return false;
    if (isMedicalSoap(text)) speaker.as('sdc').serves(from === 0 ? 1 : 0);
    return true;
  }
  speaker.serves(from);
  speaker.say(from, 'server', headers.get('server'), at);
  speaker.say(from, 'realm', /realm="([^"]{1,80})"/.exec(headers.get('www-authenticate') ?? '')?.[1], at);
  const chunked = /chunked/i.test(headers.get('transfer-encoding') ?? '');
  const content = chunked ? dechunk(head.subarray(body)) : head.subarray(body);
  if (type.startsWith(ippType)) return describePrinter(speaker, from, content, at) || last;
  const about = patientAnswer(type, Buffer.from(content).toString('latin1'));
  if (about !== undefined) speaker.as(about).serves(from);
  if (!/xml/.test(type)) return true;
  const text = Buffer.from(content).toString('utf8');
  const whole = /<\/device>|<serviceList>|Envelope>\s*$/.test(text);
  if (!whole && !last) return false;
  if (text.includes('urn:schemas-upnp-org:device')) describeUpnp(speaker, from, text, at);
  else if (text.includes('Envelope')) describeDevice(speaker, from, text, at);
  return true;
}

/** After an interim answer (RFC 9110 section 15.2) comes the one that counts. */
const readHttpAgain = (speaker: Speaker, from: Side, head: Uint8Array, at: number): boolean =>
  httpStart(head) !== 'more' && readHttp(speaker, from, head, at, false);

/** Roles of ISO/IEEE 11073-20701, as key purposes of certificates. */
const sdcPurpose = /^1\.2\.840\.10004\.20701\.1\./;

function readCertificate(speaker: Speaker, from: Side, der: Uint8Array, at: number): void {
  const decoded = decodeCertificate(der);
  if (decoded.kind === 'malformed') return speaker.weird(decoded.name);
  const { subject, issuer, alternatives, purposes } = decoded.message;
  const medical = purposes.filter((purpose) => sdcPurpose.test(purpose));
  if (medical.length > 0) {
    const sdc = speaker.as('sdc');
    sdc.serves(from);
    for (const purpose of medical) sdc.say(from, 'certificate.purpose', purpose, at);
  }
  speaker.say(from, 'certificate.subject', certificateNameText(subject), at);
  speaker.say(from, 'certificate.issuer', certificateNameText(issuer), at);
  for (const name of alternatives) speaker.say(from, 'certificate.name', name, at);
}

/** Of a client only the hello is read: its certificate may be a person's. */
function readTls(speaker: Speaker, from: Side, head: Uint8Array, at: number, last: boolean): boolean {
  const decoded = decodeTls(head);
  if (decoded.kind === 'malformed') return true;
  const { client, complete, serverName, hello, version, certificate } = decoded.message;
  if (client) {
    if (hello === undefined && !last && !complete) return false;
    speaker.say(from, 'serverName', serverName, at);
    if (hello !== undefined) speaker.say(from, 'ja4', ja4(hello), at);
    return true;
  }
  speaker.serves(from);
  if (version !== undefined) speaker.say(from, 'version', versionText(version), at);
  if (certificate !== undefined) readCertificate(speaker, from, certificate, at);
  // TLS 1.3 encrypts what follows.
  return complete || (version ?? 0) > 0x0303;
}

/** 0x0303 is TLS 1.2 (RFC 5246), 0x0300 SSL 3.0. */
const versionText = (version: number): string =>
  version === 0x0300 ? 'SSL 3.0' : `TLS 1.${(version & 0xff) - 1}`;

function httpStart(head: Uint8Array): Recognition {
  if (isHttp(head)) return 'yes';
  if (head.length === 0) return 'more';
  if (head.length >= 12) return 'no';
  return /^[A-Z][A-Z/\d. -]*$/.test(Buffer.from(head).toString('latin1')) ? 'more' : 'no';
}

export const webGreetings: readonly ProtocolRow[] = [
  row('http', 'GPHDOCTSNM', httpStart, readHttp),
  row('tls', [0x16], recognizeTls, readTls),
];
