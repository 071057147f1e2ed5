/**
 * When a wireguard-go that was just started may be spoken to with `wg`: once it listens on its UAPI socket.
 *
 * Its file is there a moment earlier, between bind(2) and listen(2). `wg` that meets it then is refused, takes the socket
 * for one that a dead process left, and unlinks it; wireguard-go, which is about to watch the file, ends
 * with "Failed to listen on uapi socket: no such file or directory".
 */
import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { until } from './until.ts';

/** `Flags` of /proc/net/unix for a socket that listens: __SO_ACCEPTCON, include/linux/net.h. */
const LISTENING = '00010000';

/** One for the whole machine, whatever network namespaces the interfaces are in. */
export const uapiFolder = '/var/run/wireguard';
export const uapiSocket = (device: string): string => `${uapiFolder}/${device}.sock`;

/** The Unix sockets of the network namespace that `pid` is in, as /proc has them; none once it has ended. */
function socketsOf(pid = 0): string[] {
  try {
    return readFileSync(`/proc/${pid}/net/unix`, 'utf8').split('\n');
  } catch {
    return [];
  }
}

/** Until `child` listens for `wg` as `device`; an error with what `said` gives when it ends before. */
export async function uapiListens(
  child: ChildProcess,
  device: string,
  said: () => string = () => '',
): Promise<void> {
  await until(`wireguard-go listens as ${device}`, () => {
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Error(`wireguard-go ended, ${child.signalCode ?? child.exitCode}: ${said()}`);
    return socketsOf(child.pid).some((line) => {
      const [, , , flags, , , , path] = line.split(/\s+/);
      return flags === LISTENING && path === uapiSocket(device);
    });
  });
}
