/**
 * Few names that many rows say, by number: a row keeps a byte instead of a word. Number 0 is no name; what comes when all
 * numbers are given has none.
 */
const NAMES = 256;

export class Names {
  readonly #names: (string | undefined)[] = [undefined];
  readonly #numbers = new Map<string, number>();

  /** The number of a name, a new one when it has none. */
  number(name: string | undefined): number {
    if (name === undefined) return 0;
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    if (this.#names.length === NAMES) return 0;
    const number = this.#names.push(name) - 1;
    this.#numbers.set(name, number);
    return number;
  }

  name(number: number): string | undefined {
    return this.#names[number];
  }
}
