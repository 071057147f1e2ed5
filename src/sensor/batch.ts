/**
 * The batch of the native stage, walked in place: the layout of each record is in `native/sensor/batch.h`.
 *
 * The stage is ours, and yet lengths are checked: a record that doesn't fit ends the walk.
 */
import { frameWeirds } from './constants.ts';
import type { Frame } from './frame.ts';

const record = {
  FRAME: 1,
  DATA: 2,
  ENDED: 3,
  FLOW: 4,
  SIGHTING: 5,
  WEIRD: 6,
  TOTALS: 7,
  AGAINST: 8,
} as const;
/** Bytes of each kind before what varies. */
const least = [8, 136, 32, 24, 88, 56, 24, 64, 64] as const;

/** Why the stage looks no further at a direction. */
export type StageEnd = 'inspected' | 'gap' | 'truncated';
const ends: readonly (StageEnd | undefined)[] = [undefined, 'inspected', 'gap', 'truncated'];

export interface Totals {
  readonly frames: number;
  readonly bytes: number;
  readonly fragments: number;
  readonly flows: number;
  readonly flowsEvicted: number;
  readonly pendingBytes: number;
  /** Cards held back since the last totals: more appeared than are believed. */
  readonly held: number;
}

const told = { UDP: 1, OPENED: 2, MUTUAL: 4, ENTERED: 8 } as const;
/** What the stage reads itself, by number. */
const spokens: readonly (string | undefined)[] = [undefined, 'http', 'tls'];
const newsBit = { OPENED: 1, ANSWERED: 2, MUTUAL: 4, ACCOUNT: 8, REMOVED: 16 } as const;

/** What the stage tells of a flow. One object that every such record is loaded into. */
export class FlowNews {
  row = 0;
  generation = 0;
  /** When it last went on. */
  at = 0;
  transport: 'tcp' | 'udp' = 'tcp';
  /** The start was seen, so the client is known. */
  opened = false;
  /** Both ends spoke, or the server's port answered. */
  mutual = false;
  /** It was accounted for before. */
  entered = false;
  /** News: it begins; the server's port answered; both ends speak now; it brought bytes; it leaves the table. */
  isNew = false;
  isAnswered = false;
  isMutual = false;
  isAccount = false;
  isRemoved = false;
  clientMac = 0;
  serverMac = 0;
  client = '';
  server = '';
  clientPort = 0;
  serverPort = 0;
  /** Payload bytes of each side since they were last told. */
  clientBytes = 0;
  serverBytes = 0;
  /** What it speaks, where the stage read that. */
  spoken: string | undefined = undefined;
  /** It leaves, and all that it brought was told before: of its ends nothing is loaded. */
  spent = false;

  load(view: DataView, at: number): void {
    const bits = view.getUint8(at + 1);
    const news = view.getUint8(at + 2);
    const length = view.getUint8(at + 3);
    this.transport = (bits & told.UDP) !== 0 ? 'udp' : 'tcp';
    this.opened = (bits & told.OPENED) !== 0;
    this.mutual = (bits & told.MUTUAL) !== 0;
    this.entered = (bits & told.ENTERED) !== 0;
    this.isNew = (news & newsBit.OPENED) !== 0;
    this.isAnswered = (news & newsBit.ANSWERED) !== 0;
    this.isMutual = (news & newsBit.MUTUAL) !== 0;
    this.isAccount = (news & (newsBit.ACCOUNT | newsBit.REMOVED)) !== 0;
    this.isRemoved = (news & newsBit.REMOVED) !== 0;
    this.at = view.getFloat64(at + 8, true);
    this.row = view.getUint32(at + 16, true);
    this.generation = view.getUint32(at + 20, true);
    this.clientBytes = view.getUint32(at + 80, true);
    this.serverBytes = view.getUint32(at + 84, true);
    this.spent = this.isRemoved && this.entered && this.clientBytes === 0 && this.serverBytes === 0;
    if (this.spent) return;
    this.clientMac = view.getFloat64(at + 24, true);
    this.serverMac = view.getFloat64(at + 32, true);
    this.clientPort = view.getUint16(at + 40, true);
    this.serverPort = view.getUint16(at + 42, true);
    this.spoken = spokens[view.getUint8(at + 44)];
    this.client = packed(view, at + 48, length);
    this.server = packed(view, at + 64, length);
  }
}

export interface BatchReader {
  /** The frame is the reader's own, overwritten by the next one. */
  frame(frame: Frame, at: number): void;
  /** TCP payload that waited for an earlier segment; `chunk` is valid only during the call. */
  data(row: number, generation: number, side: 0 | 1, chunk: Uint8Array, at: number): void;
  ended(row: number, generation: number, side: 0 | 1, why: StageEnd): void;
  /** The news is the reader's own, overwritten by the next. */
  flow(news: FlowNews): void;
  /** What a card sent from an address since it was last told: `at` is when it was last seen. */
  sighting(mac: number, address: string, packets: number, bytes: number, at: number): void;
  /** `offset`: in a capture file; undefined: of a frame. */
  weird(name: string, count: number, offset: number | undefined): void;
  totals(totals: Totals): void;
  /** What no system does by itself, by the name of the weird, and who did it to whom. */
  against(name: string, mac: number, source: string, destination: string, at: number): void;
}

const sideOf = (byte: number): 0 | 1 => (byte === 1 ? 1 : 0);

const news = new FlowNews();

/** False when a record didn't fit. */
export function readBatch(batch: Uint8Array, frame: Frame, reader: BatchReader): boolean {
  const view = new DataView(batch.buffer, batch.byteOffset, batch.byteLength);
  const u32 = (at: number): number => view.getUint32(at, true);
  const f64 = (at: number): number => view.getFloat64(at, true);
  let at = 0;
  while (at < batch.length) {
    const kind = batch[at] as number;
    const fixed = least[kind];
    if (at + 8 > batch.length || fixed === undefined) return false;
    const length = u32(at + 4);
    if (length < fixed || length > batch.length - at) return false;
    switch (kind) {
      case record.FRAME: {
        const kept = u32(at + 132);
        if (kept > length - fixed) return false;
        frame.load(view, at, batch, at + fixed, at + fixed + kept);
        reader.frame(frame, f64(at + 8));
        break;
      }
      case record.DATA: {
        const size = u32(at + 28);
        if (size > length - fixed) return false;
        const chunk = batch.subarray(at + fixed, at + fixed + size);
        reader.data(u32(at + 16), u32(at + 20), sideOf(view.getUint8(at + 24)), chunk, f64(at + 8));
        break;
      }
      case record.ENDED: {
        const why = ends[view.getUint8(at + 17)];
        if (why === undefined) return false;
        reader.ended(u32(at + 8), u32(at + 12), sideOf(view.getUint8(at + 16)), why);
        break;
      }
      case record.FLOW:
        news.load(view, at);
        reader.flow(news);
        break;
      case record.SIGHTING:
        reader.sighting(
          f64(at + 16),
          packed(view, at + 40, view.getUint8(at + 36)),
          u32(at + 32),
          f64(at + 24),
          f64(at + 8),
        );
        break;
      case record.WEIRD: {
        const offset = f64(at + 16);
        reader.weird(
          frameWeirds[u32(at + 8)] ?? 'weird_unknown',
          u32(at + 12),
          offset < 0 ? undefined : offset,
        );
        break;
      }
      case record.TOTALS:
        reader.totals({
          frames: f64(at + 8),
          bytes: f64(at + 16),
          fragments: f64(at + 24),
          flows: u32(at + 32),
          flowsEvicted: u32(at + 36),
          pendingBytes: u32(at + 40),
          held: u32(at + 56),
        });
        break;
      case record.AGAINST: {
        const length = view.getUint8(at + 28);
        const source = packed(view, at + 32, length);
        const destination = packed(view, at + 48, length);
        reader.against(
          frameWeirds[u32(at + 24)] ?? 'weird_unknown',
          f64(at + 16),
          source,
          destination,
          f64(at + 8),
        );
        break;
      }
    }
    at += length;
  }
  return true;
}

/** Addresses are many times the same: those met last, by their four bytes. */
const KEPT = 4096;
const keptBytes = new Uint32Array(KEPT);
const kept: string[] = Array.from({ length: KEPT }, () => '\0\0');

/** An address of 4 or 16 bytes, two to a UTF-16 unit. */
export function packed(view: DataView, at: number, length: number): string {
  if (length === 4) {
    const bytes = view.getUint32(at);
    const place = Math.imul(bytes, 0x9e3779b1) >>> 20;
    if (keptBytes[place] === bytes) return kept[place] as string;
    const address = String.fromCharCode(bytes >>> 16, bytes & 0xffff);
    keptBytes[place] = bytes;
    kept[place] = address;
    return address;
  }
  if (length !== 16) return '';
  return String.fromCharCode(
    view.getUint16(at),
    view.getUint16(at + 2),
    view.getUint16(at + 4),
    view.getUint16(at + 6),
    view.getUint16(at + 8),
    view.getUint16(at + 10),
    view.getUint16(at + 12),
    view.getUint16(at + 14),
  );
}
