/**
 * The console's screen, for the monitor (tty1) and the serial line: 80 by 25 characters, nothing to type. Facts in,
 * lines out; `ScreenWriter` turns lines into what a terminal needs to show them (ECMA-48), and that is the lines that
 * changed and no more, because a serial line carries 960 characters a second at 9,600 baud.
 *
 *   title    site or "not set up", version, time
 *   left     what is going on: the steps of the set-up, a refusal with its next action, or the health list
 *   right    the identity (before there is one: the device code) as a QR code, two modules a character
 *
 * Surprise: a QR code is dark on light, a terminal the other way round. Light modules are drawn as full blocks.
 */
import type { HealthItem } from '../wire/health.ts';
import { provisionCodes } from '../wire/provision-code.ts';
import { identityText } from '../wire/provision-status.ts';
import type { ClockState, ProvisionFacts, Step } from '../wire/provision-status.ts';
import { qrCode } from './qr.ts';
import type { QrCode } from './qr.ts';

export const COLUMNS = 80;
export const ROWS = 25;
/** The standard's quiet zone is four modules (6.3.8); two of them and the dark screen's edge are read as well. */
const QUIET = 2;

export interface ScreenFacts {
  readonly now: number;
  readonly setup?: { readonly facts: ProvisionFacts; readonly steps: readonly Step[] };
  /** Undefined while the gateway's processes say nothing. */
  readonly running?: {
    readonly health: readonly HealthItem[];
    readonly sessions: number;
    readonly devices: number;
  };
  /** Where the page is. */
  readonly page?: string;
  /** Why the gateway can't run at all. */
  readonly stopped?: string;
  readonly clock: ClockState;
}

const typewriter: Readonly<Record<string, string>> = {
  '‘': "'",
  '’': "'",
  '“': '"',
  '”': '"',
  '–': '-',
  '…': '...',
};

/** Text from outside, safe for a terminal, one column a character, in what the kernel's own font can show. */
const plain = (text: string): string =>
  text
    .normalize('NFC')
    .replaceAll(/[‘’“”–…]/g, (c) => typewriter[c] ?? c)
    .replaceAll(/[^\u0020-\u007e\u00a1-\u00ac\u00ae-\u00ff]/gu, '?');

/** Words in lines of at most `width`, at most `limit` of them; what doesn't fit ends in dots. */
export function wrap(text: string, width: number, limit: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of plain(text)
    .split(' ')
    .filter((each) => each !== '')
    .flatMap((each) => each.match(new RegExp(`.{1,${width}}`, 'gu')) ?? [])) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  if (line !== '') lines.push(line);
  if (lines.length <= limit) return lines;
  const last = lines[limit - 1] ?? '';
  return [...lines.slice(0, limit - 1), `${last.slice(0, width - 3)}...`];
}

/** Two rows of modules a line. */
export function qrLines(code: QrCode): string[] {
  const size = code.length + 2 * QUIET;
  const light = (row: number, column: number): boolean =>
    row < size && !(code[row - QUIET]?.[column - QUIET] ?? false);
  const lines: string[] = [];
  for (let row = 0; row < size; row += 2) {
    let line = '';
    for (let column = 0; column < size; column++) {
      const [upper, lower] = [light(row, column), light(row + 1, column)];
      line += upper ? (lower ? '█' : '▀') : lower ? '▄' : ' ';
    }
    lines.push(line);
  }
  return lines;
}

const marks: Readonly<Record<Step['state'], string>> = {
  green: '[ok]',
  yellow: '[ ! ]',
  red: '[STOP]',
  now: '[...]',
  waiting: '[   ]',
};

const minute = (at: number): string => `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
const clocks = { authenticated: 'authenticated', set: 'by NTP', unset: 'NOT SET' } as const;

/** Codes and what to do: what a person in front of the box has to read first. */
function messages({ setup }: ScreenFacts, width: number): string[] {
  if (!setup) return [];
  const { facts, steps } = setup;
  const { stick } = facts;
  if (stick.state === 'checking') return wrap('The stick is being read. Do not remove it.', width, 3);
  if (stick.state === 'read' && (facts.phase !== 'enrolled' || stick.code !== 'E01')) {
    const { sentence, action } = provisionCodes[stick.code];
    const detail = stick.detail === undefined ? '' : ` (${stick.detail})`;
    return [...wrap(`${stick.code}: ${sentence}${detail}`, width, 5), ...wrap(`> ${action}`, width, 4)];
  }
  const next = steps.find(({ action, state }) => action !== undefined && state !== 'green');
  return next?.action === undefined ? [] : wrap(`> ${next.title}: ${next.action}`, width, 4);
}

const rank = { critical: 0, warning: 1, ok: 2 } as const;
const levelMarks = { critical: '[STOP]', warning: '[ ! ]', ok: '[ok]' } as const;

/** The worst first, in at most `room` lines. */
function healthLines({ running }: ScreenFacts, width: number, room: number): string[] {
  if (!running) return wrap("The gateway's processes say nothing yet.", width, 2);
  const bad = running.health
    .filter(({ level }) => level !== 'ok')
    .toSorted((a, b) => rank[a.level] - rank[b.level] || (a.item < b.item ? -1 : 1));
  if (bad.length === 0) return [`[ok]   All ${running.health.length} checks of the health list`];
  const lines: string[] = [];
  for (const [i, { item, level, text }] of bad.entries()) {
    const said = wrap(`${levelMarks[level].padEnd(6)} ${item}: ${text}`, width, 3);
    if (lines.length + said.length > room) {
      lines.splice(room - 1, lines.length, `and ${bad.length - i} more, on the page`);
      break;
    }
    lines.push(...said);
  }
  return lines;
}

function body(facts: ScreenFacts, width: number, room: number): string[] {
  if (facts.stopped !== undefined)
    return [
      'THE GATEWAY DOES NOT RUN',
      '',
      ...wrap(facts.stopped, width, 6),
      '',
      ...wrap('Devices are still separated: nothing passes between the networks.', width, 3),
    ];
  const { setup, running, page } = facts;
  if (!setup) return ['Starting.'];
  const isNew = setup.facts.phase !== 'enrolled';
  const done = setup.steps.find(({ id }) => id === 'done')?.state === 'green';
  const steps = done
    ? ['[ok]   Set up']
    : setup.steps.map(({ state, title }) => `${marks[state].padEnd(6)} ${title}`);
  const told = messages(facts, width);
  const lines = [...steps, '', ...told];
  if (!isNew) {
    if (told.length > 0) lines.push('');
    if (running) lines.push(`Devices seen ${running.devices}   Sessions ${running.sessions}`);
    lines.push(...healthLines(facts, width, Math.max(2, room - lines.length - 2)));
  }
  if (page !== undefined) lines.push('', `Page  ${page}`);
  return lines;
}

/** 25 lines of at most 80 characters. */
export function screenLines(facts: ScreenFacts): string[] {
  const { setup, now, clock } = facts;
  const site = setup?.facts.site;
  const identity = setup?.facts.identity;
  const said = site && identity !== undefined ? identityText(site.id, identity) : (setup?.facts.device ?? '');
  const code = said === '' || facts.stopped !== undefined ? undefined : qrCode(said);
  const picture = code ? qrLines(code) : [];
  const width = COLUMNS - (picture[0]?.length ?? 0) - (picture.length > 0 ? 2 : 0);
  const name = site ? plain(site.name) : setup ? 'not set up' : '';
  const right = `${setup ? `${plain(setup.facts.version)}  ` : ''}${minute(now)}`;
  const title = `ANTEROOM  ${name}`.slice(0, COLUMNS - right.length - 2);
  const head = [`${title.padEnd(COLUMNS - right.length)}${right}`, '─'.repeat(COLUMNS)];
  // Title, rule, and below both columns the two lines of identity and clock.
  const room = ROWS - head.length - 2;
  const left = body(facts, width, room).slice(0, room);
  const middle = Array.from({ length: room }, (_, i) => {
    const piece = picture[i];
    const text = (left[i] ?? '').slice(0, width);
    return piece === undefined ? text : `${text.padEnd(width)}  ${piece}`;
  });
  const id = identity === undefined ? plain(said) : `Identity ${identity.split(':')[1] ?? ''}`;
  const more = site ? `Site ${site.id}` : said === '' ? '' : 'Above: the device code, which the office needs';
  const foot = [id, `Clock ${clocks[clock]}   ${more}`];
  return [...head, ...middle, ...foot].map((line) => line.slice(0, COLUMNS).trimEnd());
}

const CLEAR = '\u001b[2J';
const at = (row: number): string => `\u001b[${row + 1};1H`;
const ERASE_LINE = '\u001b[K';
const HIDE_CURSOR = '\u001b[?25l';

/** What brings one terminal from what it shows to what it should show. */
export class ScreenWriter {
  #shown: readonly string[] | undefined;

  /** Empty when nothing changed. `whole`: as for a terminal that was switched on just now. */
  draw(lines: readonly string[], whole = false): string {
    const shown = whole ? undefined : this.#shown;
    this.#shown = [...lines];
    const rows = lines
      .map((line, row) => (shown?.[row] === line ? '' : `${at(row)}${line}${ERASE_LINE}`))
      .join('');
    if (rows === '') return '';
    const last = at(lines.length - 1);
    return shown ? `${rows}${last}` : `${HIDE_CURSOR}${CLEAR}${rows}${last}`;
  }
}
