/**
 * The office's list of sticks made and gateways accepted: one JSON file, its owner's alone, for it holds the tokens of
 * the sticks that are out. Each change writes a new file beside it, which at the same time keeps a second run away
 * (open(2), O_EXCL), and renames it.
 */
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import * as z from 'zod';
import { Fault } from '../wire/errors.ts';
import { siteId } from '../wire/ids.ts';
import { bundleId, gatewayKeys } from '../wire/provision.ts';
import { count } from '../wire/scalar.ts';
import { syncFolder } from './durable-file.ts';

const stick = z.strictObject({
  id: bundleId,
  site: siteId,
  made: count,
  notAfter: count,
  /** Gone once the receipt is accepted. */
  token: z.string().optional(),
  /** Where peers reach the gateway, where the stick said it. */
  endpoint: z.string().optional(),
  /** What peers send to it. */
  resources: z.string(),
});
const gateway = z.strictObject({
  site: siteId,
  bundle: bundleId,
  keys: gatewayKeys,
  device: z.string(),
  version: z.string(),
  tpm: z.boolean(),
  accepted: count,
  /** A receipt of reset or decommission came back. */
  left: z.strictObject({ what: z.enum(['reset', 'decommission']), at: count }).optional(),
});
const registrySchema = z.strictObject({
  format: z.literal(1),
  sticks: z.array(stick),
  gateways: z.array(gateway),
});
export type Registry = z.infer<typeof registrySchema>;

export function readRegistry(file: string): Registry {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT')
      return { format: 1, sticks: [], gateways: [] };
    throw new Fault('PROVISION_STATE', `${file}: cannot be read`, { cause });
  }
  try {
    return registrySchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new Fault('PROVISION_STATE', `${file}: not a registry`, { cause });
  }
}

/** Change the registry; what `change` throws leaves it as it was. Fault PROVISION_STATE while another run has it. */
export async function withRegistry<T>(
  file: string,
  change: (registry: Registry) => Promise<readonly [Registry, T]> | readonly [Registry, T],
): Promise<T> {
  const beside = `${file}.new`;
  let fd: number;
  try {
    fd = openSync(beside, 'wx', 0o600);
  } catch (cause) {
    throw new Fault('PROVISION_STATE', `${beside}: is there: another run, or one that was cut short`, {
      cause,
    });
  }
  let done = false;
  try {
    const [next, answer] = await change(readRegistry(file));
    const bytes = Buffer.from(`${JSON.stringify(registrySchema.parse(next), undefined, 2)}\n`, 'utf8');
    for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
    fsyncSync(fd);
    renameSync(beside, file);
    done = true;
    syncFolder(dirname(file));
    return answer;
  } finally {
    closeSync(fd);
    if (!done) rmSync(beside, { force: true });
  }
}
