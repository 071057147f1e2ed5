/**
 * Siemens S7 communication over ISO transport on TCP (RFC 1006, ISO 8073): the numbers of its system status lists. The maker
 * publishes the lists (System Software for S7-300/400, system and standard functions, chapter on SZL) and not the frames, which
 * are as public dissectors read them.
 */

// ---- specification ----

export const port = 102;
export const tpkt = { version: 3, header: 4, limit: 2048 } as const;
/** ISO 8073: connection request and confirm, data; their parameters: TPDU size and the two selectors. */
export const cotp = {
  request: 0xe0,
  confirm: 0xd0,
  data: 0xf0,
  fixed: 7,
  parameters: [0xc0, 0xc1, 0xc2],
} as const;
export const magic = 0x32;
/** Remote operating service control: job, acknowledgement, its data, user data. */
export const kinds: ReadonlySet<number> = new Set([1, 2, 3, 7]);
export const userData = 7;
/** Of user data's parameters: an answer of the CPU functions to Read SZL. */
export const readAnswer = { type: 0x84, subfunction: 1 } as const;
/** Lists: who the module is by its orders, and by its names. */
export const lists = { identification: 0x0011, component: 0x001c } as const;
/** Entries of them by index. */
export const identification = { order: 1, firmware: 7, bytes: 28 } as const;
export const component: ReadonlyMap<number, string> = new Map([
  [1, 'station'],
  [2, 'module'],
  [5, 'serial'],
  [7, 'moduleType'],
]);
export const componentBytes = 34;

// ---- implementation ----

export const entryLimit = 32;
