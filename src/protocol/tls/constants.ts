/** TLS records and the ClientHello (RFC 8446 section 4.1.2, RFC 6066 section 3). */

// ---- specification ----

export const handshake = 0x16;
export const clientHello = 1;
export const serverHello = 2;
export const serverNameExtension = 0;
export const recordHeader = 5;

// ---- implementation ----

export const extensionLimit = 64;
