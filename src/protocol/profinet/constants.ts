/** PROFINET's discovery and configuration protocol, DCP (IEC 61158-6-10 section 4.3). */

// ---- specification ----

export const etherType = 0x8892;
/** Section 4.3.1: frame identifiers. Those of cyclic data are below. */
export const frameId = { hello: 0xfefc, getSet: 0xfefd, identify: 0xfefe, answer: 0xfeff } as const;
export const service = { get: 3, identify: 5, hello: 6 } as const;
export const serviceType = { request: 0, success: 1 } as const;
/** Option and suboption. */
export const blocks = {
  stationType: 0x0201,
  stationName: 0x0202,
  deviceId: 0x0203,
  role: 0x0204,
} as const;
/** Bits of the role. */
export const roles: readonly (readonly [number, string])[] = [
  [2, 'controller'],
  [8, 'supervisor'],
  [4, 'multidevice'],
  [1, 'device'],
];

// ---- implementation ----

export const blockLimit = 32;
