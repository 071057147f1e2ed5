/** TLS records, the first flights of both sides (RFC 8446 section 4, RFC 5246 section 7.4) and JA4's marks. */

// ---- specification ----

/** Record content types (RFC 8446 section 5.1). */
export const handshake = 0x16;
export const recordHeader = 5;
/** Largest record: 2^14 bytes and what encryption adds (RFC 5246 section 6.2.3). */
export const recordLimit = 0x4800;
/** Handshake types (RFC 8446 section 4). */
export const clientHello = 1;
export const serverHello = 2;
export const certificateMessage = 11;
export const messageHeader = 4;

/** Extensions (RFC 8446 section 4.2, RFC 6066 section 3, RFC 7301). */
export const extensions = {
  serverName: 0,
  signatureAlgorithms: 13,
  applicationProtocols: 16,
  supportedVersions: 43,
} as const;

/** Versions as JA4 writes them. */
export const versionNames: Readonly<Record<number, string>> = {
  0x0304: '13',
  0x0303: '12',
  0x0302: '11',
  0x0301: '10',
  0x0300: 's3',
  0x0002: 's2',
};

/** Reserved values that clients sprinkle in to keep servers tolerant (RFC 8701 section 2). */
export const isGrease = (value: number): boolean =>
  (value & 0x0f0f) === 0x0a0a && value >> 8 === (value & 0xff);

// ---- implementation ----

/** Entries of one list that are read; JA4 counts to 99. */
export const listLimit = 128;
