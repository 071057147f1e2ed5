/** Bounds of the readers of advisories and device documents. All of them are ours to change. */

/** Nesting of a JSON document: CSAF branches may be deep, no published one is half as deep. */
export const MAX_JSON_DEPTH = 64;
/** Branches of a CSAF product tree below one another. */
export const MAX_BRANCH_DEPTH = 30;

/** Entries of a zip archive that are looked at, one entry unpacked, and all that are unpacked of one archive. */
export const MAX_ZIP_ENTRIES = 1_000;
export const MAX_ENTRY_BYTES = 16 * 1024 * 1024;
export const MAX_UNPACKED_BYTES = 32 * 1024 * 1024;

/** Elements open at once in an XML document, characters of one tag, and of one text. */
export const MAX_XML_DEPTH = 64;
export const MAX_TAG_CHARACTERS = 64 * 1024;

/** Of a workbook: shared strings, rows of one sheet, columns that are looked at, sheets. */
export const MAX_SHARED_STRINGS = 100_000;
export const MAX_ROWS = 5_000;
export const MAX_COLUMNS = 32;
export const MAX_SHEETS = 32;

/** Version texts and the parts of one. */
export const MAX_VERSION_CHARACTERS = 100;
export const MAX_RANGE_PARTS = 64;
