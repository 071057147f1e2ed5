/**
 * Addresses as text, checked: IPv4 and IPv6 literals, CIDR prefixes, ports and endpoints. No names are
 * ever resolved: a device, a peer and a listener are given by address.
 *
 * The codec here turns text into bytes (4 or 16) and back, RFC 4291 section 2.2 and RFC 5952.
 */
import * as z from 'zod';
import { integer } from './scalar.ts';

export const ipAddress = z.union([z.ipv4(), z.ipv6()], { error: 'must be an IPv4 or IPv6 address' });
export const ipPrefix = z.union([z.cidrv4(), z.cidrv6()], {
  error: 'must be a prefix such as 100.96.0.0/16',
});
export const port = integer.min(1).max(65535);

/** An address and a port. */
export const endpoint = z.strictObject({ address: ipAddress, port });
export type Endpoint = z.infer<typeof endpoint>;

export const formatEndpoint = (e: Endpoint): string =>
  e.address.includes(':') ? `[${e.address}]:${e.port}` : `${e.address}:${e.port}`;

/** Bytes of an IP literal: 4 or 16, or undefined when `text` isn't one. */
export function addressBytes(text: string): Uint8Array | undefined {
  if (z.ipv4().safeParse(text).success) return Uint8Array.from(text.split('.').map(Number));
  if (!z.ipv6().safeParse(text).success) return undefined;
  let groups = text;
  const dotted = /(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text);
  if (dotted) {
    const [a, b, c, d] = dotted.slice(1).map(Number) as [number, number, number, number];
    groups = text.slice(0, dotted.index) + ((a << 8) | b).toString(16) + ':' + ((c << 8) | d).toString(16);
  }
  const [head = '', tail] = groups.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : 8 - left.length - right.length;
  const words = [...left, ...Array.from({ length: zeros }, () => '0'), ...right].map((w) =>
    Number.parseInt(w, 16),
  );
  const bytes = new Uint8Array(16);
  words.forEach((w, i) => {
    bytes[2 * i] = w >> 8;
    bytes[2 * i + 1] = w & 0xff;
  });
  return bytes;
}

/** Canonical text of 4 or 16 address bytes (RFC 5952 for IPv6); IPv4-mapped IPv6 is printed as IPv4. */
export function addressText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  const mapped = bytes.subarray(0, 10).every((b) => b === 0) && bytes[10] === 0xff && bytes[11] === 0xff;
  if (mapped) return bytes.subarray(12).join('.');
  const words = Array.from({ length: 8 }, (_, i) => ((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0));
  let best = { start: -1, length: 1 };
  for (let i = 0; i < 8; i++) {
    let n = 0;
    while (i + n < 8 && words[i + n] === 0) n++;
    if (n > best.length) best = { start: i, length: n };
  }
  const hex = words.map((w) => w.toString(16));
  if (best.start < 0) return hex.join(':');
  return `${hex.slice(0, best.start).join(':')}::${hex.slice(best.start + best.length).join(':')}`;
}

/** True when `address` lies in `prefix` (both as text); false for a family mismatch or bad text. */
export function inPrefix(address: string, prefix: string): boolean {
  const [base = '', lengthText = ''] = prefix.split('/');
  const a = addressBytes(address);
  const b = addressBytes(base);
  if (!a || !b || a.length !== b.length) return false;
  const length = Number(lengthText);
  for (let i = 0; i < a.length; i++) {
    const bits = Math.min(8, Math.max(0, length - 8 * i));
    const mask = (0xff << (8 - bits)) & 0xff;
    if (((a[i] ?? 0) & mask) !== ((b[i] ?? 0) & mask)) return false;
  }
  return true;
}
