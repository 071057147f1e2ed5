/**
 * A stick made whole: the table and FAT32 that other programs read back (mtools, fsck.vfat(8)), what is refused to be
 * erased, and a medium that loses what was written.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import type { Stats } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import t from 'tap';
import { deviceCodeOf, openDeviceKey, placesOf } from '../../src/cli/provision-memory.ts';
import { imageAt, stickAt, verifyMedium, writeMedium } from '../../src/cli/provision-medium.ts';
import { clinic } from './provision-sample.ts';

const SECTOR = 512;
const START = 2048 * SECTOR;
const env = { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin`, MTOOLSRC: '/dev/null' };
const mtools = (name: string, image: string, ...args: string[]): string =>
  execFileSync(name, ['-i', `${image}@@${START}`, ...args], { encoding: 'utf8', env });

void t.test(
  'an image file: its table, its file system, its files, and what the gateway says of it',
  async (t) => {
    const c = clinic(t);
    const { root, made } = await c.stick({ device: deviceCodeOf(openDeviceKey(placesOf(c.state()))) });
    const image = join(c.folder, 'stick.img');
    // What was on it before, a GPT's second header at its end included.
    writeFileSync(image, Buffer.alloc(64 * 2 ** 20, 0xa5));
    writeMedium(imageAt(image), root);

    const bytes = readFileSync(image);
    t.equal(bytes.length, 64 * 2 ** 20);
    t.equal(bytes.readUInt16LE(510), 0xaa55);
    t.same([...bytes.subarray(446, 462)].at(4), 0x0c, 'FAT32, LBA');
    t.equal(bytes.readUInt32LE(454), 2048, 'from the first megabyte');
    const sectors = bytes.readUInt32LE(458);
    t.ok(
      sectors * SECTOR <= bytes.length - START - 33 * SECTOR,
      'the partition ends before the last sectors',
    );
    t.ok(
      bytes.subarray(-33 * SECTOR).every((byte) => byte === 0),
      'no second GPT header',
    );
    t.ok(
      bytes.subarray(462, 510).every((byte) => byte === 0),
      'one partition',
    );
    t.equal(bytes.toString('latin1', START + 82, START + 90), 'FAT32   ');
    t.equal(bytes.readUInt32LE(START + 28), 2048, 'hidden sectors: those before it');
    const long = bytes.readUInt32LE(START + 32);
    t.ok(long <= sectors && long > sectors - 2048, 'as long as the table says, in whole tracks');
    t.match(mtools('mlabel', image, '-s', '::'), /GWENROL/);
    t.match(mtools('mdir', image, '-/', '-b', '::'), /anteroom\/enrolment\.sealed/);

    const partition = join(c.folder, 'partition');
    writeFileSync(partition, bytes.subarray(START, START + sectors * SECTOR));
    const check = spawnSync('fsck.vfat', ['-n', '-v', partition], { encoding: 'utf8', env });
    t.equal(check.status, 0, check.stdout);
    t.match(check.stdout, /2 FATs, 32 bit entries/);

    const back = join(c.folder, 'back');
    mkdirSync(back);
    mtools('mcopy', image, '-s', '-n', '::/', back);
    t.same(
      readdirSync(back, { recursive: true }).map(String).toSorted(),
      readdirSync(root, { recursive: true }).map(String).toSorted(),
    );
    t.match(await c.apply([back]), { code: 'OK2' }, 'the gateway takes what lies on it');
    t.ok(readdirSync(join(back, 'anteroom')).includes(`receipt-${made.head.id}`));
  },
);

void t.test('every flipped sector that matters is found when it is read back', async (t) => {
  const c = clinic(t);
  const { root } = await c.stick();
  const image = join(c.folder, 'stick.img');
  const medium = imageAt(image);
  writeMedium(medium, root);
  const before = readFileSync(image);
  const damage = (what: string, at: number): void => {
    t.ok(at > 0, what);
    const fd = openSync(image, 'r+');
    writeSync(fd, Buffer.from([(before[at] ?? 0) ^ 1]), 0, 1, at);
    t.throws(() => verifyMedium(medium, root), { code: 'PROVISION_INVALID' }, what);
    writeSync(fd, before, at, 1, at);
    closeSync(fd);
  };
  damage('the table', 454);
  damage('the head', before.indexOf('anteroom-enrolment 1\n') + 300);
  damage('the page', before.indexOf('<!doctype html') + 100);
  damage('a name', before.indexOf('README  TXT'));
  verifyMedium(medium, root);
  writeFileSync(join(root, 'more'), 'not on the stick');
  t.throws(() => verifyMedium(medium, root), { code: 'PROVISION_INVALID', detail: /not what was written/ });
});

interface Disk {
  readonly at: string;
  readonly files: Readonly<Record<string, string>>;
}

void t.test('only a removable USB stick that nobody uses is erased', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'anteroom-medium-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const sys = join(folder, 'sys');
  const mounts = join(folder, 'mounts');
  writeFileSync(mounts, '/dev/sda1 / ext4 rw 0 0\n/dev/sdd1 /media/stick vfat rw 0 0\n');
  const usb = 'devices/pci0000:00/0000:00:14.0/usb1/1-2/1-2:1.0/host6/target6:0:0/6:0:0:0/block';
  const stick = {
    size: '31293440\n',
    removable: '1\n',
    ro: '0\n',
    'queue/logical_block_size': '512\n',
    'device/vendor': 'SanDisk \n',
    'device/model': 'Ultra USB 3.0   \n',
  };
  const disks: Readonly<Record<string, Disk>> = {
    '8:16': { at: `${usb}/sdb`, files: stick },
    '8:17': { at: `${usb}/sdb/sdb1`, files: { partition: '1\n', size: '31291392\n', ro: '0\n' } },
    '8:0': {
      at: 'devices/pci0000:00/0000:00:17.0/ata1/host0/block/sda',
      files: { ...stick, removable: '0\n' },
    },
    '8:32': { at: `${usb}/sdc`, files: { ...stick, removable: '0\n' } },
    '8:48': { at: `${usb}/sdd`, files: stick },
    '8:64': { at: `${usb}/sde`, files: { ...stick, ro: '1\n' } },
    '8:80': { at: `${usb}/sdf`, files: { ...stick, size: '0\n' } },
    '8:96': { at: `${usb}/sdg`, files: { ...stick, 'queue/logical_block_size': '4096\n' } },
    '11:0': { at: 'devices/pci0000:00/ata2/block/sr0', files: stick },
  };
  mkdirSync(join(sys, 'dev/block'), { recursive: true });
  for (const [number, { at, files }] of Object.entries(disks)) {
    for (const [name, text] of Object.entries(files)) {
      const file = join(sys, at, name);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, text);
    }
    symlinkSync(join(sys, at), join(sys, 'dev/block', number));
  }
  const judge = (number: string, kind = 'block'): ReturnType<typeof stickAt> => {
    const [major = 0, minor = 0] = number.split(':').map(Number);
    const stat = (): Stats | undefined =>
      kind === 'none'
        ? undefined
        : ({ isBlockDevice: () => kind === 'block', rdev: (major << 8) | minor } as unknown as Stats);
    return stickAt('/dev/x', { sys, mounts, stat });
  };
  t.match(judge('8:16'), { bytes: 31_293_440 * 512, what: 'SanDisk Ultra USB 3.0, 16.0 GB', device: true });
  for (const [number, detail, kind] of [
    ['8:16', /no such device/, 'none'],
    ['8:16', /neither a folder nor a USB stick/, 'file'],
    ['8:17', /name the whole stick/],
    ['8:0', /not on USB/],
    ['8:32', /not removable/],
    ['8:48', /in use at \/media\/stick/],
    ['8:64', /write-protected/],
    ['8:80', /nothing is in the reader/],
    ['8:96', /sectors are 4096 bytes/],
    ['11:0', /not on USB/],
    ['9:9', /does not know/],
  ] as const)
    t.throws(() => judge(number, kind), { code: 'PROVISION_INVALID', detail }, String(detail));
  t.throws(() => stickAt('/dev/null'), { code: 'PROVISION_INVALID', detail: /neither a folder nor/ });
  t.throws(() => imageAt(folder), { code: 'PROVISION_INVALID', detail: /not a file/ });
  t.end();
});

void t.test('a medium that is full, or a tool that is missing, is a sentence', async (t) => {
  const c = clinic(t);
  const { root } = await c.stick();
  const image = join(c.folder, 'stick.img');
  writeFileSync(join(root, 'large'), Buffer.alloc(80 * 2 ** 20));
  t.throws(() => writeMedium(imageAt(image), root), { code: 'PROVISION_INVALID', detail: /^mcopy: / });
  t.equal(statSync(image).size, 64 * 2 ** 20, 'an image file never grows past its size');
  rmSync(join(root, 'large'));
  const path = process.env['PATH'];
  process.env['PATH'] = '/nonexistent';
  t.teardown(() => {
    process.env['PATH'] = path;
  });
  t.throws(() => writeMedium(imageAt(image), root), {
    code: 'PROVISION_INVALID',
    detail: /is missing: install (?:mtools|dosfstools)/,
  });
});
