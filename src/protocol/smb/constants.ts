/** SMB over TCP: framing ([MS-SMB2] section 2.1, RFC 1002 section 4.3), SMB1 ([MS-CIFS]) and SMB2 ([MS-SMB2]). */

// ---- specification ----

/** First byte of a frame; the rest of the four is its length. */
export const frame = { message: 0x00, request: 0x81, positive: 0x82, keepAlive: 0x85 } as const;
export const frameHeader = 4;
export const marks = {
  one: [0xff, 0x53, 0x4d, 0x42],
  two: [0xfe, 0x53, 0x4d, 0x42],
} as const;

/** SMB1: header and the two commands that name systems ([MS-CIFS] sections 2.2.3, 2.2.4.52, 2.2.4.53). */
export const one = {
  header: 32,
  command: 4,
  flags: 9,
  flags2: 10,
  reply: 0x80,
  unicode: 0x8000,
  negotiate: 0x72,
  sessionSetup: 0x73,
} as const;
/** Parameter words of each form of a session setup: plain and with a security token. */
export const words = {
  request: 13,
  requestToken: 12,
  response: 3,
  responseToken: 4,
  negotiated: 17,
} as const;

/** SMB2: header and the same two commands ([MS-SMB2] sections 2.2.1, 2.2.3 to 2.2.6). */
export const two = {
  header: 64,
  command: 12,
  flags: 16,
  next: 20,
  reply: 0x1,
  negotiate: 0,
  sessionSetup: 1,
  dialect: 4,
} as const;
export const dialects: Readonly<Record<number, string>> = {
  0x0202: '2.0.2',
  0x0210: '2.1',
  0x0300: '3.0',
  0x0302: '3.0.2',
  0x0311: '3.1.1',
};

// ---- implementation ----

/** Frames of one direction that are looked at. */
export const frameLimit = 16;
