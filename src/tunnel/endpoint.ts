/**
 * Where a datagram came from or goes to, on the outside of the tunnel: 4 or 16 address bytes and a port.
 */
import { addressBytes, addressText } from '../wire/address.ts';
import type { Endpoint } from '../wire/address.ts';

export interface OuterEndpoint {
  readonly address: Uint8Array;
  readonly port: number;
}

export const endpointText = (endpoint: OuterEndpoint): Endpoint => ({
  address: addressText(endpoint.address),
  port: endpoint.port,
});

/** Undefined when the address isn't one. */
export function endpointBytes(endpoint: Endpoint): OuterEndpoint | undefined {
  const address = addressBytes(endpoint.address);
  return address && { address, port: endpoint.port };
}

export function sameEndpoint(a: OuterEndpoint | undefined, b: OuterEndpoint): boolean {
  return (
    a !== undefined &&
    a.port === b.port &&
    a.address.length === b.address.length &&
    a.address.every((byte, i) => byte === b.address[i])
  );
}

/** A copy, to be kept: the address of a datagram is a view of all that arrived with it. */
export const keptEndpoint = ({ address, port }: OuterEndpoint): OuterEndpoint => ({
  address: Uint8Array.from(address),
  port,
});

/** What a cookie is bound to: address and port, so that a cookie proves that its holder receives there. */
export function endpointIdentity(endpoint: OuterEndpoint): Uint8Array {
  return Uint8Array.of(...endpoint.address, endpoint.port >> 8, endpoint.port & 0xff);
}

/** What the rate limiter counts by: the whole IPv4 address, or the /64 of an IPv6 one. */
export function sourceBlock(endpoint: OuterEndpoint): string {
  const bytes = endpoint.address.length === 4 ? endpoint.address : endpoint.address.subarray(0, 8);
  return Buffer.from(bytes).toString('hex');
}
