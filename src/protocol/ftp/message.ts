/**
 * The greeting of an FTP server, which names it, and its word on its system.
 *
 *   "220" SP text CR LF        "220-" line CR LF … "220" SP text CR LF        "215" SP system CR LF
 */
import { malformed, message, text } from '../parsed.ts';
import type { Parsed } from '../parsed.ts';
import { greeting, mark, systemReply } from './constants.ts';

export interface FtpGreeting {
  readonly banner: string;
  readonly system?: string;
}

export function recognizeFtp(bytes: Uint8Array): 'yes' | 'no' | 'more' {
  const head = text(bytes, 0, Math.min(bytes.length, 256));
  if (!'220'.startsWith(head.slice(0, 3)) || (head.length > 3 && !/[ -]/.test(head.charAt(3)))) return 'no';
  if (mark.test(head)) return 'yes';
  return head.length < 128 ? 'more' : 'no';
}

export function decodeFtp(bytes: Uint8Array): Parsed<FtpGreeting> {
  const all = text(bytes, 0, bytes.length, 1024);
  const first = greeting.exec(all);
  if (first === null || !mark.test(all)) return malformed('ftp_no_greeting', 0);
  // Of several lines, the first that names the server.
  const lines = all.split('\r\n').filter((line) => line.startsWith('220'));
  const banner = (lines.find((line) => mark.test(line)) ?? first[0]).slice(4).trim();
  const system = systemReply.exec(all)?.[1];
  return message({ banner, ...(system === undefined ? {} : { system }) });
}
