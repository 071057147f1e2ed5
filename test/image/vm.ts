/**
 * A machine in QEMU for the image: a board with its firmware (board.ts), a TPM 2.0 where the board has one (swtpm), a
 * virtio disk, three network cards, a serial console, everything from the image's tools tree and without KVM. What
 * happens is waited for on the console, with a deadline; nothing sleeps for a fixed time.
 *
 * The image itself takes no credentials from the machine (systemd.import_credentials=no). A test machine may give
 * some because its ESP holds an addon to the command line, signed with the key that signed the kernel: only who can
 * sign images can do that. What the test wants to know of the inside comes from a unit that such a credential adds.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { boardNames, boards } from './board.ts';
import type { Board, BoardName } from './board.ts';
import type { Cables } from './cables.ts';

export const repository = fileURLToPath(new URL('../../', import.meta.url));
const enter = join(repository, 'image/tools/enter');
const tree = join(repository, 'build/image/tools');
const inside = (path: string): string => path.replace(repository, '/src/');
const LOOK_MS = 100;

/** Run a command in the tools tree; paths below the repository are given as they are inside it. */
export function tools(...command: readonly string[]): string {
  return execFileSync(enter, [tree, ...command], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

export interface Machine {
  /** Folder of this machine's disk, firmware variables, TPM and logs; made new. */
  readonly home: string;
  /** `pc` where it isn't said. */
  readonly board?: BoardName;
  /** The image as built, a raw disk. */
  readonly image: string;
  /** System credentials by name. */
  readonly credentials: Readonly<Record<string, string | Buffer>>;
  /** Words added to the kernel's command line, by the signed addon. */
  readonly words?: readonly string[];
  /** False for a disk that isn't ours: it is left as it is. */
  readonly addon?: boolean;
}

/** So do the limits of our own units. */
const patience = {
  'systemd.unit-dropin.anteroom-.service':
    '[Service]\nTimeoutStartSec=15min\nTimeoutStopSec=5min\nWatchdogSec=15min\n',
};

/** The disk, not started: grown to 4 GiB, firmware in set-up mode, an empty TPM, the addon on the ESP. */
export function createMachine({
  home,
  board: name = 'pc',
  image,
  credentials,
  words = [],
  addon = true,
}: Machine): void {
  const board = boards[name];
  rmSync(home, { recursive: true, force: true });
  mkdirSync(home, { recursive: true });
  const at = inside(home);
  const keys = '/src/build/image/keys';
  // The watchdog counts the host's time, of which an emulated processor may get a small share.
  const lines = [
    `console=${board.console}`,
    'systemd.import_credentials=yes',
    'systemd.watchdog_sec=5min',
    'systemd.default_timeout_start_sec=15min',
    'systemd.default_device_timeout_sec=15min',
    ...words,
  ].join(' ');
  const smbios = Object.entries({ ...patience, ...credentials }).map(
    ([name, value]) => `io.systemd.credential.binary:${name}=${Buffer.from(value).toString('base64')}`,
  );
  smbios.forEach((text, i) => writeFileSync(join(home, `credential${i}`), text));
  writeFileSync(join(home, 'credentials'), String(smbios.length));
  writeFileSync(join(home, 'board'), name);
  tools(
    'sh',
    '-euc',
    `
    cp --sparse=always ${inside(image)} ${at}/disk.raw
    truncate -s 4G ${at}/disk.raw
    ${board.variables === undefined ? '' : `cp ${board.variables} ${at}/vars.fd`}
    [ ${String(addon)} = true ] || exit 0
    dpkg-deb --fsys-tarfile /src/build/image/${board.arch}/packages/systemd-boot-efi_*.deb |
      tar -xO ./usr/lib/systemd/boot/efi/addon${board.efi}.efi.stub > ${at}/addon.stub
    ukify build --efi-arch=${board.efi} --stub=${at}/addon.stub --cmdline='${lines}' --secureboot-private-key=${keys}/secure-boot.key \
      --secureboot-certificate=${keys}/secure-boot.crt --output=${at}/test.addon.efi >/dev/null
    start=$(sfdisk -J ${at}/disk.raw | python3 -c 'import json,sys; print(json.load(sys.stdin)["partitiontable"]["partitions"][0]["start"]*512)')
    mmd -i ${at}/disk.raw@@$start ::/loader/addons
    mcopy -i ${at}/disk.raw@@$start ${at}/test.addon.efi ::/loader/addons/
    `,
  );
  if (board.tpm) newTpm(home);
}

function boardOf(home: string): Board {
  const name = readFileSync(join(home, 'board'), 'utf8');
  const known = boardNames.find((each) => each === name);
  if (known === undefined) throw new Error(`${home} is of no board that is known: ${name}`);
  return boards[known];
}

/** Another TPM, as when the disk is put into another machine. */
export function newTpm(home: string): void {
  rmSync(join(home, 'tpm'), { recursive: true, force: true });
  mkdirSync(join(home, 'tpm'));
  tools('swtpm_setup', '--tpm2', '--tpmstate', inside(join(home, 'tpm')), '--pcr-banks', 'sha256');
}

export class Running {
  readonly #home: string;
  readonly #process: ChildProcess;
  #exited = false;
  #read = 0;
  #shell: Socket | undefined;
  #heard = '';
  /** Forwarded ports of this machine on the loopback interface. */
  readonly ports: { readonly tunnel: number; readonly status: number };

  constructor(home: string, process: ChildProcess, ports: Running['ports']) {
    this.#home = home;
    this.#process = process;
    this.ports = ports;
    process.once('exit', () => (this.#exited = true));
  }

  /** Everything the serial console has said since this start. */
  console(): string {
    const file = join(this.#home, 'console');
    return existsSync(file) ? readFileSync(file, 'latin1') : '';
  }

  /** Wait for what the console says after what was waited for before. */
  async said(what: RegExp, seconds: number): Promise<RegExpExecArray> {
    const until = performance.now() + seconds * 1000;
    for (;;) {
      const text = this.console();
      const found = what.exec(text.slice(this.#read));
      if (found) {
        this.#read += found.index + found[0].length;
        return found;
      }
      if (this.#exited)
        throw new Error(`QEMU ended before the console said ${String(what)}:\n${text.slice(-2000)}`);
      if (performance.now() > until)
        throw new Error(
          `the console did not say ${String(what)} in ${seconds} s; it ends:\n${text.slice(-3000)}`,
        );
      await pause(LOOK_MS);
    }
  }

  /** Run a line in the machine's test shell (`testShell`); what it printed. Fails when it failed. */
  async run(line: string, seconds = 60): Promise<string> {
    this.#shell ??= this.#openShell();
    this.#heard = '';
    this.#shell.write(`${line}\n`);
    const until = performance.now() + seconds * 1000;
    for (;;) {
      const end = /@@(\d+)@@\r?\n/.exec(this.#heard);
      if (end) {
        const text = this.#heard.slice(0, end.index).replaceAll('\r', '');
        if (end[1] !== '0') throw new Error(`${line}: exit ${end[1]}: ${text}`);
        return text;
      }
      if (this.#exited || performance.now() > until)
        throw new Error(
          `${line}: no answer in ${seconds} s; so far: ${this.#heard}; console: ${this.console().slice(-1500)}`,
        );
      await pause(LOOK_MS);
    }
  }

  #openShell(): Socket {
    const socket = connect(join(this.#home, 'shell'));
    socket.setEncoding('utf8');
    socket.on('data', (data: string) => (this.#heard += data));
    socket.on('error', () => socket.destroy());
    return socket;
  }

  /** CPU seconds that QEMU has used. */
  cpuSeconds(): number {
    const pid = Number(readFileSync(join(this.#home, 'qemu.pid'), 'utf8'));
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
  }

  /** A QMP command; its answer as JSON text. */
  qmp(command: string, args: object = {}): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect(join(this.#home, 'qmp'));
      let text = '';
      socket.setEncoding('utf8');
      socket.once('error', reject);
      socket.on('data', (data: string) => {
        text += data;
        if (/"(return|error)".*"(return|error)"/s.test(text)) {
          socket.destroy();
          resolve(text);
        }
      });
      socket.write('{"execute":"qmp_capabilities"}\n');
      socket.write(`${JSON.stringify({ execute: command, arguments: args })}\n`);
    });
  }

  /** Plug a stick with this image into the USB controller. */
  async plug(name: string, file: string): Promise<void> {
    await this.qmp('blockdev-add', {
      driver: 'raw',
      'node-name': name,
      'read-only': false,
      file: { driver: 'file', filename: inside(file) },
    });
    await this.qmp('device_add', {
      driver: 'usb-storage',
      id: `stick-${name}`,
      drive: name,
      bus: 'usb.0',
      removable: true,
    });
  }

  /** The plug is pulled. */
  async cut(): Promise<void> {
    if (this.#exited) return;
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    process.kill(Number(readFileSync(join(this.#home, 'qemu.pid'), 'utf8')), 'SIGKILL');
    await ended;
  }

  /** A line that ends in a restart; what it printed. The restart may take its answer along; a failure is one. */
  async runToRestart(line: string, seconds: number): Promise<string> {
    const restarted = this.said(/reboot: Restarting system/, seconds).then(() => this.#heard);
    const printed = await Promise.race([this.run(line, seconds).then(() => restarted), restarted]);
    return printed.replace(/@@\d+@@\s*$/, '').trim();
  }

  /** Switch it off from inside. The answer may not come any more, so only the end counts. */
  async switchOff(seconds: number): Promise<void> {
    this.run('systemctl poweroff --no-block', seconds).catch(() => undefined);
    await this.off(seconds);
  }

  /** The machine switched itself off. */
  async off(seconds: number): Promise<void> {
    const until = performance.now() + seconds * 1000;
    while (!this.#exited) {
      if (performance.now() > until)
        throw new Error(`still on after ${seconds} s:\n${this.console().slice(-2000)}`);
      await pause(LOOK_MS);
    }
  }
}

/**
 * Switch it on, on QEMU's own networks or on cables. `-smp 1`: two emulated processors are slower than one. It ends
 * with this process, however that ends.
 */
export async function start(home: string, extra: readonly string[] = [], cables?: Cables): Promise<Running> {
  const at = inside(home);
  const board = boardOf(home);
  for (const file of ['console', 'qmp', 'qemu.pid', 'tpm.sock', 'shell'])
    rmSync(join(home, file), { force: true });
  const base = 20_000 + (process.pid % 10_000) * 2;
  const ports = { tunnel: base, status: base + 1 };
  const credentials = Array.from(
    { length: Number(readFileSync(join(home, 'credentials'), 'utf8')) },
    (_, i) => ['-smbios', `type=11,path=${at}/credential${i}`],
  ).flat();
  const card = (id: 'uplink' | 'mgmt' | 'enclave', mac: number, more: string): string => {
    const netdev = cables?.netdev(id) ?? `user,id=${id}${more}`;
    return `-netdev ${netdev} -device virtio-net-pci,netdev=${id},mac=52:54:00:00:00:0${mac},romfile=`;
  };
  const tpm = `-chardev socket,id=tpm,path=${at}/tpm.sock -tpmdev emulator,id=tpm0,chardev=tpm -device tpm-crb,tpmdev=tpm0`;
  const qemu = `${board.emulator(at)} -m 1024 -smp 1
    -uuid 3c1e5d2a-6a6e-4d5c-9d0e-5a1b2c3d4e5f -display none -nodefaults ${board.tpm ? tpm : ''}
    -drive if=none,id=disk,format=raw,discard=unmap,cache=writeback,file=${at}/disk.raw
    -device virtio-blk-pci,drive=disk,bootindex=1
    -device qemu-xhci,id=usb -device i6300esb -action watchdog=reset
    -object rng-random,id=rng,filename=/dev/urandom -device virtio-rng-pci,rng=rng
    ${card('uplink', 1, `,hostfwd=udp:127.0.0.1:${ports.tunnel}-:51820`)}
    ${card('mgmt', 2, `,restrict=on,net=10.10.0.0/24,host=10.10.0.2,hostfwd=tcp:127.0.0.1:${ports.status}-10.10.0.1:8420`)}
    ${card('enclave', 3, ',restrict=on,net=10.20.0.0/24,host=10.20.0.2')}
    -serial file:${at}/console -serial unix:${at}/shell,server=on,wait=off
    -qmp unix:${at}/qmp,server=on,wait=off -pidfile ${at}/qemu.pid
    ${credentials.join(' ')} ${extra.join(' ')}`
    .trim()
    .split(/\s+/);
  const script = `
    ${board.tpm ? `swtpm socket --tpm2 --tpmstate dir=${at}/tpm --ctrl type=unixio,path=${at}/tpm.sock --daemon --terminate` : ''}
    exec nice -n 10 "$@"`;
  const child = spawn(
    'setpriv',
    ['--pdeathsig=KILL', ...(cables?.command ?? []), enter, tree, 'sh', '-euc', script, 'qemu', ...qemu],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let complaint = '';
  child.stderr.on('data', (data: Buffer) => (complaint += data.toString()));
  const until = performance.now() + 15_000;
  while (!existsSync(join(home, 'qemu.pid'))) {
    if (child.exitCode !== null || performance.now() > until)
      throw new Error(`QEMU did not start: ${complaint}`);
    await pause(LOOK_MS);
  }
  await cables?.plug();
  return new Running(home, child, ports);
}

/** A root shell on the second serial port, for `run`; it exists in test machines alone. */
export function testShellOn(name: BoardName): Readonly<Record<string, string>> {
  const { console, shell } = boards[name];
  return {
    'systemd.extra-unit.test-shell.service': `[Unit]
Description=Shell of the test
After=anteroom.target
[Service]
ExecStart=/bin/sh -c 'stty -F /dev/${shell} raw -echo; exec </dev/${shell} >/dev/${shell} 2>&1; echo @@SHELL >/dev/${console}; while read -r line; do sh -c "$$line" </dev/null; echo "@@$$?@@"; done'
`,
  };
}
export const testShell = testShellOn('pc');
/** The second word: links and networks may come by credentials. */
export const testShellWords: readonly string[] = [
  'systemd.wants=test-shell.service',
  'systemd.wants=systemd-network-generator.service',
];

/** True when the tools tree and its emulator are there. */
export const haveTools = (): boolean =>
  spawnSync(enter, [tree, 'qemu-system-x86_64', '--version'], { stdio: 'ignore' }).status === 0;
