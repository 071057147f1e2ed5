/**
 * Whether the firmware of this machine will start a kernel: its Authenticode signature (Microsoft, "Windows
 * Authenticode Portable Executable Signature Format", 2008; PKCS #7, RFC 2315) against the certificates in the firmware's
 * `db` (UEFI Specification 2.10, section 32.4.1). The manifest's signature says the kernel is ours; this says that the key
 * that signed it is one that this machine was given.
 *
 * What is hashed: the file without the checksum (4 bytes at optional header + 64), the directory entry of the
 * certificate table (8 bytes), and the table itself. What surprises: the signature is over the signed attributes written
 * as SET OF (0x31) although they stand in the message as [0] (0xa0), and over the digest of the signed content without
 * its outer tag and length. Only RSA with SHA-256 by a certificate that is itself in `db` counts, which is how our images
 * are signed; a chain is not followed.
 */
import { X509Certificate, createHash, timingSafeEqual, verify } from 'node:crypto';
import { tlv } from '../../protocol/ber.ts';
import type { Tlv } from '../../protocol/ber.ts';

const CERT_X509 = 'a159c0a5e494a74a87b5ab155c2bf072';
const PKCS7 = 0x0002;
const SPC_INDIRECT_DATA = '060a2b060104018237020104';
const MESSAGE_DIGEST = '06092a864886f70d010904';
const SHA256 = '0609608648016503040201';
const MAX_CERTIFICATES = 64;

/** The certificates of a `db` variable's content (lists of EFI_SIGNATURE_LIST). */
export function firmwareCertificates(db: Buffer): X509Certificate[] {
  const found: X509Certificate[] = [];
  for (let at = 0; at + 28 <= db.length && found.length < MAX_CERTIFICATES;) {
    const listSize = db.readUInt32LE(at + 16);
    const headerSize = db.readUInt32LE(at + 20);
    const size = db.readUInt32LE(at + 24);
    if (listSize < 28 + headerSize || at + listSize > db.length || size <= 16) break;
    if (db.toString('hex', at, at + 16) === CERT_X509)
      for (let each = at + 28 + headerSize; each + size <= at + listSize; each += size)
        found.push(new X509Certificate(db.subarray(each + 16, each + size)));
    at += listSize;
  }
  return found;
}

interface Portable {
  /** Digest of what is signed. */
  readonly digest: Buffer;
  /** PKCS #7 messages in the certificate table. */
  readonly signatures: readonly Buffer[];
}

/** Undefined when it isn't a PE file whose tables lie inside it. */
function portable(file: Buffer): Portable | undefined {
  if (file.length < 64 || file.readUInt16LE(0) !== 0x5a4d) return undefined;
  const header = file.readUInt32LE(60);
  const optional = header + 24;
  if (optional + 240 > file.length || file.toString('latin1', header, header + 4) !== 'PE\0\0')
    return undefined;
  if (file.readUInt16LE(optional) !== 0x20b || file.readUInt32LE(optional + 108) < 5) return undefined;
  const entry = optional + 112 + 4 * 8;
  const table = file.readUInt32LE(entry);
  const length = file.readUInt32LE(entry + 4);
  if (table < entry + 8 || table + length !== file.length) return undefined;
  const hash = createHash('sha256');
  hash.update(file.subarray(0, optional + 64));
  hash.update(file.subarray(optional + 68, entry));
  hash.update(file.subarray(entry + 8, table));
  const signatures: Buffer[] = [];
  for (let at = table; at + 8 < file.length;) {
    const size = file.readUInt32LE(at);
    if (size <= 8 || at + size > file.length) return undefined;
    if (file.readUInt16LE(at + 6) === PKCS7) signatures.push(file.subarray(at + 8, at + size));
    at += Math.ceil(size / 8) * 8;
  }
  return { digest: hash.digest(), signatures };
}

/** The elements inside an element; undefined when they don't fill it. */
function inside(bytes: Buffer, outer: Tlv | undefined): Tlv[] | undefined {
  if (!outer) return undefined;
  const found: Tlv[] = [];
  for (let at = outer.start; at < outer.end;) {
    const each = tlv(bytes, at, outer.end);
    if (!each) return undefined;
    found.push(each);
    at = each.end;
  }
  return found;
}

const equal = (a: Buffer, b: Buffer): boolean => a.length === b.length && timingSafeEqual(a, b);
const sha256 = (bytes: Buffer): Buffer => createHash('sha256').update(bytes).digest();

/** Whether a PKCS #7 message signs this digest with one of the certificates' keys. */
function signs(message: Buffer, digest: Buffer, trusted: readonly X509Certificate[]): boolean {
  const at = (element: Tlv | undefined): Buffer =>
    element ? message.subarray(element.start, element.end) : Buffer.alloc(0);
  const content = inside(message, tlv(message, 0, message.length))?.[1];
  const signed = inside(message, inside(message, content)?.[0]);
  const wrapped = inside(message, signed?.[2]);
  const signers = signed?.at(-1);
  if (!wrapped || !signers) return false;
  const [kind, body] = wrapped;
  if (!kind || !body || message.toString('hex', kind.start - 2, kind.end) !== SPC_INDIRECT_DATA) return false;
  const indirect = inside(message, body)?.[0];
  const stated = inside(message, inside(message, indirect)?.[1]);
  if (!indirect || !stated || !equal(at(stated[1]), digest)) return false;
  for (const signer of inside(message, signers) ?? []) {
    const fields = inside(message, signer) ?? [];
    // version, issuer and serial number, digest algorithm, [0] attributes, signature algorithm, signature
    const [, , algorithm, attributes, , signature] = fields;
    if (attributes?.tag !== 0xa0 || signature?.tag !== 0x04 || !algorithm) continue;
    if (!at(algorithm).toString('hex').startsWith(SHA256)) continue;
    const over = (inside(message, attributes) ?? []).find((each) =>
      at(each).toString('hex').startsWith(MESSAGE_DIGEST),
    );
    const value = inside(message, inside(message, over)?.[1])?.[0];
    if (!value || !equal(at(value), sha256(at(indirect)))) continue;
    const set = Buffer.from(message.subarray(algorithm.end, attributes.end));
    set[0] = 0x31;
    if (
      trusted.some(
        ({ publicKey }) =>
          publicKey.asymmetricKeyType === 'rsa' && verify('sha256', set, publicKey, at(signature)),
      )
    )
      return true;
  }
  return false;
}

/** Whether firmware with these certificates will start this file. */
export function firmwareStarts(file: Buffer, trusted: readonly X509Certificate[]): boolean {
  const parsed = portable(file);
  return parsed?.signatures.some((message) => signs(message, parsed.digest, trusted)) ?? false;
}
