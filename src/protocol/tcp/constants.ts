/** TCP options (RFC 9293 section 3.1 and the IANA registry) and the marks of p0f's signature language. */

// ---- specification ----

export const options = {
  end: 0,
  nop: 1,
  segmentSize: 2,
  windowScale: 3,
  selectivePermitted: 4,
  selective: 5,
  timestamps: 8,
} as const;
export const flags = { syn: 0x02, push: 0x08, ack: 0x10, urgent: 0x20, echo: 0x40, reduced: 0x80 } as const;
/** RFC 7323 section 2.3. */
export const windowScaleLimit = 14;
/** TTLs that systems start with; a packet's was one of them some hops ago. */
export const initialTtls = [32, 64, 128, 255] as const;

// ---- implementation ----

export const optionLimit = 40;
