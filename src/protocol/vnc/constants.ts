/** The Remote Framebuffer protocol's first messages (RFC 6143 section 7.1). */

// ---- specification ----

export const versionLength = 12;
export const versionPattern = /^RFB (\d{3})\.(\d{3})\n$/;
/** Security types (RFC 6143 section 7.1.2 and its registry). */
export const securityTypes: Readonly<Record<number, string>> = {
  1: 'none',
  2: 'VNC authentication',
  5: 'RA2',
  6: 'RA2ne',
  16: 'Tight',
  18: 'TLS',
  19: 'VeNCrypt',
  30: 'Apple',
  35: 'Apple',
};
