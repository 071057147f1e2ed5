/**
 * What each process may do: its own uid, at most one capability, no new privileges, and its end with its
 * supervisor's. Said to setpriv(1) of util-linux; the systemd units say the same (User=, AmbientCapabilities=,
 * CapabilityBoundingSet=, NoNewPrivileges=).
 *
 * `--pdeathsig` must come with the change of user in one call: the kernel forgets it at a change of credentials.
 */
import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Config } from '../../wire/config.ts';
import type { ProcessName } from '../../wire/ids.ts';

/** In the order of starting: nobody waits for anybody, but the ones that others call come first. */
export const startOrder = ['audit', 'control', 'tunnel', 'broker', 'sensor'] as const satisfies ProcessName[];

/** Stages of stopping: sessions end while their decisions and their records can still be written. */
export const stopStages = [
  ['sensor', 'broker'],
  ['tunnel', 'control'],
  ['audit'],
] as const satisfies ProcessName[][];

const capabilities: { readonly [name in ProcessName]?: string } = { tunnel: 'net_admin', sensor: 'net_raw' };

/** The arguments of setpriv(1) that make a process of this machine's root into `name`. */
export function setprivArguments(name: ProcessName, uids: Config['uids']): string[] {
  const id = String(uids[name]);
  const own = capabilities[name];
  const set = own === undefined ? '-all' : `-all,+${own}`;
  return [
    `--reuid=${id}`,
    `--regid=${id}`,
    '--clear-groups',
    '--no-new-privs',
    `--inh-caps=${set}`,
    `--ambient-caps=${set}`,
    `--bounding-set=${set}`,
    '--pdeathsig=KILL',
  ];
}

const TUN = '/dev/net/tun';

/** A TUN node of its own in a mount namespace of its own; then the rest of the words are run. $0 is the owner. */
const OWN_TUN_NODE =
  `mount -t tmpfs -o mode=755,size=64k anteroom /dev/net && mknod -m 600 ${TUN} c 10 200 && ` +
  `chown "$0" ${TUN} && exec "$@"`;

/**
 * The words that start `program` as `name`. udev makes /dev/net/tun open to everyone and leaves the rest to
 * CAP_NET_ADMIN; on a machine without udev it is root's alone, so the tunnel gets a node of its own to open.
 */
export function startCommand(name: ProcessName, uids: Config['uids'], program: readonly string[]): string[] {
  const command = ['setpriv', ...setprivArguments(name, uids), ...program];
  if (name !== 'tunnel' || (statSync(TUN, { throwIfNoEntry: false })?.mode ?? 0o666) & 0o002) return command;
  return [
    'unshare',
    '--mount',
    '--propagation=private',
    'sh',
    '-c',
    OWN_TUN_NODE,
    String(uids[name]),
    ...command,
  ];
}

/** The first folder on the way to `file` that other users may not enter, if any. */
export function barredFolder(file: string): string | undefined {
  const parents: string[] = [];
  for (let at = dirname(file); ; at = dirname(at)) {
    parents.unshift(at);
    if (at === dirname(at)) break;
  }
  return parents.find((folder) => (statSync(folder).mode & 0o001) === 0);
}
