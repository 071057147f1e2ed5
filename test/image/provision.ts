/**
 * The stick and the image: a machine nobody has set up, and what a technician does with it. Takes half an hour, so it is
 * no part of `make test`: `make image-test-provision`. Needs the image VERSION 1 in build/image/amd64.
 *
 *   node test/image/provision.ts [STEP...]     factory enrol answer again reset; all without a word, in this order
 *
 * Sticks are made by `anteroom provision create` as whole disks and plugged into the running machine. What the gateway
 * says is read where a person reads it: on the console's screen and on the page of the management port.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { makeStick, writeStick } from '../../src/cli/provision-create.ts';
import type { StickOrder } from '../../src/cli/provision-create.ts';
import { imageAt, writeMedium } from '../../src/cli/provision-medium.ts';
import { deviceCodeOf } from '../../src/cli/provision-memory.ts';
import { SIGNER_SEED_BYTES, Signer, SigningKey } from '../../src/crypto/signer.ts';
import { generateKeyPair } from '../../src/crypto/x25519.ts';
import { STICK_FOLDER } from '../../src/wire/provision.ts';
import { createMachine, repository, start, testShell, testShellWords } from './vm.ts';
import type { Running } from './vm.ts';

const home = join(repository, 'build/image/vm/provision');
const office = join(repository, 'build/image/vm/provision-office');
const keys = join(repository, 'build/image/keys');
const image = join(repository, 'build/image/amd64/out-1/anteroom_1.raw');
const units = ['audit', 'control', 'tunnel', 'broker', 'sensor'].map((name) => `anteroom-${name}.service`);
/** One emulated processor beside whatever else the host does. */
const BOOT = 2400;
const LOOK = 300;
const DAY = 86_400_000;

const say = (text: string): void => {
  process.stdout.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`);
};
const cli = (...args: readonly string[]): string =>
  execFileSync(process.execPath, [join(repository, 'src/cli/anteroom.ts'), ...args], {
    encoding: 'utf8',
    cwd: office,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
const at = (name: string): string => join(office, name);
/** What the machine told before; steps can be run one by one. */
const kept = (name: string): string => readFileSync(at(name), 'utf8').trim();

/** The office: a policy signer, a policy bundle, the registry. The image pins keys/provision.pub. */
function openOffice(): void {
  rmSync(office, { recursive: true, force: true });
  mkdirSync(office, { recursive: true });
  cli('policy', 'keygen', 'policy');
  writeFileSync(
    at('imaging.cedar'),
    '@id("imaging") @reason("Imaging.")\npermit (principal in Role::"radiologist", action == Action::"view", resource);\n',
  );
  for (const site of ['riverside', 'lakeside'])
    cli(
      ...`policy sign imaging.cedar --revision 1 --audience ${site} --key policy.key --output ${site}.bundle`.split(
        ' ',
      ),
    );
}

/** Who answers in the enclave: the emulator itself. */
const neighbour = '10.20.0.2';

function create(site: string, file: string, device: string): void {
  cli(
    ...`provision create --site ${site} --policy ${site}.bundle --policy-key policy.pub --key ${keys}/provision.key --registry registry.json --enclave 10.20.0.1/24 --ping ${neighbour} --ntp 10.0.2.2 --endpoint gw.example:51820`.split(
      ' ',
    ),
    '--name',
    `The ${site} clinic`,
    '--contact',
    'Office, +1 555 0100',
    '--device',
    device,
    '--force-file',
    file,
    '--yes',
  );
}

/** A stick that no office would make. */
async function odd(
  file: string,
  device: string,
  changes: Partial<StickOrder>,
  key: SigningKey,
): Promise<void> {
  const policy = Signer.fromText(kept('policy.pub'));
  const root = at(`${file}.folder`);
  mkdirSync(root);
  const order: StickOrder = {
    site: { id: 'riverside', name: 'The riverside clinic' },
    notBefore: Date.now() - DAY,
    notAfter: Date.now() + DAY,
    minVersion: '0.1.0',
    softKey: false,
    device,
    body: {
      interfaces: {
        uplink: { addressing: { method: 'dhcp' } },
        management: { addressing: { method: 'static', addresses: ['10.10.0.1/24'] } },
        enclave: { addressing: { method: 'static', addresses: ['10.20.0.1/24'] } },
      },
      ntp: [],
      tunnel: { addresses: ['100.96.0.1/17'] },
      policySigners: [policy?.text ?? ''],
      contact: 'Office, +1 555 0100',
    },
    policy: readFileSync(at('riverside.bundle')),
    ...changes,
  };
  writeStick(root, await makeStick(order, key), { coordinator: 'none', contact: 'Office' });
  writeMedium(imageAt(at(file)), root);
}

/** Change one byte of the enrolment where it lies on the disk. */
function tamper(file: string): void {
  const disk = openSync(at(file), 'r+');
  const all = readFileSync(at(file));
  const place = all.indexOf('"notAfter"');
  assert.ok(place > 0, 'the enrolment is on the stick');
  const byte = Buffer.alloc(1);
  readSync(disk, byte, 0, 1, place + 12);
  writeSync(disk, Buffer.from(byte[0] === 0x39 ? '8' : '9'), 0, 1, place + 12);
  closeSync(disk);
}

function page(machine: Running, path: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port: machine.ports.status, path, timeout: 60_000 }, (answer) => {
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', (part: string) => (text += part));
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text }));
    })
      .on('error', reject)
      .on('timeout', () => reject(new Error(`no answer to ${path}`)));
  });
}

let plugs = 0;
async function plug(machine: Running, file: string): Promise<string> {
  const name = `s${process.pid % 1000}n${++plugs}`;
  await machine.plug(name, at(file));
  return name;
}
async function unplug(machine: Running, name: string): Promise<void> {
  await machine.qmp('device_del', { id: `stick-${name}` });
  await machine.run(
    'for i in 1 2 3 4 5 6 7 8 9 10; do ls /sys/class/block/ | grep -q ^sd || break; udevadm settle; sleep 1; done; ! ls /sys/class/block | grep ^sd',
    90,
  );
  await machine.qmp('blockdev-del', { 'node-name': name });
}

/** Everything that an enrolment could change, as one digest. */
const state = async (machine: Running): Promise<string> =>
  (
    await machine.run(
      'cd /var/lib/anteroom && find . -path ./audit -prune -o -path ./control -prune -o -path ./sensor -prune -o -path ./setup -prune -o -type f -print | sort | xargs sha256sum | sha256sum',
      90,
    )
  ).trim();

async function shell(machine: Running): Promise<void> {
  await machine.said(/@@SHELL/, BOOT);
}

async function factory(): Promise<void> {
  openOffice();
  createMachine({ home, image, credentials: testShell, words: testShellWords });
  const machine = await start(home);
  try {
    await machine.said(/Custom Secure Boot keys successfully enrolled/, BOOT);
    await shell(machine);
    const [device = ''] = await machine.said(/anteroom-device:[0-9a-f]{16}:[A-Za-z0-9+/]{43}=/, LOOK);
    writeFileSync(at('device'), device);
    say(`the console shows the device code: ${device}`);
    say(
      (await machine.run('ip -color=never -br address; systemctl --failed --no-legend --plain', 60)).trim(),
    );
    for (const unit of units)
      assert.equal((await machine.run(`systemctl is-active ${unit} || true`)).trim(), 'inactive', unit);
    assert.equal((await machine.run('systemctl --failed --no-legend --plain')).trim(), '', 'nothing failed');
    await machine.run(
      'for i in $(seq 60); do systemctl -q is-active anteroom-setup.service && ss -tlnH | grep -q 10.10.0.1:8420 && exit 0; sleep 2; done; exit 1',
      200,
    );
    const first = await page(machine, '/');
    assert.equal(first.status, 200);
    assert.match(first.text, /No stick yet/);
    say('the technician’s page answers on the management port');
    assert.match(await machine.run('ss -ulnpH'), /:67 /, 'addresses are given there');
    say(
      `screen and page use ${(await machine.run('systemctl show -P MemoryCurrent anteroom-screen.service anteroom-setup.service')).trim().replaceAll(/\s+/g, ' ')} bytes`,
    );
    await refusalsIn(machine);
    await machine.switchOff(600);
  } finally {
    await machine.cut();
  }
}

async function refusalsIn(machine: Running): Promise<void> {
  const device = kept('device');
  const other = deviceCodeOf(generateKeyPair(randomBytes(32)));
  const key = SigningKey.fromText(readFileSync(join(keys, 'provision.key'), 'utf8').trim());
  create('riverside', at('tampered.img'), device);
  tamper('tampered.img');
  create('riverside', at('elsewhere.img'), other);
  await odd('expired.img', device, { notBefore: Date.now() - 9 * DAY, notAfter: Date.now() - DAY }, key);
  await odd('stranger.img', device, {}, new SigningKey(randomBytes(SIGNER_SEED_BYTES)));
  execFileSync('truncate', ['-s', '64M', at('ext4.img')]);
  execFileSync('mkfs.ext4', ['-q', '-F', at('ext4.img')]);
  const before = await state(machine);
  for (const [file, code] of [
    ['ext4.img', 'E02'],
    ['tampered.img', 'E03'],
    ['stranger.img', 'E04'],
    ['expired.img', 'E05'],
    ['elsewhere.img', 'E06'],
  ] as const) {
    const name = await plug(machine, file);
    await machine.said(new RegExp(`${code}: `), LOOK);
    const shown = await machine.run('cat /run/anteroom/provision/stick.json');
    assert.match(shown, new RegExp(`"code":"${code}"`), file);
    const text = (await page(machine, '/setup')).text;
    assert.match(text, new RegExp(`${code}: `));
    if (file === 'ext4.img') assert.match(text, /not FAT/);
    assert.equal(await state(machine), before, `${file} changed nothing`);
    say(`${file} is refused: ${code}, on the console and on the page; nothing changed`);
    await unplug(machine, name);
  }
}

async function running(machine: Running): Promise<void> {
  // The stick's unit starts them, or starts them again, after it said that all went well.
  await machine.run(
    'for i in $(seq 150); do [ "$(systemctl show -P ActiveState anteroom-stick.service)" = inactive ] && ! systemctl list-jobs --no-legend | grep -qE "anteroom-(audit|control|tunnel|broker|sensor)|anteroom.target" && systemctl -q is-active anteroom-sensor.service && exit 0; sleep 2; done; exit 1',
    500,
  );
  say(`health: ${(await machine.run('anteroom health --wait 300', 400)).trim()}`);
  for (const unit of units)
    assert.equal((await machine.run(`systemctl is-active ${unit}`)).trim(), 'active', unit);
  assert.match(await machine.run('cat /etc/anteroom/config.json'), /"id": "riverside"/);
  assert.match(
    await machine.run('ip -color=never -br address'),
    /^enclave0 .*10\.20\.0\.1\/24/m,
    'the site’s network',
  );
  assert.match(await machine.run('cat /run/anteroom/time.d/site.sources'), /^server 10\.0\.2\.2 iburst$/m);
  const setup = await page(machine, '/setup');
  assert.equal(setup.status, 200);
  assert.match(setup.text, /This gateway is enrolled for The riverside clinic/);
  assert.match((await page(machine, '/api/health')).text, /"health":\[/);
  assert.equal((await machine.run('systemctl is-active anteroom-setup.service || true')).trim(), 'inactive');
  assert.equal((await machine.run('systemctl --failed --no-legend --plain')).trim(), '', 'nothing failed');
}

async function enrol(): Promise<void> {
  const machine = await start(home);
  try {
    await shell(machine);
    const device = kept('device');
    await machine.said(new RegExp(device.replaceAll(/[+/]/g, '.')), LOOK);
    say('after a restart it has the same device code');
    create('riverside', at('good.img'), device);
    const name = await plug(machine, 'good.img');
    await machine.said(/OK2: /, LOOK);
    say('the stick is taken, and its receipt is written: the console says so');
    await running(machine);
    say(
      'the five processes run with the site’s configuration, network and time servers; the page goes on at /setup',
    );
    const tested = '/run/anteroom/provision/selftest.json';
    await machine.run(
      `timeout 600 sh -c 'until grep -q "${neighbour}: each answers" ${tested}; do sleep 2; done' || ! cat ${tested}`,
      3 * LOOK,
    );
    say('the device that the stick names was asked and answers');
    assert.doesNotMatch(await machine.run('findmnt -rno FSTYPE'), /vfat\n.*vfat/, 'the stick is not mounted');
    await unplug(machine, name);
    await machine.switchOff(600);
  } finally {
    await machine.cut();
  }
}

async function answer(): Promise<void> {
  const machine = await start(home);
  try {
    await shell(machine);
    await running(machine);
    say('after a restart it is enrolled, and the processes run');
    const bundle = /"bundle":"([0-9a-f]{32})"/.exec(
      await machine.run('cat /var/lib/anteroom/site/enrolled.json'),
    )?.[1];
    const receipt = `receipt-${bundle ?? ''}`;
    execFileSync('mcopy', [
      '-n',
      '-i',
      `${at('good.img')}@@1M`,
      `::/${STICK_FOLDER}/${receipt}`,
      at(receipt),
    ]);
    mkdirSync(at(`answer/${STICK_FOLDER}`), { recursive: true });
    say(
      cli(
        ...`provision accept ${receipt} --registry registry.json --key ${keys}/provision.key --out answer`.split(
          ' ',
        ),
      ).trim(),
    );
    writeMediumOf('answer.img', 'answer');
    const name = await plug(machine, 'answer.img');
    await machine.said(/OK3: /, LOOK);
    await running(machine);
    await unplug(machine, name);
    say('the office took the receipt, and its answer is installed');
    await machine.switchOff(600);
  } finally {
    await machine.cut();
  }
}

/** A plain FAT stick without a partition, as a folder is copied to one by hand. */
function writeMediumOf(file: string, folder: string): void {
  execFileSync('truncate', ['-s', '64M', at(file)]);
  execFileSync('mkfs.vfat', ['-F', '32', at(file)], { stdio: 'ignore' });
  execFileSync('mcopy', ['-s', '-i', at(file), at(`${folder}/${STICK_FOLDER}`), '::/']);
}

async function again(): Promise<void> {
  const machine = await start(home);
  try {
    await shell(machine);
    await running(machine);
    const before = await state(machine);
    const same = await plug(machine, 'good.img');
    await machine.said(/OK4: /, LOOK);
    assert.equal(await state(machine), before);
    say('the stick it was enrolled by, once more: OK4, nothing changed');
    await unplug(machine, same);
    create('lakeside', at('lakeside.img'), kept('device'));
    const second = await plug(machine, 'lakeside.img');
    await machine.said(/E12: /, LOOK);
    assert.equal(await state(machine), before);
    say('a stick of another site: E12, nothing changed');
    await unplug(machine, second);
    await machine.switchOff(600);
  } finally {
    await machine.cut();
  }
}

async function reset(): Promise<void> {
  const machine = await start(home);
  try {
    await shell(machine);
    await machine.run('anteroom health --wait 300', 400);
    await machine.run(
      'systemctl stop anteroom.target; systemctl stop "anteroom-audit.service" "anteroom-control.service" "anteroom-tunnel.service" "anteroom-broker.service" "anteroom-sensor.service"',
      120,
    );
    say(
      (
        await machine.run(
          'anteroom provision reset --present --reason "test" && systemctl start anteroom-site.service && systemctl start anteroom-setup.service',
          180,
        )
      ).trim(),
    );
    const name = await plug(machine, 'good.img');
    await machine.said(/E0[67]: /, LOOK);
    const shown = await machine.run('cat /run/anteroom/provision/stick.json');
    say(`the used stick after a reset: ${shown.trim()}`);
    await unplug(machine, name);
    await machine.switchOff(600);
  } finally {
    await machine.cut();
  }
}

const steps: Readonly<Record<string, () => Promise<void>>> = { factory, enrol, answer, again, reset };
if (!existsSync(image)) throw new Error(`${image} is missing: make image ARCH=amd64 VERSION=1`);
const asked = process.argv.slice(2);
for (const [name, step] of Object.entries(steps)) {
  if (asked.length > 0 && !asked.includes(name)) continue;
  say(`--- ${name}`);
  await step();
}
