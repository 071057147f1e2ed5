/** NTP (RFC 5905 section 7.3) and SNTP (section 14). */

// ---- specification ----

export const port = 123;
export const headerBytes = 48;
export const modes = { client: 3, server: 4, broadcast: 5 } as const;
export const offsets = {
  stratum: 1,
  poll: 2,
  precision: 3,
  rootDelay: 4,
  rootDispersion: 8,
  reference: 12,
  referenceTime: 16,
  originTime: 24,
  receiveTime: 32,
} as const;
/** Versions in use. */
export const versions = { first: 1, last: 4 } as const;
