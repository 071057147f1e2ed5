/**
 * Reads the configuration file and says what is wrong with it in one line that names the path:
 * `/etc/anteroom/config.json: tunnel.listen.port: Invalid input: …`. Ends in exit code 78 (sysexits EX_CONFIG).
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { configSchema } from '../wire/config.ts';
import type { Config } from '../wire/config.ts';
import { Fault } from '../wire/errors.ts';

/** Longest configuration file that is read. */
const MAX_CONFIG_BYTES = 16 * 1024 * 1024;

/** Where the configuration is: ANTEROOM_CONFIG, or the appliance's own place. */
export const configFile = (): string => process.env['ANTEROOM_CONFIG'] ?? '/etc/anteroom/config.json';

/** Check `text` as the content of `file`. Fault CONFIG_INVALID names the file, the path in it and the fault. */
export function parseConfig(text: string, file: string): Config {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new Fault('CONFIG_INVALID', `${file}: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    });
  }
  const parsed = configSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map((issue) => {
    const at = issue.path.map(String).join('.');
    return `${at === '' ? '(top level)' : at}: ${issue.message}`;
  });
  throw new Fault('CONFIG_INVALID', `${file}: ${faults.join('; ')}`);
}

/** Read and check the configuration. Faults CONFIG_UNREADABLE and CONFIG_INVALID. */
export function loadConfig(file: string = configFile()): Config {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (cause) {
    throw new Fault(
      'CONFIG_UNREADABLE',
      `${file}: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    );
  }
  if (bytes.length > MAX_CONFIG_BYTES)
    throw new Fault('CONFIG_INVALID', `${file}: larger than ${MAX_CONFIG_BYTES} bytes`);
  return parseConfig(bytes.toString('utf8'), file);
}

/** Local sockets: one folder a process, so that only its owner can put a socket there. */
export const socketPath = (
  config: Pick<Config, 'runtimeDir'>,
  server: 'audit' | 'control' | 'tunnel',
): string => join(config.runtimeDir, server, `${server}.sock`);
