/**
 * Transports set up by hand for tests: namespaces and stations that are removed whatever happens, options, keys.
 *
 * Side 1 and side 2 are each other's peer PEER. `generation` numbers keypairs: local index side × 1000 + generation.
 */
import t from 'tap';
import { addressBytes } from '../../src/wire/address.ts';
import { Namespace, Station, type StationError } from './station.ts';

export const PEER = 7;
export const PORT = 5000;
/** Bytes of an IP literal. */
export const bytes = (text: string): Uint8Array => addressBytes(text) ?? new Uint8Array();
export const prefix = (text: string): { address: Uint8Array; prefix: number } => {
  const [address = '', length = ''] = text.split('/');
  return { address: bytes(address), prefix: Number(length) };
};
export const key = (fill: number): Uint8Array => new Uint8Array(32).fill(fill);
export const refused =
  (code: string) =>
  (error: unknown): string =>
    (error as StationError).code === code ? 'refused' : `refused with ${(error as StationError).code}`;

/** What is made is noted and undone here whatever happened. */
const made: { stations: Station[]; namespaces: Namespace[] } = { stations: [], namespaces: [] };
t.teardown(async () => {
  for (const station of made.stations) station.kill();
  for (const namespace of made.namespaces) await namespace.remove();
});

export async function namespace(label: string): Promise<Namespace> {
  const fresh = await Namespace.make(label);
  made.namespaces.push(fresh);
  return fresh;
}
export function station(where: Namespace, ...before: string[]): Station {
  const fresh = new Station(where, ...before);
  made.stations.push(fresh);
  return fresh;
}

export const options = (side: number, changes: object = {}): object => ({
  interfaceName: 'anteroom0',
  mtu: 1420,
  port: PORT,
  addresses: [prefix(`10.9.0.${side}/24`)],
  routes: [],
  local: [],
  ...changes,
});

/** Side 1 and side 2 joined by a veth; each is the other's peer 7. */
export async function pairOfNamespaces(): Promise<[Namespace, Namespace]> {
  const [one, two] = [await namespace('one'), await namespace('two')];
  await one.ip('link', 'add', 'outer', 'type', 'veth', 'peer', 'name', 'outer', 'netns', two.name);
  for (const [side, place] of [one, two].entries()) {
    await place.ip('address', 'add', `10.8.0.${side + 1}/24`, 'dev', 'outer');
    await place.ip('address', 'add', `fd00:8::${side + 1}/64`, 'dev', 'outer', 'nodad');
    await place.ip('link', 'set', 'outer', 'up');
  }
  return [one, two];
}

export async function setKeys(
  station: Station,
  side: number,
  generation: number,
  initiator: boolean,
): Promise<void> {
  const other = 3 - side;
  await station.transport('setKeypair', {
    peer: PEER,
    localIndex: side * 1000 + generation,
    remoteIndex: other * 1000 + generation,
    sendKey: key(generation * 2 + side),
    receiveKey: key(generation * 2 + other),
    initiator,
  });
}
