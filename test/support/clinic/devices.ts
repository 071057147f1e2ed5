/**
 * The devices' software, as Debian ships it and as clinics run it: Orthanc as the PACS, dcmtk's dcmqrscp as a
 * modality's archive; and the infusion pump of `test/support/pump` with a consumer of its reports.
 *
 * dcmtk needs `-dhl` (no reverse lookup of callers, which would take 15 s each) and TCP_NODELAY=1.
 */
import type { ChildProcess } from 'node:child_process';
import { createWriteStream, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Lease } from './lease.ts';
import type { Namespace } from './namespace.ts';
import { stopChild } from './namespace.ts';
import { until } from '../until.ts';
import type { Network } from './network.ts';
import { addresses, devicePlan } from './network.ts';

export const ports = {
  orthanc: 4242,
  orthancHttp: 8042,
  archive: 11112,
  pump: 2575,
  consumer: 6661,
} as const;

export interface Devices {
  /** Ask Orthanc's own REST interface, from inside its namespace. */
  orthanc(path: string): Promise<unknown>;
  stop(): Promise<void>;
}

const pumpProgram = fileURLToPath(new URL('../pump/pump.ts', import.meta.url));

export async function startDevices(lease: Lease, network: Network): Promise<Devices> {
  const { pacs, archive, pump } = network.devices;
  const started: ChildProcess[] = [];
  const start = (namespace: Namespace, label: string, program: string, args: string[]): void => {
    const child = namespace.spawn(program, args, { env: { ...process.env, TCP_NODELAY: '1' } });
    const log = createWriteStream(join(lease.folder, `${label}.log`));
    child.stdout?.pipe(log, { end: false });
    child.stderr?.pipe(log, { end: false });
    child.once('close', () => log.end());
    started.push(child);
  };

  const orthancFolder = join(lease.folder, 'orthanc');
  mkdirSync(orthancFolder);
  const orthancConfig = join(orthancFolder, 'orthanc.json');
  const orthancSettings = {
    Name: 'PACS',
    StorageDirectory: join(orthancFolder, 'storage'),
    IndexDirectory: join(orthancFolder, 'index'),
    Plugins: [],
    DicomAet: 'PACS',
    DicomPort: ports.orthanc,
    DicomCheckCalledAet: false,
    DicomAlwaysAllowEcho: true,
    DicomAlwaysAllowStore: true,
    DicomAlwaysAllowFind: true,
    DicomAlwaysAllowGet: true,
    HttpPort: ports.orthancHttp,
    HttpServerEnabled: true,
    // Its REST interface answers to its own machine alone.
    RemoteAccessAllowed: false,
    AuthenticationEnabled: false,
    DicomModalities: { archive: ['ARCHIVE', devicePlan.archive.address, ports.archive] },
  };
  writeFileSync(orthancConfig, JSON.stringify(orthancSettings));
  start(pacs, 'orthanc', 'Orthanc', [orthancConfig]);

  const archiveFolder = join(lease.folder, 'archive');
  mkdirSync(join(archiveFolder, 'store'), { recursive: true });
  const archiveConfig = join(archiveFolder, 'dcmqrscp.cfg');
  writeFileSync(
    archiveConfig,
    [
      `NetworkTCPPort = ${ports.archive}`,
      'MaxPDUSize = 131072',
      'MaxAssociations = 64',
      'HostTable BEGIN',
      `gateway = (ANTEROOM, ${addresses.enclave}, 11112)`,
      'HostTable END',
      'VendorTable BEGIN',
      'VendorTable END',
      'AETable BEGIN',
      `ARCHIVE ${join(archiveFolder, 'store')} RW (200, 1024mb) ANY`,
      'AETable END',
      '',
    ].join('\n'),
  );
  start(archive, 'archive', 'dcmqrscp', ['-dhl', '-c', archiveConfig]);
  start(archive, 'consumer', process.execPath, [pumpProgram, '--consume', String(ports.consumer)]);
  const report = `${devicePlan.archive.address}:${ports.consumer}`;
  start(pump, 'pump', process.execPath, [
    pumpProgram,
    '--listen',
    String(ports.pump),
    '--report',
    report,
    '--every',
    '2000',
  ]);

  await until('the archive listens', () => archive.listens(ports.archive));
  await until('the pump listens', () => pump.listens(ports.pump));
  await until(
    'Orthanc listens',
    () => pacs.listens(ports.orthanc) && pacs.listens(ports.orthancHttp),
    30_000,
  );

  return {
    orthanc: async (path) => {
      const script = `fetch('http://127.0.0.1:${ports.orthancHttp}' + process.argv[1]).then(async (a) => process.stdout.write(await a.text()))`;
      const { code, stdout, stderr } = await pacs.run(process.execPath, ['-e', script, path]);
      if (code !== 0) throw new Error(`Orthanc ${path}: ${stderr}`);
      return JSON.parse(stdout) as unknown;
    },
    stop: async () => {
      await Promise.all(started.map((child) => stopChild(child, 1_000)));
    },
  };
}
