/** What the firmware thinks of a kernel: signatures made by sbsign, and the entry that starts the version before. */
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { firmwareCertificates, firmwareStarts } from '../../src/cli/update/authenticode.ts';
import { loadOption, setFallback, trustedByFirmware } from '../../src/cli/update/firmware.ts';
import type { Partition } from '../../src/cli/update/gpt.ts';

const GLOBAL = '8be4df61-93ca-11d2-aa0d-00e098032b8c';
const esp: Partition = {
  index: 0,
  type: 'c12a7328-f81f-11d2-ba4b-00a0c93ec93b',
  id: '01234567-89ab-cdef-0123-456789abcdef',
  name: 'esp',
  start: 2048 * 512,
  length: 512 * 1024 * 1024,
};

/** The smallest PE32+ file that sbsign takes: one section of text. */
function program(text: string): Buffer {
  const bytes = Buffer.alloc(0x400);
  const [header, optional] = [0x40, 0x58];
  bytes.write('MZ', 0);
  bytes.writeUInt32LE(header, 60);
  bytes.write('PE\0\0', header);
  bytes.writeUInt16LE(0x8664, header + 4);
  bytes.writeUInt16LE(1, header + 6); // sections
  bytes.writeUInt16LE(240, header + 20); // optional header
  bytes.writeUInt16LE(0x22e, header + 22);
  bytes.writeUInt16LE(0x20b, optional);
  bytes.writeUInt32LE(0x1000, optional + 16);
  bytes.writeUInt32LE(0x1000, optional + 32); // section alignment
  bytes.writeUInt32LE(0x200, optional + 36); // file alignment
  bytes.writeUInt32LE(0x2000, optional + 56); // image
  bytes.writeUInt32LE(0x200, optional + 60); // headers
  bytes.writeUInt16LE(10, optional + 68); // EFI application
  bytes.writeUInt32LE(16, optional + 108); // directories
  const section = optional + 240;
  bytes.write('.text', section);
  bytes.writeUInt32LE(0x200, section + 8);
  bytes.writeUInt32LE(0x1000, section + 12);
  bytes.writeUInt32LE(0x200, section + 16);
  bytes.writeUInt32LE(0x200, section + 20);
  bytes.writeUInt32LE(0x60000020, section + 36);
  bytes.write(text, 0x200);
  return bytes;
}

function keyPair(dir: string, name: string): X509Certificate {
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-noenc',
      '-sha256',
      '-days',
      '2',
      '-subj',
      `/CN=${name}`,
      '-keyout',
      join(dir, `${name}.key`),
      '-out',
      join(dir, `${name}.crt`),
    ],
    { stdio: 'ignore' },
  );
  return new X509Certificate(readFileSync(join(dir, `${name}.crt`)));
}

/** A list of a signature database, EFI_SIGNATURE_LIST. */
function signatureList(content: Buffer, type = 'a159c0a5e494a74a87b5ab155c2bf072'): Buffer {
  const head = Buffer.alloc(28 + 16);
  Buffer.from(type, 'hex').copy(head);
  head.writeUInt32LE(head.length + content.length, 16);
  head.writeUInt32LE(16 + content.length, 24);
  return Buffer.concat([head, content]);
}

const dir = t.testdir();
const [ours, other] = [keyPair(dir, 'ours'), keyPair(dir, 'other')];
function signed(name: string, ...keys: string[]): Buffer {
  const file = join(dir, name);
  writeFileSync(file, program(name));
  for (const key of keys)
    execFileSync(
      'sbsign',
      ['--key', join(dir, `${key}.key`), '--cert', join(dir, `${key}.crt`), '--output', file, file],
      {
        stdio: 'ignore',
      },
    );
  return readFileSync(file);
}

await t.test('a kernel starts where its key is known', (t) => {
  const file = signed('kernel', 'ours');
  t.ok(firmwareStarts(file, [ours]));
  t.ok(firmwareStarts(file, [other, ours]));
  t.notOk(firmwareStarts(file, [other]));
  t.notOk(firmwareStarts(file, []));
  t.notOk(firmwareStarts(signed('bare'), [ours]), 'not signed at all');
  t.ok(firmwareStarts(signed('twice', 'other', 'ours'), [ours]), 'one of two signatures is enough');
  t.end();
});

await t.test('a byte changed anywhere that counts, and it does not', (t) => {
  const file = signed('changed', 'ours');
  const checksum = 0x58 + 64;
  const counts = (at: number): boolean => {
    const other = Buffer.from(file);
    other.writeUInt8(other.readUInt8(at) ^ 1, at);
    return !firmwareStarts(other, [ours]);
  };
  for (let at = 0; at < 0x400; at += 1)
    if ((at < checksum || at >= checksum + 4) && !counts(at)) t.fail(`byte ${at} does not count`);
  t.notOk(counts(checksum), 'the checksum is not part of what is signed');
  for (let length = 0; length < file.length; length += 7)
    if (firmwareStarts(file.subarray(0, length), [ours])) t.fail(`cut to ${length}`);
  t.end();
});

await t.test('the certificates in the firmware', (t) => {
  const db = Buffer.concat([
    signatureList(Buffer.alloc(32), '2616c4c14c509240aca941f936934328'),
    signatureList(ours.raw),
    signatureList(other.raw),
  ]);
  t.same(
    firmwareCertificates(db).map(({ fingerprint256 }) => fingerprint256),
    [ours.fingerprint256, other.fingerprint256],
    'hashes are left out',
  );
  for (let length = 0; length < db.length; length += 11)
    t.ok(firmwareCertificates(db.subarray(0, length)).length <= 2);
  const variables = t.testdir();
  t.equal(trustedByFirmware(variables), undefined, 'no such variable: nothing is verified');
  const attributes = Buffer.from([6, 0, 0, 0]);
  writeFileSync(join(variables, `SecureBoot-${GLOBAL}`), Buffer.concat([attributes, Buffer.from([1])]));
  writeFileSync(
    join(variables, 'db-d719b2cb-3d3a-4596-a3bc-dad00e67656f'),
    Buffer.concat([Buffer.from([0x27, 0, 0, 0]), db]),
  );
  t.equal(trustedByFirmware(variables)?.length, 2);
  writeFileSync(join(variables, `SecureBoot-${GLOBAL}`), Buffer.concat([attributes, Buffer.from([0])]));
  t.equal(trustedByFirmware(variables), undefined);
  t.end();
});

await t.test('the entry of the version before', (t) => {
  const option = loadOption('x', esp, '\\EFI\\Linux\\a.efi');
  t.equal(
    option.toString('hex'),
    [
      '01000000', // active
      '5400', // the path's length
      '78000000', // "x"
      '04012a00 01000000 0008000000000000 0000100000000000 67452301ab89efcd0123456789abcdef 02 02',
      `0404 2600 ${Buffer.from('\\EFI\\Linux\\a.efi\0', 'utf16le').toString('hex')}`,
      '7fff0400',
    ]
      .join('')
      .replaceAll(' ', ''),
  );
  const variables = join(t.testdir(), 'efivars');
  mkdirSync(variables);
  const order = join(variables, `BootOrder-${GLOBAL}`);
  writeFileSync(order, Buffer.from([7, 0, 0, 0, 1, 0, 0, 0]));
  setFallback(variables, esp, 'anteroom_1.efi');
  setFallback(variables, esp, 'anteroom_2.efi');
  t.same(readdirSync(variables).toSorted(), [`BootA001-${GLOBAL}`, `BootOrder-${GLOBAL}`]);
  t.equal(readFileSync(order).toString('hex'), '070000000100000001a0', 'last, and once');
  t.match(readFileSync(join(variables, `BootA001-${GLOBAL}`), 'utf16le'), 'anteroom_2.efi');
  t.end();
});
