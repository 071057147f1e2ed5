/**
 * What a printer answers of itself over IPP.
 *
 *   version 2 · status 2 · request 4 · [group 1 · [tag 1 · name length 2 · name · value length 2 · value]*]* · 03
 *
 * Only the printer's own group is read. An attribute without a name is a further value of the one before.
 */
import { malformed, message, text, u8, u16 } from '../parsed.ts';
import type { Parsed } from '../parsed.ts';
import { attributes, delimiters, header, limits } from './constants.ts';

export interface IppAnswer {
  readonly printer: ReadonlyMap<string, string>;
  /** The end was there. */
  readonly complete: boolean;
}

/** Takes HTTP's chunks apart (RFC 9112 section 7.1), as far as they are there. */
export function dechunk(body: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < body.length && parts.length < limits.chunks;) {
    const line = body.indexOf(0x0a, at);
    if (line < 0 || line - at > 16) break;
    const size = Number.parseInt(text(body, at, line), 16);
    if (!(size > 0)) break;
    parts.push(body.subarray(line + 1, line + 1 + size));
    at = line + 1 + size + 2;
  }
  return Buffer.concat(parts);
}

export function decodeIpp(bytes: Uint8Array): Parsed<IppAnswer> {
  const printer = new Map<string, string>();
  if (bytes.length <= header) return message({ printer, complete: false });
  const major = u8(bytes, 0);
  if (major < 1 || major > 2) return malformed('ipp_version', 0);
  let inPrinter = false;
  let at: number = header;
  for (let n = 0; n < limits.attributes && at < bytes.length; n++) {
    const tag = u8(bytes, at);
    if (tag === delimiters.end) return message({ printer, complete: true });
    if (tag < delimiters.limit) {
      inPrinter = tag === delimiters.printer;
      at++;
      continue;
    }
    const nameEnd = at + 3 + u16(bytes, at + 1);
    const end = nameEnd + 2 + u16(bytes, nameEnd);
    if (nameEnd + 2 > bytes.length || end > bytes.length) break;
    const name = inPrinter && nameEnd > at + 3 ? text(bytes, at + 3, nameEnd) : '';
    if (attributes.has(name) && !printer.has(name))
      printer.set(
        name,
        Buffer.from(bytes.subarray(nameEnd + 2, Math.min(end, nameEnd + 258))).toString('utf8'),
      );
    at = end;
  }
  return message({ printer, complete: false });
}

/** IEEE 1284.4 device identifier: `MFG:Maker;MDL:Model;SN:…;`, its keys also by their long names. */
export function deviceId(value: string): {
  readonly maker?: string;
  readonly model?: string;
  readonly serial?: string;
} {
  const fields = new Map(
    value.split(';', 32).flatMap((part): [string, string][] => {
      const colon = part.indexOf(':');
      return colon < 0 ? [] : [[part.slice(0, colon).trim().toUpperCase(), part.slice(colon + 1).trim()]];
    }),
  );
  const maker = fields.get('MFG') ?? fields.get('MANUFACTURER');
  const model = fields.get('MDL') ?? fields.get('MODEL');
  const serial = fields.get('SN') ?? fields.get('SERN') ?? fields.get('SERIALNUMBER');
  return {
    ...(maker === undefined ? {} : { maker }),
    ...(model === undefined ? {} : { model }),
    ...(serial === undefined ? {} : { serial }),
  };
}
