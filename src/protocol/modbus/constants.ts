/** Modbus/TCP (Modbus Application Protocol 1.1b3; Messaging on TCP/IP 1.0b). */

// ---- specification ----

export const port = 502;
/** Transaction 2, protocol 2 (zero), length 2, unit 1; the length counts the unit and what follows. */
export const header = { bytes: 7, lengthAt: 4, unitAt: 6, lengthLimit: 254 } as const;
/** Section 6.21: Read Device Identification is MEI type 14 of the encapsulated interface. */
export const identification = { function: 0x2b, interface: 0x0e } as const;
export const exceptionBit = 0x80;
/** Functions of which a request's length is fixed: length field with unit and function. */
export const requestLengths: Readonly<Record<number, number>> = {
  1: 6,
  2: 6,
  3: 6,
  4: 6,
  5: 6,
  6: 6,
  7: 2,
  8: 6,
  11: 2,
  12: 2,
  17: 2,
  0x2b: 5,
};
/** Functions that answer with a byte count. */
export const countedAnswers: ReadonlySet<number> = new Set([1, 2, 3, 4, 12, 17, 20, 21, 23]);
/** Objects of section 6.21's table, basic and regular. */
export const objects: ReadonlyMap<number, string> = new Map([
  [0, 'vendor'],
  [1, 'product'],
  [2, 'revision'],
  [3, 'url'],
  [4, 'productName'],
  [5, 'model'],
  [6, 'application'],
]);
/** Units that are the device at the address itself; others are behind it, on a serial line. */
export const ownUnits: ReadonlySet<number> = new Set([0, 1, 255]);

// ---- implementation ----

export const limits = { objects: 16, units: 64 } as const;
