/**
 * The log of a process: JSON lines on standard output, which systemd hands to the journal. pino without
 * transports, which would start threads. Fields never hold keys, tokens or patient data; `err` is an Error.
 */
import { pino } from 'pino';
import type { Config } from '../wire/config.ts';
import type { ProcessName } from '../wire/ids.ts';

export interface Logger {
  debug(fields: Readonly<Record<string, unknown>>, text: string): void;
  info(fields: Readonly<Record<string, unknown>>, text: string): void;
  warn(fields: Readonly<Record<string, unknown>>, text: string): void;
  error(fields: Readonly<Record<string, unknown>>, text: string): void;
}

export function openLog(process: ProcessName, level: Config['logLevel']): Logger {
  return pino({ name: process, level, base: { process }, timestamp: pino.stdTimeFunctions.isoTime });
}

/** A log that says nothing, for tests and tools. */
export const silentLog: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};
