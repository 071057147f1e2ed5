/** ASTM E1381/LIS01 framing and ASTM E1394/LIS02 records of laboratory analysers. */

// ---- specification ----

export const marks = { enquiry: 0x05, start: 0x02, transmissionEnd: 0x04 } as const;
/** What ends or begins a record or a frame: CR, STX, ETX, ETB, EOT, ENQ. */
export const separators = ['\r', '\u0002', '\u0003', '\u0017', '\u0004', '\u0005'] as const;
/** A header record begins `H|\^&|`: type, then the delimiters of fields, repeats, components and escapes. */
export const header = { component: 3, shortest: 5 } as const;
/** Position of the sender's name or identifier (E1394 section 7.1.5). */
export const fields = { sender: 4 } as const;
/** What an analyser sends (results, queries) and what a host does (orders without results). */
export const recordTypes = { order: 'O', result: 'R', query: 'Q', end: 'L' } as const;

// ---- implementation ----

export const textLimit = 8192;
export const recordLimit = 256;
