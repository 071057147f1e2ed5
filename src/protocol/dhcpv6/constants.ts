/** DHCPv6 (RFC 8415): messages and options of clients that identify them. */

// ---- specification ----

export const ports = { client: 546, server: 547 } as const;
/** Message types that clients send (section 7.3). */
export const clientMessages: ReadonlySet<number> = new Set([1, 3, 4, 5, 6, 8, 9, 11]);
/** Sections 21.2, 21.7, 21.15, 21.16; RFC 4704 section 4. */
export const options = { clientId: 1, request: 6, userClass: 15, vendorClass: 16, clientName: 39 } as const;
/** Section 11: kinds of DUID. */
export const duid = { linkTime: 1, enterprise: 2, link: 3, uuid: 4 } as const;

// ---- implementation ----

export const limits = { options: 64, requested: 64 } as const;
