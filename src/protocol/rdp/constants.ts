/** Remote Desktop's first exchange ([MS-RDPBCGR] sections 2.2.1.1 and 2.2.1.2 over RFC 1006 and X.224). */

// ---- specification ----

export const tpkt = { version: 3, header: 4 } as const;
/** X.224 connection request and confirm; their fixed part is seven bytes with the length indicator. */
export const pdu = { request: 0xe0, confirm: 0xd0, fixed: 7 } as const;
export const cookie = 'Cookie: ';
export const negotiation = { request: 1, response: 2, failure: 3, length: 8 } as const;
/** Security protocols, as bits of a request and of the one that was selected. */
export const protocols: readonly (readonly [number, string])[] = [
  [1, 'TLS'],
  [2, 'CredSSP'],
  [4, 'RDSTLS'],
  [8, 'CredSSP-EX'],
  [16, 'AAD'],
];

// ---- implementation ----

/** Longest connection PDU that is taken for one. */
export const pduLimit = 512;
