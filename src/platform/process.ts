/**
 * The life of one process: configuration, log, hardening, systemd notification, watchdog, signals, exit code.
 * Each file in `src/main/` calls `runProcess` once and fills in the middle.
 *
 * sd_notify(3): READY=1 once `start` has resolved, WATCHDOG=1 at a third of WATCHDOG_USEC, STOPPING=1 at the
 * end. A second signal while stopping ends at once. A process that can't stop within STOP_LIMIT is ended.
 */
import type { Config } from '../wire/config.ts';
import { Fault, exitCodeOf, exitCodes, isFault } from '../wire/errors.ts';
import type { ProcessName } from '../wire/ids.ts';
import type { Clock } from '../wire/units.ts';
import { seconds } from '../wire/units.ts';
import { addon } from './addon.ts';
import { systemClock } from './clock.ts';
import { loadConfig } from './config.ts';
import { tuneEngine } from './engine.ts';
import { openLog } from './log.ts';
import type { Logger } from './log.ts';

const STOP_LIMIT = seconds(8);

export interface ProcessContext {
  readonly name: ProcessName;
  readonly config: Config;
  readonly log: Logger;
  readonly clock: Clock;
  /** End the process in good order: `fault` decides the exit code; none is a normal end. */
  stop(reason: string, fault?: Fault): void;
}

/** What `start` gives back: closes everything, resolves when nothing is left open. */
export type Stop = () => Promise<void>;

/** One line on standard error, for a person at a terminal and for the journal. */
function complain(name: ProcessName, error: unknown): void {
  const text = isFault(error)
    ? `${error.code}: ${error.message}`
    : error instanceof Error
      ? (error.stack ?? error.message)
      : String(error);
  process.stderr.write(`anteroom-${name}: ${text}\n`);
}

function beginWatchdog(): NodeJS.Timeout | undefined {
  const usec = Number(process.env['WATCHDOG_USEC'] ?? 0);
  if (!Number.isFinite(usec) || usec <= 0) return undefined;
  const timer = setInterval(() => addon().notify('WATCHDOG=1'), usec / 3000);
  timer.unref();
  return timer;
}

/** Run `start` as the process `name` until a signal, `context.stop` or a fault. Never returns control. */
export function runProcess(name: ProcessName, start: (context: ProcessContext) => Promise<Stop>): void {
  let log: Logger | undefined;
  let stopper: Promise<Stop> | undefined;
  let ending = false;
  tuneEngine(name);

  const end = async (reason: string, fault?: unknown): Promise<void> => {
    if (ending) return;
    ending = true;
    setTimeout(() => process.exit(exitCodes.software), STOP_LIMIT).unref();
    let code: number = fault === undefined ? exitCodes.ok : exitCodeOf(fault);
    if (fault !== undefined) complain(name, fault);
    try {
      addon().notify(`STOPPING=1\nSTATUS=${reason}`);
      log?.info({ reason }, 'stopping');
      // A start that itself failed has nothing to stop; its fault is the one being reported.
      const stop = await stopper?.catch(() => undefined);
      await stop?.();
    } catch (error) {
      if (error !== fault) complain(name, error);
      if (code === exitCodes.ok) code = exitCodeOf(error);
    }
    process.exit(code);
  };

  const onSignal = (signal: NodeJS.Signals): void => {
    if (ending) process.exit(exitCodes.software);
    void end(signal);
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  process.on('uncaughtException', (error) => void end('uncaught exception', error));
  process.on(
    'unhandledRejection',
    (error) => void end('unhandled rejection', error ?? new Fault('INTERNAL', 'rejected with nothing')),
  );

  const begin = async (): Promise<void> => {
    const config = loadConfig();
    addon().hardenProcess();
    log = openLog(name, config.logLevel);
    const context: ProcessContext = {
      name,
      config,
      log,
      clock: systemClock,
      stop: (reason, fault) => void end(reason, fault),
    };
    stopper = start(context);
    await stopper;
    if (ending) return;
    beginWatchdog();
    addon().notify('READY=1\nSTATUS=running');
    log.info({ pid: process.pid }, 'ready');
  };
  begin().catch((error: unknown) => void end('start failed', error));
}
