/**
 * Whether two builds of the image are the same bytes.
 *
 *   node image/tools/repro.ts VERSION BUILD BUILD     BUILD: an output folder of mkosi; exit 1 when they differ
 *
 * Root, verity, initial RAM disk and bill of materials must be equal as they are. A unified kernel image carries
 * signatures, and those of Authenticode carry the time of signing: so it is compared section by section, a PE file (it
 * and the kernel in it) without its certificate table and checksum (PE format, "Attribute Certificate Table"), and
 * without `.pcrsig`, which signs what the other sections measure to.
 */
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex').slice(0, 16);

/** Offset of the data directory's entry for certificates; undefined when `bytes` isn't a PE file. */
function certificateEntry(bytes: Buffer): { readonly entry: number; readonly checksum: number } | undefined {
  if (bytes.length < 0x40 || bytes.toString('latin1', 0, 2) !== 'MZ') return undefined;
  const pe = bytes.readUInt32LE(0x3c);
  if (pe + 0x100 > bytes.length || bytes.toString('latin1', pe, pe + 4) !== 'PE\0\0') return undefined;
  const optional = pe + 24;
  const directories = optional + (bytes.readUInt16LE(optional) === 0x20b ? 112 : 96);
  return { entry: directories + 4 * 8, checksum: optional + 64 };
}

/** A PE file as it was before it was signed. */
function unsigned(bytes: Buffer): Buffer {
  const at = certificateEntry(bytes);
  if (at === undefined) return bytes;
  const table = bytes.readUInt32LE(at.entry);
  const plain = Buffer.from(table === 0 ? bytes : bytes.subarray(0, table));
  plain.fill(0, at.entry, at.entry + 8);
  plain.fill(0, at.checksum, at.checksum + 4);
  return plain;
}

/** Sections of a PE file by name, `headers` before them. */
function sections(bytes: Buffer): Map<string, Buffer> {
  const pe = bytes.readUInt32LE(0x3c);
  const count = bytes.readUInt16LE(pe + 6);
  const table = pe + 24 + bytes.readUInt16LE(pe + 20);
  const found = new Map<string, Buffer>();
  for (let i = 0; i < count; i += 1) {
    const row = table + 40 * i;
    const name = bytes.toString('latin1', row, row + 8).replace(/\0+$/, '');
    const [size, start] = [bytes.readUInt32LE(row + 16), bytes.readUInt32LE(row + 20)];
    found.set(name, bytes.subarray(start, start + size));
  }
  return found;
}

function only(folder: string, pattern: RegExp): Buffer {
  const names = readdirSync(folder).filter((name) => pattern.test(name));
  if (names.length !== 1) throw new Error(`${folder}: ${names.length} files match ${String(pattern)}`);
  return readFileSync(join(folder, names[0] ?? ''));
}

const [version = '', one, other] = process.argv.slice(2);
if (!/^\d+$/.test(version) || one === undefined || other === undefined) {
  process.stderr.write('usage: node image/tools/repro.ts VERSION BUILD BUILD\n');
  process.exit(64);
}
let same = true;
function compare(name: string, a: Buffer, b: Buffer): void {
  const equal = a.equals(b);
  same &&= equal;
  process.stdout.write(
    `${equal ? 'identical' : 'DIFFERENT'}  ${digest(a)} ${digest(b)}  ${String(a.length).padStart(9)}  ${name}\n`,
  );
}
for (const [name, pattern] of [
  ['root', new RegExp(`^anteroom_${version}\\.root\\..*\\.raw$`)],
  ['verity', new RegExp(`^anteroom_${version}\\.verity\\..*\\.raw$`)],
  ['initial RAM disk', /^initrd\.cpio\.zst$/],
  ['bill of materials', new RegExp(`^anteroom_${version}\\.cdx\\.json$`)],
] as const)
  compare(name, only(one, pattern), only(other, pattern));
const [a, b] = [one, other].map((folder) =>
  sections(only(folder, new RegExp(`^anteroom_${version}\\.efi$`))),
);
for (const name of new Set([...(a?.keys() ?? []), ...(b?.keys() ?? [])]))
  if (name !== '.pcrsig')
    compare(
      `kernel image, ${name}`,
      unsigned(a?.get(name) ?? Buffer.alloc(0)),
      unsigned(b?.get(name) ?? Buffer.alloc(0)),
    );
process.exit(same ? 0 : 1);
