/** The capture corpus beside the repository. Tests that need it fail, with this text, when it isn't there. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { PcapReader } from './reference/pcap.ts';

const root = new URL('../../../shared/corpus/', import.meta.url);

/** A file of the corpus, by its path there. */
export function corpusFile(name: string): Buffer {
  try {
    return readFileSync(new URL(name, root));
  } catch (cause) {
    throw new Error(`the capture corpus is needed at ${fileURLToPath(root)}: ${name} cannot be read`, {
      cause,
    });
  }
}

/** Every capture file of the corpus. */
export function corpusNames(): string[] {
  const names = readdirSync(root, { recursive: true, encoding: 'utf8' });
  return names.filter((name) => /\.pcap(ng)?$/.test(name)).sort();
}

export interface Packet {
  readonly link: number;
  readonly bytes: Uint8Array;
  readonly wireLength: number;
  readonly at: number;
}

/** All packets of a file. */
export function packetsOf(file: Uint8Array): Packet[] {
  const packets: Packet[] = [];
  const reader = new PcapReader({
    packet: (link, bytes, wireLength, at) => packets.push({ link, bytes: bytes.slice(), wireLength, at }),
    weird: () => undefined,
  });
  reader.push(file);
  reader.end();
  return packets;
}
