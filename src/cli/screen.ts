/**
 * The process behind the console's screen: reads what everybody on the box may read, draws it on the monitor and on the
 * serial console. It holds no privilege and takes no input; where it ends, the gateway doesn't notice.
 *
 *   node screen.js [--once]     --once: the lines to standard output, and no more
 *
 *   /run/anteroom/provision/   what was announced of the set-up, of the last stick and self-test
 *   the status page            /api/health, at the address that the configuration names
 *   /run/anteroom/data         why the data partition is not there
 *   …/provision/fault          why the enrolment can't be read
 *
 * Written too: `<screen>/light`, one word for the lamps (`rootfs-overlay/usr/lib/anteroom/lights`).
 */
import { closeSync, constants, mkdirSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import { request } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { join } from 'node:path';
import { provisioningSteps } from '../control/provisioning.ts';
import { configFile, loadConfig } from '../platform/config.ts';
import { ScreenWriter, screenLines } from '../status/screen.ts';
import type { ScreenFacts } from '../status/screen.ts';
import { exitCodes, isFault } from '../wire/errors.ts';
import { healthSummary } from '../wire/health.ts';
import type { HealthSummary } from '../wire/health.ts';
import { isRefusal } from '../wire/provision-code.ts';
import { replaceFile } from './durable-file.ts';
import { readAnnounced, readClock } from '../platform/announced.ts';
import { DEFAULT_MANAGEMENT } from './provision-site.ts';

const RUN = '/run/anteroom';
/** While somebody sets it up, and while it starts and afterwards. */
const LOOK_MS = 2_000;
const LOOK_RUNNING_MS = 5_000;
const ASK_TIMEOUT_MS = 3_000;
const MAX_ANSWER_BYTES = 1024 * 1024;
/** For a terminal that is plugged in later: everything again, so often. */
const WHOLE_MS = 60_000;
/** Active consoles of the kernel, and the monitor's. */
const CONSOLES = '/sys/class/tty/console/active';

/** One word for the lamps: what a person across the room has to know. */
export type Light =
  | 'starting'
  | 'setup'
  | 'reading'
  | 'refused'
  | 'good'
  | 'warning'
  | 'critical'
  | 'stopped';

export function lightOf({ stopped, setup, running }: ScreenFacts): Light {
  if (stopped !== undefined) return 'stopped';
  if (!setup) return 'starting';
  const { phase, stick } = setup.facts;
  if (stick.state === 'checking') return 'reading';
  if (phase !== 'enrolled') return stick.state === 'read' && isRefusal(stick.code) ? 'refused' : 'setup';
  if (!running) return 'starting';
  for (const level of ['critical', 'warning'] as const)
    if (running.health.some((item) => item.level === level)) return level;
  return 'good';
}

/** Terminals to draw on: each serial console, and the monitor. */
export function screensOf(active: string): string[] {
  const serial = active
    .trim()
    .split(/\s+/)
    .filter((name) => /^(?:ttyS|ttyAMA|hvc|ttyUSB)\d+$/.test(name));
  return ['tty1', ...serial].map((name) => `/dev/${name}`);
}

const readText = (file: string): string | undefined => {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    // Not there yet, or not on this machine: the screen says what it knows.
    return undefined;
  }
};

/** What the status page says; undefined while it can't be reached. */
function ask(address: string, port: number): Promise<HealthSummary | undefined> {
  return new Promise((resolve) => {
    const asked = request(
      { host: address, port, path: '/api/health', timeout: ASK_TIMEOUT_MS, agent: false },
      (answer) => {
        const parts: Buffer[] = [];
        let length = 0;
        answer.on('data', (part: Buffer) => {
          length += part.length;
          if (length > MAX_ANSWER_BYTES) asked.destroy();
          else parts.push(part);
        });
        answer.on('error', () => resolve(undefined));
        answer.on('close', () => resolve(undefined));
        answer.on('end', () => {
          try {
            resolve(healthSummary.safeParse(JSON.parse(Buffer.concat(parts).toString('utf8'))).data);
          } catch {
            resolve(undefined);
          }
        });
      },
    );
    asked.on('timeout', () => asked.destroy());
    asked.on('error', () => resolve(undefined));
    asked.end();
  });
}

interface Page {
  readonly address: string;
  readonly port: number;
  /** The gateway's own, not the one of the set-up. */
  readonly own: boolean;
}

/** Where the status page is, or will be. The configuration is read again when its file is another. */
class PageAddress {
  #seen = '';
  #page: Page | undefined;

  /** Undefined for a configuration that doesn't hold. */
  get(): Page | undefined {
    const file = statSync(configFile(), { throwIfNoEntry: false });
    if (!file) return { ...DEFAULT_MANAGEMENT, own: false };
    const seen = `${file.dev} ${file.ino} ${file.size} ${file.mtimeMs}`;
    if (seen === this.#seen) return this.#page;
    try {
      this.#page = { ...loadConfig().status.listen, own: true };
    } catch (error) {
      if (!isFault(error)) throw error;
      this.#page = undefined;
    }
    this.#seen = seen;
    return this.#page;
  }
}

async function look(pageAddress: PageAddress): Promise<ScreenFacts> {
  const now = Date.now();
  const at = pageAddress.get();
  const running = at?.own === true ? await ask(at.address, at.port) : undefined;
  const facts = readAnnounced(join(RUN, 'provision'), {
    now,
    ...(running ? { devicesSeen: running.devices } : {}),
  });
  const data = readText(join(RUN, 'data'))?.trim();
  const stopped =
    data !== undefined && !data.startsWith('data: open')
      ? data
      : readText(join(RUN, 'provision', 'fault'))?.trim();
  return {
    now: facts?.now ?? now,
    clock: readClock(join(RUN, 'provision')),
    ...(facts ? { setup: { facts, steps: provisioningSteps(facts) } } : {}),
    ...(running ? { running } : {}),
    ...(at ? { page: `http://${at.address}:${at.port}/` } : {}),
    ...(stopped === undefined ? {} : { stopped }),
  };
}

interface Terminal {
  readonly path: string;
  readonly writer: ScreenWriter;
  whole: number;
}

/** A terminal that is gone or full loses this picture; the next one is whole. */
function show(terminal: Terminal, lines: readonly string[], now: number): void {
  const whole = now - terminal.whole >= WHOLE_MS;
  const text = terminal.writer.draw(lines, whole);
  if (text === '') return;
  try {
    const fd = openSync(terminal.path, constants.O_WRONLY | constants.O_NOCTTY | constants.O_NONBLOCK);
    try {
      const bytes = Buffer.from(text, 'utf8');
      const written = writeSync(fd, bytes);
      terminal.whole = written < bytes.length ? Number.NEGATIVE_INFINITY : whole ? now : terminal.whole;
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
    terminal.whole = Number.NEGATIVE_INFINITY;
  }
}

async function main(): Promise<void> {
  const words = process.argv.slice(2);
  if (words.length > 1 || words.some((word) => word !== '--once')) {
    process.stderr.write('usage: screen [--once]\n');
    process.exitCode = exitCodes.usage;
    return;
  }
  const pageAddress = new PageAddress();
  if (words.length === 1) {
    process.stdout.write(`${screenLines(await look(pageAddress)).join('\n')}\n`);
    return;
  }
  const folder = process.env['RUNTIME_DIRECTORY'];
  if (folder !== undefined) mkdirSync(folder, { recursive: true });
  const terminals = screensOf(readText(CONSOLES) ?? '').map((path): Terminal => ({
    path,
    writer: new ScreenWriter(),
    whole: Number.NEGATIVE_INFINITY,
  }));
  let light: Light | undefined;
  for (;;) {
    const facts = await look(pageAddress);
    const lines = screenLines(facts);
    for (const terminal of terminals) show(terminal, lines, performance.now());
    const next = lightOf(facts);
    if (next !== light && folder !== undefined) replaceFile(join(folder, 'light'), `${next}\n`, 0o644);
    light = next;
    await pause(facts.running || facts.setup?.facts.phase === 'enrolled' ? LOOK_RUNNING_MS : LOOK_MS);
  }
}

if (import.meta.main) void main();
