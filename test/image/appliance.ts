/**
 * The image in a machine, from the first start to the version after: `make image-test`. It takes an hour and more under
 * emulation, so it isn't part of `make test`. Figures go to build/bench/image.json.
 *
 *   node test/image/appliance.ts [STEP...]
 *
 *   first    keys taken, data partition made, five processes, a user's DICOM echo through the gateway   VERSION=1
 *   second   the same disk again: state kept, an echo, what is measured on a running machine
 *   stuck    the kernel stops and doesn't start again: the watchdog of the board does it, and nothing is lost
 *   plain    a plain Debian in the same machine, for comparison (image/tools/plain); ours in turns with it
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '../support/until.ts';
import { processNames } from '../../src/wire/ids.ts';
import { Cables, pacsPort, statusAddress } from './cables.ts';
import { record } from './figures.ts';
import { makeSite, siteCredentials } from './site.ts';
import type { Site } from './site.ts';
import { createMachine, repository, start, testShell, testShellWords } from './vm.ts';
import type { Running } from './vm.ts';

const out = join(repository, 'build/image/amd64');
const home = join(repository, 'build/image/vm/appliance');
const siteFile = join(home, 'site.json');
const units = processNames.map((name) => `anteroom-${name}.service`);
/** One emulated processor beside whatever else the host does. */
const BOOT = 1800;
const ASK = 300;

const say = (text: string): void => {
  process.stdout.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`);
};

/** The facts of a machine that has come up, asserted. */
async function inspect(machine: Running, version: number): Promise<void> {
  assert.match(
    await machine.run('cat /etc/os-release', ASK),
    new RegExp(`^IMAGE_VERSION="?${version}"?$`, 'm'),
  );
  say(`health: ${(await machine.run('anteroom health --wait 300', 600)).trim()}`);
  for (const unit of units)
    assert.equal((await machine.run(`systemctl is-active ${unit}`, ASK)).trim(), 'active', unit);
  const mounts = await machine.run('findmnt -rno TARGET,SOURCE,FSTYPE,OPTIONS', ASK);
  assert.match(mounts, /^\/ \/dev\/mapper\/root erofs ro/m);
  assert.match(mounts, /^\/var \/dev\/mapper\/data ext4 rw,nosuid,nodev,noexec/m);
  assert.equal((await machine.run('cat /run/anteroom/data', ASK)).trim(), 'data: open, tpm');
  assert.match(
    await machine.run('bootctl status --no-pager 2>/dev/null || true', ASK),
    /Secure Boot: enabled \(user\)/,
  );
  const failed = (await machine.run('systemctl --failed --no-legend --plain', ASK)).trim();
  assert.equal(failed, '', 'no unit failed');
  say('root is verified, /var is open by the TPM, Secure Boot is on, five processes run, no unit failed');
}

/** A user's C-ECHO through the gateway, and no way past it. */
async function echo(machine: Running, cables: Cables, site: Site): Promise<void> {
  await cables.startDevice();
  const remote = await cables.startPeer(site);
  const { address, port } = site.pacs;
  await until(
    'an echo through the gateway',
    async () => {
      const { code, stderr, stdout } = await cables.peer.run(
        'echoscu',
        ['-to', '60', '-aet', 'WORKSTATION', '-aec', 'PACS', address, String(port)],
        { environment: { TCP_NODELAY: '1' }, timeoutMs: 90_000 },
      );
      if (code !== 0) say(`echoscu: ${code} ${stdout}${stderr}`.trim());
      return code === 0;
    },
    ASK * 1000,
  );
  say(`a DICOM echo went through the gateway; last handshake ${await remote.lastHandshake()}`);
  const past = await cables.peer.run('echoscu', ['-to', '5', '10.20.0.11', String(pacsPort)], {
    timeoutMs: 20_000,
  });
  assert.notEqual(past.code, 0, 'the device is not reached past the gateway');
  const log = await machine.run('anteroom audit tail', ASK);
  assert.match(log, /session\.start/, 'the session is in the audit log');
  say((await machine.run('anteroom audit verify', ASK)).trim().split('\n').at(-1) ?? '');
  await remote.stop();
}

/** What is measured on a machine that runs. */
async function measure(machine: Running, cables: Cables): Promise<void> {
  record(
    'memory available of 1 GB, five processes up',
    'MB',
    Number(/MemAvailable: +(\d+)/.exec(await machine.run('cat /proc/meminfo', ASK))?.[1] ?? 0) / 1024,
    '>= 600',
  );
  const listening = (await machine.run('ss -tlnH', ASK))
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/)[3] ?? '')
    .toSorted();
  say(`listens on TCP: ${listening.join(' ')}`);
  const documented = [`${statusAddress}:8420`, '100.96.0.1:80', '100.96.128.11:104'];
  const others = listening.filter((each) => !documented.includes(each));
  record('listening TCP sockets that are not documented', '', others.length, '0');
  const seen = await cables.desk.run(
    'sh',
    [
      '-c',
      `for p in 22 53 80 104 443 8420; do timeout 20 bash -c "</dev/tcp/${statusAddress}/$p" 2>/dev/null && echo $p; done; true`,
    ],
    { timeoutMs: 200_000 },
  );
  assert.equal(seen.stdout.trim(), '8420', 'from the management port only the status page answers');
  const setuid = (await machine.run('find / -xdev -perm /6000 -type f', 600)).trim();
  record('setuid or setgid files', '', setuid === '' ? 0 : setuid.split('\n').length, '0');
  // Every unit of ours: the five by name, of the others the most exposed.
  const table = await machine.run(
    'for u in /usr/lib/systemd/system/anteroom-*.service; do u=${u##*/}; echo "$u $(systemd-analyze security --no-pager $u | tail -n 1)"; done',
    600,
  );
  const exposures = [...table.matchAll(/^(anteroom-\w+\.service) .*: ([\d.]+)/gm)].map(
    ([, unit = '', value]) => ({ unit, value: Number(value) }),
  );
  const beside = exposures.filter(({ unit }) => !units.includes(unit));
  assert.ok(beside.length > 0 && exposures.length === beside.length + units.length, table);
  for (const { unit, value } of exposures)
    if (units.includes(unit)) record(`exposure of ${unit.replace('.service', '')}`, '', value, '<= 2.5');
  const most = Math.max(...beside.map(({ value }) => value));
  record(`exposure of ${beside.length} other units, the most`, '', most, '<= 2.5');
}

const site = (): Site => JSON.parse(readFileSync(siteFile, 'utf8')) as Site;

async function first(): Promise<void> {
  const fresh = makeSite();
  createMachine({
    home,
    image: join(out, 'out-1/anteroom_1.raw'),
    credentials: { ...siteCredentials(fresh), ...testShell },
    words: testShellWords,
  });
  writeFileSync(siteFile, JSON.stringify(fresh));
  const cables = new Cables();
  const machine = await start(home, [], cables);
  try {
    await machine.said(/Custom Secure Boot keys successfully enrolled/, BOOT);
    say('the firmware took the keys');
    await machine.said(/@@SHELL/, BOOT);
    say(`first start: ${machine.cpuSeconds().toFixed(0)} CPU seconds`);
    await inspect(machine, 1);
    await echo(machine, cables, fresh);
    await machine.run('echo kept > /var/lib/anteroom/mark; sync', ASK);
    await machine.switchOff(900);
  } finally {
    await machine.cut();
    cables.stop();
  }
}

async function second(): Promise<void> {
  const cables = new Cables();
  const machine = await start(home, [], cables);
  try {
    await machine.said(/@@SHELL/, BOOT);
    say(`second start: ${machine.cpuSeconds().toFixed(1)} CPU seconds`);
    const used = await machine.run(
      'for u in /sys/fs/cgroup/system.slice/*/cpu.stat /sys/fs/cgroup/init.scope/cpu.stat; do read -r a t <$u; echo "$((t/1000)) $u"; done | sort -rn | head -n 14',
      ASK,
    );
    say(
      `CPU ms by unit, as the machine counts:\n${used.replaceAll('/sys/fs/cgroup/', '').replaceAll('/cpu.stat', '')}`,
    );
    await inspect(machine, 1);
    assert.equal((await machine.run('cat /var/lib/anteroom/mark', ASK)).trim(), 'kept');
    say('a restart keeps state');
    await echo(machine, cables, site());
    await measure(machine, cables);
    await machine.qmp('system_powerdown');
    assert.doesNotMatch(
      await machine.run('sleep 10; systemctl list-jobs --no-legend', ASK),
      /poweroff|shutdown/,
    );
    say('a short press of the power button ends nothing');
    await machine.switchOff(900);
  } finally {
    await machine.cut();
    cables.stop();
  }
}

async function stuck(): Promise<void> {
  const machine = await start(home);
  try {
    await machine.said(/@@SHELL/, BOOT);
    await machine.run('anteroom health --wait 600', 900);
    const before = Number(/^records\s+(\d+)/m.exec(await machine.run('anteroom audit verify', ASK))?.[1]);
    machine.run('echo 0 >/proc/sys/kernel/panic; echo c >/proc/sysrq-trigger').catch(() => undefined);
    await machine.said(/Kernel panic|sysrq: Trigger a crash/, ASK);
    await machine.said(/@@SHELL/, BOOT);
    say('the kernel stood still; the watchdog started the machine again');
    await machine.run('anteroom health --wait 600', 900);
    const after = Number(/^records\s+(\d+)/m.exec(await machine.run('anteroom audit verify', ASK))?.[1]);
    assert.ok(after >= before, `${before} records before, ${after} after`);
    await machine.switchOff(900);
  } finally {
    await machine.cut();
  }
}

/**
 * CPU seconds from power-on to all five processes ready, and the same for a plain Debian's multi-user.target from the
 * same firmware; in turns. The appliance is the one of `second`, its third start and later.
 */
async function plain(rounds = 2): Promise<void> {
  const debian = join(repository, 'build/image/plain');
  const place = join(repository, 'build/image/vm/plain');
  createMachine({ home: place, image: join(debian, 'disk.raw'), credentials: {}, addon: false });
  const timed = async (at: string, what: RegExp): Promise<number> => {
    const machine = await start(at);
    try {
      await machine.said(what, BOOT);
      return machine.cpuSeconds();
    } finally {
      await machine.cut();
    }
  };
  const ours: number[] = [];
  const theirs: number[] = [];
  await timed(place, /@@REACHED/);
  for (let round = 0; round < rounds; round += 1) {
    ours.push(await timed(home, /@@SHELL/));
    theirs.push(await timed(place, /@@REACHED/));
    say(`ours ${ours.at(-1)} s, plain Debian ${theirs.at(-1)} s`);
  }
  const least = (values: readonly number[]): number => Math.min(...values);
  record('second start to gateway ready', 'CPU s', least(ours), '<= 2.0x', {
    name: 'plain Debian 13 to multi-user, same firmware and loader',
    value: least(theirs),
  });
}

/** Sizes of what is built, whatever ran. */
function sizes(): void {
  const image = join(out, 'out-1/anteroom_1');
  const bundle = join(out, 'update-1');
  if (!existsSync(`${image}.raw.zst`)) return;
  const megabytes = (...files: string[]): number =>
    files.reduce((sum, file) => sum + statSync(file).size, 0) / 1e6;
  record('image, compressed', 'MB', megabytes(`${image}.raw.zst`), '<= 180');
  record('unified kernel image', 'MB', megabytes(`${image}.efi`), '<= 30');
  record(
    'update',
    'MB',
    megabytes(...['kernel.efi', 'root.zst', 'verity.zst'].map((name) => join(bundle, name))),
    '<= 190',
  );
}

const steps: Readonly<Record<string, () => Promise<void>>> = { first, second, stuck, plain };
const asked = process.argv.slice(2);
sizes();
for (const [name, step] of Object.entries(steps)) {
  if (asked.length > 0 && !asked.includes(name)) continue;
  say(`--- ${name}`);
  await step();
}
