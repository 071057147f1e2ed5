/**
 * An answer of the portal as bytes, RFC 9112. Every answer closes its connection, may not be kept by anyone, and tells
 * the browser that nothing on it may run: no script, no frame, no form to elsewhere.
 */
import { reasons } from './constants.ts';
import type { Status } from './constants.ts';

export interface Response {
  readonly status: Status;
  readonly type: 'text/html' | 'application/json' | 'text/css' | 'text/plain';
  readonly body: string;
  /** Of a 303. */
  readonly location?: string;
  /** Of a 405. */
  readonly allow?: string;
}

const COMMON = [
  'Connection: close',
  'Cache-Control: no-store',
  'X-Content-Type-Options: nosniff',
  'Referrer-Policy: no-referrer',
  "Content-Security-Policy: default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
  'Cross-Origin-Resource-Policy: same-origin',
];

/** `bodiless`: the answer to a HEAD. */
export function encodeResponse(
  { status, type, body, location, allow }: Response,
  bodiless = false,
): Uint8Array {
  const bytes = Buffer.from(body, 'utf8');
  const lines = [
    `HTTP/1.1 ${status} ${reasons[status]}`,
    `Content-Type: ${type}; charset=utf-8`,
    `Content-Length: ${bytes.length}`,
    ...COMMON,
    ...(location === undefined ? [] : [`Location: ${location}`]),
    ...(allow === undefined ? [] : [`Allow: ${allow}`]),
  ];
  const head = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
  return bodiless ? head : Buffer.concat([head, bytes]);
}

export const json = (status: Status, value: unknown): Response => ({
  status,
  type: 'application/json',
  body: `${JSON.stringify(value)}\n`,
});
