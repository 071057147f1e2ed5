/**
 * A second entry for the firmware: the version before, started without the boot loader. systemd-boot picks the newest
 * version and, when the firmware refuses that kernel (a block of the ESP went bad, somebody changed it), gives up; it doesn't
 * try the next one. The firmware then tries its next entry: this one. So a kernel that is no longer genuine costs no
 * restart at all. UEFI Specification 2.10, sections 3.1.3 (EFI_LOAD_OPTION), 10.3.5 (device paths).
 *
 *   attributes 4 · length of the path 2 · description UTF-16, 0 · path
 *   path = hard drive 42 (partition, start, length in blocks, GUID) · file 4 + name UTF-16, 0 · end 4
 *
 * In Linux a variable is a file in efivarfs: its attributes in four bytes, then its content, written at once.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { X509Certificate } from 'node:crypto';
import { firmwareCertificates } from './authenticode.ts';
import { guidBytes } from './gpt.ts';
import type { Partition } from './gpt.ts';

const GLOBAL = '8be4df61-93ca-11d2-aa0d-00e098032b8c';
const SECURITY = 'd719b2cb-3d3a-4596-a3bc-dad00e67656f';
/** Non-volatile, for boot services and at run time. */
const ATTRIBUTES = 7;
const BLOCK = 512;
/** Ours among the entries. */
const NUMBER = 0xa001;
const ACTIVE = 1;

export const ESP_TYPE = 'c12a7328-f81f-11d2-ba4b-00a0c93ec93b';

const utf16 = (text: string): Buffer => Buffer.from(`${text}\0`, 'utf16le');

/** An EFI_LOAD_OPTION that starts `file` (with backslashes) on this partition. */
export function loadOption(description: string, esp: Partition, file: string): Buffer {
  const drive = Buffer.alloc(42);
  drive.writeUInt8(4, 0);
  drive.writeUInt8(1, 1);
  drive.writeUInt16LE(drive.length, 2);
  drive.writeUInt32LE(esp.index + 1, 4);
  drive.writeBigUInt64LE(BigInt(esp.start / BLOCK), 8);
  drive.writeBigUInt64LE(BigInt(esp.length / BLOCK), 16);
  guidBytes(esp.id).copy(drive, 24);
  drive.writeUInt8(2, 40); // GPT
  drive.writeUInt8(2, 41); // the signature is a GUID
  const name = utf16(file);
  const path = Buffer.concat([
    drive,
    Buffer.from([4, 4, (name.length + 4) & 0xff, (name.length + 4) >> 8]),
    name,
    Buffer.from([0x7f, 0xff, 4, 0]),
  ]);
  const head = Buffer.alloc(6);
  head.writeUInt32LE(ACTIVE, 0);
  head.writeUInt16LE(path.length, 4);
  return Buffer.concat([head, utf16(description), path]);
}

function variable(folder: string, name: string, vendor = GLOBAL): Buffer | undefined {
  const file = join(folder, `${name}-${vendor}`);
  return existsSync(file) ? readFileSync(file).subarray(4) : undefined;
}

function set(folder: string, name: string, content: Buffer): void {
  if (variable(folder, name)?.equals(content)) return;
  const attributes = Buffer.alloc(4);
  attributes.writeUInt32LE(ATTRIBUTES);
  writeFileSync(join(folder, `${name}-${GLOBAL}`), Buffer.concat([attributes, content]));
}

/** Let the firmware start this kernel when the boot loader can't start what it picked. */
export function setFallback(folder: string, esp: Partition, kernel: string): void {
  const name = `Boot${NUMBER.toString(16).toUpperCase().padStart(4, '0')}`;
  set(folder, name, loadOption('Anteroom, the version before', esp, `\\EFI\\Linux\\${kernel}`));
  const order = variable(folder, 'BootOrder') ?? Buffer.alloc(0);
  for (let at = 0; at + 2 <= order.length; at += 2) if (order.readUInt16LE(at) === NUMBER) return;
  const last = Buffer.alloc(2);
  last.writeUInt16LE(NUMBER);
  set(folder, 'BootOrder', Buffer.concat([order, last]));
}

/** Whose kernels the firmware starts; undefined when it doesn't verify any. */
export function trustedByFirmware(folder: string): readonly X509Certificate[] | undefined {
  if (variable(folder, 'SecureBoot')?.[0] !== 1) return undefined;
  return firmwareCertificates(variable(folder, 'db', SECURITY) ?? Buffer.alloc(0));
}
