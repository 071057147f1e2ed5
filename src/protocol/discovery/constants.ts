/** WS-Discovery (OASIS WS-DD 1.1) and the medical profile of it (IEEE 11073-20701, BICEPS context scopes). */

// ---- specification ----

export const port = 3702;
export const actions = /\/(Hello|Bye|Probe|ProbeMatches|Resolve|ResolveMatches)<\//;
export const medicalDevice = /\bMedicalDevice\b/;
export const keyPurpose = 'sdc.mds.pkp:1.2.840.10004.20701.1.1';
/** Namespaces of ISO/IEEE 11073-10207 (BICEPS) and -20701 (SDC). */
export const medicalNamespace =
  /standards\.ieee\.org\/downloads\/11073\/11073-(?:10207|20701)|urn:oid:1\.2\.840\.10004\.20701/;

// ---- implementation ----

export const descriptionLimit = 8192;
export const messageLimit = 16_384;
