/** SNMP v1 and v2c (RFC 1157, RFC 3416) and the system group of MIB-2 (RFC 3418). */

// ---- specification ----

export const tags = { integer: 0x02, octets: 0x04, oid: 0x06, sequence: 0x30, response: 0xa2 } as const;
/** 1.3.6.1.2.1.1.n.0 in BER, without n. */
export const systemGroup = [0x2b, 6, 1, 2, 1, 1] as const;
export const system = { description: 1, objectId: 2, name: 5, location: 6 } as const;

// ---- implementation ----

export const bindingLimit = 32;
