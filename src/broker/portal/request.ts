/**
 * One HTTP/1.1 request, RFC 9112: read strictly, within fixed bounds, or refused with the status that says why.
 *
 *   method SP request-target SP HTTP/1.1 CRLF · [name ":" OWS value OWS CRLF]* · CRLF · Content-Length bytes
 *
 * Taken is the origin form of the target alone, with a path of plain characters and a query of `name=value`. What RFC 9112
 * leaves to a recipient's leniency is refused: bare LF, folded lines, white space before a colon, a field twice that must be
 * once, transfer codings. So there is one reading of every request and nothing to smuggle.
 */
import { MAX_BODY, MAX_FIELDS, MAX_HEAD, token } from './constants.ts';
import type { Status } from './constants.ts';

export interface HttpRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  /** By lower-case name. */
  readonly fields: ReadonlyMap<string, string>;
  readonly body: Uint8Array;
}

export type Parsed =
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'request'; readonly request: HttpRequest }
  | { readonly kind: 'malformed'; readonly status: Status; readonly detail: string; readonly offset: number };

const END = Buffer.from('\r\n\r\n', 'latin1');
const START = /^([A-Z]{1,16}) (\/[!-~]{0,1023}) HTTP\/1\.([0-9])$/;
const PATH = /^(\/[A-Za-z0-9._~-]*)+$/;
/** Visible characters, space, tab and obs-text: RFC 9110 section 5.5. */
const VALUE = /^[\t \x21-\x7e\x80-\xff]*$/;
/** Fields of which there may be many, joined as RFC 9110 section 5.2 says; of any other a second one is refused. */
const LISTS = new Set(['accept', 'accept-encoding', 'accept-language', 'cache-control', 'cookie', 'via']);

function malformed(status: Status, detail: string, offset: number): Parsed {
  return { kind: 'malformed', status, detail, offset };
}

/** Never throws. `bytes` is all that has come so far. */
export function parseRequest(bytes: Uint8Array): Parsed {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = all.subarray(0, MAX_HEAD + END.length).indexOf(END);
  if (end < 0) {
    if (all.length > MAX_HEAD) return malformed(431, 'head_too_large', MAX_HEAD);
    return { kind: 'incomplete' };
  }
  const lines = all.toString('latin1', 0, end).split('\r\n');
  const first = lines[0] ?? '';
  const [, method, target, minor] = START.exec(first) ?? [];
  if (method === undefined || target === undefined) {
    if (/ HTTP\/([02-9]|1\d)/.test(first)) return malformed(505, 'version', 0);
    return malformed(400, 'start_line', 0);
  }
  if (minor !== '1') return malformed(505, 'version', 0);
  if (lines.length - 1 > MAX_FIELDS) return malformed(431, 'too_many_fields', first.length);
  const fields = new Map<string, string>();
  let at = first.length + 2;
  for (const line of lines.slice(1)) {
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(0, colon)).toLowerCase();
    const value = line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '');
    if (!token.test(name) || !VALUE.test(line.slice(colon + 1))) return malformed(400, 'field', at);
    const before = fields.get(name);
    if (before !== undefined && !LISTS.has(name)) return malformed(400, 'field_twice', at);
    fields.set(name, before === undefined ? value : `${before}, ${value}`);
    at += line.length + 2;
  }
  if ((fields.get('host') ?? '') === '') return malformed(400, 'no_host', at);
  if (fields.has('transfer-encoding')) return malformed(501, 'transfer_coding', at);
  if (fields.has('expect')) return malformed(417, 'expectation', at);
  const length = fields.get('content-length');
  if (length !== undefined && !/^(0|[1-9][0-9]{0,9})$/.test(length)) return malformed(400, 'length', at);
  if (length === undefined && method === 'POST') return malformed(411, 'no_length', at);
  const size = Number(length ?? 0);
  if (size > MAX_BODY) return malformed(413, 'body_too_large', at);
  const [path = '', query = ''] = target.split('?', 2);
  if (!PATH.test(path) || path.includes('..')) return malformed(400, 'target', method.length + 1);
  const body = all.subarray(end + END.length);
  if (body.length < size) return { kind: 'incomplete' };
  // One request a connection: what comes behind it has no reading.
  if (body.length > size) return malformed(400, 'bytes_after', end + END.length + size);
  return { kind: 'request', request: { method, path, query: new URLSearchParams(query), fields, body } };
}

/** `application/x-www-form-urlencoded` (WHATWG URL section 5.1); undefined for bytes that aren't UTF-8. */
export function formOf(body: Uint8Array): URLSearchParams | undefined {
  try {
    return new URLSearchParams(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    return undefined;
  }
}

/** JSON in UTF-8; undefined for anything else. */
export function jsonOf(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body)) as unknown;
  } catch {
    return undefined;
  }
}
