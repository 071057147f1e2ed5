/** BACnet/IP (ANSI/ASHRAE 135, annex J and clauses 16, 20). */

// ---- specification ----

export const port = 47_808;
export const bvlc = 0x81;
export const npduVersion = 1;
export const npduControl = { destination: 0x20, source: 0x08, network: 0x80 } as const;
export const pdu = { confirmed: 0x00, unconfirmed: 0x10, complexAck: 0x30 } as const;
export const service = { iAm: 0, whoIs: 8, readProperty: 12 } as const;
export const objectDevice = 8;
export const property: ReadonlyMap<number, string> = new Map([
  [12, 'applicationSoftware'],
  [44, 'firmwareRevision'],
  [70, 'modelName'],
  [121, 'vendorName'],
]);
