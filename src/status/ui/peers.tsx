/** The link: each peer of the tunnel, whether it is up, and how its keys were agreed. */
import type { VNode } from 'preact';
import type { PeerStatus } from '../../wire/messages.ts';
import { Table } from './table.tsx';
import type { Column } from './table.tsx';
import { agoText, bytesText, pluralText } from './words.ts';

/** WireGuard's Reject-After-Time (whitepaper section 6.1): older keys carry nothing, so the link is quiet. */
const REJECT_AFTER_MS = 180_000;

const isUp = (peer: PeerStatus, now: number): boolean =>
  peer.session !== undefined && peer.lastReceived !== undefined && now - peer.lastReceived < REJECT_AFTER_MS;

function State({ peer, now }: { readonly peer: PeerStatus; readonly now: number }): VNode {
  if (isUp(peer, now)) return <span class="level ok">up</span>;
  return <span class="level quiet">{peer.lastReceived === undefined ? 'not seen yet' : 'quiet'}</span>;
}

const endpointText = ({ endpoint }: PeerStatus): string => {
  if (!endpoint) return '–';
  return endpoint.address.includes(':')
    ? `[${endpoint.address}]:${endpoint.port}`
    : `${endpoint.address}:${endpoint.port}`;
};

const columns = (now: number): readonly Column<PeerStatus>[] => [
  { head: 'Peer', cell: (peer) => <strong>{peer.peer}</strong> },
  { head: 'Link', cell: (peer) => <State peer={peer} now={now} /> },
  {
    head: 'Last heard',
    cell: ({ lastReceived }) => (lastReceived === undefined ? '–' : agoText(now, lastReceived)),
  },
  { head: 'Keys', cell: ({ session }) => session?.kex ?? '–' },
  { head: 'From', cell: endpointText },
  { head: 'Received', numeric: true, cell: ({ receivedBytes }) => bytesText(receivedBytes) },
  { head: 'Sent', numeric: true, cell: ({ sentBytes }) => bytesText(sentBytes) },
];

export function Peers({
  peers,
  now,
}: {
  readonly peers: readonly PeerStatus[];
  readonly now: number;
}): VNode {
  const up = peers.filter((peer) => isUp(peer, now)).length;
  return (
    <section aria-labelledby="link">
      <header>
        <h2 id="link">Link</h2>
        <p>
          {up} of {pluralText(peers.length, 'peer')} up
        </p>
      </header>
      <Table
        caption="Peers of the tunnel"
        columns={columns(now)}
        rows={peers}
        keyOf={(peer) => peer.peer}
        empty="The tunnel tells of no peers."
      />
    </section>
  );
}
