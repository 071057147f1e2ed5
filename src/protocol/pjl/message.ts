/**
 * PJL on a printer's raw port: jobs, which begin with commands, and the printer's answer to INFO ID.
 *
 *   ESC "%-12345X" · "@PJL" SP command CR LF …
 *   "@PJL INFO ID" CR LF · '"' model '"' CR LF · FF
 *
 * A job's own commands name its user and its document: of what a client sends nothing is told.
 */
import { malformed, message, text } from '../parsed.ts';
import type { Parsed } from '../parsed.ts';
import { exit, identity, prefix } from './constants.ts';

export interface PjlUnit {
  /** From a printer: what it answers to INFO ID. */
  readonly model?: string;
}

export function recognizePjl(bytes: Uint8Array): 'yes' | 'no' | 'more' {
  const head = text(bytes, 0, bytes.length, exit.length + prefix.length);
  for (const mark of [exit, prefix]) {
    if (head.startsWith(mark)) return 'yes';
    if (mark.startsWith(head)) return 'more';
  }
  return 'no';
}

export function decodePjl(bytes: Uint8Array): Parsed<PjlUnit> {
  if (recognizePjl(bytes) !== 'yes') return malformed('pjl_no_command', 0);
  const model = identity.exec(text(bytes, 0, bytes.length, 1024))?.[1]?.trim();
  return message(model === undefined || model === '' ? {} : { model });
}
