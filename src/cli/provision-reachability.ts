/**
 * The self-test's question to devices: does this address answer? Only for addresses that somebody named, on the command
 * line or on the stick, and only inside the enclave's own network. Nothing else of the gateway sends a device anything
 * that isn't a session's.
 *
 * The asking is `main/reachability.ts`, which runs as nobody with CAP_NET_RAW alone (setpriv(1)). The packet filter keeps
 * everybody but the broker out of the enclave: the addresses stand in its set `reachability` for the seconds of the
 * question, and leave it by themselves.
 */
import { execFile } from 'node:child_process';
import { BlockList } from 'node:net';
import { networkInterfaces } from 'node:os';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import * as z from 'zod';

const NOBODY = '65534';
/** Longer than all tries of `main/reachability.ts` together. */
const PATIENCE_MS = 20_000;
/** And this longer than that, should nobody be left to close the filter. */
const FILTER_SECONDS = 30;
const FILTER_SET = ['inet', 'anteroom', 'reachability'];

export const reachabilitySchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('asked'),
    answered: z.array(z.string()).readonly(),
    silent: z.array(z.string()).readonly(),
  }),
  /** Not in the enclave's network; nobody was asked. */
  z.strictObject({ kind: z.literal('outside'), addresses: z.array(z.string()).readonly() }),
  z.strictObject({ kind: z.literal('failed'), why: z.string() }),
]);
export type Reachability = z.infer<typeof reachabilitySchema>;

const run = promisify(execFile);
const program = fileURLToPath(
  new URL(`../main/reachability${extname(new URL(import.meta.url).pathname)}`, import.meta.url),
);
const report = z.record(z.string(), z.number().nullable());

const numberOf = (address: string): number =>
  address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);

/** Whether `address` is a host's in one of the prefixes, and not our own. */
export function isNeighbour(address: string, prefixes: readonly string[]): boolean {
  return prefixes.some((prefix) => {
    const [own = '', bits = ''] = prefix.split('/');
    const size = 2 ** (32 - Number(bits));
    const list = new BlockList();
    list.addSubnet(own, Number(bits), 'ipv4');
    const host = numberOf(address) % size;
    return list.check(address, 'ipv4') && address !== own && (size <= 2 || (host !== 0 && host !== size - 1));
  });
}

const lastLine = (error: unknown): string =>
  error instanceof Error ? (error.message.trim().split('\n').at(-1) ?? '') : String(error);

/** Let the packets out, where there is a packet filter. What closes it again, or why it can't be opened. */
async function openFilter(addresses: readonly string[]): Promise<(() => Promise<void>) | string> {
  try {
    await run('nft', ['list', 'set', ...FILTER_SET]);
  } catch {
    // No rules of ours, as on a machine that isn't a gateway: nothing to open.
    return () => Promise.resolve();
  }
  try {
    const elements = addresses.map((address) => `${address} timeout ${FILTER_SECONDS}s`).join(', ');
    await run('nft', ['add', 'element', ...FILTER_SET, `{ ${elements} }`]);
  } catch (error) {
    return `nft: ${lastLine(error)}`;
  }
  return async () => {
    try {
      await run('nft', ['flush', 'set', ...FILTER_SET]);
    } catch {
      // Its own timeout does it.
    }
  };
}

/** Ask each of them. Never throws. */
export async function askDevices(
  addresses: readonly string[],
  name: string,
  timeoutMs: number,
): Promise<Reachability> {
  const prefixes = (networkInterfaces()[name] ?? []).flatMap(({ family, cidr }) =>
    family === 'IPv4' && cidr !== null ? [cidr] : [],
  );
  const outside = addresses.filter((address) => !isNeighbour(address, prefixes));
  if (outside.length > 0) return { kind: 'outside', addresses: outside };
  if (process.getuid?.() !== 0) return { kind: 'failed', why: 'only root may ask' };
  const close = await openFilter(addresses);
  if (typeof close === 'string') return { kind: 'failed', why: close };
  const only = '-all,+net_raw';
  const who = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', '--no-new-privs'];
  const may = [`--inh-caps=${only}`, `--ambient-caps=${only}`, `--bounding-set=${only}`, '--pdeathsig=KILL'];
  const words = [process.execPath, program, name, String(timeoutMs), ...addresses];
  try {
    const { stdout } = await run('setpriv', [...who, ...may, '--', ...words], {
      timeout: PATIENCE_MS,
      cwd: '/',
      env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin' },
    });
    const said = report.parse(JSON.parse(stdout));
    const answered = addresses.filter((address) => typeof said[address] === 'number');
    return { kind: 'asked', answered, silent: addresses.filter((address) => !answered.includes(address)) };
  } catch (error) {
    return { kind: 'failed', why: lastLine(error) };
  } finally {
    await close();
  }
}
