/**
 * Protocol versions that are no longer safe, told by what a host said of itself: a table over its evidence and services.
 * Each is one finding a host; that a version was used is what counts, not how often.
 */
import type { Evidence, Service } from '../../wire/observation.ts';

interface WeakRule {
  /** Protocol and field. */
  readonly on: readonly [string, string];
  readonly pattern: RegExp;
  readonly key: string;
  readonly text: string;
}

const rules: readonly WeakRule[] = [
  {
    on: ['smb', 'dialect'],
    pattern: /^1$/,
    key: 'smb1',
    text: 'speaks SMB 1, which has no safe configuration',
  },
  { on: ['tls', 'version'], pattern: /^SSL/, key: 'ssl', text: 'chose SSL, broken since 2014 (RFC 7568)' },
  {
    on: ['tls', 'version'],
    pattern: /^TLS 1\.[01]/,
    key: 'tls-old',
    text: 'chose TLS older than 1.2 (RFC 8996)',
  },
  {
    on: ['tls', 'ja4'],
    pattern: /^t(s2|s3)/,
    key: 'ssl-client',
    text: 'offers nothing newer than SSL (RFC 7568)',
  },
  {
    on: ['tls', 'ja4'],
    pattern: /^t1[01]/,
    key: 'tls-old-client',
    text: 'offers nothing newer than TLS 1.1 (RFC 8996)',
  },
  { on: ['ssh', 'software'], pattern: /^SSH-1\./, key: 'ssh1', text: 'speaks SSH 1' },
  {
    on: ['vnc', 'security'],
    pattern: /none/i,
    key: 'vnc-open',
    text: 'lets anyone in by VNC without a password',
  },
];

const weakServices: Readonly<Record<string, string>> = {
  telnet: 'serves Telnet, which encrypts nothing',
};

export interface Weakness {
  readonly key: string;
  readonly evidence: string;
}

export function weaknesses(evidence: readonly Evidence[], services: readonly Service[]): Weakness[] {
  const found: Weakness[] = [];
  for (const { on, pattern, key, text } of rules) {
    const [protocol, field] = on;
    const is = (e: Evidence): boolean =>
      e.protocol === protocol && e.field === field && pattern.test(e.value);
    if (evidence.some(is)) found.push({ key, evidence: `${protocol} ${field}: ${text}` });
  }
  const served = services.flatMap(({ protocol, transport, port }) => {
    const text = protocol === undefined ? undefined : weakServices[protocol];
    return text === undefined ? [] : [{ key: `${protocol}`, evidence: `${transport}/${port}: ${text}` }];
  });
  return [...found, ...served];
}
