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

/** The first folder on the way to `file` that other users may not enter, if any. */
export function barredFolder(file: string): string | undefined {
  const parents: string[] = [];
  for (let at = dirname(file); ; at = dirname(at)) {
    parents.unshift(at);
    if (at === dirname(at)) break;
  }
  return parents.find((folder) => (statSync(folder).mode & 0o001) === 0);
}
