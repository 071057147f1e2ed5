/**
 * The banner of a Telnet server: text between its first option commands and its first prompt.
 *
 *   IAC (255) · WILL|WONT|DO|DONT (251-254) · option        IAC · SB (250) · … · IAC · SE (240)
 *
 * What follows a prompt belongs to a session, where anything may stand: it is not read.
 */
import { malformed, message, u8 } from '../parsed.ts';
import type { Parsed } from '../parsed.ts';
import { command, limits, prompt } from './constants.ts';

export interface TelnetBanner {
  /** Lines before the prompt, joined; '' when there are none yet. */
  readonly text: string;
  /** The prompt is there: the banner won't grow. */
  readonly complete: boolean;
}

const isOption = (byte: number): boolean => byte >= command.will && byte <= command.dont;

/** Begins with an option command, which no other protocol does. */
export function recognizeTelnet(bytes: Uint8Array): 'yes' | 'no' | 'more' {
  if (u8(bytes, 0) !== command.interpret) return 'no';
  if (bytes.length < 3) return 'more';
  return isOption(u8(bytes, 1)) && u8(bytes, 2) < 64 ? 'yes' : 'no';
}

export function decodeTelnet(bytes: Uint8Array): Parsed<TelnetBanner> {
  if (recognizeTelnet(bytes) !== 'yes') return malformed('telnet_no_option', 0);
  let text = '';
  for (let at = 0; at < bytes.length && text.length < limits.text;) {
    const byte = u8(bytes, at);
    if (byte !== command.interpret) {
      text += String.fromCharCode(byte);
      at++;
      continue;
    }
    const next = u8(bytes, at + 1);
    if (next === command.subBegin) {
      while (
        at < bytes.length &&
        !(u8(bytes, at) === command.interpret && u8(bytes, at + 1) === command.subEnd)
      )
        at++;
      at += 2;
    } else at += isOption(next) ? 3 : 2;
  }
  const asked = prompt.exec(text);
  const before = asked === null ? text : text.slice(0, asked.index);
  // The line of the prompt itself may begin with the machine's name.
  const lines = before
    .split(/[\r\n]+/)
    // oxlint-disable-next-line no-control-regex
    .map((line) => line.replaceAll(/\u001b\[[\d;?]*[A-Za-z]|[\u0000-\u001f]/g, ' ').trim())
    .filter((line) => /[A-Za-z]{2}/.test(line));
  return message({
    text: lines.slice(0, limits.lines).join(' '),
    complete: asked !== null || text.length >= limits.text,
  });
}
