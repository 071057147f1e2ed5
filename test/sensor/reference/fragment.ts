/**
 * The reference that the native stage's fragments are compared with: IPv4 (RFC 791 section 3.2) and IPv6 (RFC 8200 section
 * 4.5), put together to a frame like the first fragment's. A canvas of 64 KB a datagram instead of pieces in order: each
 * byte of it says which piece painted it.
 *
 * IPv4 keeps the byte that came first, IPv6 gives the datagram up (RFC 5722); the same once more is passed over.
 */
import { ipProtocol } from './constants.ts';
import type { Frame } from './frame.ts';

export const fragmentLimits = {
  DATAGRAMS: 256,
  PIECES: 128,
  BYTES: 4 * 1024 * 1024,
  LIFE_MS: 30_000,
  /** How long copies of what is whole are passed over; how soon a contradiction must follow to be meant. */
  COPY_MS: 100,
  AT_ONCE_MS: 1000,
  HEAD: 512,
  LONGEST: 65_535,
} as const;

interface Fragment {
  /** What stands before the payload. */
  readonly head: Uint8Array;
  readonly data: Uint8Array;
  readonly start: number;
  readonly more: boolean;
  readonly key: string;
  /** First header of the whole datagram's payload, and where the head tells it (IPv6). */
  readonly next: number;
  readonly nextAt: number;
  /** Where the IP header begins. */
  readonly network: number;
}

interface Datagram {
  readonly key: string;
  readonly started: number;
  closed: boolean;
  wholeAt: number | undefined;
  told: boolean;
  total: number | undefined;
  first: Fragment | undefined;
  readonly canvas: Uint8Array;
  readonly painted: Uint8Array;
  /** Pieces as they were kept. */
  ranges: [number, number][];
  kept: number;
}

const extensions: ReadonlySet<number> = new Set([
  ipProtocol.HOP_BY_HOP,
  ipProtocol.ROUTING,
  ipProtocol.AUTHENTICATION,
  ipProtocol.DESTINATION,
  ipProtocol.MOBILITY,
]);

function read(frame: Frame): Fragment | string {
  const { bytes, networkStart: ip, vlan, source, destination } = frame;
  const u8 = (at: number): number => bytes[at] ?? 0;
  const u16 = (at: number): number => u8(at) * 256 + u8(at + 1);
  if (frame.network === 'ipv4') {
    const payload = ip + (u8(ip) & 15) * 4;
    const end = u16(ip + 2) === 0 ? bytes.length : ip + u16(ip + 2);
    const start = (u16(ip + 6) & 0x1fff) * 8;
    const more = (u16(ip + 6) & 0x2000) !== 0;
    if (end <= payload || (more && (end - payload) % 8 !== 0)) return 'fragment_length_bad';
    if (end > bytes.length) return 'fragment_truncated';
    if (payload - ip + start + end - payload > fragmentLimits.LONGEST) return 'fragment_too_long';
    return {
      head: bytes.slice(0, payload),
      data: bytes.slice(payload, end),
      start,
      more,
      key: [source, destination, vlan, u8(ip + 9), u16(ip + 4)].join('|'),
      next: u8(ip + 9),
      nextAt: 0,
      network: ip,
    };
  }
  const end = u16(ip + 4) === 0 ? bytes.length : ip + 40 + u16(ip + 4);
  let at = ip + 40;
  let nextAt = ip + 6;
  for (;;) {
    const header = u8(nextAt);
    if (header === ipProtocol.FRAGMENT && (u16(at + 2) & 0xfff9) !== 0) break;
    nextAt = at;
    if (header === ipProtocol.FRAGMENT) at += 8;
    else at += header === ipProtocol.AUTHENTICATION ? (u8(at + 1) + 2) * 4 : (u8(at + 1) + 1) * 8;
  }
  const payload = at + 8;
  const start = u16(at + 2) & 0xfff8;
  const more = (u8(at + 3) & 1) !== 0;
  if (end <= payload || (more && (end - payload) % 8 !== 0)) return 'fragment_length_bad';
  if (end > bytes.length) return 'fragment_truncated';
  if (at - ip - 40 + start + end - payload > fragmentLimits.LONGEST) return 'fragment_too_long';
  return {
    head: bytes.slice(0, at),
    data: bytes.slice(payload, end),
    start,
    more,
    key: [source, destination, vlan, u16(at + 4), u16(at + 6)].join('|'),
    next: u8(at),
    nextAt,
    network: ip,
  };
}

function isTiny(network: string, { start, data, next }: Fragment): boolean {
  if (network === 'ipv4')
    return next === ipProtocol.TCP && (start === 8 || (start === 0 && data.length < 20));
  if (start !== 0) return false;
  let at = 0;
  let header = next;
  while (extensions.has(header)) {
    if (at + 8 > data.length) return true;
    const units = data[at + 1] ?? 0;
    const length = header === ipProtocol.AUTHENTICATION ? (units + 2) * 4 : (units + 1) * 8;
    header = data[at] ?? 0;
    at += length;
  }
  const wanted = header === ipProtocol.TCP ? 20 : header === ipProtocol.UDP ? 8 : 0;
  return at + wanted > data.length;
}

export class FragmentTable {
  /** In the order in which they began. */
  readonly #datagrams: Datagram[] = [];
  readonly #weird: (name: string) => void;
  bytes = 0;

  constructor(weird: (name: string) => void) {
    this.#weird = weird;
  }

  get size(): number {
    return this.#datagrams.length;
  }

  expire(at: number): void {
    for (;;) {
      const [oldest] = this.#datagrams;
      if (oldest === undefined || Math.abs(at - oldest.started) <= fragmentLimits.LIFE_MS) return;
      this.#forgetOldest();
    }
  }

  /** The whole datagram with the last of its fragments; what was done on purpose, once a datagram. */
  join(frame: Frame, at: number): { readonly whole?: Uint8Array; readonly against?: string } {
    this.expire(at);
    const six = frame.network === 'ipv6';
    const it = read(frame);
    if (typeof it === 'string') {
      this.#weird(it);
      return it === 'fragment_too_long' ? { against: it } : {};
    }
    let datagram = this.#datagrams.findLast(({ key }) => key === it.key);
    if (datagram?.wholeAt !== undefined && Math.abs(at - datagram.wholeAt) > fragmentLimits.COPY_MS)
      datagram = undefined;
    if (datagram === undefined) {
      if (this.#datagrams.length === fragmentLimits.DATAGRAMS) this.#forgetOldest();
      datagram = {
        key: it.key,
        started: at,
        closed: false,
        wholeAt: undefined,
        told: false,
        total: undefined,
        first: undefined,
        canvas: new Uint8Array(65_536),
        painted: new Uint8Array(65_536),
        ranges: [],
        kept: 0,
      };
      this.#datagrams.push(datagram);
    }
    let against = isTiny(frame.network, it) ? 'fragment_tiny' : undefined;
    if (against !== undefined) this.#weird(against);
    if (!datagram.closed) {
      while (this.bytes + it.data.length + fragmentLimits.HEAD > fragmentLimits.BYTES) {
        if (this.#forgetOldest() === datagram) return {};
      }
      const { what, purpose, over } = this.#add(datagram, it, six);
      if (what !== undefined) this.#weird(what);
      if (purpose) against = what;
      if (over) this.#close(datagram);
    }
    if (Math.abs(at - datagram.started) > fragmentLimits.AT_ONCE_MS) against = undefined;
    const news = datagram.told ? undefined : against;
    datagram.told ||= against !== undefined;
    const { total, first } = datagram;
    let whole: Uint8Array | undefined;
    if (!datagram.closed && total !== undefined && first !== undefined) {
      if (datagram.painted.subarray(0, total).every((piece) => piece !== 0)) {
        whole = assemble(first, datagram.canvas.subarray(0, total), six);
        this.#close(datagram);
        datagram.wholeAt = at;
      }
    }
    return {
      ...(whole === undefined ? {} : { whole }),
      ...(news === undefined ? {} : { against: news }),
    };
  }

  #add(datagram: Datagram, it: Fragment, six: boolean): { what?: string; purpose?: boolean; over?: boolean } {
    const { canvas, painted, ranges, total } = datagram;
    const end = it.start + it.data.length;
    const reach = painted.lastIndexOf(1) + 1;
    const known = total !== undefined && (it.more ? end >= total : end !== total);
    const late = total === undefined && !it.more && reach >= end;
    if (known || late) return { what: 'fragment_end_differs', purpose: true, over: six };
    let overlaps = false;
    let contradicts = false;
    for (let i = it.start; i < end; i++) {
      if (painted[i] === 0) continue;
      overlaps = true;
      if (canvas[i] !== it.data[i - it.start]) contradicts = true;
    }
    const same = ranges.some(([a, b]) => a === it.start && b === end);
    if (same && !contradicts) return {};
    if (overlaps && six) return { what: 'fragment_overlap', purpose: true, over: true };
    if (!it.more) datagram.total = end;
    if (it.start === 0 && datagram.first === undefined) {
      if (it.head.length > fragmentLimits.HEAD) return { what: 'fragment_head_long', over: true };
      datagram.first = it;
      this.#keep(datagram, it.head.length);
    }
    for (let i = it.start; i < end;) {
      if (painted[i] !== 0) {
        i++;
        continue;
      }
      let stop = i;
      while (stop < end && painted[stop] === 0) stop++;
      if (ranges.length === fragmentLimits.PIECES) return { what: 'fragments_many', over: true };
      ranges.push([i, stop]);
      canvas.set(it.data.subarray(i - it.start, stop - it.start), i);
      painted.fill(1, i, stop);
      this.#keep(datagram, stop - i);
      i = stop;
    }
    return overlaps ? { what: 'fragment_overlap', purpose: contradicts && !same } : {};
  }

  #keep(datagram: Datagram, count: number): void {
    datagram.kept += count;
    this.bytes += count;
  }

  #close(datagram: Datagram): void {
    datagram.closed = true;
    this.bytes -= datagram.kept;
    datagram.kept = 0;
  }

  #forgetOldest(): Datagram | undefined {
    const oldest = this.#datagrams.shift();
    if (oldest === undefined) return undefined;
    if (!oldest.closed) this.#weird('fragments_incomplete');
    this.#close(oldest);
    return oldest;
  }
}

function assemble(first: Fragment, payload: Uint8Array, six: boolean): Uint8Array {
  const { network } = first;
  const whole = Buffer.concat([first.head, payload]);
  if (six) {
    whole.writeUInt8(first.next, first.nextAt);
    whole.writeUInt16BE(whole.length - network - 40, network + 4);
  } else {
    whole.writeUInt16BE(whole.length - network, network + 2);
    whole.writeUInt16BE(whole.readUInt16BE(network + 6) & 0x4000, network + 6);
  }
  return whole;
}
