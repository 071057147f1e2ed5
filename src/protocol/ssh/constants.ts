/** SSH identification strings (RFC 4253 section 4.2) and the key exchange that follows (section 7.1). */

// ---- specification ----

export const start = 'SSH-';
export const lineLimit = 255;
/** Binary packet: length 4, padding length 1, then the message (RFC 4253 section 6). */
export const packetHeader = 5;
export const keyExchangeInit = 20;
export const cookieBytes = 16;
/** Order of the name-lists of SSH_MSG_KEXINIT. */
export const nameLists = [
  'kex',
  'hostKey',
  'encryptionToServer',
  'encryptionToClient',
  'macToServer',
  'macToClient',
  'compressionToServer',
  'compressionToClient',
] as const;

// ---- implementation ----

/** Largest key exchange packet that is read; real ones have under 2 KB. */
export const packetLimit = 8192;
