/** Philips IntelliVue data export: numbers of its programming guide (ISO/IEEE 11073-10101 nomenclature). */

// ---- specification ----

/** Default ports: connect indications, association and data. */
export const ports = { beacon: 24_005, data: 24_105 } as const;
/** A connect indication begins with the nomenclature, a data message with session and context identifiers. */
export const nomenclature = 0x0000_0100;
export const dataSession = 0xe100;
export const sessions = { connect: 0x0d, accept: 0x0e } as const;
/** Both association messages carry these in their presentation header's start. */
export const associationVersion = [0x05, 0x08, 0x13, 0x01, 0x00] as const;
export const remoteOperations = { invoke: 1, result: 2, linked: 5 } as const;
/** Command types of a remote operation: reports are the monitor's, actions the client's. */
export const commands = { eventReport: 0, confirmedEventReport: 1, confirmedAction: 7 } as const;
/** Object class of the medical device system; what is polled of other classes (a patient's) is not read. */
export const systemClass = 0x0021;
/** Polls: action types, of which the extended one numbers its answers (programming guide, polling). */
export const polls = { single: 0x0c16, extended: 0xf13b } as const;
/** Attributes of equipment. Those of patients are not in this table, so they are not read. */
export const attributes = {
  bedLabel: 0x091e,
  model: 0x0928,
  production: 0x092d,
  systemId: 0x0984,
  systemType: 0x0986,
  address: 0xf100,
  protocols: 0xf101,
} as const;
/** Kinds of production specification. */
export const production = { serial: 1, part: 2, hardware: 3, software: 4, firmware: 5 } as const;

// ---- implementation ----

export const attributeLimit = 64;
/** Contexts and objects of one poll answer. */
export const pollLimits = { contexts: 8, objects: 16 } as const;
