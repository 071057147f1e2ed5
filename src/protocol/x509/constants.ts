/** X.509 certificates (RFC 5280) in DER (X.690): the tags and object identifiers of names and purposes. */

// ---- specification ----

export const tags = {
  oid: 0x06,
  octets: 0x04,
  sequence: 0x30,
  set: 0x31,
  version: 0xa0,
  extensions: 0xa3,
  dnsName: 0x82,
  uri: 0x86,
} as const;
/** Attributes of names (RFC 5280 appendix A.1). A mailbox or a given name has none here, so it isn't read. */
export const nameParts: ReadonlyMap<string, 'commonName' | 'organization' | 'unit'> = new Map([
  ['2.5.4.3', 'commonName'],
  ['2.5.4.10', 'organization'],
  ['2.5.4.11', 'unit'],
]);
/** Extensions (RFC 5280 sections 4.2.1.6 and 4.2.1.12). */
export const alternativeName = '2.5.29.17';
export const extendedKeyUsage = '2.5.29.37';

// ---- implementation ----

export const limits = { names: 8, purposes: 8, entries: 32, text: 96 } as const;
