/**
 * The image for arm64 in a machine: `make image-test-arm64`. Emulated, it takes ten minutes and more, so it isn't part
 * of `make test`. Needs the image VERSION 1 in build/image/arm64; figures go to build/bench/image.json.
 *
 *   node test/image/arm64.ts [STEP...]
 *
 *   uefi     AAVMF with our Secure Boot keys, no TPM: first start, the five processes
 *   again    the same machine a second time: state is kept
 *   u-boot   the same image below U-Boot, as on a Raspberry Pi: U-Boot, systemd-boot, kernel, the five processes
 *   sizes    what is downloaded and what is kept
 *
 * What only a board can show is in docs/HARDWARE.md.
 */
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { processNames } from '../../src/wire/ids.ts';
import type { BoardName } from './board.ts';
import { record } from './figures.ts';
import { siteCredentials } from './site.ts';
import { createMachine, repository, start, testShellOn, testShellWords, tools } from './vm.ts';
import type { Running } from './vm.ts';

const out = join(repository, 'build/image/arm64/out-1');
const homeOf = (board: BoardName): string => join(repository, 'build/image/vm', board);
/** One emulated processor beside whatever else the host does. */
const BOOT = 1200;

const say = (text: string): void => {
  process.stdout.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`);
};

/** The facts of a machine that has come up, asserted. */
async function inspect(machine: Running): Promise<void> {
  assert.equal((await machine.run('uname -m')).trim(), 'aarch64');
  say(`health: ${(await machine.run('anteroom health --wait 300', 360)).trim()}`);
  for (const name of processNames)
    assert.equal((await machine.run(`systemctl is-active anteroom-${name}.service`)).trim(), 'active', name);
  const mounts = await machine.run('findmnt -rno TARGET,SOURCE,FSTYPE,OPTIONS');
  assert.match(mounts, /^\/ \/dev\/mapper\/root erofs ro/m);
  assert.match(mounts, /^\/var \/dev\/mapper\/data ext4 rw,nosuid,nodev,noexec/m);
  say('root is verified, /var is open, five processes run');
  assert.equal((await machine.run('cat /run/anteroom/data')).trim(), 'data: open, key');
  assert.match(await machine.run('anteroom status', 120), /This machine has no TPM/);
  say('a key file opens /var, and the status says what that means');
  const failed = (await machine.run('systemctl --failed --no-legend --plain')).trim();
  assert.equal(failed, '', 'no unit failed');
}

function create(board: BoardName): string {
  const home = homeOf(board);
  createMachine({
    home,
    board,
    image: join(out, 'anteroom_1.raw'),
    credentials: { ...siteCredentials(), ...testShellOn(board) },
    words: testShellWords,
  });
  return home;
}

async function uefi(): Promise<void> {
  const home = create('arm');
  const first = await start(home);
  try {
    await first.said(/Custom Secure Boot keys successfully enrolled/, BOOT);
    say('the firmware took the keys');
    await first.said(/@@SHELL/, BOOT);
    record('arm64: first start, to the gateway', 'CPU-s of QEMU', first.cpuSeconds(), '');
    await inspect(first);
    assert.match(
      await first.run('bootctl status --no-pager 2>/dev/null || true'),
      /Secure Boot: enabled \(user\)/,
    );
    say('Secure Boot is on, with our keys');
    await first.run('echo kept > /var/lib/anteroom/mark; sync');
    await first.switchOff(600);
  } finally {
    await first.cut();
  }
}

async function again(): Promise<void> {
  const second = await start(homeOf('arm'));
  try {
    await second.said(/@@SHELL/, BOOT);
    record('arm64: second start, to the gateway', 'CPU-s of QEMU', second.cpuSeconds(), '');
    await inspect(second);
    assert.equal((await second.run('cat /var/lib/anteroom/mark')).trim(), 'kept');
    say('a restart keeps state');
    const memory = /MemAvailable: +(\d+)/.exec(await second.run('cat /proc/meminfo'))?.[1];
    record('arm64: memory available of 1 GB, five processes up', 'MB', Number(memory) / 1024, '>= 600');
    await second.switchOff(600);
  } finally {
    await second.cut();
  }
}

async function uBoot(): Promise<void> {
  const machine = await start(create('arm-u-boot'));
  try {
    await machine.said(/U-Boot 20\d\d/, BOOT);
    await machine.said(/Booting: virtio 0/, BOOT);
    say('U-Boot found the boot loader on the ESP');
    await machine.said(/@@SHELL/, BOOT);
    await inspect(machine);
    const loader = await machine.run('bootctl status --no-pager 2>/dev/null || true');
    assert.match(loader, /Firmware: .*Das U-Boot/);
    assert.match(loader, /Product: systemd-boot/);
    const entries = await machine.run('ls /efi/EFI/Linux');
    say(`entries after the start: ${entries.trim()}`);
    await machine.switchOff(600);
  } finally {
    await machine.cut();
  }
}

/** The ESP as a Pi's firmware reads it: files at its top, and the firmware can start only what is named there. */
function sizes(): Promise<void> {
  const megabytes = (file: string): number => statSync(join(out, file)).size / 1e6;
  record('arm64: compressed image', 'MB', megabytes('anteroom_1.raw.zst'), '<= 200');
  record('arm64: unified kernel image', 'MB', megabytes('anteroom_1.efi'), '<= 30');
  const raw = '/src/build/image/arm64/out-1/anteroom_1.raw';
  const listed = tools(
    'sh',
    '-euc',
    `start=$(sfdisk -J ${raw} | python3 -c 'import json,sys; print(json.load(sys.stdin)["partitiontable"]["partitions"][0]["start"]*512)')
     minfo -i ${raw}@@$start ::; mdir -b -i ${raw}@@$start ::/; mtype -i ${raw}@@$start ::/config.txt`,
  );
  assert.match(listed, /sector size: 512 bytes/, 'sectors that U-Boot can read');
  for (const name of ['start4.elf', 'fixup4.dat', 'config.txt', 'u-boot.bin', 'bcm2711-rpi-4-b.dtb'])
    assert.ok(listed.includes(`::/${name}\n`), `the ESP holds ${name}`);
  assert.match(listed, /^kernel=u-boot\.bin$/m);
  say('the ESP holds what a Raspberry Pi starts from');
  return Promise.resolve();
}

const steps: Readonly<Record<string, () => Promise<void>>> = { sizes, uefi, again, 'u-boot': uBoot };
const asked = process.argv.slice(2);
for (const name of asked) assert.ok(name in steps, `no step ${name}`);
for (const [name, step] of Object.entries(steps)) {
  if (asked.length > 0 && !asked.includes(name)) continue;
  say(`--- ${name}`);
  await step();
}
