/** GE CARESCAPE/Unity network: time synchronization and discovery datagrams, as adapters' manuals describe them. */

// ---- specification ----

export const ports = { time: 2000, discovery: 7000 } as const;
/** A time datagram: length, where the sender repeats its address, its unit and bed, and the time. */
export const time = { length: 64, address: 6, place: 24, placeEnd: 37 } as const;
/** A discovery (RWHAT) datagram: where the sender repeats its address, its unit and bed. The patient's name follows. */
export const discovery = { shortest: 44, mark: [0x01, 0x04], address: 4, place: 12, placeEnd: 28 } as const;
