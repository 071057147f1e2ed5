/**
 * The stock peers of the interoperation tests: the wireguard-go that Debian bookworm installs (2022) and the newest one
 * that Debian has, unpacked under build/peers. A test asks for the build it is about and fails without it.
 */
import { fileURLToPath } from 'node:url';
import { delimiter } from 'node:path';
import { newestWireguardGo } from '../../bench/tunnel-peer.ts';
import type { PeerProgram } from '../../bench/tunnel-peer.ts';

/** The newest build; an error where only the installed one can be had. */
export function newestBuild(): PeerProgram {
  const program = newestWireguardGo(fileURLToPath(new URL('../../../', import.meta.url)));
  if (program.folder === '') throw new Error('the newest wireguard-go could not be fetched (see above)');
  return program;
}

/** From here on `wireguard-go` is `program`, in this process and those that it starts. */
export function use(program: PeerProgram): void {
  process.env['PATH'] = `${program.folder}${delimiter}${process.env['PATH'] ?? ''}`;
}
