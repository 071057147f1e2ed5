/**
 * Numbers and names of DICOM network communication: PS3.8 (upper layer), PS3.7 (DIMSE), PS3.4 and PS3.6
 * (SOP classes). The SOP class table says which service each class belongs to; what a service's commands need
 * is in action.ts.
 */

// --- Specification ---------------------------------------------------------------------------------------

/** PDU types, PS3.8 section 9.3.1. */
export const pduTypes = {
  associateRequest: 0x01,
  associateAccept: 0x02,
  associateReject: 0x03,
  data: 0x04,
  releaseRequest: 0x05,
  releaseResponse: 0x06,
  abort: 0x07,
} as const;

/** Type, a reserved byte, and the length of what follows (32 bits, big endian), PS3.8 section 9.3.1. */
export const pduHeaderBytes = 6;
/** A presentation data value: length of what follows (32 bits), context id, control header, PS3.8 section 9.3.5.1. */
export const pdvHeaderBytes = 6;
/** Protocol version, reserved, called and calling AE title, 32 reserved bytes, PS3.8 table 9-11. */
export const associateFixedBytes = 68;
export const aeTitleBytes = 16;

/** Control header of a PDV, PS3.8 annex E.2. */
export const pdvControl = { command: 0x01, last: 0x02 } as const;

/** Items of A-ASSOCIATE-RQ and -AC: PS3.8 section 9.3.2 and annex D; PS3.7 annex D.3.3. */
export const itemTypes = {
  applicationContext: 0x10,
  presentationContextRequest: 0x20,
  presentationContextAccept: 0x21,
  abstractSyntax: 0x30,
  transferSyntax: 0x40,
  userInformation: 0x50,
  maximumLength: 0x51,
  implementationClassUid: 0x52,
  asynchronousOperationsWindow: 0x53,
  roleSelection: 0x54,
  implementationVersionName: 0x55,
} as const;

/** A-ASSOCIATE-RJ, PS3.8 table 9-21. */
export const rejectResults = { permanent: 1, transient: 2 } as const;
export const rejectSources = { user: 1, providerAcse: 2, providerPresentation: 3 } as const;
export const rejectReasons = {
  /** With source `user`. */
  noReason: 1,
  callingAeTitleNotRecognized: 3,
  calledAeTitleNotRecognized: 7,
  /** With source `providerPresentation`. */
  temporaryCongestion: 1,
  localLimitExceeded: 2,
} as const;

/** A-ABORT, PS3.8 table 9-26. */
export const abortSources = { user: 0, provider: 2 } as const;
export const abortReasons = {
  notSpecified: 0,
  unrecognizedPdu: 1,
  unexpectedPdu: 2,
  unrecognizedParameter: 4,
  unexpectedParameter: 5,
  invalidParameter: 6,
} as const;

/** Command fields of requests, PS3.7 annex E; a response has `responseBit` set. C-CANCEL has no response. */
export const commandFields = {
  'C-STORE': 0x0001,
  'C-GET': 0x0010,
  'C-FIND': 0x0020,
  'C-MOVE': 0x0021,
  'C-ECHO': 0x0030,
  'N-EVENT-REPORT': 0x0100,
  'N-GET': 0x0110,
  'N-SET': 0x0120,
  'N-ACTION': 0x0130,
  'N-CREATE': 0x0140,
  'N-DELETE': 0x0150,
  'C-CANCEL': 0x0fff,
} as const;
export type CommandName = keyof typeof commandFields;
export const responseBit = 0x8000;

/** Elements of group 0000, PS3.7 annex E: the low half of the tag. */
export const commandElements = {
  groupLength: 0x0000,
  affectedSopClassUid: 0x0002,
  requestedSopClassUid: 0x0003,
  commandField: 0x0100,
  messageId: 0x0110,
  messageIdBeingRespondedTo: 0x0120,
  moveDestination: 0x0600,
  priority: 0x0700,
  commandDataSetType: 0x0800,
  status: 0x0900,
  errorComment: 0x0902,
  affectedSopInstanceUid: 0x1000,
  requestedSopInstanceUid: 0x1001,
  eventTypeId: 0x1002,
  actionTypeId: 0x1008,
} as const;

/** Command Data Set Type that says no data set follows; every other value says that one does. */
export const noDataSet = 0x0101;

/** Status, PS3.7 annex C. */
export const statuses = {
  success: 0x0000,
  /** Refused: Not Authorized, annex C.5.8. */
  notAuthorized: 0x0124,
  pending: 0xff00,
  pendingWithWarning: 0xff01,
} as const;
/** Error Comment is an LO: at most 64 characters. */
export const errorCommentChars = 64;

export const applicationContextName = '1.2.840.10008.3.1.1.1';

/** What a SOP class is for: the rows of the action table. */
export type Service =
  | 'verification'
  | 'storage'
  | 'find'
  | 'move'
  | 'get'
  | 'procedure-step'
  | 'procedure-step-reading'
  | 'procedure-step-notice'
  | 'print'
  | 'commitment'
  | 'unified-step'
  | 'availability'
  | 'event-log'
  | 'media';

export interface SopClass {
  readonly name: string;
  readonly service: Service;
}

const is = (service: Service, name: string): SopClass => ({ service, name });

/** SOP classes by UID, PS3.4 and PS3.6 table A-1. Storage classes that aren't named here match `storagePrefixes`. */
export const sopClasses: Readonly<Record<string, SopClass>> = {
  '1.2.840.10008.1.1': is('verification', 'Verification'),

  '1.2.840.10008.5.1.4.1.1.1': is('storage', 'Computed Radiography Image'),
  '1.2.840.10008.5.1.4.1.1.1.1': is('storage', 'Digital X-Ray Image, for presentation'),
  '1.2.840.10008.5.1.4.1.1.1.2': is('storage', 'Digital Mammography Image, for presentation'),
  '1.2.840.10008.5.1.4.1.1.2': is('storage', 'CT Image'),
  '1.2.840.10008.5.1.4.1.1.2.1': is('storage', 'Enhanced CT Image'),
  '1.2.840.10008.5.1.4.1.1.3.1': is('storage', 'Ultrasound Multi-frame Image'),
  '1.2.840.10008.5.1.4.1.1.4': is('storage', 'MR Image'),
  '1.2.840.10008.5.1.4.1.1.4.1': is('storage', 'Enhanced MR Image'),
  '1.2.840.10008.5.1.4.1.1.6.1': is('storage', 'Ultrasound Image'),
  '1.2.840.10008.5.1.4.1.1.7': is('storage', 'Secondary Capture Image'),
  '1.2.840.10008.5.1.4.1.1.9.1.1': is('storage', '12-lead ECG Waveform'),
  '1.2.840.10008.5.1.4.1.1.11.1': is('storage', 'Grayscale Softcopy Presentation State'),
  '1.2.840.10008.5.1.4.1.1.12.1': is('storage', 'X-Ray Angiographic Image'),
  '1.2.840.10008.5.1.4.1.1.20': is('storage', 'Nuclear Medicine Image'),
  '1.2.840.10008.5.1.4.1.1.88.11': is('storage', 'Basic Text SR'),
  '1.2.840.10008.5.1.4.1.1.88.59': is('storage', 'Key Object Selection Document'),
  '1.2.840.10008.5.1.4.1.1.88.67': is('storage', 'X-Ray Radiation Dose SR'),
  '1.2.840.10008.5.1.4.1.1.104.1': is('storage', 'Encapsulated PDF'),
  '1.2.840.10008.5.1.4.1.1.128': is('storage', 'Positron Emission Tomography Image'),
  '1.2.840.10008.5.1.4.1.1.481.1': is('storage', 'RT Image'),
  '1.2.840.10008.5.1.4.1.1.481.2': is('storage', 'RT Dose'),
  '1.2.840.10008.5.1.4.1.1.481.3': is('storage', 'RT Structure Set'),
  '1.2.840.10008.5.1.4.1.1.481.5': is('storage', 'RT Plan'),
  '1.2.840.10008.5.1.4.34.7': is('storage', 'RT Beams Delivery Instruction'),
  '1.2.840.10008.5.1.4.38.1': is('storage', 'Hanging Protocol'),
  '1.2.840.10008.5.1.4.39.1': is('storage', 'Color Palette'),

  '1.2.840.10008.5.1.1.27': is('storage', 'Stored Print (retired)'),
  '1.2.840.10008.5.1.1.29': is('storage', 'Hardcopy Grayscale Image (retired)'),
  '1.2.840.10008.5.1.1.30': is('storage', 'Hardcopy Color Image (retired)'),

  '1.2.840.10008.5.1.4.1.2.1.1': is('find', 'Patient Root Query/Retrieve - FIND'),
  '1.2.840.10008.5.1.4.1.2.1.2': is('move', 'Patient Root Query/Retrieve - MOVE'),
  '1.2.840.10008.5.1.4.1.2.1.3': is('get', 'Patient Root Query/Retrieve - GET'),
  '1.2.840.10008.5.1.4.1.2.2.1': is('find', 'Study Root Query/Retrieve - FIND'),
  '1.2.840.10008.5.1.4.1.2.2.2': is('move', 'Study Root Query/Retrieve - MOVE'),
  '1.2.840.10008.5.1.4.1.2.2.3': is('get', 'Study Root Query/Retrieve - GET'),
  '1.2.840.10008.5.1.4.1.2.3.1': is('find', 'Patient/Study Only Query/Retrieve - FIND (retired)'),
  '1.2.840.10008.5.1.4.1.2.3.2': is('move', 'Patient/Study Only Query/Retrieve - MOVE (retired)'),
  '1.2.840.10008.5.1.4.1.2.3.3': is('get', 'Patient/Study Only Query/Retrieve - GET (retired)'),
  '1.2.840.10008.5.1.4.1.2.4.2': is('move', 'Composite Instance Root Retrieve - MOVE'),
  '1.2.840.10008.5.1.4.1.2.4.3': is('get', 'Composite Instance Root Retrieve - GET'),
  '1.2.840.10008.5.1.4.1.2.5.3': is('get', 'Composite Instance Retrieve Without Bulk Data - GET'),
  '1.2.840.10008.5.1.4.31': is('find', 'Modality Worklist - FIND'),
  '1.2.840.10008.5.1.4.32.1': is('find', 'General Purpose Worklist - FIND (retired)'),
  '1.2.840.10008.5.1.4.37.1': is('find', 'General Relevant Patient Information Query'),
  '1.2.840.10008.5.1.4.37.2': is('find', 'Breast Imaging Relevant Patient Information Query'),
  '1.2.840.10008.5.1.4.37.3': is('find', 'Cardiac Relevant Patient Information Query'),
  '1.2.840.10008.5.1.4.38.2': is('find', 'Hanging Protocol - FIND'),
  '1.2.840.10008.5.1.4.38.3': is('move', 'Hanging Protocol - MOVE'),
  '1.2.840.10008.5.1.4.38.4': is('get', 'Hanging Protocol - GET'),
  '1.2.840.10008.5.1.4.39.2': is('find', 'Color Palette - FIND'),
  '1.2.840.10008.5.1.4.39.3': is('move', 'Color Palette - MOVE'),
  '1.2.840.10008.5.1.4.39.4': is('get', 'Color Palette - GET'),
  '1.2.840.10008.5.1.4.41': is('find', 'Product Characteristics Query'),
  '1.2.840.10008.5.1.4.42': is('find', 'Substance Approval Query'),

  '1.2.840.10008.3.1.2.3.3': is('procedure-step', 'Modality Performed Procedure Step'),
  '1.2.840.10008.3.1.2.3.4': is('procedure-step-reading', 'Modality Performed Procedure Step Retrieve'),
  '1.2.840.10008.3.1.2.3.5': is('procedure-step-notice', 'Modality Performed Procedure Step Notification'),

  '1.2.840.10008.1.20.1': is('commitment', 'Storage Commitment Push Model'),
  '1.2.840.10008.1.40': is('event-log', 'Procedural Event Logging'),
  '1.2.840.10008.1.42': is('event-log', 'Substance Administration Logging'),
  '1.2.840.10008.5.1.4.33': is('availability', 'Instance Availability Notification'),

  '1.2.840.10008.5.1.4.34.6.1': is('unified-step', 'Unified Procedure Step - Push'),
  '1.2.840.10008.5.1.4.34.6.2': is('unified-step', 'Unified Procedure Step - Watch'),
  '1.2.840.10008.5.1.4.34.6.3': is('unified-step', 'Unified Procedure Step - Pull'),
  '1.2.840.10008.5.1.4.34.6.4': is('unified-step', 'Unified Procedure Step - Event'),
  '1.2.840.10008.5.1.4.34.6.5': is('unified-step', 'Unified Procedure Step - Query'),

  '1.2.840.10008.5.1.1.1': is('print', 'Basic Film Session'),
  '1.2.840.10008.5.1.1.2': is('print', 'Basic Film Box'),
  '1.2.840.10008.5.1.1.4': is('print', 'Basic Grayscale Image Box'),
  '1.2.840.10008.5.1.1.4.1': is('print', 'Basic Color Image Box'),
  '1.2.840.10008.5.1.1.9': is('print', 'Basic Grayscale Print Management'),
  '1.2.840.10008.5.1.1.14': is('print', 'Print Job'),
  '1.2.840.10008.5.1.1.15': is('print', 'Basic Annotation Box'),
  '1.2.840.10008.5.1.1.16': is('print', 'Printer'),
  '1.2.840.10008.5.1.1.16.376': is('print', 'Printer Configuration Retrieval'),
  '1.2.840.10008.5.1.1.18': is('print', 'Basic Color Print Management'),
  '1.2.840.10008.5.1.1.23': is('print', 'Presentation LUT'),
  '1.2.840.10008.5.1.1.33': is('media', 'Media Creation Management'),
};

/** Every class below these is an object to be stored: PS3.4 annexes B.5 and GG.3. */
export const storagePrefixes: readonly string[] = [
  '1.2.840.10008.5.1.4.1.1.',
  '1.2.840.10008.5.1.4.43.',
  '1.2.840.10008.5.1.4.44.',
  '1.2.840.10008.5.1.4.45.',
];

const rows: ReadonlyMap<string, SopClass> = new Map(Object.entries(sopClasses));
const stored = is('storage', 'Image or document');

/** The row of a SOP class; undefined for a private or unknown one. */
export function sopClassOf(uid: string): SopClass | undefined {
  return rows.get(uid) ?? (storagePrefixes.some((prefix) => uid.startsWith(prefix)) ? stored : undefined);
}

// --- Implementation --------------------------------------------------------------------------------------

/** Limits of one direction of one association. Data is streamed, so the PDU limit bounds nothing but nonsense. */
export const limits = {
  pduBytes: 16 * 1024 * 1024,
  /** A-ASSOCIATE-RQ and -AC are held whole: 128 contexts with 20 transfer syntaxes each need about 80 KB. */
  associateBytes: 256 * 1024,
  /** A command set is held whole. */
  commandBytes: 64 * 1024,
  contexts: 128,
  transferSyntaxes: 64,
  /** UIDs have at most 64 characters (PS3.5 section 9.1). */
  uidChars: 64,
  /** Smallest maximum PDU length that is honoured when a peer names less. */
  smallestPdu: 128,
} as const;
