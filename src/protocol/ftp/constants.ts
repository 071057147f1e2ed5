/** FTP replies (RFC 959 section 4.2). */

// ---- specification ----

/** A server that is ready says 220; the reply to SYST (215) names its system. */
export const greeting = /^220[ -]([^\r\n]{0,256})/;
export const systemReply = /(?:^|\n)215 ([^\r\n]{1,128})[\r\n]/;

// ---- implementation ----

/** SMTP greets with the same code: the word tells them apart. */
export const mark = /\bftp|ftpd?\b/i;
