/**
 * What the clinic needs of the machine, asked before anything is made: root, network namespaces, TUN, veth and
 * bridge devices, programs. A missing one is named in one line; nothing is skipped.
 */
import { execFileSync } from 'node:child_process';
import { accessSync, closeSync, constants, existsSync, openSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** A capability the machine lacks. `code`: 77 (EX_NOPERM) for rights, 69 (EX_UNAVAILABLE) for programs. */
export class MissingCapability extends Error {
  override readonly name = 'MissingCapability';
  readonly code: number;

  constructor(text: string, code: number) {
    super(text);
    this.code = code;
  }
}

/** Programs of Debian's packages that the clinic is made of. */
const programs: Readonly<Record<string, string>> = {
  ip: 'iproute2',
  ss: 'iproute2',
  nsenter: 'util-linux',
  setpriv: 'util-linux',
  nft: 'nftables',
  wg: 'wireguard-tools',
  'wireguard-go': 'wireguard-go',
  Orthanc: 'orthanc',
  dcmqrscp: 'dcmtk',
  echoscu: 'dcmtk',
  findscu: 'dcmtk',
  movescu: 'dcmtk',
  storescu: 'dcmtk',
};

const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin', '/usr/bin'];

function found(program: string): boolean {
  return folders.some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

export function requireCapabilities(more: Readonly<Record<string, string>> = {}): void {
  if (process.getuid?.() !== 0)
    throw new MissingCapability('this needs root: network namespaces and a TUN device are made', 77);
  const missing = Object.entries({ ...programs, ...more }).filter(([program]) => !found(program));
  if (missing.length > 0) {
    const names = missing.map(([program, owner]) => `${program} (package ${owner})`).join(', ');
    throw new MissingCapability(`not installed: ${names}`, 69);
  }
  try {
    closeSync(openSync('/dev/net/tun', 'r+'));
  } catch (error) {
    throw new MissingCapability(`no TUN device: /dev/net/tun: ${(error as Error).message}`, 77);
  }
  const probe = `arprobe${process.pid}`;
  const ip = (...args: string[]): void =>
    void execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  try {
    ip('netns', 'add', probe);
    ip('-n', probe, 'link', 'add', 'v0', 'type', 'veth', 'peer', 'name', 'v1');
    ip('-n', probe, 'link', 'add', 'b0', 'type', 'bridge');
  } catch (error) {
    const stderr = String((error as { stderr?: Buffer }).stderr ?? error).trim();
    throw new MissingCapability(`network namespaces cannot be made here: ${stderr}`, 77);
  } finally {
    if (existsSync(`/run/netns/${probe}`)) ip('netns', 'del', probe);
  }
}
