/**
 * The shape of a SYN or SYN-ACK, which the sender's TCP stack gives it, in p0f's notation (its README, section 5):
 *
 *   version : initial TTL + hops : IP options : MSS : window , scale : layout of options : quirks : payload
 *   4:64+0:0:1460:mss*44,7:mss,sok,ts,nop,ws:df,id+:0
 *
 * Nothing of it is of the connection: no address, port or number in sequence.
 */
import { u8, u16, u32 } from '../parsed.ts';
import { flags, initialTtls, optionLimit, options, windowScaleLimit } from './constants.ts';

export interface SynShape {
  readonly version: 4 | 6;
  readonly ttl: number;
  /** Length of IP options or extension headers. */
  readonly ipOptions: number;
  /** Undefined: the option isn't there. */
  readonly segmentSize: number | undefined;
  readonly window: number;
  readonly scale: number;
  readonly layout: string;
  readonly timestamps: boolean;
  readonly quirks: readonly string[];
  readonly payload: boolean;
}

/** `network` and `transport`: where the IP and TCP headers of a decoded segment begin; `end`: of the TCP header. */
export function synShape(
  bytes: Uint8Array,
  network: number,
  transport: number,
  payload: boolean,
): SynShape | undefined {
  if (transport + 20 > bytes.length) return undefined;
  const version = u8(bytes, network) >> 4 === 6 ? 6 : 4;
  const quirks: string[] = [];
  const bits = u8(bytes, transport + 13);
  const reply = (bits & flags.ack) !== 0;
  if (version === 4) {
    const fragment = u16(bytes, network + 6);
    const kept = (fragment & 0x4000) !== 0;
    const identified = u16(bytes, network + 4) !== 0;
    if (kept) quirks.push('df');
    if (kept && identified) quirks.push('id+');
    if (!kept && !identified) quirks.push('id-');
    if ((u8(bytes, network + 1) & 3) !== 0 || (bits & (flags.echo | flags.reduced)) !== 0) quirks.push('ecn');
    if ((fragment & 0x8000) !== 0) quirks.push('0+');
  } else {
    if ((u32(bytes, network) & 0xfffff) !== 0) quirks.push('flow');
    if (((u16(bytes, network) >> 4) & 3) !== 0 || (bits & (flags.echo | flags.reduced)) !== 0)
      quirks.push('ecn');
  }
  if (u32(bytes, transport + 4) === 0) quirks.push('seq-');
  const acknowledged = u32(bytes, transport + 8) !== 0;
  if (acknowledged && !reply) quirks.push('ack+');
  if (!acknowledged && reply) quirks.push('ack-');
  if ((bits & flags.urgent) !== 0) quirks.push('urgf+');
  else if (u16(bytes, transport + 18) !== 0) quirks.push('uptr+');
  if ((bits & flags.push) !== 0) quirks.push('pushf+');
  const read = readOptions(bytes, transport, reply, quirks);
  return {
    version,
    ttl: u8(bytes, network + (version === 4 ? 8 : 7)),
    ipOptions: version === 4 ? (u8(bytes, network) & 15) * 4 - 20 : transport - network - 40,
    window: u16(bytes, transport + 14),
    quirks,
    payload,
    ...read,
  };
}

type Read = Pick<SynShape, 'segmentSize' | 'scale' | 'layout' | 'timestamps'>;

function readOptions(bytes: Uint8Array, transport: number, reply: boolean, quirks: string[]): Read {
  const end = Math.min(bytes.length, transport + (u8(bytes, transport + 12) >> 4) * 4);
  const layout: string[] = [];
  let segmentSize: number | undefined;
  let scale = 0;
  let timestamps = false;
  let bad = false;
  for (let at = transport + 20; at < end && layout.length < optionLimit;) {
    const kind = u8(bytes, at);
    if (kind === options.nop) {
      layout.push('nop');
      at++;
      continue;
    }
    if (kind === options.end) {
      const padding = end - at - 1;
      layout.push(`eol+${padding}`);
      if (bytes.subarray(at + 1, end).some((byte) => byte !== 0)) quirks.push('opt+');
      break;
    }
    const length = u8(bytes, at + 1);
    if (length < 2 || at + length > end) {
      bad = true;
      break;
    }
    switch (kind) {
      case options.segmentSize:
        layout.push('mss');
        segmentSize = u16(bytes, at + 2);
        bad ||= length !== 4;
        break;
      case options.windowScale:
        layout.push('ws');
        scale = u8(bytes, at + 2);
        if (scale > windowScaleLimit) quirks.push('exws');
        bad ||= length !== 3;
        break;
      case options.selectivePermitted:
        layout.push('sok');
        bad ||= length !== 2;
        break;
      case options.selective:
        layout.push('sack');
        break;
      case options.timestamps:
        layout.push('ts');
        timestamps = true;
        if (u32(bytes, at + 2) === 0) quirks.push('ts1-');
        if (!reply && u32(bytes, at + 6) !== 0) quirks.push('ts2+');
        bad ||= length !== 10;
        break;
      default:
        layout.push(`?${kind}`);
    }
    at += length;
  }
  if (bad) quirks.push('bad');
  return { segmentSize, scale, layout: layout.join(','), timestamps };
}

/** The shape as p0f writes what it saw. */
export function synText(shape: SynShape): string {
  const initial = initialTtls.find((ttl) => shape.ttl <= ttl) ?? 255;
  const { segmentSize, window } = shape;
  const multiple =
    segmentSize !== undefined && segmentSize >= 100 && window % segmentSize === 0 && window > 0;
  const windowText = multiple ? `mss*${window / segmentSize}` : String(window);
  return [
    shape.version,
    `${initial}+${initial - shape.ttl}`,
    shape.ipOptions,
    segmentSize ?? 0,
    `${windowText},${shape.scale}`,
    shape.layout,
    shape.quirks.join(','),
    shape.payload ? '+' : '0',
  ].join(':');
}
