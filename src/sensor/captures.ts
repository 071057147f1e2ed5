/**
 * Keeps a capture open on each configured interface: opens, notices that one failed or vanished, tries again.
 * Time and the way to open one are arguments.
 */
import type { SensorHealth } from './health.ts';

/** An open capture: what the sensor needs of the native ring. */
export interface Capture {
  statistics(): { readonly packets: number; readonly drops: number };
  close(): void;
}

/** Opens one. `failed` is called at most once, when the capture ends by itself. */
export type OpenCapture = (interfaceName: string, failed: (error: Error) => void) => Capture;

const RETRY_MS = 1_000;

interface Row {
  readonly name: string;
  capture: Capture | undefined;
  nextTry: number;
}

export class Captures {
  readonly #rows: readonly Row[];
  readonly #open: OpenCapture;
  readonly #health: SensorHealth;
  readonly #note: (interfaceName: string, error: Error | undefined) => void;
  /** Of captures that are closed by now. */
  #droppedBefore = 0;

  /** `note` is told when an interface opens (no error) or stops being open, not of each try. */
  constructor(
    interfaces: readonly string[],
    open: OpenCapture,
    health: SensorHealth,
    note: (interfaceName: string, error: Error | undefined) => void,
  ) {
    this.#rows = interfaces.map((name) => ({ name, capture: undefined, nextTry: -Infinity }));
    this.#open = open;
    this.#health = health;
    this.#note = note;
  }

  /** Open what isn't open and is due. Throws what opening throws only for EPERM: no retry will help. */
  tick(at: number): void {
    for (const row of this.#rows) {
      if (row.capture === undefined && at >= row.nextTry) this.#try(row, at);
    }
  }

  /** Frames that rings dropped since the start. */
  drops(): number {
    let drops = this.#droppedBefore;
    for (const row of this.#rows) drops += row.capture?.statistics().drops ?? 0;
    return drops;
  }

  close(): void {
    for (const row of this.#rows) {
      row.capture?.close();
      row.capture = undefined;
    }
  }

  #try(row: Row, at: number): void {
    row.nextTry = at + RETRY_MS;
    // A failure may be told before `open` has returned.
    let failure: Error | undefined;
    let opened: Capture | undefined;
    try {
      opened = this.#open(row.name, (error) => {
        failure = error;
        if (opened !== undefined && row.capture === opened) this.#lost(row, error, at);
      });
    } catch (error) {
      failure = error instanceof Error ? error : new Error(String(error));
      if (codeOf(failure) === 'EPERM') throw failure;
    }
    if (failure !== undefined || opened === undefined) {
      opened?.close();
      this.#health.down(row.name, reason(failure), at);
      return;
    }
    row.capture = opened;
    this.#health.up(row.name, at);
    this.#note(row.name, undefined);
  }

  #lost(row: Row, error: Error, at: number): void {
    this.#droppedBefore += row.capture?.statistics().drops ?? 0;
    row.capture?.close();
    row.capture = undefined;
    this.#health.down(row.name, reason(error), Math.max(at, row.nextTry - RETRY_MS));
    this.#note(row.name, error);
  }
}

const codeOf = (error: Error): string | undefined => (error as NodeJS.ErrnoException).code;

function reason(error: Error | undefined): string {
  if (error === undefined) return 'unknown';
  switch (codeOf(error)) {
    case 'ENODEV':
      return 'there is no such interface';
    case 'ENETDOWN':
      return 'the interface is down';
    default:
      return error.message;
  }
}
