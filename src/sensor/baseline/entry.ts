/**
 * The rows of all baselines: what a device does with one peer on one service. They are columns of numbers in two arrays,
 * 84 bytes a row where an object in a map takes 350; the rows of a device are a chain.
 *
 *   amounts (f64)  first · last · out · in · dayOut · most
 *   counts (i32)   flows · day · days · what: port 16, protocol 8, bits 8 · next row of the device
 *
 * An `Entry` is one view that is moved from row to row: who keeps it must not move it.
 */
import { doubled } from '../grow.ts';
import { Names } from '../names.ts';

export const NO_ENTRY = -1;

/** What tells one row of a device from another. */
export interface Talk {
  readonly role: 'client' | 'server';
  /** Card, address or prefix of the other end. */
  readonly peer: string;
  readonly transport: 'tcp' | 'udp';
  /** 0: one of the ports that are another each time. */
  readonly port: number;
}

/** A row as it is made. */
export interface NewEntry extends Talk {
  readonly address: string;
  readonly outside: boolean;
  readonly protocol?: string | undefined;
  readonly first: number;
  readonly learnt: boolean;
}

/** A row as it is kept over a restart. */
export interface KeptEntry extends Talk {
  readonly address: string;
  readonly outside: boolean;
  readonly protocol?: string | undefined;
  readonly first: number;
  readonly last: number;
  readonly flows: number;
  readonly out: number;
  readonly in: number;
  readonly day: number;
  readonly dayOut: number;
  readonly most: number;
  readonly days: number;
  readonly learnt: boolean;
  readonly accepted?: boolean | undefined;
}

const amount = { first: 0, last: 1, out: 2, in: 3, dayOut: 4, most: 5 } as const;
const AMOUNTS = 6;
const count = { flows: 0, day: 1, days: 2, what: 3, next: 4 } as const;
const COUNTS = 5;
const bit = { SERVER: 1, OUTSIDE: 2, UDP: 4, LEARNT: 8, DIRTY: 16, ACCEPTED: 32 } as const;
/** What is compared of `what` to find a row. */
const SAME = (0xffff_0000 | bit.SERVER | bit.UDP) >> 0;
const FIRST_ROWS = 256;

const whatOf = ({ role, transport, port }: Talk): number =>
  (port << 16) | (role === 'server' ? bit.SERVER : 0) | (transport === 'udp' ? bit.UDP : 0);

export class Entries {
  amounts = new Float64Array(FIRST_ROWS * AMOUNTS);
  counts = new Int32Array(FIRST_ROWS * COUNTS);
  readonly peers: string[] = [];
  readonly addresses: string[] = [];
  readonly protocols = new Names();
  #free = NO_ENTRY;
  #used = 0;
  /** Rows that are some device's. */
  size = 0;

  /** A row before `next`. */
  add(entry: NewEntry, next: number): number {
    let row = this.#free;
    if (row === NO_ENTRY) {
      row = this.#used++;
      if (row * COUNTS === this.counts.length) this.#grow();
    } else this.#free = this.next(row);
    this.size++;
    const { first, protocol, outside, learnt } = entry;
    this.amounts.set([first, first, 0, 0, 0, 0], row * AMOUNTS);
    const bits = whatOf(entry) | (outside ? bit.OUTSIDE : 0) | (learnt ? bit.LEARNT : 0);
    this.counts.set([0, -1, 0, bits | (this.protocols.number(protocol) << 8), next], row * COUNTS);
    this.peers[row] = entry.peer;
    this.addresses[row] = entry.address;
    return row;
  }

  /** The row is free; `before` is the one that leads to it. */
  remove(row: number, before: number): void {
    if (before !== NO_ENTRY) this.counts[before * COUNTS + count.next] = this.next(row);
    this.peers[row] = this.addresses[row] = '';
    this.counts[row * COUNTS + count.next] = this.#free;
    this.#free = row;
    this.size--;
  }

  /** The row of the chain that begins at `head`. */
  find(head: number, talk: Talk): number {
    const what = whatOf(talk);
    for (let row = head; row !== NO_ENTRY; row = this.next(row)) {
      const bits = this.counts[row * COUNTS + count.what] as number;
      if (((bits ^ what) & SAME) === 0 && this.peers[row] === talk.peer) return row;
    }
    return NO_ENTRY;
  }

  next(row: number): number {
    return this.counts[row * COUNTS + count.next] as number;
  }

  #grow(): void {
    this.amounts = doubled(this.amounts);
    this.counts = doubled(this.counts);
  }
}

/** One row of the table, read and written in place. */
export class Entry {
  row = NO_ENTRY;
  readonly #table: Entries;

  constructor(table: Entries) {
    this.#table = table;
  }

  at(row: number): this {
    this.row = row;
    return this;
  }

  #amount(column: number): number {
    return this.#table.amounts[this.row * AMOUNTS + column] as number;
  }

  #setAmount(column: number, value: number): void {
    this.#table.amounts[this.row * AMOUNTS + column] = value;
  }

  #count(column: number): number {
    return this.#table.counts[this.row * COUNTS + column] as number;
  }

  #setCount(column: number, value: number): void {
    this.#table.counts[this.row * COUNTS + column] = value;
  }

  #has(mask: number): boolean {
    return (this.#count(count.what) & mask) !== 0;
  }

  #set(mask: number, value: boolean): void {
    const bits = this.#count(count.what);
    this.#setCount(count.what, value ? bits | mask : bits & ~mask);
  }

  get role(): 'client' | 'server' {
    return this.#has(bit.SERVER) ? 'server' : 'client';
  }

  get peer(): string {
    return this.#table.peers[this.row] as string;
  }

  /** Of the other end, at last. */
  get address(): string {
    return this.#table.addresses[this.row] as string;
  }

  set address(address: string) {
    this.#table.addresses[this.row] = address;
  }

  get outside(): boolean {
    return this.#has(bit.OUTSIDE);
  }

  get transport(): 'tcp' | 'udp' {
    return this.#has(bit.UDP) ? 'udp' : 'tcp';
  }

  get port(): number {
    return this.#count(count.what) >>> 16;
  }

  get protocol(): string | undefined {
    return this.#table.protocols.name((this.#count(count.what) >>> 8) & 255);
  }

  set protocol(protocol: string) {
    const bits = this.#count(count.what) & ~0xff00;
    this.#setCount(count.what, bits | (this.#table.protocols.number(protocol) << 8));
  }

  get first(): number {
    return this.#amount(amount.first);
  }

  get last(): number {
    return this.#amount(amount.last);
  }

  set last(at: number) {
    this.#setAmount(amount.last, at);
  }

  get flows(): number {
    return this.#count(count.flows);
  }

  set flows(flows: number) {
    this.#setCount(count.flows, Math.min(flows, 0x7fff_ffff));
  }

  get out(): number {
    return this.#amount(amount.out);
  }

  set out(bytes: number) {
    this.#setAmount(amount.out, bytes);
  }

  get in(): number {
    return this.#amount(amount.in);
  }

  set in(bytes: number) {
    this.#setAmount(amount.in, bytes);
  }

  /** Which day it is of the counts, what was sent on it, and the most that was sent in a day before. */
  get day(): number {
    return this.#count(count.day);
  }

  set day(day: number) {
    this.#setCount(count.day, day);
  }

  get dayOut(): number {
    return this.#amount(amount.dayOut);
  }

  set dayOut(bytes: number) {
    this.#setAmount(amount.dayOut, bytes);
  }

  get most(): number {
    return this.#amount(amount.most);
  }

  set most(bytes: number) {
    this.#setAmount(amount.most, bytes);
  }

  /** Days on which it was seen. */
  get days(): number {
    return this.#count(count.days);
  }

  set days(days: number) {
    this.#setCount(count.days, days);
  }

  get learnt(): boolean {
    return this.#has(bit.LEARNT);
  }

  set learnt(learnt: boolean) {
    this.#set(bit.LEARNT, learnt);
  }

  /** It wasn't told yet, or counted on. */
  get dirty(): boolean {
    return this.#has(bit.DIRTY);
  }

  set dirty(dirty: boolean) {
    this.#set(bit.DIRTY, dirty);
  }

  /** Learnt because an operator said so. */
  get accepted(): boolean {
    return this.#has(bit.ACCEPTED);
  }

  set accepted(accepted: boolean) {
    this.#set(bit.ACCEPTED, accepted);
  }

  kept(): KeptEntry {
    const { role, peer, address, outside, transport, port, protocol, first, last } = this;
    const { flows, out, in: in_, day, dayOut, most, days, learnt } = this;
    return {
      role,
      peer,
      address,
      outside,
      transport,
      port,
      ...(protocol === undefined ? {} : { protocol }),
      first,
      last,
      flows,
      out,
      in: in_,
      day,
      dayOut,
      most,
      days,
      learnt,
      ...(this.accepted ? { accepted: true } : {}),
    };
  }

  /** Counts of a row that was kept. */
  restore({ last, flows, out, in: in_, day, dayOut, most, days, accepted = false }: KeptEntry): void {
    Object.assign(this, { last, flows, out, in: in_, day, dayOut, most, days, accepted });
  }
}
