/**
 * Puts the gateway's network settings in force on this machine (or this network namespace) and takes them away:
 * nftables rules by nft(8), kernel settings through /proc/sys. What was there before comes back at the end.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../../wire/config.ts';
import { Fault } from '../../wire/errors.ts';
import { fitRules, parseKernelSettings } from './ruleset.ts';

function nft(args: readonly string[], input: string): void {
  try {
    execFileSync('nft', args, { input, stdio: ['pipe', 'ignore', 'pipe'] });
  } catch (cause) {
    const stderr = (cause as { stderr?: Buffer }).stderr?.toString().trim().split('\n')[0];
    throw new Fault(
      'CAPABILITY_MISSING',
      `nft: ${stderr === undefined || stderr === '' ? String(cause) : stderr}`,
      { cause },
    );
  }
}

/** Check that the rules would load. Needs no more than a user that may use nftables. */
export function checkNetwork(overlay: string, config: Config): void {
  nft(['-c', '-f', '-'], fitRules(readFileSync(join(overlay, 'etc/nftables.conf'), 'utf8'), config));
}

/** Interfaces that the configuration names and this machine lacks now. */
export function missingInterfaces(config: Config): string[] {
  const names = [config.interfaces.uplink, config.interfaces.management, ...config.sensor.interfaces];
  const links = execFileSync('ip', ['-o', 'link', 'show'], { encoding: 'utf8' });
  // `2: eth0: <…>` and `5: veth0@if6: <…>`
  const present = new Set(links.split('\n').map((line) => line.split(/[:@] ?/)[1]?.trim()));
  return names.filter((name) => !present.has(name));
}

/** Load rules and settings from the folder `overlay`. The answer undoes both. */
export function applyNetwork(overlay: string, config: Config): () => void {
  // Rules first: at no moment does a packet meet the settings without the rules.
  nft(['-f', '-'], fitRules(readFileSync(join(overlay, 'etc/nftables.conf'), 'utf8'), config));
  const before: { file: string; value: string }[] = [];
  const undo = (): void => {
    for (const { file, value } of before.reverse()) writeFileSync(file, value);
    nft(['-f', '-'], 'table inet anteroom\ndelete table inet anteroom\n');
  };
  try {
    const settings = parseKernelSettings(
      readFileSync(join(overlay, 'etc/sysctl.d/90-anteroom.conf'), 'utf8'),
    );
    for (const { path, value, optional } of settings) {
      const file = join('/proc/sys', path);
      try {
        const was = readFileSync(file, 'utf8').trim();
        if (was === value) continue;
        writeFileSync(file, value);
        before.push({ file, value: was });
      } catch (cause) {
        if (optional && (cause as NodeJS.ErrnoException).code === 'ENOENT') continue;
        throw new Fault(
          'CAPABILITY_MISSING',
          `${file}: ${cause instanceof Error ? cause.message : String(cause)}`,
          { cause },
        );
      }
    }
  } catch (error) {
    undo();
    throw error;
  }
  return undo;
}
