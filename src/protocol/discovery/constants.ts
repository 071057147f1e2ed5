/** WS-Discovery (OASIS WS-DD 1.1) and the medical profile of it (IEEE 11073-20701, BICEPS context scopes). */

// ---- specification ----

export const port = 3702;
export const actions = /\/(Hello|Bye|Probe|ProbeMatches|Resolve|ResolveMatches)<\//;
export const medicalDevice = /\bMedicalDevice\b/;
export const keyPurpose = 'sdc.mds.pkp:1.2.840.10004.20701.1.1';

// ---- implementation ----

export const messageLimit = 16_384;
