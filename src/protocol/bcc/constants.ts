/** B. Braun SpaceCom BCC protocol: frame marks and the keys that name equipment. */

// ---- specification ----

export const port = 4001;
export const marks = { start: 0x01, text: 0x02, end: 0x03, record: 0x1e } as const;
/** Digits of the length between SOH and STX. */
export const lengthDigits = 5;
/** The pump's serial number. Keys of the drug (INSOL…) and of the infusion are not in this table. */
export const keys = { serial: 'INSERNUM' } as const;

// ---- implementation ----

export const frameLimit = 8192;
