/**
 * WS-Discovery datagrams: what a device says it is, and, for a medical device, where it stands.
 *
 *   SOAP envelope · wsa:Action …/Hello · wsd:Types · wsd:Scopes · wsd:XAddrs
 *
 * The few elements are found in the text, not by an XML parser: a prefix may be anything, content counts.
 * Of a location scope the query's parts are read: fac(ility), bldg, poc, rm, bed.
 */
import { malformed, message } from '../parsed.ts';
import type { Parsed } from '../parsed.ts';
import { actions, keyPurpose, medicalDevice, messageLimit } from './constants.ts';

export interface Discovery {
  readonly action: string;
  readonly types: string;
  readonly medical: boolean;
  readonly location?: string;
  readonly scopes: readonly string[];
  /** Ports of the addresses that it serves its own metadata at. */
  readonly ports: readonly number[];
}

const element = (text: string, name: string): string =>
  new RegExp(`<(?:[\\w-]+:)?${name}(?:\\s[^>]*)?>([^<]{0,4096})<`).exec(text)?.[1]?.trim() ?? '';

function locationOf(scopes: readonly string[]): string | undefined {
  const scope = scopes.find((s) => s.startsWith('sdc.ctxt.loc:'));
  const query = scope?.split('?', 2)[1];
  if (query === undefined) return undefined;
  const parts = new URLSearchParams(query.replaceAll('&amp;', '&'));
  const names = ['fac', 'bldng', 'bldg', 'flr', 'poc', 'rm', 'bed'].flatMap((key) => {
    const value = parts.get(key) ?? '';
    return value === '' ? [] : [`${key}=${value}`];
  });
  return names.length === 0 ? undefined : names.join(' ');
}

export function decodeDiscovery(bytes: Uint8Array): Parsed<Discovery> {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, messageLimit)).toString(
    'utf8',
  );
  if (!/^\s*</.test(text) || !text.includes('Envelope')) return malformed('discovery_no_envelope', 0);
  const action = actions.exec(text)?.[1];
  if (action === undefined) return malformed('discovery_no_action', 0);
  const types = element(text, 'Types');
  const scopes = element(text, 'Scopes')
    .split(/\s+/, 64)
    .filter((s) => s !== '');
  const location = locationOf(scopes);
  const ports = element(text, 'XAddrs')
    .split(/\s+/, 8)
    .flatMap((address) => {
      const port = Number(/^https?:\/\/(?:\[[^\]]*\]|[^/:]+):(\d{1,5})\//.exec(`${address}/`)?.[1] ?? 0);
      return port > 0 && port < 65_536 ? [port] : [];
    });
  return message({
    action,
    types,
    scopes,
    ports,
    medical: medicalDevice.test(types) || scopes.includes(keyPurpose),
    ...(location === undefined ? {} : { location }),
  });
}
