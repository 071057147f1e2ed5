/**
 * One kind of thing that people open and close, by id: in memory, and in the store as far as it can be written. What
 * could not be written waits and is tried again; what is over stays listed for a while.
 *
 * A row of another version's shape is left out and counted, never guessed at.
 */
import type { z } from 'zod';
import type { LifeRow, StateStore } from './state-store.ts';

/** Of those that are over, how many stay in memory. */
const OVER_KEPT = 256;

export interface ShelfOptions<T> {
  readonly kind: string;
  readonly schema: z.ZodType<T>;
  readonly store: Pick<StateStore, 'life' | 'saveLife'>;
  readonly id: (item: T) => string;
  readonly at: (item: T) => number;
  readonly isOpen: (item: T) => boolean;
}

export class Shelf<T> {
  readonly #options: ShelfOptions<T>;
  readonly #items = new Map<string, T>();
  readonly #unwritten = new Set<string>();
  /** Rows of the store that are of no known shape. */
  readonly unread: number;

  constructor(options: ShelfOptions<T>) {
    this.#options = options;
    let unread = 0;
    for (const row of options.store.life()) {
      if (row.kind !== options.kind) continue;
      const parsed = options.schema.safeParse(parse(row.body));
      if (parsed.success) this.#items.set(row.id, parsed.data);
      else unread++;
    }
    this.unread = unread;
    this.#forget();
  }

  get(id: string): T | undefined {
    return this.#items.get(id);
  }

  /** All of them, the oldest first. */
  all(): T[] {
    return [...this.#items.values()];
  }

  open(): T[] {
    return this.all().filter((item) => this.#options.isOpen(item));
  }

  /** Keep `item`, new or changed. True when it is on the disk. */
  put(item: T): boolean {
    const id = this.#options.id(item);
    this.#items.set(id, item);
    this.#unwritten.add(id);
    this.#forget();
    return this.flush();
  }

  /** Write what waits. */
  flush(): boolean {
    if (this.#unwritten.size === 0) return true;
    const rows: LifeRow[] = [];
    for (const id of this.#unwritten) {
      const item = this.#items.get(id);
      if (item !== undefined) rows.push(this.#row(id, item));
    }
    if (!this.#options.store.saveLife(rows)) return false;
    this.#unwritten.clear();
    return true;
  }

  #row(id: string, item: T): LifeRow {
    const { kind, at, isOpen } = this.#options;
    return { kind, id, at: at(item), open: isOpen(item) ? 1 : 0, body: JSON.stringify(item) };
  }

  #forget(): void {
    let over = this.#items.size - this.open().length - OVER_KEPT;
    if (over <= 0) return;
    for (const [id, item] of this.#items) {
      if (this.#options.isOpen(item) || this.#unwritten.has(id)) continue;
      this.#items.delete(id);
      if (--over <= 0) return;
    }
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
