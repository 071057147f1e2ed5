/** IPP (RFC 8010 section 3, attributes of RFC 8011 section 5.4 and PWG 5100.13). */

// ---- specification ----

export const contentType = 'application/ipp';
/** Delimiter tags are below 0x10; printer attributes follow this one. */
export const delimiters = { end: 0x03, printer: 0x04, limit: 0x10 } as const;
export const header = 8;
/** Printer attributes that name equipment. Those of jobs name people and documents and are in another group. */
export const attributes: ReadonlySet<string> = new Set([
  'printer-make-and-model',
  'printer-device-id',
  'printer-firmware-string-version',
  'printer-location',
  'printer-name',
]);

// ---- implementation ----

/** Attributes of one answer that are stepped through, and of a chunked body the chunks. */
export const limits = { attributes: 512, chunks: 64 } as const;
