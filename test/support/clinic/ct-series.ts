/**
 * A small CT series of an invented patient: a phantom of 128 x 128 pixels, some slices, as DICOM Part 10 files
 * (PS3.10 section 7, Explicit VR Little Endian). Written out byte by byte so that the clinic needs no image of anybody.
 *
 * CT Image IOD, PS3.3 section A.3: the modules a PACS wants. Identifiers are new at each run, under 2.25
 * (PS3.5 section B.2: a UUID as one decimal number).
 */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

const CT_IMAGE_STORAGE = '1.2.840.10008.5.1.4.1.1.2';
const EXPLICIT_LITTLE_ENDIAN = '1.2.840.10008.1.2.1';
const SIZE = 128;

const newUid = (): string => `2.25.${BigInt(`0x${randomBytes(16).toString('hex')}`)}`;

/** VRs whose length takes four bytes, after two reserved ones (PS3.5 section 7.1.2). */
const longForm = new Set(['OB', 'OW', 'SQ', 'UN', 'UT']);

function element(group: number, number: number, vr: string, value: string | Buffer): Buffer {
  let bytes = typeof value === 'string' ? Buffer.from(value, 'latin1') : value;
  if (bytes.length % 2 === 1) bytes = Buffer.concat([bytes, Buffer.from(vr === 'UI' ? '\0' : ' ')]);
  const head = Buffer.alloc(longForm.has(vr) ? 12 : 8);
  head.writeUInt16LE(group, 0);
  head.writeUInt16LE(number, 2);
  head.write(vr, 4, 'latin1');
  if (longForm.has(vr)) head.writeUInt32LE(bytes.length, 8);
  else head.writeUInt16LE(bytes.length, 6);
  return Buffer.concat([head, bytes]);
}

function us(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
}

/** A ring of bone around water with a lesion that moves from slice to slice, in stored values (HU + 1024). */
function phantom(slice: number): Buffer {
  const pixels = Buffer.alloc(SIZE * SIZE * 2);
  for (let y = 0; y < SIZE; y++) {
    for (let x = 0; x < SIZE; x++) {
      const r = Math.hypot(x - 63.5, y - 63.5);
      const lesion = Math.hypot(x - 48 - 4 * slice, y - 60) < 7;
      const value = r > 58 ? 24 : r > 50 ? 1724 : lesion ? 1094 : 1024;
      pixels.writeUInt16LE(value, 2 * (y * SIZE + x));
    }
  }
  return pixels;
}

export interface CtSeries {
  readonly studyUid: string;
  readonly patientId: string;
  readonly files: readonly string[];
}

/** Write `slices` files into `folder`. */
export function writeCtSeries(folder: string, slices = 8): CtSeries {
  const [studyUid, seriesUid, frameUid] = [newUid(), newUid(), newUid()];
  const patientId = 'INV0042';
  const files = Array.from({ length: slices }, (_, slice) => {
    const instanceUid = newUid();
    const dataSet = Buffer.concat([
      element(0x0008, 0x0008, 'CS', 'ORIGINAL\\PRIMARY\\AXIAL'),
      element(0x0008, 0x0016, 'UI', CT_IMAGE_STORAGE),
      element(0x0008, 0x0018, 'UI', instanceUid),
      element(0x0008, 0x0020, 'DA', '20260102'),
      element(0x0008, 0x0030, 'TM', '101500'),
      element(0x0008, 0x0050, 'SH', 'INV-1001'),
      element(0x0008, 0x0060, 'CS', 'CT'),
      element(0x0008, 0x0070, 'LO', 'Anteroom phantom'),
      element(0x0008, 0x0090, 'PN', 'Okafor^Rana'),
      element(0x0008, 0x1030, 'LO', 'Phantom head'),
      element(0x0010, 0x0010, 'PN', 'Sample^Petra'),
      element(0x0010, 0x0020, 'LO', patientId),
      element(0x0010, 0x0030, 'DA', '19700101'),
      element(0x0010, 0x0040, 'CS', 'O'),
      element(0x0018, 0x0050, 'DS', '5.0'),
      element(0x0018, 0x0060, 'DS', '120'),
      element(0x0020, 0x000d, 'UI', studyUid),
      element(0x0020, 0x000e, 'UI', seriesUid),
      element(0x0020, 0x0010, 'SH', '1'),
      element(0x0020, 0x0011, 'IS', '1'),
      element(0x0020, 0x0012, 'IS', '1'),
      element(0x0020, 0x0013, 'IS', String(slice + 1)),
      element(0x0020, 0x0032, 'DS', `-63.5\\-63.5\\${5 * slice}`),
      element(0x0020, 0x0037, 'DS', '1\\0\\0\\0\\1\\0'),
      element(0x0020, 0x0052, 'UI', frameUid),
      element(0x0028, 0x0002, 'US', us(1)),
      element(0x0028, 0x0004, 'CS', 'MONOCHROME2'),
      element(0x0028, 0x0010, 'US', us(SIZE)),
      element(0x0028, 0x0011, 'US', us(SIZE)),
      element(0x0028, 0x0030, 'DS', '1\\1'),
      element(0x0028, 0x0100, 'US', us(16)),
      element(0x0028, 0x0101, 'US', us(12)),
      element(0x0028, 0x0102, 'US', us(11)),
      element(0x0028, 0x0103, 'US', us(0)),
      element(0x0028, 0x1052, 'DS', '-1024'),
      element(0x0028, 0x1053, 'DS', '1'),
      element(0x7fe0, 0x0010, 'OW', phantom(slice)),
    ]);
    const meta = Buffer.concat([
      element(0x0002, 0x0001, 'OB', Buffer.from([0, 1])),
      element(0x0002, 0x0002, 'UI', CT_IMAGE_STORAGE),
      element(0x0002, 0x0003, 'UI', instanceUid),
      element(0x0002, 0x0010, 'UI', EXPLICIT_LITTLE_ENDIAN),
      element(0x0002, 0x0012, 'UI', '2.25.338110742711604928106474209185126817537'),
    ]);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(meta.length);
    const file = join(folder, `slice-${String(slice + 1).padStart(2, '0')}.dcm`);
    const preamble = Buffer.concat([Buffer.alloc(128), Buffer.from('DICM')]);
    writeFileSync(file, Buffer.concat([preamble, element(0x0002, 0x0000, 'UL', length), meta, dataSet]));
    return file;
  });
  return { studyUid, patientId, files };
}
