/**
 * `anteroom peers`: who may come in, how keys are agreed with each and when that last happened; and the way to let in
 * a peer again whose clock went back.
 */
import type { Command } from 'commander';
import { connect } from '../ipc/client.ts';
import { loadConfig, socketPath } from '../platform/config.ts';
import { silentLog } from '../platform/log.ts';
import { formatEndpoint } from '../wire/address.ts';
import { Fault } from '../wire/errors.ts';
import { peerId } from '../wire/ids.ts';
import { tunnelOperatorVerbs, tunnelPushes } from '../wire/messages.ts';
import type { PeerStatus } from '../wire/messages.ts';
import { bytes, printJson, span, table } from './console.ts';

const TIMEOUT_MS = 3_000;

/** The tunnel itself is asked: what it says holds while control is away. */
async function withTunnel<T>(
  use: (tunnel: ReturnType<typeof connect<typeof tunnelOperatorVerbs, typeof tunnelPushes>>) => Promise<T>,
): Promise<T> {
  const tunnel = connect({
    path: socketPath(loadConfig(), 'tunnel'),
    verbs: tunnelOperatorVerbs,
    pushes: tunnelPushes,
    log: silentLog,
  });
  try {
    return await use(tunnel);
  } finally {
    tunnel.close();
  }
}

const headings = ['PEER', 'POLICY', 'KEX', 'ENDPOINT', 'LAST HANDSHAKE', 'LAST HEARD', 'RECEIVED', 'SENT'];

export function peersTable(peers: readonly PeerStatus[], now: number): string {
  const ago = (at: number | undefined): string => (at === undefined ? 'never' : `${span(now - at)} ago`);
  return table(
    headings,
    peers.map((p) => [
      p.peer,
      p.policy ?? '-',
      p.session?.kex ?? 'not connected',
      p.endpoint ? formatEndpoint(p.endpoint) : '-',
      ago(p.lastHandshake),
      ago(p.lastReceived),
      bytes(p.receivedBytes),
      bytes(p.sentBytes),
    ]),
  );
}

export function register(program: Command): void {
  const peers = program
    .command('peers')
    .description('the peers: how keys have to be agreed with each, how they were, and when')
    .option('--json', 'as JSON')
    .action(async ({ json }: { json?: boolean }) => {
      const status = await withTunnel((tunnel) =>
        tunnel.call('tunnel.status', {}, { timeoutMs: TIMEOUT_MS }),
      );
      if (json === true) printJson(status.peers);
      else if (status.peers.length === 0) process.stdout.write('No peers.\n');
      else process.stdout.write(peersTable(status.peers, Date.now()));
    });
  peers
    .command('reset-clock')
    .description('accept handshakes again of a peer whose clock went back; goes on record')
    .argument('<peer>', 'its id')
    .action(async (name: string) => {
      const id = peerId.safeParse(name);
      if (!id.success) throw new Fault('PEER_UNKNOWN', name);
      await withTunnel((tunnel) =>
        tunnel.call('tunnel.resetClock', { peer: id.data }, { timeoutMs: TIMEOUT_MS }),
      );
      process.stdout.write(`The next handshake of ${name} is accepted whatever its time.\n`);
    });
}
