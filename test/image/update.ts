/**
 * Updating the image in a machine: `node test/image/update.ts [STEP...]`. Needs the images 1 and 2 in
 * build/image/amd64; takes hours under emulation when all is asked for.
 *
 *   base     version 1 started for the first time, the firmware's keys taken; the other steps start from copies of it
 *   stick    version 2 from a stick that is plugged in: on trial, well, confirmed, the state kept, the floor raised;
 *            `stick:exits:unit` tries those bad versions in the same machine first
 *   tamper   bundles that aren't what was signed: nothing changes
 *   net      version 2 from an HTTPS server that cuts the line
 *   rollback bad versions of five kinds, or `rollback:hangs`: each comes back by itself to version 1, which says why (rollback.ts)
 *   corrupt  the newest kernel is damaged on the ESP: the version before starts
 *   old      a disk from before the last confirmation: it doesn't open its data and the screen says so
 *   moved    the disk with another TPM: the data stays closed and the screen says so
 *   flipped  a byte of the root is changed: it doesn't start
 *   cuts     power cuts while an update is installed
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  readdirSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { processNames } from '../../src/wire/ids.ts';
import { readPartitions } from '../../src/cli/update/gpt.ts';
import { record } from './figures.ts';
import { badCredentials, badKinds, badWords, makeBad } from './rollback.ts';
import type { Bad } from './rollback.ts';
import { siteCredentials } from './site.ts';
import { createMachine, newTpm, repository, start, testShell, testShellWords, tools } from './vm.ts';
import type { Running } from './vm.ts';

const out = join(repository, 'build/image/amd64');
const machines = join(repository, 'build/image/vm');
const base = join(machines, 'update-base');
/** One emulated processor beside whatever else the host does. */
const BOOT = 1800;
const ASK = 300;
const inside = (path: string): string => path.replace(repository, '/src/');

const say = (text: string): void => {
  process.stdout.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`);
};

/** A copy of a machine that is off. */
function copyOf(from: string, name: string): string {
  const to = join(machines, name);
  rmSync(to, { recursive: true, force: true });
  execFileSync('cp', ['-a', '--sparse=always', from, to]);
  return to;
}

/** Waiting for health takes its time on an emulated processor; a version made bad is given up sooner. */
const patience = {
  'systemd.unit-dropin.anteroom-healthy.service': `[Service]
ProcSubset=all
TimeoutStartSec=30min
ExecStart=
ExecStart=/bin/sh -c 'grep -q anteroom.test /proc/cmdline && w=60 || w=900; exec anteroom health --wait $$w --trial'
`,
  'systemd.unit-dropin.anteroom-data.service': '[Service]\nTimeoutStartSec=1h\n',
  ...Object.fromEntries(
    processNames.map((name) => [
      `systemd.unit-dropin.anteroom-${name}.service`,
      // A version whose process hangs is judged when this has passed.
      '[Service]\nTimeoutStartSec=4min\nTimeoutStopSec=2min\nWatchdogSec=10min\n',
    ]),
  ),
  // Where a process hangs, the others wait for it in turns, and this is what ends the start.
  'systemd.unit-dropin.anteroom-trial.timer': `[Timer]
OnBootSec=
OnBootSec=25min
`,
};

/** What waits for a device or a unit counts the guest's time, of which an emulated processor gets little. */
const slow = ['systemd.default_device_timeout_sec=1h', 'systemd.default_timeout_start_sec=1h'];

async function up(home: string): Promise<Running> {
  const machine = await start(home);
  try {
    await machine.said(/@@SHELL/, BOOT);
  } catch (error) {
    await machine.cut();
    throw error;
  }
  say(`up after ${machine.cpuSeconds().toFixed(0)} CPU seconds`);
  return machine;
}

const version = async (machine: Running): Promise<number> =>
  Number(/IMAGE_VERSION="?(\d+)/.exec(await machine.run('cat /etc/os-release', ASK))?.[1]);

/** A FAT stick that holds the folder as `anteroom`. */
function stick(folder: string): string {
  const file = `${folder}.stick`;
  const at = inside(file);
  tools(
    'sh',
    '-euc',
    `rm -f ${at}; truncate -s 300M ${at}; mkfs.vfat -F 32 -n ANTEROOM ${at} >/dev/null
     mmd -i ${at} ::/anteroom; mcopy -i ${at} ${inside(folder)}/* ::/anteroom/`,
  );
  return file;
}

async function plug(machine: Running, name: string, file: string): Promise<void> {
  await machine.plug(name, file);
  await machine.run('udevadm wait --timeout=120 /dev/disk/by-label/ANTEROOM', ASK);
}

async function unplug(machine: Running, name: string): Promise<void> {
  await machine.qmp('device_del', { id: `stick-${name}` });
  await machine.run('udevadm wait --removed --timeout=120 /dev/disk/by-label/ANTEROOM', ASK);
}

const INSTALL = 'anteroom update install /dev/disk/by-label/ANTEROOM';

async function makeBase(): Promise<void> {
  createMachine({
    home: base,
    image: join(out, 'out-1/anteroom_1.raw'),
    credentials: { ...siteCredentials(), ...testShell, ...patience, ...badCredentials },
    words: [...testShellWords, ...badWords, ...slow],
  });
  const machine = await start(base);
  try {
    await machine.said(/Custom Secure Boot keys successfully enrolled/, BOOT);
    say('the firmware took the keys');
    await machine.said(/@@SHELL/, BOOT);
    say(`up after ${machine.cpuSeconds().toFixed(0)} CPU seconds`);
    assert.equal((await machine.run('cat /run/anteroom/data', ASK)).trim(), 'data: open, tpm');
    say((await machine.run('cat /var/lib/anteroom/update/floor', ASK)).trim().replaceAll('\n', ', '));
    const pcr = await machine.run('tpm2_pcrread sha256:15', ASK);
    assert.doesNotMatch(pcr, /0x0{64}/, 'the volume’s key was measured');
    const token = await machine.run(
      `head -c 65536 /dev/disk/by-partlabel/anteroom-data | tr -d '\\000' | grep -ao '"tpm2[_a-z-]*pcrs":[^]]*]' | sort -u`,
      ASK,
    );
    assert.match(token, /"tpm2-pcrs":\[7,15\]/);
    assert.match(token, /"tpm2_pubkey_pcrs":\[11\]/);
    say(`sealed to: ${token.trim().replaceAll(/\s+/g, ' ')}`);
    say((await machine.run('anteroom health --wait 600', 700)).trim());
    await machine.run('echo kept > /var/lib/anteroom/mark; sync', ASK);
    say((await machine.run('anteroom update status', ASK)).trim());
    await machine.switchOff(900);
  } finally {
    await machine.cut();
  }
}

/** The facts of version 2 after it was installed in this machine and started: confirmed, state kept, floor raised. */
async function confirmed(machine: Running): Promise<void> {
  await machine.said(/@@SHELL/, BOOT);
  assert.equal(await version(machine), 2);
  await machine.run('systemctl start systemd-bless-boot.service anteroom-confirmed.service', 1500);
  assert.equal((await machine.run('cat /var/lib/anteroom/mark', ASK)).trim(), 'kept');
  assert.equal((await machine.run('cat /run/anteroom/data', ASK)).trim(), 'data: open, tpm');
  const status = await machine.run('anteroom update status', ASK);
  say(status.trim());
  assert.match(status, /^2 \(runs\) +confirmed/m);
  assert.match(status, /no version below 3 will be installed, none below 1 runs/);
}

async function fromStick(kinds: readonly string[]): Promise<void> {
  const home = copyOf(base, 'update-stick');
  const machine = await up(home);
  try {
    for (const kind of badKinds) if (kinds.includes(kind.name)) await tryBad(machine, kind);
    await plug(machine, 'good', stick(join(out, 'update-2')));
    say(await machine.runToRestart(`${INSTALL} --restart`, 1800));
    await confirmed(machine);
    say('version 2 came from a stick, was well, is confirmed, and has version 1’s data');
    await machine.switchOff(900);
  } finally {
    await machine.cut();
  }
}

/** A folder with version 2's files (links), changed by `change`. */
function variant(name: string, change: (folder: string) => void): string {
  const folder = join(out, `update-${name}`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  for (const file of readdirSync(join(out, 'update-2')))
    linkSync(join(out, 'update-2', file), join(folder, file));
  change(folder);
  return folder;
}

/** One bit of a file of the folder is changed, in a copy. */
function flip(folder: string, name: string, at: number): void {
  const file = join(folder, name);
  const bytes = readFileSync(file);
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
  rmSync(file);
  writeFileSync(file, bytes);
}

async function tamper(): Promise<void> {
  const home = copyOf(base, 'update-tamper');
  const machine = await up(home);
  try {
    const before = await machine.run('ls /efi/EFI/Linux; lsblk -nro PARTLABEL,PARTUUID', ASK);
    for (const [name, file, at] of [
      ['manifest', 'manifest.json', 40],
      ['signature', 'manifest.sig', 10],
      ['kernel', 'kernel.efi', 20_000_000],
      ['root', 'root.zst', 70_000_000],
      ['verity', 'verity.zst', 1_000],
    ] as const) {
      await plug(machine, name, stick(variant(`tampered-${name}`, (folder) => flip(folder, file, at))));
      const said = await machine.run(`${INSTALL} 2>&1 && exit 1 || true`, 1800);
      say(`${name}: ${said.trim().split('\n').at(-1) ?? ''}`);
      assert.match(said, /not signed by the pinned key|not what was signed/);
      await unplug(machine, name);
    }
    assert.equal(await machine.run('ls /efi/EFI/Linux; lsblk -nro PARTLABEL,PARTUUID', ASK), before);
    say('none of five tampered updates was installed');
    await machine.switchOff(900);
  } finally {
    await machine.cut();
  }
}

async function fromNet(): Promise<void> {
  const folder = join(out, 'update-2');
  const home = copyOf(base, 'update-net');
  const key = join(home, 'https.key');
  const crt = join(home, 'https.crt');
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-noenc',
      '-days',
      '3650',
      '-subj',
      '/CN=coordinator',
      '-addext',
      'subjectAltName=IP:10.0.2.2',
      '-keyout',
      key,
      '-out',
      crt,
    ],
    { stdio: 'ignore' },
  );
  const asked: string[] = [];
  const server = createServer({ key: readFileSync(key), cert: readFileSync(crt) }, (question, answer) => {
    const name = (question.url ?? '').replace(/^.*\//, '');
    const range = /^bytes=(\d+)-$/.exec(question.headers.range ?? '')?.[1];
    asked.push(`${name}${range === undefined ? '' : ` from ${range}`}`);
    if (!existsSync(join(folder, name))) return answer.writeHead(404).end();
    const bytes = readFileSync(join(folder, name));
    const from = Number(range ?? 0);
    answer.writeHead(from === 0 ? 200 : 206, {
      'content-length': String(bytes.length - from),
      ...(from === 0 ? {} : { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` }),
    });
    // The line is cut in the middle of the root, twice.
    if (name === 'root.zst' && asked.filter((each) => each.startsWith('root')).length <= 2)
      return answer.write(bytes.subarray(from, from + 40_000_000), () => answer.destroy());
    return answer.end(bytes.subarray(from));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const machine = await up(home);
  try {
    const text = readFileSync(crt).toString('base64');
    await machine.run(`echo ${text} | base64 -d >/var/lib/anteroom/coordinator.crt`, ASK);
    const url = `https://10.0.2.2:${(server.address() as AddressInfo).port}/updates`;
    const line = `anteroom update install ${url} --ca /var/lib/anteroom/coordinator.crt`;
    say(await machine.runToRestart(`${line} --restart`, 2400));
    say(`the server was asked for: ${asked.join(', ')}`);
    assert.ok(asked.filter((each) => each.startsWith('root.zst from')).length >= 2);
    await confirmed(machine);
    say('version 2 came from the coordinator over a line that was cut twice');
    await machine.switchOff(900);
  } finally {
    await machine.cut();
    server.close();
  }
}

/** Install a bad version; wait until version 1 is back by itself and says why. */
async function tryBad(machine: Running, kind: Bad): Promise<void> {
  const number = 11 + badKinds.indexOf(kind);
  await plug(machine, kind.name, stick(makeBad(out, number, kind)));
  const spent = machine.cpuSeconds();
  say(await machine.runToRestart(`${INSTALL} --restart`, 1800));
  // Only a good version has the shell: three starts of the bad one pass before it.
  await machine.said(/@@SHELL/, 3 * BOOT);
  const status = await machine.run('anteroom update status', ASK);
  say(status.trim());
  assert.equal(await version(machine), 1);
  assert.match(status, new RegExp(`rolled back from ${number} to 1: ${kind.reason.source}`));
  assert.equal((await machine.run('cat /var/lib/anteroom/mark', ASK)).trim(), 'kept');
  const took = machine.cpuSeconds() - spent;
  say(`${kind.name}: back on version 1 by itself, ${took.toFixed(0)} CPU seconds with the installation`);
  record(
    `bad version that ${kind.says}: installed, tried, back by itself with the reason`,
    'CPU s',
    took,
    'by itself',
  );
  await unplug(machine, kind.name);
}

async function rollBacks(kinds: readonly string[]): Promise<void> {
  const home = copyOf(base, 'update-rollback');
  const machine = await up(home);
  try {
    for (const kind of badKinds)
      if (kinds.length === 0 || kinds.includes(kind.name)) await tryBad(machine, kind);
    await machine.switchOff(900);
  } finally {
    await machine.cut();
  }
}

const espStart = (home: string): number => {
  const disk = openSync(join(home, 'disk.raw'), 'r');
  try {
    return readPartitions(disk).find(({ type }) => type.startsWith('c12a7328'))?.start ?? 0;
  } finally {
    closeSync(disk);
  }
};

async function corrupt(): Promise<void> {
  const home = copyOf(join(machines, 'update-stick'), 'update-corrupt');
  const esp = `${inside(home)}/disk.raw@@${espStart(home)}`;
  const kernel = join(home, 'kernel');
  tools('mcopy', '-i', esp, '::/EFI/Linux/anteroom_2.efi', inside(kernel));
  flip(home, 'kernel', 10_000_000);
  tools('mcopy', '-o', '-i', esp, inside(kernel), '::/EFI/Linux/anteroom_2.efi');
  const machine = await up(home);
  try {
    assert.equal(await version(machine), 1);
    const starts = machine.console().split('BdsDxe: starting').length - 1;
    say(`firmware started ${starts} entries in one power-on`);
    const resets = machine.console().split('BdsDxe: loading Boot0001').length - 2;
    record('newest kernel damaged: resets until the version before runs', '', Math.max(0, resets), '<= 1');
    const status = await machine.run('anteroom update status', ASK);
    say(status.trim());
    assert.match(status, /rolled back from 2 to 1: the firmware refuses its kernel/);
    assert.equal((await machine.run('cat /run/anteroom/data', ASK)).trim(), 'data: open, tpm');
    await machine.switchOff(900);
  } finally {
    await machine.cut();
  }
}

/** The machine's last screen says this. */
async function refuses(home: string, what: RegExp): Promise<void> {
  const machine = await start(home);
  try {
    await machine.said(what, BOOT);
  } finally {
    await machine.cut();
  }
}

async function old(): Promise<void> {
  // The machine has been through one more confirmation than the disk knows of.
  const home = copyOf(base, 'update-old');
  const at = inside(join(home, 'tpm'));
  tools(
    'sh',
    '-euc',
    `swtpm socket --tpm2 --tpmstate dir=${at} --server type=unixio,path=/tmp/tpm --ctrl type=unixio,path=/tmp/tpm.ctrl \
       --flags not-need-init,startup-clear --daemon --pid file=/tmp/tpm.pid >/dev/null 2>&1
     export TPM2TOOLS_TCTI=swtpm:path=/tmp/tpm
     tpm2_nvincrement -C o 0x01a10f01
     tpm2_shutdown
     kill $(cat /tmp/tpm.pid)`,
  );
  await refuses(home, /this disk is older than what this machine has been through/);
  say('an older copy of the disk does not open its data, and the console says why');
}

async function moved(): Promise<void> {
  const home = copyOf(base, 'update-moved');
  newTpm(home);
  await refuses(home, /this machine's TPM does not open the disk/);
  say('the disk stays locked with another TPM, and the console says why');
}

async function flipped(): Promise<void> {
  const home = copyOf(base, 'update-flipped');
  const disk = openSync(join(home, 'disk.raw'), 'r+');
  for (const { name, start: at } of readPartitions(disk).filter((each) => /^anteroom_\d+$/.test(each.name))) {
    // The first block of the root: the one that the mount reads.
    const byte = Buffer.alloc(1);
    readSync(disk, byte, 0, 1, at + 1024 + 64);
    writeSync(disk, Buffer.from([byte.readUInt8(0) ^ 1]), 0, 1, at + 1024 + 64);
    say(`changed a byte of ${name}`);
  }
  closeSync(disk);
  // The initial RAM disk goes on waiting for a root; that dm-verity has given none is the last that is heard.
  await refuses(
    home,
    /Kernel panic|cannot be opened: it is damaged or was changed|verity: \S+ reached maximum errors/,
  );
  say('a changed root does not start');
}

async function cuts(count = 5): Promise<void> {
  const from = copyOf(base, 'update-cuts');
  const file = stick(join(out, 'update-2'));
  for (let i = 0; i < count; i += 1) {
    const machine = await up(from);
    try {
      assert.equal(await version(machine), 1);
      assert.equal((await machine.run('cat /var/lib/anteroom/mark', ASK)).trim(), 'kept');
      assert.equal((await machine.run('systemctl --failed --no-legend --plain', ASK)).trim(), '');
      await plug(machine, `cut${i}`, file);
      const running = machine.run(INSTALL, 1800).catch(() => 'cut');
      // A share of what a whole installation takes in the guest's own time, by the host's processor.
      const until = machine.cpuSeconds() + 5 + (i * 40) / count;
      while (machine.cpuSeconds() < until) await pause(100);
      await machine.cut();
      await running;
      say(`cut ${i + 1}`);
    } finally {
      await machine.cut();
    }
  }
  const machine = await up(from);
  try {
    await plug(machine, 'good', file);
    await machine.runToRestart(`${INSTALL} --restart`, 1800);
    await confirmed(machine);
    say(`after ${count} cuts the same update is installed`);
    await machine.switchOff(900);
  } finally {
    await machine.cut();
  }
}

const steps: Readonly<Record<string, (rest: readonly string[]) => Promise<void>>> = {
  base: makeBase,
  stick: fromStick,
  tamper,
  net: fromNet,
  rollback: rollBacks,
  corrupt,
  old,
  moved,
  flipped,
  cuts: () => cuts(),
};
const asked = process.argv.slice(2);
for (const [name, step] of Object.entries(steps)) {
  const wanted = asked.find((each) => each === name || each.startsWith(`${name}:`));
  if (asked.length > 0 && wanted === undefined) continue;
  say(`--- ${name}`);
  await step((wanted ?? '').split(':').slice(1));
}
