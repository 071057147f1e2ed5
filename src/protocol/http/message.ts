/**
 * The head of an HTTP/1 message (RFC 9112 section 2) or of an SSDP datagram.
 *
 *   start line CRLF · [name ":" value CRLF]* · CRLF · body
 *
 * Paths are not kept: they can name a person. Header names are lower case; the first of a name counts.
 */
import { malformed, message } from '../parsed.ts';
import type { Parsed } from '../parsed.ts';
import { limits, methods } from './constants.ts';

export interface HttpHead {
  readonly request: boolean;
  readonly method: string;
  /** Of a response; 0 of a request. */
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  /** Where the body begins; the length of what was given when the head isn't whole. */
  readonly body: number;
}

const latin1 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, limits.head)).toString('latin1');

/** Characters by which a head is known. */
const START = 16;
const isStart = (start: string): boolean => methods.test(start) || /^HTTP\/1\.[01] \d{3}/.test(start);

export const isHttp = (bytes: Uint8Array): boolean => isStart(latin1(bytes.subarray(0, START)));

/** `whole`: what was given is all there is; otherwise a head without its empty line is malformed. */
export function decodeHttp(bytes: Uint8Array, whole = false): Parsed<HttpHead> {
  const all = latin1(bytes);
  if (!isStart(all.slice(0, START))) return malformed('http_start_line', 0);
  const end = all.indexOf('\r\n\r\n');
  if (end < 0 && !whole) return malformed('http_head_open', all.length);
  const lines = (end < 0 ? all : all.slice(0, end)).split('\r\n', limits.lines);
  const start = lines[0] ?? '';
  const headers = new Map<string, string>();
  for (const line of lines.slice(1)) {
    const colon = line.indexOf(':');
    if (colon <= 0 || line.length > limits.line) continue;
    const name = line.slice(0, colon).trim().toLowerCase();
    if (!headers.has(name)) headers.set(name, line.slice(colon + 1).trim());
  }
  return message({
    request: !start.startsWith('HTTP/'),
    method: start.split(' ', 1)[0] ?? '',
    status: Number(/^HTTP\/1\.[01] (\d{3})/.exec(start)?.[1] ?? 0),
    headers,
    body: end < 0 ? all.length : end + 4,
  });
}
