/**
 * Who a certificate is for and who signed it (RFC 5280 section 4.1). Nothing is verified: it is a claim.
 *
 *   SEQUENCE { TBS SEQUENCE { [0] version, serial, algorithm, issuer, validity, subject, key, …, [3] extensions } … }
 *   name       SEQUENCE { SET { SEQUENCE { OID, string } }* }
 *   extension  SEQUENCE { OID, [critical], OCTET STRING { value } }
 */
import { tlv } from '../ber.ts';
import type { Tlv } from '../ber.ts';
import { malformed, message, u8 } from '../parsed.ts';
import type { Parsed } from '../parsed.ts';
import { alternativeName, extendedKeyUsage, limits, nameParts, tags } from './constants.ts';

export interface CertificateName {
  readonly commonName?: string;
  readonly organization?: string;
  readonly unit?: string;
}

export interface Certificate {
  readonly subject: CertificateName;
  readonly issuer: CertificateName;
  /** DNS names of the subject. */
  readonly alternatives: readonly string[];
  /** Extended key purposes, dotted. */
  readonly purposes: readonly string[];
}

/** The elements inside another. Stops at the first that is out of bounds. */
function inside(bytes: Uint8Array, outer: Tlv): Tlv[] {
  const list: Tlv[] = [];
  for (let at = outer.start; at < outer.end && list.length < limits.entries;) {
    const next = tlv(bytes, at, outer.end);
    if (next === undefined) break;
    list.push(next);
    at = next.end;
  }
  return list;
}

/** X.690 section 8.19: base 128, the first byte two arcs. */
function oid(bytes: Uint8Array, { start, end }: Tlv): string {
  const first = u8(bytes, start);
  const arcs = [Math.min(2, Math.floor(first / 40))];
  arcs.push(first - 40 * (arcs[0] ?? 0));
  let arc = 0;
  for (let at = start + 1; at < end && arcs.length < limits.entries; at++) {
    arc = arc * 128 + (u8(bytes, at) & 0x7f);
    if ((u8(bytes, at) & 0x80) !== 0) continue;
    arcs.push(arc);
    arc = 0;
  }
  return arcs.join('.');
}

const string = (bytes: Uint8Array, { start, end }: Tlv): string =>
  Buffer.from(bytes.subarray(start, Math.min(end, start + limits.text))).toString('utf8');

function name(bytes: Uint8Array, outer: Tlv): CertificateName {
  const found: { -readonly [K in keyof CertificateName]: CertificateName[K] } = {};
  for (const set of inside(bytes, outer)) {
    for (const pair of inside(bytes, set)) {
      const [kind, value] = inside(bytes, pair);
      if (kind?.tag !== tags.oid || value === undefined) continue;
      const part = nameParts.get(oid(bytes, kind));
      if (part !== undefined) found[part] ??= string(bytes, value);
    }
  }
  return found;
}

function readExtensions(bytes: Uint8Array, outer: Tlv, alternatives: string[], purposes: string[]): void {
  const [list] = inside(bytes, outer);
  if (list === undefined) return;
  for (const extension of inside(bytes, list)) {
    const parts = inside(bytes, extension);
    const [kind] = parts;
    const value = parts.at(-1);
    if (kind?.tag !== tags.oid || value?.tag !== tags.octets) continue;
    const which = oid(bytes, kind);
    const content = tlv(bytes, value.start, value.end);
    if (content?.tag !== tags.sequence) continue;
    for (const entry of inside(bytes, content)) {
      if (which === alternativeName && entry.tag === tags.dnsName && alternatives.length < limits.names)
        alternatives.push(string(bytes, entry));
      else if (which === extendedKeyUsage && entry.tag === tags.oid && purposes.length < limits.purposes)
        purposes.push(oid(bytes, entry));
    }
  }
}

export function decodeCertificate(bytes: Uint8Array): Parsed<Certificate> {
  const outer = tlv(bytes, 0, bytes.length);
  if (outer?.tag !== tags.sequence) return malformed('x509_no_certificate', 0);
  const body = tlv(bytes, outer.start, outer.end);
  if (body?.tag !== tags.sequence) return malformed('x509_no_body', outer.start);
  const fields = inside(bytes, body);
  const first = fields[0]?.tag === tags.version ? 1 : 0;
  const issuer = fields[first + 2];
  const subject = fields[first + 4];
  if (issuer?.tag !== tags.sequence || subject?.tag !== tags.sequence)
    return malformed('x509_no_names', body.start);
  const alternatives: string[] = [];
  const purposes: string[] = [];
  const extensions = fields.find((field) => field.tag === tags.extensions);
  if (extensions !== undefined) readExtensions(bytes, extensions, alternatives, purposes);
  return message({ subject: name(bytes, subject), issuer: name(bytes, issuer), alternatives, purposes });
}

/** `CN=pump7 O=Maker`: what the parts of a name come to in one line. */
export function certificateNameText(certificate: CertificateName): string {
  const parts = [
    ['CN', certificate.commonName],
    ['O', certificate.organization],
    ['OU', certificate.unit],
  ] as const;
  return parts
    .flatMap(([key, value]) => (value === undefined || value === '' ? [] : [`${key}=${value}`]))
    .join(' ');
}
