/**
 * The line that both sides of SSH begin with (RFC 4253 section 4.2).
 *
 *   "SSH-" protocol "-" software [SP comments] CR LF
 */
import { malformed, message, text } from '../parsed.ts';
import type { Parsed } from '../parsed.ts';
import { lineLimit, start } from './constants.ts';

export interface SshBanner {
  readonly protocol: string;
  readonly software: string;
}

export function recognizeSsh(bytes: Uint8Array): 'yes' | 'no' | 'more' {
  const head = text(bytes, 0, Math.min(bytes.length, start.length));
  if (!start.startsWith(head)) return 'no';
  return head.length < start.length ? 'more' : 'yes';
}

export function decodeSsh(bytes: Uint8Array): Parsed<SshBanner> {
  const line = /^SSH-([\d.]+)-([^\r\n]+)/.exec(text(bytes, 0, bytes.length, lineLimit));
  if (line === null) return malformed('ssh_banner', 0);
  return message({ protocol: line[1] ?? '', software: line[2] ?? '' });
}
