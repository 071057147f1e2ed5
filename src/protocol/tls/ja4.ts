/**
 * JA4: a TLS client's fingerprint (FoxIO's published description of JA4, whose TLS client part is under the BSD
 * licence; nothing else of that family is here).
 *
 *   t|q · version 2 · d|i · ciphers 2 digits · extensions 2 digits · first and last of the protocol
 *     _ SHA-256/48 of the ciphers, sorted
 *     _ SHA-256/48 of the extensions, sorted, without name and protocol, then "_" and the signature algorithms
 *
 * `t` over TCP, `q` over QUIC. GREASE values count nowhere. `d`: the client names the server; `i`: it goes to an address.
 */
import { hash } from 'node:crypto';
import { extensions, isGrease, versionNames } from './constants.ts';
import type { ClientHello } from './message.ts';

const hex = (value: number): string => value.toString(16).padStart(4, '0');
const made = (list: string): string => (list === '' ? '0'.repeat(12) : hash('sha256', list).slice(0, 12));

/** Digests of what was offered lately: programs are few, and each offers the same every time. */
const OFFERS = 256;
const digests = new Map<string, string>();

/** The digest of the list that `offered` is written as. */
function digest(offered: string, list: () => string): string {
  const known = digests.get(offered);
  if (known !== undefined) return known;
  if (digests.size >= OFFERS) digests.clear();
  const text = made(list());
  digests.set(offered, text);
  return text;
}

const count = (n: number): string => String(Math.min(n, 99)).padStart(2, '0');
const real = (values: readonly number[]): number[] => values.filter((value) => !isGrease(value));

/** First and last character; of a protocol that isn't written in letters and digits, of its hexadecimal form. */
function protocolMark(protocol: string | undefined): string {
  if (protocol === undefined || protocol === '') return '00';
  const ends = (value: string): string => `${value.charAt(0)}${value.charAt(value.length - 1)}`;
  return /^[0-9a-z].*[0-9a-z]$|^[0-9a-z]$/is.test(protocol)
    ? ends(protocol)
    : ends(Buffer.from(protocol, 'latin1').toString('hex'));
}

export function ja4(hello: ClientHello, over: 't' | 'q' = 't'): string {
  const ciphers = real(hello.ciphers);
  const kinds = real(hello.extensions);
  const version = Math.max(...real(hello.versions), 0) || hello.version;
  const named = kinds.includes(extensions.serverName) ? 'd' : 'i';
  const head = `${over}${versionNames[version] ?? '00'}${named}${count(ciphers.length)}${count(kinds.length)}`;
  const signatures = real(hello.signatures);
  const ciphersMark = digest(`c${ciphers.join()}`, () => ciphers.map(hex).sort().join(','));
  const restMark = digest(`e${kinds.join()}_${signatures.join()}`, () => {
    const told = kinds
      .filter((kind) => kind !== extensions.serverName && kind !== extensions.applicationProtocols)
      .map(hex)
      .sort()
      .join(',');
    const signed = signatures.map(hex).join(',');
    return kinds.length === 0 ? '' : signed === '' ? told : `${told}_${signed}`;
  });
  return `${head}${protocolMark(hello.protocol)}_${ciphersMark}_${restMark}`;
}
