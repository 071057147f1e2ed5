/**
 * One supervised process: started, said to be ready, started again when it ends, stopped. Its standard output
 * is the log of `platform/log.ts`, passed on line by line; its line `ready` is how the supervisor knows.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { exitCodes } from '../../wire/errors.ts';
import type { ProcessName } from '../../wire/ids.ts';
import { between, seconds } from '../../wire/units.ts';
import type { Clock, MonotonicMillis } from '../../wire/units.ts';
import { Backoff } from './backoff.ts';

/** From SIGTERM to SIGKILL; longer than a process gives itself. */
const STOP_LIMIT = seconds(9);

/** Ends that don't heal by starting again: systemd's RestartPreventExitStatus says the same. */
const lasting: ReadonlySet<number> = new Set([exitCodes.config, exitCodes.noPerm]);

export interface ChildOptions {
  readonly name: ProcessName;
  readonly command: string;
  readonly args: readonly string[];
  readonly environment: NodeJS.ProcessEnv;
  readonly clock: Clock;
  /** One line a change of state. */
  readonly say: (text: string) => void;
  /** A line of the process's own log. */
  readonly log: (line: string) => void;
  /** It ended with a code that starting again can't mend. */
  readonly onLastingFault: (code: number) => void;
}

export class SupervisedChild {
  readonly #options: ChildOptions;
  readonly #backoff = new Backoff();
  #process: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #stopping = false;

  constructor(options: ChildOptions) {
    this.#options = options;
  }

  start(): void {
    const { name, command, args, environment, clock, say, log } = this.#options;
    const began = clock.monotonic();
    // Its own session: Ctrl-C in a terminal reaches the supervisor alone, which stops the processes in order.
    const child = spawn(command, args, {
      env: environment,
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
      cwd: '/',
    });
    this.#process = child;
    say(`${name} started, pid ${child.pid ?? 'none'}`);
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      log(line);
      if (isReady(line)) say(`${name} ready, pid ${child.pid}`);
    });
    this.#ended = new Promise((resolve) => {
      child.once('error', (error) => {
        this.#process = undefined;
        say(`${name} cannot be started: ${error.message}`);
        this.#again(began);
        resolve();
      });
      child.once('exit', (code, signal) => {
        this.#process = undefined;
        const how = signal === null ? `exit code ${code}` : signal;
        if (this.#stopping) say(`${name} stopped, ${how}`);
        else if (code !== null && lasting.has(code)) {
          say(`${name} ended, ${how}: not started again`);
          this.#options.onLastingFault(code);
        } else this.#again(began, how);
        resolve();
      });
    });
  }

  #again(began: MonotonicMillis, how?: string): void {
    if (this.#stopping) return;
    const { name, clock, say } = this.#options;
    const wait = this.#backoff.after(between(began, clock.monotonic()));
    say(`${name} ended${how === undefined ? '' : `, ${how}`}; started again in ${wait} ms`);
    this.#timer = setTimeout(() => this.start(), wait);
  }

  /** SIGTERM, and SIGKILL when that isn't enough. Resolves once the process is gone. */
  async stop(): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#timer);
    const child = this.#process;
    if (!child) return;
    child.kill('SIGTERM');
    const limit = setTimeout(() => {
      this.#options.say(`${this.#options.name} does not stop; killed`);
      child.kill('SIGKILL');
    }, STOP_LIMIT);
    await this.#ended;
    clearTimeout(limit);
  }
}

function isReady(line: string): boolean {
  if (!line.includes('"ready"')) return false;
  try {
    return (JSON.parse(line) as { msg?: unknown }).msg === 'ready';
  } catch {
    return false; // Not a line of the log: passed on all the same.
  }
}
