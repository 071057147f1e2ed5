/** Numbers of DHCP (RFC 2131, RFC 2132) that identify a client. */

// ---- specification ----

/** RFC 2131 section 2: fixed fields, then the magic cookie of section 3. */
export const offsets = {
  op: 0,
  hardwareType: 1,
  hardwareLength: 2,
  clientHardware: 28,
  cookie: 236,
} as const;
export const magicCookie = 0x63825363;
export const request = 1;
export const ethernet = 1;

/** RFC 2132, and RFC 4702 for the last. */
export const options = {
  pad: 0,
  hostName: 12,
  messageType: 53,
  parameters: 55,
  vendorClass: 60,
  clientId: 61,
  clientName: 81,
  end: 255,
} as const;

// ---- implementation ----

/** Options of one message that are looked at. */
export const optionLimit = 64;
