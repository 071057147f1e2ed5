/**
 * POCT1-A, the point-of-care connectivity of blood gas, glucose and rapid test analysers: XML over TCP.
 *
 *   <HEL.R01> <HDR>…</HDR> <DEV> <DEV.vendor_id V="…"/> <DEV.model_id V="…"/> … </DEV> </HEL.R01>
 *
 * A device begins with HELLO. Results and lists of operators and patients come later, in other messages, and are
 * not read.
 */
import { malformed, message, text } from '../parsed.ts';
import type { Parsed } from '../parsed.ts';
import { deviceRoots, fields, hello, messageLimit, root } from './constants.ts';

export type DeviceField = keyof typeof fields;

export interface Poct1aMessage {
  /** `HEL`: the kind of the first message. */
  readonly kind: string;
  /** Devices send this kind. */
  readonly device: boolean;
  readonly fields: ReadonlyMap<DeviceField, string>;
  /** Not a HELLO, or all of it is there. */
  readonly complete: boolean;
}

const HEAD = 160;

export function recognizePoct1a(bytes: Uint8Array): 'yes' | 'no' | 'more' {
  const head = text(bytes, 0, bytes.length, HEAD);
  if (!/^\s*(?:<|$)/.test(head)) return 'no';
  if (root.test(head)) return 'yes';
  // A declaration and a comment may stand before the root.
  return /^\s*(?:<\?|<!|<$|<[A-Z]{0,3}\.?R?\d{0,2}$|$)/.test(head) ? 'more' : 'no';
}

export function decodePoct1a(bytes: Uint8Array): Parsed<Poct1aMessage> {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, messageLimit)).toString(
    'utf8',
  );
  const kind = root.exec(all.slice(0, HEAD))?.[1];
  if (kind === undefined) return malformed('poct1a_no_root', 0);
  const found = new Map<DeviceField, string>();
  let complete = true;
  if (kind === 'HEL') {
    const start = all.indexOf(hello.start);
    const end = all.indexOf(hello.end, start);
    complete = end >= 0;
    const body = all.slice(start, complete ? end : all.length);
    for (const [name, element] of Object.entries(fields) as [DeviceField, string][]) {
      const value = new RegExp(`<DEV\\.${element}\\s[^>]{0,80}?\\bV\\s*=\\s*"([^"<]{1,128})"`).exec(
        body,
      )?.[1];
      if (value !== undefined) found.set(name, value);
    }
  }
  return message({ kind, device: deviceRoots.has(kind), fields: found, complete });
}
