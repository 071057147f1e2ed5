/**
 * What the ends of a TCP connection say first, for protocols of which the first bytes tell enough: HTTP, TLS,
 * SSH, B. Braun BCC. One gathered head a direction, read once, then the flow is left alone.
 */
import { decodeBcc, recognizeBcc } from '../protocol/bcc/message.ts';
import { decodeHttp, isHttp } from '../protocol/http/message.ts';
import { decodeSsh, recognizeSsh } from '../protocol/ssh/message.ts';
import { decodeTls, recognizeTls } from '../protocol/tls/message.ts';
import type { Side } from './flow.ts';
import { Gather } from './gather.ts';
import type { Conversation, ProtocolRow, Recognition, Speaker } from './identify.ts';

/** Longest head that is waited for. */
const HEAD_LIMIT = 8192;

/** Reads what one direction began with; true when it was enough. `last`: no more will come. */
type ReadHead = (speaker: Speaker, from: Side, head: Uint8Array, at: number, last: boolean) => boolean;

class Greeting implements Conversation {
  readonly #speaker: Speaker;
  readonly #read: ReadHead;
  readonly #gathers: readonly [Gather, Gather];
  #at = 0;

  constructor(speaker: Speaker, read: ReadHead) {
    this.#speaker = speaker;
    this.#read = read;
    this.#gathers = [
      new Gather(HEAD_LIMIT, (n) => speaker.hold(n)),
      new Gather(HEAD_LIMIT, (n) => speaker.hold(n)),
    ];
  }

  push(from: Side, chunk: Uint8Array, at: number): boolean {
    this.#at = at;
    const gather = this.#gathers[from];
    if (gather.length === 0 && this.#read(this.#speaker, from, chunk, at, false)) return true;
    const room = gather.add(chunk.subarray(0, HEAD_LIMIT - gather.length));
    const enough = room && this.#read(this.#speaker, from, gather.bytes, at, gather.length === HEAD_LIMIT);
    if (!enough && room && gather.length < HEAD_LIMIT) return false;
    gather.release();
    return true;
  }

  ended(from: Side): void {
    const gather = this.#gathers[from];
    if (gather.length > 0) this.#read(this.#speaker, from, gather.bytes, this.#at, true);
    gather.release();
  }
}

const xmlFields = ['manufacturer', 'modelName', 'modelNumber', 'modelDescription'] as const;

/** A UPnP device description (UPnP Device Architecture 1.1 section 2.3): the root device's own elements. */
function describeUpnp(speaker: Speaker, from: Side, body: string, at: number): void {
  for (const field of xmlFields) {
    const value = new RegExp(`<${field}>([^<]{1,128})<`).exec(body)?.[1];
    if (value !== undefined) speaker.say(from, `upnp.${field}`, value, at);
  }
}

function readHttp(speaker: Speaker, from: Side, head: Uint8Array, at: number, last: boolean): boolean {
  const decoded = decodeHttp(head, last);
  if (decoded.kind === 'malformed') return decoded.name !== 'http_head_open';
  const { request, headers, body } = decoded.message;
  if (request) {
    speaker.say(from, 'userAgent', headers.get('user-agent'), at);
    return true;
  }
  speaker.serves(from);
  speaker.say(from, 'server', headers.get('server'), at);
  speaker.say(from, 'realm', /realm="([^"]{1,80})"/.exec(headers.get('www-authenticate') ?? '')?.[1], at);
  if (!/xml/.test(headers.get('content-type') ?? '')) return true;
  const text = Buffer.from(head.subarray(body)).toString('utf8');
  const whole = text.includes('</device>') || text.includes('<serviceList>');
  if (!whole && !last) return false;
  if (text.includes('urn:schemas-upnp-org:device')) describeUpnp(speaker, from, text, at);
  return true;
}

function readTls(speaker: Speaker, from: Side, head: Uint8Array, at: number): boolean {
  const decoded = decodeTls(head);
  if (decoded.kind === 'malformed') return true;
  if (decoded.message.client) speaker.say(from, 'serverName', decoded.message.serverName, at);
  else speaker.serves(from);
  return true;
}

function readSsh(speaker: Speaker, from: Side, head: Uint8Array, at: number, last: boolean): boolean {
  if (!last && !head.includes(0x0a) && head.length < 255) return false;
  const decoded = decodeSsh(head);
  if (decoded.kind === 'malformed') return true;
  if (from === 1) speaker.serves(from);
  speaker.say(from, 'software', decoded.message.software, at);
  return true;
}

function readBcc(speaker: Speaker, from: Side, head: Uint8Array, at: number, last: boolean): boolean {
  if (!last && !head.includes(0x04)) return false;
  const decoded = decodeBcc(head);
  if (decoded.kind === 'malformed') return true;
  // Values come from the pump system, commands from who reads it.
  if (!decoded.message.values) return true;
  speaker.serves(from);
  speaker.say(from, 'place', decoded.message.place, at);
  for (const serial of decoded.message.serials) speaker.say(from, 'pumpSerial', serial, at);
  return true;
}

function httpStart(head: Uint8Array): Recognition {
  if (isHttp(head)) return 'yes';
  if (head.length >= 12) return 'no';
  return /^[A-Z][A-Z/1. -]*$/.test(Buffer.from(head).toString('latin1')) ? 'more' : 'no';
}

const row = (name: string, recognize: (head: Uint8Array) => Recognition, read: ReadHead): ProtocolRow => ({
  name,
  recognize,
  converse: (speaker) => new Greeting(speaker, read),
});

export const greetings: readonly ProtocolRow[] = [
  row('http', httpStart, readHttp),
  row('tls', recognizeTls, readTls),
  row('ssh', recognizeSsh, readSsh),
  row('bcc', recognizeBcc, readBcc),
];
