/**
 * What opens the appliance's data partition, as an item of the health list. `rootfs-overlay/usr/lib/anteroom/data` says
 * it in one line, `data: open, tpm` or `data: open, key`; where there is no such line there is no such partition, and no
 * item. Without a TPM it stays a warning for as long as the machine runs: nothing that a site does there mends it.
 */
import type { Finding } from './own-health.ts';

export type DataKey = 'tpm' | 'file';

export function dataKey(line: string | undefined): DataKey | undefined {
  const kind = /^data: open, (tpm|key)$/.exec(line?.trim() ?? '')?.[1];
  if (kind === undefined) return undefined;
  return kind === 'tpm' ? 'tpm' : 'file';
}

export const dataKeyFinding = (key: DataKey): Finding =>
  key === 'tpm'
    ? { level: 'ok', text: 'The data partition opens with the TPM of this machine only.' }
    : {
        level: 'warning',
        text: 'This machine has no TPM: a file on its boot partition opens the data. Who takes the machine or its disk can read the audit log and the keys. Lock it away, or use a machine with a TPM.',
      };
