/** Frames made by hand for the tests: written from the header layouts, not with the code under test. */

const u16 = (n: number): number[] => [(n >> 8) & 255, n & 255];
const u32 = (n: number): number[] => [...u16(Math.floor(n / 65536)), ...u16(n % 65536)];

export const macBytes = (text: string): number[] => text.split(':').map((h) => Number.parseInt(h, 16));
export const ip4 = (text: string): number[] => text.split('.').map(Number);
/** Eight full groups: `fe80:0:0:0:0:0:0:1`. */
export const ip6 = (text: string): number[] => text.split(':').flatMap((h) => u16(Number.parseInt(h, 16)));

export interface Station {
  readonly mac: string;
  readonly ip: string;
}

export interface Tagged {
  readonly vlans?: readonly number[];
}

export function ethernet(
  from: string,
  to: string,
  type: number,
  payload: number[],
  tags: Tagged = {},
): Uint8Array {
  const vlans = (tags.vlans ?? []).flatMap((id, i, all) => [
    ...u16(all.length > 1 && i === 0 ? 0x88a8 : 0x8100),
    ...u16(id),
  ]);
  return Uint8Array.from([...macBytes(to), ...macBytes(from), ...vlans, ...u16(type), ...payload]);
}

export interface Ipv4Options {
  readonly ttl?: number;
  readonly fragment?: number;
  readonly options?: number[];
}

export function ipv4(
  from: string,
  to: string,
  protocol: number,
  payload: number[],
  o: Ipv4Options = {},
): number[] {
  const options = o.options ?? [];
  const header = 20 + options.length;
  return [
    0x40 | (header / 4),
    0,
    ...u16(header + payload.length),
    0,
    1,
    ...u16(o.fragment ?? 0x4000),
    o.ttl ?? 64,
    protocol,
    0,
    0,
    ...ip4(from),
    ...ip4(to),
    ...options,
    ...payload,
  ];
}

export const ipv6 = (from: string, to: string, next: number, payload: number[], hopLimit = 64): number[] => [
  0x60,
  0,
  0,
  0,
  ...u16(payload.length),
  next,
  hopLimit,
  ...ip6(from),
  ...ip6(to),
  ...payload,
];

export const tcp = (
  from: number,
  to: number,
  seq: number,
  flags: number,
  data: readonly number[] = [],
): number[] => [
  ...u16(from),
  ...u16(to),
  ...u32(seq),
  ...u32(0),
  0x50,
  flags,
  ...u16(8192),
  0,
  0,
  0,
  0,
  ...data,
];

export const udp = (from: number, to: number, data: readonly number[] = []): number[] => [
  ...u16(from),
  ...u16(to),
  ...u16(8 + data.length),
  0,
  0,
  ...data,
];

export const arp = (operation: number, senderMac: string, senderIp: string, targetIp: string): number[] => [
  ...u16(1),
  ...u16(0x800),
  6,
  4,
  ...u16(operation),
  ...macBytes(senderMac),
  ...ip4(senderIp),
  0,
  0,
  0,
  0,
  0,
  0,
  ...ip4(targetIp),
];

export const FIN = 1;
export const SYN = 2;
export const RST = 4;
export const PSH = 8;
export const ACK = 16;

export const tcpFrame = (
  from: Station,
  to: Station,
  ports: readonly [number, number],
  seq: number,
  flags: number,
  data: readonly number[] = [],
  tags: Tagged = {},
): Uint8Array =>
  ethernet(from.mac, to.mac, 0x800, ipv4(from.ip, to.ip, 6, tcp(ports[0], ports[1], seq, flags, data)), tags);

export const ascii = (text: string): number[] => [...Buffer.from(text, 'latin1')];

const item = (type: number, body: number[]): number[] => [type, 0, ...u16(body.length), ...body];

export interface AssociateFields {
  readonly called: string;
  readonly calling: string;
  readonly uid?: string;
  readonly version?: string;
  readonly maximum?: number;
  /** A username, which nothing may ever print. */
  readonly user?: string;
}

/** A-ASSOCIATE-RQ (1) or -AC (2) with one Verification context. */
export function associate(type: 1 | 2, f: AssociateFields): number[] {
  const title = (text: string): number[] => ascii(text.padEnd(16));
  const context =
    type === 1
      ? item(0x20, [
          1,
          0,
          0,
          0,
          ...item(0x30, ascii('1.2.840.10008.1.1')),
          ...item(0x40, ascii('1.2.840.10008.1.2')),
        ])
      : item(0x21, [1, 0, 0, 0, ...item(0x40, ascii('1.2.840.10008.1.2'))]);
  const user = item(0x50, [
    ...item(0x51, u32(f.maximum ?? 16384)),
    ...item(0x52, ascii(f.uid ?? '1.2.3.4')),
    ...item(0x55, ascii(f.version ?? 'TEST_1')),
    ...(f.user === undefined ? [] : item(0x58, [1, 0, ...u16(f.user.length), ...ascii(f.user), 0, 0])),
  ]);
  const body = [
    ...u16(1),
    0,
    0,
    ...title(f.called),
    ...title(f.calling),
    ...Array.from({ length: 32 }, () => 0),
    ...item(0x10, ascii('1.2.840.10008.3.1.1.1')),
    ...context,
    ...user,
  ];
  return [type, 0, ...u32(body.length), ...body];
}

export const reject = (): number[] => [3, 0, 0, 0, 0, 4, 0, 1, 1, 7];

/** One P-DATA-TF PDU with one data set PDV. */
export const dataPdu = (data: number[]): number[] => [
  4,
  0,
  ...u32(data.length + 6),
  ...u32(data.length + 2),
  1,
  2,
  ...data,
];

/** An MLLP block of segments. */
export const mllp = (...segments: string[]): number[] => [
  0x0b,
  ...ascii(`${segments.join('\r')}\r`),
  0x1c,
  0x0d,
];

/** A conversation over TCP as frames: handshake, then what each side says in turn, cut into segments. */
export function exchange(
  client: Station,
  server: Station,
  ports: readonly [number, number],
  turns: readonly { from: 'client' | 'server'; data: readonly number[] }[],
  options: { segment?: number; tags?: Tagged; opened?: boolean } = {},
): Uint8Array[] {
  const tags = options.tags ?? {};
  const back: [number, number] = [ports[1], ports[0]];
  let c = 1000;
  let s = 900_000;
  const frames: Uint8Array[] = [];
  if (options.opened !== false) {
    frames.push(
      tcpFrame(client, server, ports, c, SYN, [], tags),
      tcpFrame(server, client, back, s, SYN | ACK, [], tags),
      tcpFrame(client, server, ports, c + 1, ACK, [], tags),
    );
  }
  c++;
  s++;
  const size = options.segment ?? 1400;
  for (const turn of turns) {
    for (let i = 0; i < turn.data.length; i += size) {
      const part = turn.data.slice(i, i + size);
      if (turn.from === 'client') {
        frames.push(tcpFrame(client, server, ports, c, PSH | ACK, part, tags));
        c += part.length;
      } else {
        frames.push(tcpFrame(server, client, back, s, PSH | ACK, part, tags));
        s += part.length;
      }
    }
  }
  return frames;
}

/** A pcap file, little endian, microseconds. */
export function pcapFile(frames: readonly Uint8Array[], link = 1): Uint8Array {
  const parts: Buffer[] = [];
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(65535, 16);
  header.writeUInt32LE(link, 20);
  parts.push(header);
  for (const [i, frame] of frames.entries()) {
    const record = Buffer.alloc(16);
    record.writeUInt32LE(1_700_000_000 + i, 0);
    record.writeUInt32LE(frame.length, 8);
    record.writeUInt32LE(frame.length, 12);
    parts.push(record, Buffer.from(frame));
  }
  return Buffer.concat(parts);
}
