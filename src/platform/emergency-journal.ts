/**
 * A small journal for the hour when the audit log can't be written: records that care depends on are made durable
 * here, and go to the log when it takes records again.
 *
 * One file of a fixed size, written full of zeros when the process starts, so that a full disk can't hinder a write
 * later. Records lie one behind the other from offset 0; each write is synced before it counts (`fdatasync`).
 *
 *   0   4  length of the payload, big-endian; 0 ends the journal
 *   4   4  CRC-32 of the payload, big-endian
 *   8   n  payload, UTF-8 JSON
 *
 * What follows the last record is one more length of 0, written with it. A torn last record fails its checksum and
 * ends the journal: it was never acknowledged. `clear` writes the first length as 0.
 *
 * Surprise: where the disk itself is the fault, a second file on another file system (the run-time folder, which is
 * memory) takes the records. They outlive the process and not the machine; `volatile` says so.
 */
import {
  closeSync,
  constants,
  fdatasyncSync,
  fstatSync,
  mkdirSync,
  openSync,
  readSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';
import { Fault } from '../wire/errors.ts';

const HEADER_BYTES = 8;
const SIZE = 1024 * 1024;

export interface EmergencyJournalOptions {
  readonly file: string;
  /** Where records go when `file` fails. */
  readonly fallback: string;
  /** Bytes of each file. */
  readonly size?: number;
}

/** The records of a journal's bytes, and where the next one goes. Stops at the first that isn't whole. */
export function readRecords(bytes: Uint8Array): { readonly records: unknown[]; readonly end: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const records: unknown[] = [];
  let at = 0;
  while (at + HEADER_BYTES <= bytes.length) {
    const length = view.getUint32(at);
    if (length === 0 || length > bytes.length - at - HEADER_BYTES) break;
    const payload = bytes.subarray(at + HEADER_BYTES, at + HEADER_BYTES + length);
    if (crc32(payload) !== view.getUint32(at + 4)) break;
    try {
      records.push(JSON.parse(Buffer.from(payload).toString('utf8')));
    } catch {
      break;
    }
    at += HEADER_BYTES + length;
  }
  return { records, end: at };
}

/** One of the two files. */
class JournalFile {
  readonly #fd: number;
  readonly #size: number;
  readonly records: readonly unknown[];
  #end: number;

  constructor(file: string, size: number) {
    this.#size = size;
    this.#fd = openSync(file, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
    try {
      const have = fstatSync(this.#fd).size;
      if (have < size) {
        this.#write(Buffer.alloc(size - have), have);
        fdatasyncSync(this.#fd);
      }
      const bytes = Buffer.alloc(size);
      for (let at = 0; at < size;) {
        const read = readSync(this.#fd, bytes, at, size - at, at);
        if (read === 0) break;
        at += read;
      }
      const { records, end } = readRecords(bytes);
      this.records = records;
      this.#end = end;
    } catch (error) {
      closeSync(this.#fd);
      throw error;
    }
  }

  get empty(): boolean {
    return this.#end === 0;
  }

  /** False when there is no room. Throws what the disk says. */
  append(payload: Uint8Array): boolean {
    const length = HEADER_BYTES + payload.length;
    if (this.#end + length + HEADER_BYTES > this.#size) return false;
    const bytes = Buffer.alloc(length + HEADER_BYTES);
    bytes.writeUInt32BE(payload.length, 0);
    bytes.writeUInt32BE(crc32(payload), 4);
    bytes.set(payload, HEADER_BYTES);
    this.#write(bytes, this.#end);
    fdatasyncSync(this.#fd);
    this.#end += length;
    return true;
  }

  clear(): void {
    if (this.#end === 0) return;
    this.#write(Buffer.alloc(HEADER_BYTES), 0);
    fdatasyncSync(this.#fd);
    this.#end = 0;
  }

  close(): void {
    closeSync(this.#fd);
  }

  #write(bytes: Uint8Array, at: number): void {
    for (let done = 0; done < bytes.length;)
      done += writeSync(this.#fd, bytes, done, bytes.length - done, at + done);
  }
}

export class EmergencyJournal {
  readonly #files: (JournalFile | undefined)[] = [];
  /** Why a file can't be used, the first one's first. */
  readonly #faults: (Fault | undefined)[] = [];
  #held: number;
  #volatile = 0;

  /** Opens both files; one that can't be opened leaves the other. */
  constructor({ file, fallback, size = SIZE }: EmergencyJournalOptions) {
    for (const [i, name] of [file, fallback].entries()) {
      try {
        mkdirSync(dirname(name), { recursive: true, mode: 0o700 });
        this.#files[i] = new JournalFile(name, size);
      } catch (cause) {
        const why = cause instanceof Error ? cause.message : String(cause);
        this.#faults[i] = new Fault('STORE_UNAVAILABLE', `${name}: ${why}`, { cause });
      }
    }
    this.#volatile = this.#files[1]?.records.length ?? 0;
    this.#held = (this.#files[0]?.records.length ?? 0) + this.#volatile;
  }

  /** What an earlier process wrote and nobody cleared, in order. */
  get left(): readonly unknown[] {
    return this.#files.flatMap((each) => each?.records ?? []);
  }

  /** Records held now. */
  get held(): number {
    return this.#held;
  }

  /** How many of them would not outlive a power cut. */
  get volatile(): number {
    return this.#volatile;
  }

  /** Why the file on the disk can't be used; undefined in good order. */
  get fault(): Fault | undefined {
    return this.#faults[0];
  }

  /** Make `record` durable. False when neither file takes it. */
  append(record: unknown): boolean {
    const payload = Buffer.from(JSON.stringify(record), 'utf8');
    for (const i of [0, 1]) {
      const target = this.#files[i];
      if (!target) continue;
      try {
        if (!target.append(payload)) continue;
        this.#faults[i] = undefined;
        this.#held++;
        if (i === 1) this.#volatile++;
        return true;
      } catch (cause) {
        const why = cause instanceof Error ? cause.message : String(cause);
        this.#faults[i] = new Fault('STORE_UNAVAILABLE', why, { cause });
      }
    }
    return false;
  }

  /** Everything held is in the log. */
  clear(): void {
    if (this.#held === 0) return;
    for (const [i, each] of this.#files.entries()) {
      try {
        each?.clear();
      } catch (cause) {
        const why = cause instanceof Error ? cause.message : String(cause);
        this.#faults[i] = new Fault('STORE_UNAVAILABLE', why, { cause });
      }
    }
    this.#held = 0;
    this.#volatile = 0;
  }

  close(): void {
    for (const each of this.#files) each?.close();
  }
}
