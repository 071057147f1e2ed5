/**
 * The file of handshake timestamps: for each peer the greatest it has used, for ourselves one that we haven't reached.
 * What it is good for is in `tunnel/replay-guard.ts`.
 *
 *   0  64  header: "anteroom timestamps 1\n", zeros
 *   then one slot of 64 bytes for each key:
 *   0  32  public key
 *  32  12  TAI64N label, zeros for none
 *  44  12  zero
 *  56   8  the first 8 bytes of BLAKE2s over the 56 before
 *
 * A slot is written in place and lies in one sector, so a write is whole or not there; what a process wrote stays when
 * it is killed, and `stored` waits for the disk as well. Writes of a moment share one sync. The file never grows while
 * it is open; opening rewrites it with a slot for each key given and keeps those of keys no longer configured.
 */
import {
  closeSync,
  fdatasync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { hash } from '../crypto/blake2s.ts';
import { PublicKey } from '../crypto/public-key.ts';
import type { Logger } from '../platform/log.ts';
import { Fault } from '../wire/errors.ts';

const HEADER = Buffer.alloc(64);
HEADER.write('anteroom timestamps 1\n');
const SLOT_BYTES = 64;
const LABEL_AT = 32;
const LABEL_BYTES = 12;
const CHECK_AT = 56;
/** Keys that are no longer configured and whose timestamps are kept. */
const MAX_FORMER = 4096;
/** An answer doesn't wait longer than this for a disk that has stopped answering. */
const MAX_WAIT_MS = 1000;

const check = (slot: Uint8Array): Uint8Array =>
  hash(slot.subarray(0, CHECK_AT)).subarray(0, SLOT_BYTES - CHECK_AT);

function slotOf(key: PublicKey, label: Uint8Array | undefined): Buffer {
  const slot = Buffer.alloc(SLOT_BYTES);
  slot.set(key.bytes);
  if (label) slot.set(label, LABEL_AT);
  slot.set(check(slot), CHECK_AT);
  return slot;
}

/** By key, in the order of the file; and how many slots were damaged. */
function parse(bytes: Buffer): { labels: Map<string, Uint8Array | undefined>; damaged: number } | undefined {
  if (!bytes.subarray(0, HEADER.length).equals(HEADER)) return undefined;
  const labels = new Map<string, Uint8Array | undefined>();
  let damaged = 0;
  for (let at = HEADER.length; at < bytes.length; at += SLOT_BYTES) {
    const slot = bytes.subarray(at, at + SLOT_BYTES);
    const key = PublicKey.fromBytes(slot.subarray(0, LABEL_AT));
    if (slot.length < SLOT_BYTES || !key || !slot.subarray(CHECK_AT).equals(check(slot))) damaged++;
    else {
      const label = slot.subarray(LABEL_AT, LABEL_AT + LABEL_BYTES);
      labels.set(key.text, label.some((byte) => byte !== 0) ? Uint8Array.from(label) : undefined);
    }
  }
  return { labels, damaged };
}

function readOld(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined;
    throw new Fault('STORE_UNAVAILABLE', `${file}: ${cause instanceof Error ? cause.message : ''}`, {
      cause,
    });
  }
}

function writeNew(file: string, content: Buffer): number {
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    const next = openSync(`${file}.new`, 'w', 0o600);
    try {
      writeSync(next, content);
      fsyncSync(next);
    } finally {
      closeSync(next);
    }
    renameSync(`${file}.new`, file);
    const folder = openSync(dirname(file), 'r');
    try {
      fsyncSync(folder);
    } finally {
      closeSync(folder);
    }
    return openSync(file, 'r+');
  } catch (cause) {
    throw new Fault('STORE_UNAVAILABLE', `${file}: ${cause instanceof Error ? cause.message : ''}`, {
      cause,
    });
  }
}

export class TimestampFile {
  readonly #fd: number;
  readonly #slots = new Map<string, number>();
  readonly #labels: ReadonlyMap<string, Uint8Array | undefined>;
  readonly #log: Logger;
  /** What waits for the sync that is under way, and for the one after it. */
  #syncing: (() => void)[] | undefined;
  #next: (() => void)[] = [];
  #dirty = false;
  #closed = false;
  /** The last write or sync didn't succeed: timestamps hold until the process ends, not longer. */
  failing = false;

  /** Fault STORE_UNAVAILABLE when there can't be such a file, STORE_FOREIGN when it is something else. */
  constructor(file: string, keys: readonly PublicKey[], log: Logger) {
    this.#log = log;
    const old = readOld(file);
    const parsed = old ? parse(old) : { labels: new Map<string, Uint8Array | undefined>(), damaged: 0 };
    if (!parsed) throw new Fault('STORE_FOREIGN', file);
    if (parsed.damaged > 0) log.warn({ file, damaged: parsed.damaged }, 'timestamps of peers were damaged');
    this.#labels = parsed.labels;
    const configured = new Set(keys.map((key) => key.text));
    const former = [...parsed.labels.keys()]
      .map((text) => PublicKey.fromBytes(Buffer.from(text, 'base64')))
      .filter(
        (key) => key !== undefined && !configured.has(key.text) && parsed.labels.get(key.text) !== undefined,
      )
      .slice(-MAX_FORMER) as PublicKey[];
    const slots = [...former, ...keys];
    slots.forEach((key, i) => this.#slots.set(key.text, HEADER.length + i * SLOT_BYTES));
    const content = Buffer.concat([HEADER, ...slots.map((key) => slotOf(key, parsed.labels.get(key.text)))]);
    this.#fd = writeNew(file, content);
  }

  /** As it was when the file was opened. */
  label(key: PublicKey): Uint8Array | undefined {
    return this.#labels.get(key.text);
  }

  /** Written when this returns; on disk when a `stored` that follows calls back. */
  store(key: PublicKey, label: Uint8Array | undefined): void {
    const at = this.#slots.get(key.text);
    if (at === undefined || this.#closed) return;
    try {
      writeSync(this.#fd, slotOf(key, label), 0, SLOT_BYTES, at);
      this.#dirty = true;
    } catch (err) {
      this.#failed(err);
    }
  }

  /** Calls `f` once everything stored so far is on disk: at once, when nothing was stored since. */
  stored(f: () => void): void {
    if (!this.#dirty && !this.#syncing) return f();
    let called = false;
    const once = (): void => {
      if (called) return;
      called = true;
      clearTimeout(timer);
      f();
    };
    const timer = setTimeout(() => {
      this.#failed(new Error(`the disk took more than ${MAX_WAIT_MS} ms`));
      once();
    }, MAX_WAIT_MS);
    if (this.#dirty) {
      this.#next.push(once);
      this.#sync();
    } else this.#syncing?.push(once);
  }

  /** Nothing is called back afterwards. */
  close(): void {
    this.#closed = true;
    this.#next = [];
    if (!this.#syncing) closeSync(this.#fd);
  }

  #sync(): void {
    if (this.#syncing || !this.#dirty) return;
    this.#dirty = false;
    this.#syncing = this.#next;
    this.#next = [];
    fdatasync(this.#fd, (err) => {
      const waiting = this.#syncing ?? [];
      this.#syncing = undefined;
      if (this.#closed) return closeSync(this.#fd);
      if (err) this.#failed(err);
      else this.failing = false;
      for (const f of waiting) f();
      this.#sync();
    });
  }

  #failed(err: unknown): void {
    if (!this.failing) this.#log.warn({ err }, 'handshake timestamps can not be stored');
    this.failing = true;
  }
}
