/**
 * One network namespace and the programs that run in it. Every program gets SIGKILL from the kernel when this
 * process ends, however it ends (PR_SET_PDEATHSIG), so no run leaves one behind; and its own session, so that
 * Ctrl-C in a terminal reaches the runner alone, which stops things in order.
 */
import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess, SpawnOptions } from 'node:child_process';

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly environment?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
  readonly input?: string;
  /** What it says, on either stream, as it says it. */
  readonly onOutput?: (text: string) => void;
}

/**
 * Words before a program of the clinic. SIGKILL at this process's end; and not the NODE_OPTIONS with which tap loads itself
 * into every child, whatever environment the child is given.
 */
export const launch = ['--pdeathsig=KILL', 'env', '--unset=NODE_OPTIONS'] as const;

export class Namespace {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }

  /** Make it, with its loopback up. */
  static create(name: string): Namespace {
    execFileSync('ip', ['netns', 'add', name]);
    const namespace = new Namespace(name);
    namespace.ip('link', 'set', 'lo', 'up');
    return namespace;
  }

  /** ip(8) in here. */
  ip(...args: string[]): string {
    return execFileSync('ip', ['-n', this.name, ...args], { encoding: 'utf8' });
  }

  sysctl(key: string, value: string): void {
    execFileSync('nsenter', [this.#net, 'sysctl', '-q', '-w', `${key}=${value}`]);
  }

  get #net(): string {
    return `--net=/run/netns/${this.name}`;
  }

  /** Start a program that stays. */
  spawn(program: string, args: readonly string[], options: SpawnOptions = {}): ChildProcess {
    return spawn('setpriv', [...launch, 'nsenter', this.#net, program, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      ...options,
      detached: true,
    });
  }

  /** Run a program to its end. `code` is 124 when it took longer than allowed. */
  run(program: string, args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
    const child = this.spawn(program, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...options.environment },
    });
    let [stdout, stderr, late] = ['', '', false];
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      options.onOutput?.(text);
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
      options.onOutput?.(text);
    });
    child.stdin?.on('error', () => undefined).end(options.input ?? '');
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        late = true;
        child.kill('SIGKILL');
      }, options.timeoutMs ?? 30_000);
      child.once('error', reject);
      child.once('close', (code) => {
        clearTimeout(timer);
        resolve({ code: late ? 124 : (code ?? 137), stdout, stderr });
      });
    });
  }

  /** True once something listens on the TCP port. */
  listens(port: number): boolean {
    return (
      execFileSync('nsenter', [this.#net, 'ss', '-Hltn', `sport = :${port}`], { encoding: 'utf8' }) !== ''
    );
  }
}

/** Ask a program to end, and make it. */
export async function stopChild(child: ChildProcess, limitMs = 3_000): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), limitMs);
  await ended;
  clearTimeout(timer);
}
