/**
 * A network namespace with the addon at work in it: made, asked and removed by the tests of this folder. Needs root.
 */
import { spawn, execFile, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { ActivityReport, HandshakeDatagram } from '../../src/platform/addon.ts';

const run = promisify(execFile);
const DEADLINE_MS = 60_000;

export interface Request {
  readonly id: number;
  readonly verb: string;
  readonly body: unknown;
}

export type Answer =
  | { readonly answer: number; readonly value: unknown }
  | {
      readonly answer: number;
      readonly error: { readonly name: string; readonly code: string; readonly text: string };
    };

export interface CapturedFrame {
  readonly kept: Uint8Array;
  readonly wireLength: number;
  readonly at: number;
}

export type StationEvent =
  | { readonly event: 'handshakes'; readonly batch: readonly HandshakeDatagram[] }
  | { readonly event: 'activity'; readonly batch: readonly ActivityReport[] }
  | { readonly event: 'frames'; readonly frames: readonly CapturedFrame[]; readonly end: string }
  | { readonly event: 'datagram'; readonly port: number; readonly bytes: Uint8Array; readonly from: number }
  | { readonly event: 'failure'; readonly code: string; readonly text: string };

/** What the child threw. */
export class StationError extends Error {
  readonly code: string;
  constructor(error: { name: string; code: string; text: string }) {
    super(error.text);
    this.name = error.name;
    this.code = error.code;
  }
}

/** `ip` with JSON output; the values are the test's to know. */
export async function ip(...args: string[]): Promise<Record<string, never>[]> {
  const { stdout } = await run('ip', ['-j', '-d', ...args]);
  return stdout.trim() === '' ? [] : (JSON.parse(stdout) as Record<string, never>[]);
}

let made = 0;

export class Namespace {
  readonly name: string;
  private constructor(name: string) {
    this.name = name;
  }

  static async make(label: string): Promise<Namespace> {
    made += 1;
    const namespace = new Namespace(`ar-addon-${label}${made}-${process.pid}`);
    await run('ip', ['netns', 'add', namespace.name]);
    await namespace.ip('link', 'set', 'lo', 'up');
    return namespace;
  }

  ip(...args: string[]): Promise<Record<string, never>[]> {
    return ip('-n', this.name, ...args);
  }

  async exec(command: string, ...args: string[]): Promise<string> {
    const { stdout } = await run('ip', ['netns', 'exec', this.name, command, ...args]);
    return stdout;
  }

  async remove(): Promise<void> {
    await run('ip', ['netns', 'del', this.name]);
  }
}

export class Station {
  readonly events: StationEvent[] = [];
  readonly #child: ChildProcess;
  readonly #waiting = new Map<
    number,
    { resolve: (answer: Answer) => void; reject: (error: Error) => void }
  >();
  #wake: () => void = () => {};
  #next = 0;

  /** `before` stands before the command: setpriv and its options. */
  constructor(namespace: Namespace, ...before: string[]) {
    const file = fileURLToPath(new URL('station-process.ts', import.meta.url));
    this.#child = spawn('ip', ['netns', 'exec', namespace.name, ...before, process.execPath, file], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      serialization: 'advanced',
    });
    this.#child.on('message', (message: Answer | StationEvent) => {
      if ('event' in message) this.events.push(message);
      else this.#waiting.get(message.answer)?.resolve(message);
      this.#wake();
    });
    this.#child.on('exit', () => {
      for (const { reject } of this.#waiting.values())
        reject(new Error('the station ended before it answered'));
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  async ask(verb: string, body: unknown = {}): Promise<unknown> {
    const id = this.#next++;
    const answer = await new Promise<Answer>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#child.send({ id, verb, body } satisfies Request);
    });
    this.#waiting.delete(id);
    if ('error' in answer) throw new StationError(answer.error);
    return answer.value;
  }

  transport(method: string, ...args: unknown[]): Promise<unknown> {
    return this.ask('transport', { method, args });
  }

  async counters(): Promise<Record<string, number>> {
    return (await this.transport('counters')) as Record<string, number>;
  }

  /** The first thing `find` sees in the events, now or before the deadline. */
  async see<T>(what: string, find: (events: readonly StationEvent[]) => T | undefined): Promise<T> {
    const deadline = Date.now() + DEADLINE_MS;
    for (;;) {
      const found = find(this.events);
      if (found !== undefined) return found;
      const left = deadline - Date.now();
      if (left <= 0) throw new Error(`never seen: ${what}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** Let the process end by itself; its exit code. Killed, and then 'killed', when it doesn't. */
  async leave(): Promise<number | 'killed'> {
    const exited = once(this.#child, 'exit') as Promise<[number | null]>;
    if (this.#child.exitCode !== null) return this.#child.exitCode;
    await this.ask('leave');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), DEADLINE_MS);
    const [code] = await exited;
    clearTimeout(timer);
    return code ?? 'killed';
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}

/** Every report of `peer` so far, its flags ored together. */
export const flagsOf = (events: readonly StationEvent[], peer: number): number =>
  events
    .flatMap((e) => (e.event === 'activity' ? e.batch : []))
    .filter((report) => report.peer === peer)
    .reduce((flags, report) => flags | report.flags, 0);
