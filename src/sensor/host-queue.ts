/**
 * Hosts in the order in which they were last seen: a chain through the hosts themselves, so that one moves to its end
 * without a look into a map. A host is in one queue at a time.
 */
import type { Host } from './host.ts';

export class HostQueue {
  #oldest: Host | undefined;
  #youngest: Host | undefined;

  get oldest(): Host | undefined {
    return this.#oldest;
  }

  /** As the one seen last. */
  add(host: Host): void {
    host.older = this.#youngest;
    host.younger = undefined;
    if (this.#youngest === undefined) this.#oldest = host;
    else this.#youngest.younger = host;
    this.#youngest = host;
  }

  remove(host: Host): void {
    this.#unlink(host);
    host.older = host.younger = undefined;
  }

  /** It was seen again. */
  touch(host: Host): void {
    if (host === this.#youngest) return;
    this.#unlink(host);
    this.add(host);
  }

  /** From the one that wasn't seen for longest. */
  *all(): Generator<Host> {
    for (let host = this.#oldest; host !== undefined; host = host.younger) yield host;
  }

  #unlink({ older, younger }: Host): void {
    if (older === undefined) this.#oldest = younger;
    else older.younger = younger;
    if (younger === undefined) this.#youngest = older;
    else younger.older = older;
  }
}
