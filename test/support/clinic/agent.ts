/** The test's side of `tcp-agent.ts`: TCP connections opened inside a namespace, as objects with promises. */
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Namespace } from './namespace.ts';
import { stopChild } from './namespace.ts';
import { until } from '../until.ts';

interface Report {
  readonly event: 'open' | 'data' | 'end' | 'close' | 'error' | 'listening';
  readonly id: string;
  readonly bytes?: string;
  readonly code?: string;
}

/** One connection: what has arrived so far, and how it stands. */
export class AgentConnection {
  readonly id: string;
  readonly #agent: Agent;
  received = Buffer.alloc(0);
  /** When the last of it came, by `performance.now()`. */
  receivedAt = 0;
  opened = false;
  ended = false;
  closed = false;
  error: string | undefined;

  constructor(id: string, agent: Agent) {
    this.id = id;
    this.#agent = agent;
  }

  take(report: Report): void {
    if (report.event === 'open') this.opened = true;
    else if (report.event === 'data') {
      this.received = Buffer.concat([this.received, Buffer.from(report.bytes ?? '', 'base64')]);
      this.receivedAt = performance.now();
    } else if (report.event === 'end') this.ended = true;
    else if (report.event === 'close') this.closed = true;
    else if (report.event === 'error') this.error = report.code ?? 'error';
  }

  send(bytes: Uint8Array | string): void {
    this.#agent.order({ do: 'send', id: this.id, bytes: Buffer.from(bytes).toString('base64') });
  }

  /** Send a FIN. */
  end(): void {
    this.#agent.order({ do: 'end', id: this.id });
  }

  destroy(): void {
    this.#agent.order({ do: 'close', id: this.id });
  }

  /** Open, or failed. */
  settled(deadlineMs?: number): Promise<boolean> {
    return until(
      `connection ${this.id} settles`,
      () => this.opened || this.error !== undefined || this.closed,
      deadlineMs,
    ).then(() => this.opened);
  }

  /** Until what has arrived satisfies `enough`. */
  async receives(what: string, enough: (bytes: Buffer) => boolean, deadlineMs?: number): Promise<Buffer> {
    await until(
      `${this.id} receives ${what}`,
      () => {
        if (enough(this.received)) return true;
        if (this.closed)
          throw new Error(`${this.id} closed (${this.error ?? 'no error'}) before it received ${what}`);
        return undefined;
      },
      deadlineMs,
    );
    return this.received;
  }

  closes(deadlineMs?: number): Promise<boolean> {
    return until(`${this.id} closes`, () => this.closed || this.ended, deadlineMs);
  }
}

export class Agent {
  readonly #child: ChildProcess;
  readonly connections = new Map<string, AgentConnection>();
  readonly #listening = new Set<string>();
  #counter = 0;

  constructor(namespace: Namespace) {
    const program = fileURLToPath(new URL('tcp-agent.ts', import.meta.url));
    this.#child = namespace.spawn(process.execPath, [program], { stdio: ['pipe', 'pipe', 'inherit'] });
    // Orders to an agent that has ended go nowhere; its connections ended with it.
    this.#child.stdin?.on('error', () => undefined);
    createInterface({ input: this.#child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      const report = JSON.parse(line) as Report;
      if (report.event === 'listening') this.#listening.add(report.id);
      else this.#connection(report.id).take(report);
    });
  }

  #connection(id: string): AgentConnection {
    const known = this.connections.get(id);
    if (known) return known;
    const connection = new AgentConnection(id, this);
    this.connections.set(id, connection);
    return connection;
  }

  order(order: Readonly<Record<string, unknown>>): void {
    this.#child.stdin?.write(`${JSON.stringify(order)}\n`);
  }

  /** `from`: the source address, when it matters. */
  connect(address: string, port: number, from?: string): AgentConnection {
    this.#counter += 1;
    const id = `c${this.#counter}`;
    const connection = this.#connection(id);
    this.order({ do: 'connect', id, address, port, ...(from === undefined ? {} : { from }) });
    return connection;
  }

  /** Accept on `port` and say nothing; the answer lists what was accepted so far. */
  async listen(port: number): Promise<() => AgentConnection[]> {
    const id = `l${port}`;
    this.order({ do: 'listen', id, port });
    await until(`${id} listens`, () => this.#listening.has(id));
    return () => [...this.connections.values()].filter((c) => c.id.startsWith(`${id}/`));
  }

  stop(): Promise<void> {
    return stopChild(this.#child);
  }
}
