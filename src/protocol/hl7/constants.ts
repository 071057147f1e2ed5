/** Bytes, codes and limits of HL7 version 2 (chapter 2, Control) and of MLLP (transport specification, release 1). */

// --- Specification ---------------------------------------------------------------------------------------

/** MLLP block: VT message FS CR. */
export const mllpBytes = { start: 0x0b, end: 0x1c, tail: 0x0d } as const;

/** Segments end with CR (section 2.5.1). LF is what many senders write instead, so both end one here. */
export const segmentEnds = { cr: 0x0d, lf: 0x0a } as const;

/** Positions in MSH that matter, counted as the standard does: MSH-1 is the field separator itself (section 2.14.9). */
export const msh = {
  encodingCharacters: 2,
  sendingApplication: 3,
  sendingFacility: 4,
  receivingApplication: 5,
  receivingFacility: 6,
  dateTime: 7,
  messageType: 9,
  controlId: 10,
  processingId: 11,
  version: 12,
  acceptAcknowledgement: 15,
  applicationAcknowledgement: 16,
  characterSet: 18,
} as const;

/** MSA-1, table 0008. */
export const acknowledgementCodes = {
  applicationReject: 'AR',
  commitAccept: 'CA',
  commitReject: 'CR',
  commitError: 'CE',
} as const;

/** MSH-15 and MSH-16, table 0155. */
export const acknowledgementConditions = { always: 'AL', never: 'NE', error: 'ER', success: 'SU' } as const;

/** ERR-3, table 0357. */
export const errorConditions = {
  requiredFieldMissing: ['101', 'Required field missing'],
  applicationInternalError: ['207', 'Application internal error'],
} as const;

/** Segments that open a message, a batch or a file: a frame holds one message, so only its first segment may be one. */
export const headerSegments: readonly string[] = ['MSH', 'BHS', 'FHS'];

// --- Implementation --------------------------------------------------------------------------------------

export const limits = {
  /** Largest message by default. */
  messageBytes: 1024 * 1024,
  /** Largest MSH segment. */
  headerBytes: 8192,
  /** Bytes outside any frame that a session may send before it is ended. */
  outsideBytes: 64 * 1024,
  /** Equipment identities kept from one message, and characters of each. */
  equipment: 16,
  equipmentChars: 128,
  /** Characters of the reason in an acknowledgement: MSA-3, and ERR-8 from version 2.5 on. */
  reasonChars: 80,
  userMessageChars: 250,
} as const;
