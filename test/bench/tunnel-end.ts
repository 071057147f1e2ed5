/**
 * One end of our own tunnel for the bench: the native transport in a small process, with keys that the parent sets
 * by hand over the channel `spawn` opened. No handshake: the packet paths alone are measured.
 */
import { addon, type TransportOffloads } from '../../src/platform/addon.ts';
import { addressBytes } from '../../src/wire/address.ts';

export interface EndOptions {
  readonly interfaceName: string;
  readonly port: number;
  readonly side: 1 | 2;
  readonly address: string;
  readonly peerAddress: string;
  readonly endpoint: { readonly address: string; readonly port: number };
  readonly offloads: Partial<TransportOffloads>;
}

export type EndRequest = { readonly open: EndOptions } | { readonly key: number };
export interface EndAnswer {
  readonly offloads: TransportOffloads;
  readonly counters: object;
}

const bytes = (text: string): Uint8Array => addressBytes(text) as Uint8Array;
const host = (text: string) => ({ address: bytes(text), prefix: 32 });
const key = (fill: number): Uint8Array => new Uint8Array(32).fill(fill);

let side = 1;
let transport: ReturnType<ReturnType<typeof addon>['openTransport']> | undefined;

process.on('message', (request: EndRequest) => {
  if ('open' in request) {
    const { open } = request;
    ({ side } = open);
    transport = addon().openTransport({
      interfaceName: open.interfaceName,
      mtu: 1420,
      port: open.port,
      addresses: [host(open.address)],
      routes: [host(open.peerAddress)],
      local: [],
      offloads: open.offloads,
      onHandshake: () => undefined,
      onActivity: () => undefined,
      onFailure: (error) => {
        throw error;
      },
    });
    transport.setPeer(0, [host(open.peerAddress)]);
    transport.setEndpoint(0, { address: bytes(open.endpoint.address), port: open.endpoint.port });
  } else {
    // Side 1 initiates: side 2 has to be told first.
    const [mine, theirs] = [side, 3 - side];
    transport?.setKeypair({
      peer: 0,
      localIndex: mine * 100_000 + request.key,
      remoteIndex: theirs * 100_000 + request.key,
      sendKey: key((request.key * 2 + mine) & 0xff),
      receiveKey: key((request.key * 2 + theirs) & 0xff),
      initiator: side === 1,
    });
    if (side === 1) transport?.sendKeepalive(0);
  }
  if (transport)
    process.send?.({ offloads: transport.offloads(), counters: transport.counters() } satisfies EndAnswer);
});
process.on('disconnect', () => transport?.close());
