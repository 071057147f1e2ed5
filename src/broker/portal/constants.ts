/** Numbers and words of the portal's HTTP: what RFC 9112 and RFC 9110 fix, and what is ours. */

// ── specification ────────────────────────────────────────────────────────────────────────────────────

/** RFC 9110 section 15, and RFC 6585 for 429 and 431. */
export const reasons = {
  200: 'OK',
  303: 'See Other',
  400: 'Bad Request',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  409: 'Conflict',
  411: 'Length Required',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  417: 'Expectation Failed',
  421: 'Misdirected Request',
  422: 'Unprocessable Content',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  503: 'Service Unavailable',
  505: 'HTTP Version Not Supported',
} as const;
export type Status = keyof typeof reasons;

/** RFC 9110 section 5.6.2. */
export const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

// ── implementation ───────────────────────────────────────────────────────────────────────────────────

/** Bytes of a request's head and of its body, and how many fields it has. */
export const MAX_HEAD = 8_192;
export const MAX_BODY = 16_384;
export const MAX_FIELDS = 64;
/** How long a whole request may take to arrive, and an answer to leave, ms. */
export const REQUEST_LIMIT = 10_000;
export const ANSWER_LIMIT = 15_000;
/** Connections from one peer, and in all. */
export const VISITS_PER_PEER = 8;
export const VISITS = 128;
