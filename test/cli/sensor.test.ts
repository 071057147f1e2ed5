/** `anteroom sensor read`: hosts as text and as JSON, files that can't be read, files that are damaged. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import t from 'tap';
import * as wire from '../sensor/wire-builder.ts';

const command = fileURLToPath(new URL('../../src/cli/anteroom.ts', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'anteroom-sensor-'));
t.teardown(() => rmSync(folder, { recursive: true }));

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(...args: string[]): Promise<Outcome> {
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [command, 'sensor', ...args]);
    return { code: 0, stdout, stderr };
  } catch (error) {
    return error as Outcome;
  }
}

const modality = { mac: '00:03:b1:00:00:01', ip: '10.0.0.1' };
const archive = { mac: '02:a0:37:00:00:02', ip: '10.0.0.2' };
const file = join(folder, 'one.pcap');
const frames = wire.exchange(
  modality,
  archive,
  [40000, 5678],
  [
    { from: 'client', data: wire.associate(1, { called: 'ARCHIVE', calling: 'SCANNER' }) },
    { from: 'server', data: wire.associate(2, { called: 'ARCHIVE', calling: 'SCANNER' }) },
  ],
);
writeFileSync(file, wire.pcapFile(frames));

void t.test('hosts as text', async (t) => {
  const { code, stdout, stderr } = await run('read', file);
  t.equal(code, 0, stderr);
  t.match(stdout, /^00:03:b1:00:00:01 {2}10\.0\.0\.1 {2}ICU Medical/m);
  t.match(stdout, /^ {2}dicom callingAeTitle = SCANNER$/m);
  t.match(stdout, /^02:a0:37:00:00:02 {2}10\.0\.0\.2$/m);
  t.match(stdout, /^ {2}answers on tcp\/5678 dicom$/m);
  t.match(stdout, /^2 hosts, 0 findings, 5 packets$/m);
});

void t.test('hosts as JSON', async (t) => {
  const { code, stdout } = await run('read', '--json', file, file);
  t.equal(code, 0);
  t.match(JSON.parse(stdout), {
    packets: 10,
    hosts: [
      { mac: modality.mac, vendor: 'ICU Medical, Inc.', addresses: ['10.0.0.1'] },
      { mac: archive.mac, vendor: null, services: [{ transport: 'tcp', port: 5678, protocol: 'dicom' }] },
    ],
    weirds: [],
  });
});

void t.test('a damaged file is named with the offset, and what came before stands', async (t) => {
  const cut = join(folder, 'cut.pcap');
  writeFileSync(cut, wire.pcapFile(frames).subarray(0, -3));
  const { code, stdout, stderr } = await run('read', cut);
  t.equal(code, 0);
  t.match(stdout, /2 hosts, 0 findings, 4 packets/);
  t.match(stderr, /cut\.pcap: capture_truncated at \d+/);
});

void t.test('a file that is not there', async (t) => {
  const { code, stderr } = await run('read', join(folder, 'none.pcap'));
  t.equal(code, 66);
  t.match(stderr, /^anteroom: A capture file cannot be read\. .*none\.pcap/);
});

void t.test('no file at all is a wrong use', async (t) => {
  const { code } = await run('read');
  t.equal(code, 64);
});
