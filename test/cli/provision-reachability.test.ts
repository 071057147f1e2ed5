/**
 * The question to a device, over a real link between two network namespaces, behind the gateway's own packet filter:
 * only whom somebody named is asked, by a process that may do nothing else, and only a true answer is one.
 */
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as pause } from 'node:timers/promises';
import t from 'tap';
import { isNeighbour } from '../../src/cli/provision-reachability.ts';
import type { Reachability } from '../../src/cli/provision-reachability.ts';
import { clinic, newKey } from './provision-sample.ts';

t.setTimeout(240_000);

const path = (name: string): string => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const [gateway, device] = [`ar-cli-g${process.pid}`, `ar-cli-d${process.pid}`];
// Without the test runner's hooks: what asks has no right to write its records.
const env = { ...process.env, NODE_OPTIONS: '' };
const ip = (...args: string[]): string => execFileSync('ip', args, { encoding: 'utf8', env, stdio: 'pipe' });
const on = (where: string, ...words: string[]): string => ip('netns', 'exec', where, ...words);

void t.test('who may be asked', (t) => {
  const prefixes = ['10.77.3.1/24', '192.0.2.1/31'];
  for (const [address, may] of [
    ['10.77.3.7', true],
    ['10.77.3.1', false],
    ['10.77.3.0', false],
    ['10.77.3.255', false],
    ['10.77.4.7', false],
    ['192.0.2.0', true],
    ['224.0.0.1', false],
    ['255.255.255.255', false],
  ] as const)
    t.equal(isNeighbour(address, prefixes), may, address);
  t.notOk(isNeighbour('10.77.3.7', []));
  t.end();
});

/** Run an expression of `askDevices` or `selfTest` in the gateway's namespace. */
const inGateway = (module: string, expression: string): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const script = `const m = await import(${JSON.stringify(path(module))}); process.stdout.write(JSON.stringify(await ${expression}));`;
    const words = ['netns', 'exec', gateway, process.execPath, '--input-type=module', '-e', script];
    execFile('ip', words, { env }, (failure, out) => {
      if (failure) reject(failure);
      else resolve(JSON.parse(out));
    });
  });
const ask = (...addresses: string[]): Promise<Reachability> =>
  inGateway(
    'src/cli/provision-reachability.ts',
    `m.askDevices(${JSON.stringify(addresses)}, 'enclave0', 400)`,
  ) as Promise<Reachability>;

void t.test('over a link', async (t) => {
  for (const name of [gateway, device]) ip('netns', 'add', name);
  t.teardown(() => {
    for (const name of [gateway, device]) ip('netns', 'del', name);
  });
  ip('-n', gateway, 'link', 'add', 'enclave0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', device);
  ip('-n', gateway, 'address', 'add', '10.77.3.1/24', 'dev', 'enclave0');
  ip('-n', device, 'address', 'add', '10.77.3.7/24', 'dev', 'eth0');
  ip('-n', device, 'address', 'add', '10.77.4.7/24', 'dev', 'eth0');
  for (const [where, name] of [
    [gateway, 'enclave0'],
    [gateway, 'lo'],
    [device, 'eth0'],
  ] as const)
    ip('-n', where, 'link', 'set', name, 'up');
  on(
    device,
    'nft',
    'add table inet heard; add chain inet heard input { type filter hook input priority 0; }; add rule inet heard input meta protocol ip counter',
  );
  const heard = (): number =>
    Number(/packets (\d+)/.exec(on(device, 'nft', 'list', 'chain', 'inet', 'heard', 'input'))?.[1]);
  on(gateway, 'nft', '-f', path('rootfs-overlay/etc/nftables.conf'));
  const allowed = (): string => on(gateway, 'nft', 'list', 'set', 'inet', 'anteroom', 'reachability');

  await t.test('nobody named, nobody asked', async (t) => {
    const state = mkdtempSync(join(tmpdir(), 'anteroom-reach-'));
    t.teardown(() => rmSync(state, { recursive: true, force: true }));
    const key = newKey().signer.text;
    const plan = {
      format: 1,
      id: '0'.repeat(32),
      interfaces: {},
      ntp: [],
      nts: [],
      tunnel: { addresses: [] },
      policySigners: [key],
      contact: 'x',
    };
    const options = `{ plan: ${JSON.stringify(plan)}, state: ${JSON.stringify(state)}, now: Date.now }`;
    const items = (await inGateway('src/cli/provision-selftest.ts', `m.selfTest(${options})`)) as object[];
    t.match(
      items.find((item) => 'id' in item && item.id === 'reachability'),
      { level: 'off' },
    );
    t.match(await ask('10.77.4.7'), { kind: 'outside', addresses: ['10.77.4.7'] }, 'not of this network');
    t.match(await ask('10.77.3.7', '192.0.2.1'), { kind: 'outside' }, 'one stranger, and nobody is asked');
    t.equal(heard(), 0, 'the device heard nothing');
  });

  await t.test('one answers, one does not', async (t) => {
    t.same(await ask('10.77.3.7', '10.77.3.8'), {
      kind: 'asked',
      answered: ['10.77.3.7'],
      silent: ['10.77.3.8'],
    });
    t.ok(heard() >= 1 && heard() <= 3, 'few packets');
    t.notMatch(allowed(), /10\.77/, 'the packet filter is closed again');
  });

  await t.test('the devices that the stick names, on an appliance', async (t) => {
    const site = clinic(t);
    const { root, made } = await site.stick({ body: { ...site.order.body, reachability: ['10.77.3.7'] } });
    t.match(await site.apply([root], { code: made.code ?? '' }), { code: 'OK2' });
    const run = join(site.folder, 'run');
    const box = ['--state-dir', site.state(), '--run-dir', run];
    const anteroom = (verb: string): string =>
      on(gateway, process.execPath, path('src/cli/anteroom.ts'), 'provision', verb, ...box, '--once');
    const found = (): unknown =>
      (JSON.parse(readFileSync(join(run, 'selftest.json'), 'utf8')) as { id: string }[]).find(
        ({ id }) => id === 'reachability',
      );
    const before = heard();
    anteroom('watch');
    t.match(found(), { level: 'warning', text: /being asked/ });
    t.equal(heard(), before, 'the self-test asks nobody itself');
    anteroom('ask');
    t.ok(heard() > before);
    anteroom('watch');
    t.match(found(), { level: 'ok', text: '10.77.3.7: each answers.' });
  });

  await t.test('who asks may do nothing else', async (t) => {
    const asked = ask('10.77.3.9');
    const until = Date.now() + 60_000;
    let status = '';
    while (status === '' && Date.now() < until) {
      for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
        try {
          const words = readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0');
          if (!words[0]?.endsWith('node') || !words.includes(path('src/main/reachability.ts'))) continue;
          if (words.includes('10.77.3.9')) status = readFileSync(`/proc/${pid}/status`, 'latin1');
        } catch {
          // It ended meanwhile.
        }
      }
      await pause(5);
    }
    t.match(status, /^Uid:\t65534\t65534\t65534\t65534$/m);
    const netRaw = (1n << 13n).toString(16).padStart(16, '0');
    for (const set of ['CapPrm', 'CapEff', 'CapBnd', 'CapAmb'])
      t.match(status, new RegExp(`^${set}:\t${netRaw}$`, 'm'));
    t.match(status, /^NoNewPrivs:\t1$/m);
    t.match(await asked, { kind: 'asked', silent: ['10.77.3.9'] });
  });

  await t.test('the packet filter lets nobody out who was not named', async (t) => {
    const before = heard();
    const words = [
      '--reuid=65534',
      '--regid=65534',
      '--clear-groups',
      '--inh-caps=-all,+net_raw',
      '--ambient-caps=-all,+net_raw',
    ];
    const said = on(
      gateway,
      'setpriv',
      ...words,
      process.execPath,
      path('src/main/reachability.ts'),
      'enclave0',
      '50',
      '10.77.3.7',
    );
    t.same(JSON.parse(said), { '10.77.3.7': null });
    t.throws(() => on(gateway, 'ping', '-c1', '-W1', '10.77.3.7'), 'root neither');
    t.equal(heard(), before);
  });

  await t.test('an answer that returns something else is none', async (t) => {
    on(device, 'sh', '-c', 'echo 1 >/proc/sys/net/ipv4/icmp_echo_ignore_all');
    const forger = execFile('ip', [
      'netns',
      'exec',
      device,
      process.execPath,
      '--input-type=module',
      '-e',
      `import { createRequire } from 'node:module';
       const raw = createRequire(${JSON.stringify(path('package.json'))})('raw-socket');
       const socket = raw.createSocket({ protocol: raw.Protocol.ICMP });
       let seen = 0;
       socket.on('message', (packet, from) => {
         if (packet[20] !== 8) return;
         const answer = Buffer.from(packet.subarray(20));
         answer[0] = 0;
         answer[8] ^= 1;
         answer.writeUInt16BE(0, 2);
         answer.writeUInt16BE(raw.createChecksum(answer), 2);
         const short = Buffer.from([0, 0, 0, 0, ...answer.subarray(4, 8)]);
         short.writeUInt16BE(raw.createChecksum(short), 2);
         for (const each of [answer, short]) socket.send(each, 0, each.length, from, () => process.stdout.write(String(++seen) + ' '));
       });
       process.stdout.write('ready ');`,
    ]);
    t.teardown(() => forger.kill());
    let out = '';
    forger.stdout?.on('data', (text: string) => (out += text));
    const until = Date.now() + 60_000;
    while (!out.includes('ready') && Date.now() < until) await pause(20);
    t.same(await ask('10.77.3.7'), { kind: 'asked', answered: [], silent: ['10.77.3.7'] });
    t.match(out, /ready .*2/, 'it did answer');
  });
});
