/** SSH identification strings (RFC 4253 section 4.2). */

// ---- specification ----

export const start = 'SSH-';
export const lineLimit = 255;
