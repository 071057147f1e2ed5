/** Bounds of HTTP/1 heads (RFC 9112), which SSDP (UPnP Device Architecture 1.1 section 1) shares. */

// ---- specification ----

export const methods =
  /^(?:GET|POST|PUT|HEAD|DELETE|OPTIONS|CONNECT|PATCH|TRACE|SUBSCRIBE|NOTIFY|M-SEARCH|PROPFIND) /;
export const version = /^(?:HTTP\/1\.[01] \d{3}| HTTP\/1\.[01]$)/;

// ---- implementation ----

export const limits = { head: 8192, lines: 64, line: 1024 } as const;
