/**
 * Real DICOM peers on both sides of the gate: dcmtk's SCUs as the user, dcmqrscp and Orthanc as the device.
 * What a grant permits works; what it doesn't is refused with a status the SCU prints, and none of it reaches the
 * device. dcmtk needs TCP_NODELAY=1 and its servers -dhl, or every exchange waits for Nagle and for DNS.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import type { Action } from '../../src/wire/action.ts';
import { openRefusal } from '../../src/broker/gate/gate.ts';
import { DicomAnalyzer } from '../../src/protocol/dicom/analyzer.ts';
import { countingSources, gateOf, told } from '../broker/gate/world.ts';
import { shared } from '../protocol/capture.ts';
import { freePort, openRelay } from '../broker/gate/relay.ts';
import type { Relay } from '../broker/gate/relay.ts';

const DEADLINE = 30_000;
const folder = mkdtempSync(join(tmpdir(), 'anteroom-gate-'));
const children = new Set<ChildProcess>();

/** Runs to the end; output of both streams in one. */
async function run(command: string, ...args: string[]): Promise<{ code: number | null; output: string }> {
  const child = spawn(command, args, { env: { ...process.env, TCP_NODELAY: '1' }, timeout: DEADLINE });
  let output = '';
  child.stdout.on('data', (bytes: Buffer) => (output += bytes.toString('latin1')));
  child.stderr.on('data', (bytes: Buffer) => (output += bytes.toString('latin1')));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, output };
}

/** Starts a server and waits until its port answers. */
async function serve(port: number, command: string, ...args: string[]): Promise<void> {
  const child = spawn(command, args, { env: { ...process.env, TCP_NODELAY: '1' }, stdio: 'ignore' });
  children.add(child);
  const until = Date.now() + DEADLINE;
  for (;;) {
    const socket = connect(port, '127.0.0.1');
    const up = await Promise.race([
      once(socket, 'connect').then(() => true),
      once(socket, 'error').then(() => false),
    ]).catch(() => false);
    socket.destroy();
    if (up) return;
    if (Date.now() > until || child.exitCode !== null)
      throw new Error(`${command} does not answer on port ${port}`);
    await delay(50);
  }
}

const STUDY = '1.2.826.0.1.3680043.10.1411.1';
const OBJECTS = 3;
/** No two neighbours alike, so that a byte lost, doubled or moved shows. */
const PIXELS = Buffer.from(
  Uint8Array.from({ length: 256 * 256 * 2 }, (_, i) => (i * 31 + (i >> 8) * 7) & 0xff),
);
const files: string[] = [];

/** A CT series with pixel data of 128 KiB an object: several PDUs and several TCP segments each. */
async function makeSeries(): Promise<void> {
  const pixels = join(folder, 'pixels.raw');
  writeFileSync(pixels, PIXELS);
  for (let i = 1; i <= OBJECTS; i++) {
    const dump = join(folder, `${i}.dump`);
    writeFileSync(
      dump,
      [
        '(0008,0016) UI =CTImageStorage',
        `(0008,0018) UI [${STUDY}.2.${i}]`,
        '(0008,0020) DA [20240101]',
        '(0008,0060) CS [CT]',
        '(0010,0010) PN [SYNTHETIC^SUBJECT]',
        '(0010,0020) LO [SYN0001]',
        `(0020,000d) UI [${STUDY}]`,
        `(0020,000e) UI [${STUDY}.2]`,
        '(0020,0010) SH [1]',
        `(0020,0013) IS [${i}]`,
        '(0028,0002) US 1',
        '(0028,0010) US 256',
        '(0028,0011) US 256',
        '(0028,0100) US 16',
        '(0028,0101) US 16',
        '(0028,0102) US 15',
        '(0028,0103) US 0',
        `(7fe0,0010) OW =${pixels}`,
        '',
      ].join('\n'),
    );
    const file = join(folder, `${i}.dcm`);
    const { code, output } = await run('dump2dcm', '+te', dump, file);
    if (code !== 0) throw new Error(`dump2dcm: ${output}`);
    files.push(file);
  }
}

let pacs = 0;
let orthanc = 0;
let destination = 0;
const received = join(folder, 'received');
const archive = join(folder, 'archive');

t.before(async () => {
  [pacs, orthanc, destination] = [await freePort(), await freePort(), await freePort()];
  await makeSeries();
  mkdirSync(received);
  mkdirSync(archive);
  const config = join(folder, 'dcmqrscp.cfg');
  writeFileSync(
    config,
    [
      `NetworkTCPPort = ${pacs}`,
      'MaxPDUSize = 16384',
      'MaxAssociations = 16',
      'HostTable BEGIN',
      `destination = (MOVEDST, 127.0.0.1, ${destination})`,
      'HostTable END',
      'VendorTable BEGIN',
      'VendorTable END',
      'AETable BEGIN',
      `PACS ${archive} RW (100, 1024mb) ANY`,
      'AETable END',
      '',
    ].join('\n'),
  );
  const json = join(folder, 'orthanc.json');
  writeFileSync(
    json,
    JSON.stringify({
      Name: 'GateTest',
      StorageDirectory: join(folder, 'orthanc'),
      IndexDirectory: join(folder, 'orthanc'),
      DicomPort: orthanc,
      DicomAet: 'ORTHANC',
      DicomCheckCalledAet: false,
      DicomAlwaysAllowEcho: true,
      DicomAlwaysAllowStore: true,
      DicomAlwaysAllowFind: true,
      DicomAlwaysAllowGet: true,
      HttpServerEnabled: false,
      Plugins: [],
    }),
  );
  await serve(pacs, 'dcmqrscp', '-dhl', '-c', config);
  await serve(orthanc, 'Orthanc', json);
  await serve(destination, 'storescp', '-dhl', '-aet', 'MOVEDST', '-od', received, `${destination}`);
});

t.teardown(async () => {
  for (const child of children) {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'close');
  }
  rmSync(folder, { recursive: true, force: true });
});

const through = (device: number, actions: Action[]): Promise<Relay> =>
  openRelay(() => gateOf('dicom', actions, ['read-only posture']), device);

/** Names of the commands that a device was sent. */
function commandsIn(bytes: Uint8Array): string[] {
  // One association after another: each begins with an A-ASSOCIATE-RQ of its own.
  const analyzer = new DicomAnalyzer();
  return analyzer
    .push(bytes)
    .flatMap((event) => (event.kind === 'command' && !event.command.response ? [event.command.name] : []));
}

const common = ['-aet', 'RITA'];
const echo = (port: number) => run('echoscu', '-v', ...common, '-aec', 'PACS', '127.0.0.1', `${port}`);
const find = (port: number) =>
  run(
    'findscu',
    '-v',
    '-S',
    ...common,
    '-aec',
    'PACS',
    '-k',
    'QueryRetrieveLevel=STUDY',
    '-k',
    'PatientID=SYN0001',
    '-k',
    'StudyInstanceUID',
    '127.0.0.1',
    `${port}`,
  );
const store = (port: number, ...what: string[]) =>
  run('storescu', '-v', ...common, '-aec', 'PACS', '127.0.0.1', `${port}`, ...what);
const get = (port: number, into: string) =>
  run(
    'getscu',
    '-v',
    '-S',
    ...common,
    '-aec',
    'PACS',
    '-od',
    into,
    '-k',
    'QueryRetrieveLevel=STUDY',
    '-k',
    `StudyInstanceUID=${STUDY}`,
    '127.0.0.1',
    `${port}`,
  );
const move = (port: number) =>
  run(
    'movescu',
    '-v',
    '-S',
    ...common,
    '-aec',
    'PACS',
    '-aem',
    'MOVEDST',
    '-k',
    'QueryRetrieveLevel=STUDY',
    '-k',
    `StudyInstanceUID=${STUDY}`,
    '127.0.0.1',
    `${port}`,
  );
/** Pixel data is the last element. */
const pixelsOf = (path: string): Buffer => readFileSync(path).subarray(-PIXELS.length);
const images = (path: string): string[] => readdirSync(path).filter((name) => name.startsWith('CT'));

for (const [name, device] of [
  ['dcmqrscp', () => pacs],
  ['Orthanc', () => orthanc],
] as const) {
  void t.test(`${name}: view and modify store a series and find it`, async (t) => {
    const relay = await through(device(), ['view', 'modify']);
    t.equal((await echo(relay.port)).code, 0, 'C-ECHO');
    const stored = await store(relay.port, ...files);
    t.equal(stored.code, 0, 'C-STORE');
    t.equal(stored.output.match(/Received Store Response \(Success\)/g)?.length, OBJECTS, stored.output);
    const found = await find(relay.port);
    t.equal(found.code, 0);
    t.match(found.output, STUDY, 'the device answers with the study it holds');
    t.strictSame(
      told(relay.effects).filter((text) => !text.startsWith('end')),
      [
        'unit C-ECHO view user',
        ...Array.from({ length: OBJECTS }, () => 'unit C-STORE modify user'),
        'unit C-FIND view user',
      ],
    );
    t.strictSame(
      told(relay.effects).filter((text) => text.startsWith('end')),
      Array.from({ length: 3 }, () => 'end association released'),
    );
    await relay.close();
  });

  void t.test(`${name}: view alone finds, and is refused storing and downloading`, async (t) => {
    const relay = await through(device(), ['view']);
    t.equal((await echo(relay.port)).code, 0, 'C-ECHO');
    t.match((await find(relay.port)).output, STUDY, 'C-FIND');
    await relay.close();

    const refusing = await through(device(), ['view']);
    const stored = await store(refusing.port, ...files);
    t.match(stored.output, /Received Store Response \(.*0x124\)/, stored.output);
    t.strictSame(commandsIn(refusing.toDevice()), [], 'no command reached the device');
    t.ok(refusing.toDevice().length < 20_000, 'and none of the pixels');
    t.ok(told(refusing.effects).includes('refused C-STORE modify user'));
    await refusing.close();

    const into = mkdtempSync(join(folder, 'get-'));
    const noGet = await through(device(), ['view']);
    const got = await get(noGet.port, into);
    t.match(got.output, /0x124/, got.output);
    t.strictSame(images(into), []);
    t.strictSame(commandsIn(noGet.toDevice()), []);
    await noGet.close();
  });

  void t.test(`${name}: download gets whole objects by C-GET`, async (t) => {
    const relay = await through(device(), ['download']);
    const into = mkdtempSync(join(folder, 'get-'));
    const got = await get(relay.port, into);
    t.equal(got.code, 0, got.output);
    t.equal(images(into).length, OBJECTS);
    for (const image of images(into)) t.ok(pixelsOf(join(into, image)).equals(PIXELS), image);
    t.strictSame(told(relay.effects), [
      'unit C-GET download user',
      ...Array.from({ length: OBJECTS }, () => 'unit C-GET/C-STORE download device'),
      'end association released',
    ]);
    await relay.close();

    const noFind = await through(device(), ['download']);
    const found = await find(noFind.port);
    t.match(found.output, /0x124/, found.output);
    t.notMatch(found.output, STUDY);
    t.strictSame(commandsIn(noFind.toDevice()), []);
    await noFind.close();
  });
}

void t.test('real objects arrive as they were sent, bit by bit', async (t) => {
  const names = [
    'CT_small.dcm',
    'MR_small_implicit.dcm',
    'ExplVR_BigEnd.dcm',
    'examples_overlay.dcm',
    'waveform_ecg.dcm',
    'bad_sequence.dcm',
    'MR-JPEGLosslessSV1.dcm',
  ];
  const objects = names.map((name) => shared(`dicom/${name}`));
  const [direct, brokered] = [join(folder, 'direct'), join(folder, 'brokered')];
  const ports = [await freePort(), await freePort()] as const;
  for (const [path, port] of [
    [direct, ports[0]],
    [brokered, ports[1]],
  ] as const) {
    mkdirSync(path);
    await serve(port, 'storescp', '-dhl', '+xa', '+B', '-od', path, `${port}`);
  }
  const relay = await through(ports[1], ['modify']);
  const withCompressed = ['-xs', ...objects];
  t.equal((await store(ports[0], ...withCompressed)).code, 0, 'without the gate');
  t.equal((await store(relay.port, ...withCompressed)).code, 0, 'through the gate');
  const arrived = readdirSync(direct);
  t.ok(arrived.length >= names.length - 1, `${arrived.length} objects`);
  t.strictSame(readdirSync(brokered), arrived);
  for (const name of arrived)
    t.ok(readFileSync(join(brokered, name)).equals(readFileSync(join(direct, name))), name);
  await relay.close();
});

void t.test('C-MOVE needs download', async (t) => {
  const refusing = await through(pacs, ['view', 'modify']);
  const refused = await move(refusing.port);
  t.match(refused.output, /0x124/, refused.output);
  t.strictSame(images(received), []);
  t.strictSame(commandsIn(refusing.toDevice()), []);
  await refusing.close();

  const relay = await through(pacs, ['view', 'download']);
  const moved = await move(relay.port);
  t.equal(moved.code, 0, moved.output);
  t.equal(images(received).length, OBJECTS, 'the device sent them to the destination itself');
  for (const image of images(received)) t.ok(pixelsOf(join(received, image)).equals(PIXELS), image);
  t.ok(told(relay.effects).includes('unit C-MOVE download user'));
  await relay.close();
});

void t.test('an association is refused whole: for good, or until later', async (t) => {
  const never = await openRelay(() => openRefusal('dicom', 'no', 'POLICY_DENIED', countingSources()));
  const denied = await echo(never.port);
  t.not(denied.code, 0);
  t.match(denied.output, /Rejected Permanent/);
  t.match(denied.output, /Calling AE Title Not Recognized/);
  await never.close();

  const later = await openRelay(() => openRefusal('dicom', 'full', 'AUDIT_STORAGE_FULL', countingSources()));
  const full = await echo(later.port);
  t.not(full.code, 0);
  t.match(full.output, /Rejected Transient/);
  t.match(full.output, /Temporary Congestion/);
  await later.close();
});

void t.test('a revoked session ends in A-ABORT on both sides', async (t) => {
  const relay = await openRelay(
    () => gateOf('dicom', ['modify']),
    pacs,
    (list, gate) =>
      list.some((effect) => effect.kind === 'unit') ? gate.revoke('revoked by the operator') : [],
  );
  const stored = await store(relay.port, ...files);
  t.not(stored.code, 0);
  t.match(stored.output, /Peer aborted Association/, stored.output);
  const bytes = relay.toDevice();
  t.strictSame([...bytes.subarray(-10)], [7, 0, 0, 0, 0, 4, 0, 0, 2, 0]);
  await relay.close();
});
