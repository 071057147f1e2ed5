/** Numbers of DNS (RFC 1035), its multicast (RFC 6762), LLMNR (RFC 4795) and NetBIOS names (RFC 1002). */

// ---- specification ----

export const headerBytes = 12;
export const responseBit = 0x8000;
export const types = { a: 1, ptr: 12, hinfo: 13, txt: 16, aaaa: 28, netbios: 32, srv: 33 } as const;
/** RFC 1035 sections 2.3.4 and 4.1.4. */
export const nameBytes = 255;
export const pointer = 0xc0;
export const ports = { dns: 53, netbios: 137, multicast: 5353, llmnr: 5355 } as const;

// ---- implementation ----

/** Questions, and records, of one message that are looked at; pointers followed in one name. */
export const limits = { entries: 48, pointers: 8, texts: 24 } as const;
