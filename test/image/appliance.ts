/**
 * The image in a machine, from the first start to the version after: `make image-test`. It takes a quarter of an hour
 * and more, so it isn't part of `make test`. Needs the images VERSION and VERSION+1 in build/image/amd64; figures go
 * to build/bench/image.json.
 *
 *   node test/image/appliance.ts [STEP...]     first update damage; all without a word
 */
import assert from 'node:assert/strict';
import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { readPartitions } from '../../src/cli/update/gpt.ts';
import { siteCredentials } from './site.ts';
import { createMachine, newTpm, repository, start, testShell, testShellWords, tools } from './vm.ts';
import type { Running } from './vm.ts';

const out = join(repository, 'build/image/amd64');
const home = join(repository, 'build/image/vm/appliance');
const figures: Record<string, number | string> = {};
const units = ['audit', 'control', 'tunnel', 'broker', 'sensor'].map((name) => `anteroom-${name}.service`);
/** One emulated processor beside whatever else the host does. */
const BOOT = 600;

const say = (text: string): void => {
  process.stdout.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`);
};

/** The facts of a machine that has come up, asserted. */
async function inspect(machine: Running, version: number): Promise<void> {
  assert.match(await machine.run('cat /etc/os-release'), new RegExp(`^IMAGE_VERSION="?${version}"?$`, 'm'));
  say(`health: ${(await machine.run('anteroom health --wait 180', 240)).trim()}`);
  for (const unit of units)
    assert.equal((await machine.run(`systemctl is-active ${unit}`)).trim(), 'active', unit);
  const mounts = await machine.run('findmnt -rno TARGET,SOURCE,FSTYPE,OPTIONS');
  assert.match(mounts, /^\/ \/dev\/mapper\/root erofs ro/m);
  assert.match(mounts, /^\/var \/dev\/mapper\/data ext4 rw,nosuid,nodev,noexec/m);
  assert.equal((await machine.run('cat /run/anteroom/data')).trim(), 'data: open, tpm');
  assert.match(
    await machine.run('bootctl status --no-pager 2>/dev/null || true'),
    /Secure Boot: enabled \(user\)/,
  );
  say('root is verified, /var is open by the TPM, Secure Boot is on, five processes run');
}

async function measure(machine: Running): Promise<void> {
  figures['memAvailableMB'] =
    Number(/MemAvailable: +(\d+)/.exec(await machine.run('cat /proc/meminfo'))?.[1] ?? 0) / 1024;
  const failed = (await machine.run('systemctl --failed --no-legend --plain')).trim();
  assert.equal(failed, '', 'no unit failed');
  const listening = (await machine.run('ss -tlnH'))
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/)[3] ?? '');
  figures['listeningTcp'] = listening.join(' ');
  const setuid = (await machine.run('find / -xdev -perm /6000 -type f', 120)).trim();
  assert.equal(setuid, '', 'no setuid or setgid file');
  for (const unit of units) {
    const text = await machine.run(`systemd-analyze security --no-pager ${unit} | tail -n 1`, 60);
    const exposure = Number(/: ([\d.]+)/.exec(text)?.[1] ?? 10);
    figures[`exposure.${unit}`] = exposure;
    assert.ok(exposure <= 2.5, `${unit}: ${exposure}`);
  }
  say(JSON.stringify(figures));
}

/** A FAT stick that holds the folder as `anteroom`. */
function stick(folder: string): string {
  const file = `${folder}.stick`;
  const at = file.replace(repository, '/src/');
  tools(
    'sh',
    '-euc',
    `rm -f ${at}; truncate -s 300M ${at}; mkfs.vfat -F 32 -n ANTEROOM ${at} >/dev/null
     mcopy -s -i ${at} ${folder.replace(repository, '/src/')} ::/anteroom`,
  );
  return file;
}

async function first(): Promise<void> {
  createMachine({
    home,
    image: join(out, 'out-1/anteroom_1.raw'),
    credentials: { ...siteCredentials(), ...testShell },
    words: testShellWords,
  });
  const machine = await start(home);
  try {
    await machine.said(/Custom Secure Boot keys successfully enrolled/, BOOT);
    say('the firmware took the keys');
    await machine.said(/@@SHELL/, BOOT);
    figures['firstBootCpuSeconds'] = machine.cpuSeconds();
    await inspect(machine, 1);
    await machine.run('echo kept > /var/lib/anteroom/mark; sync');
    await machine.run('systemctl poweroff --no-block');
    await machine.off(120);
  } finally {
    await machine.cut();
  }
}

async function update(): Promise<void> {
  const machine = await start(home);
  try {
    await machine.said(/@@SHELL/, BOOT);
    figures['secondBootCpuSeconds'] = machine.cpuSeconds();
    await inspect(machine, 1);
    assert.equal((await machine.run('cat /var/lib/anteroom/mark')).trim(), 'kept');
    say('a restart keeps state');
    await machine.plug('good', stick(join(out, 'update-2')));
    await machine.run('udevadm wait --timeout=60 /dev/disk/by-label/ANTEROOM', 90);
    say((await machine.run('anteroom update install /dev/disk/by-label/ANTEROOM --restart', 600)).trim());
    await machine.said(/@@SHELL/, BOOT);
    await inspect(machine, 2);
    await machine.run('systemctl start systemd-bless-boot.service', 240);
    const status = await machine.run('anteroom update status');
    assert.match(status, /^2 \(runs\) +confirmed/m);
    await measure(machine);
    say(`version 2 is confirmed:\n${status}`);
    await machine.run('systemctl poweroff --no-block');
    await machine.off(120);
  } finally {
    await machine.cut();
  }
}

/** Flip one byte in the middle of the slot that runs; the machine must not come up from it. */
async function damage(): Promise<void> {
  newTpm(home);
  const elsewhere = await start(home);
  try {
    await elsewhere.said(/this machine's TPM does not open the disk/, BOOT);
    say('the disk stays locked with another TPM, and the console says why');
  } finally {
    await elsewhere.cut();
  }
  const disk = openSync(join(home, 'disk.raw'), 'r+');
  for (const { name, start: at } of readPartitions(disk).filter((each) => /^anteroom_\d+$/.test(each.name))) {
    const byte = Buffer.alloc(1);
    for (let i = 0; i < 4096; i += 1) {
      readSync(disk, byte, 0, 1, at + 1024 * 1024 + i * 512);
      writeSync(disk, Buffer.from([(byte[0] ?? 0) ^ 1]), 0, 1, at + 1024 * 1024 + i * 512);
    }
    say(`changed ${name}`);
  }
  closeSync(disk);
  const damaged = await start(home);
  try {
    await damaged.said(/Kernel panic|cannot be opened: it is damaged or was changed/, BOOT);
    say('a changed root does not start');
  } finally {
    await damaged.cut();
  }
}

const steps: Readonly<Record<string, () => Promise<void>>> = { first, update, damage };
const megabytes = (file: string): number => Math.round(statSync(file).size / 1e5) / 10;
const asked = process.argv.slice(2);
for (const [name, step] of Object.entries(steps)) {
  if (asked.length > 0 && !asked.includes(name)) continue;
  say(`--- ${name}`);
  await step();
}
figures['imageMB'] = megabytes(join(out, 'out-1/anteroom_1.raw.zst'));
figures['ukiMB'] = megabytes(join(out, 'out-1/anteroom_1.efi'));
figures['updateMB'] =
  Math.round(
    ['kernel.efi', 'root.zst', 'verity.zst'].reduce(
      (sum, name) => sum + statSync(join(out, 'update-2', name)).size,
      0,
    ) / 1e5,
  ) / 10;
const report = join(repository, 'build/bench/image.json');
mkdirSync(join(repository, 'build/bench'), { recursive: true });
writeFileSync(report, `${JSON.stringify(figures, null, 2)}\n`);
say(readFileSync(report, 'utf8'));
