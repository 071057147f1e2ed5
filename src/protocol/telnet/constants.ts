/** Telnet (RFC 854): commands inside the stream, and where a banner ends. */

// ---- specification ----

export const command = { interpret: 255, subBegin: 250, subEnd: 240, will: 251, dont: 254 } as const;

// ---- implementation ----

/** What is asked for after a banner; nothing past it is read. */
export const prompt =
  /\b(?:log[io]n|user ?name|user|password|account|passcode)\b[^\n]{0,40}[:>?]\s*$|\b(?:login|user ?name|password)\s*:/i;
export const limits = { text: 512, lines: 3 } as const;
