/** The files that the image ships agree with each other and with the configuration's defaults. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { parseConfig } from '../../src/platform/config.ts';
import { processNames } from '../../src/wire/ids.ts';

const path = (name: string): string =>
  fileURLToPath(new URL(`../../rootfs-overlay/${name}`, import.meta.url));
const read = (name: string): string => readFileSync(path(name), 'utf8');
const { uids } = parseConfig(
  JSON.stringify({
    site: { id: 's', name: 'S' },
    tunnel: { privateKeyFile: '/k', addresses: ['100.96.0.1/17'] },
    policy: { file: '/p' },
  }),
  'test',
);

await t.test('the packet filter loads, twice, and drops what nothing accepts', (t) => {
  const namespace = `aroverlay${process.pid}`;
  const inside = (...command: string[]): string =>
    execFileSync('ip', ['netns', 'exec', namespace, ...command], { encoding: 'utf8' });
  execFileSync('ip', ['netns', 'add', namespace]);
  try {
    inside('nft', '-f', path('etc/nftables.conf'));
    inside('nft', '-f', path('etc/nftables.conf'));
    const rules = inside('nft', 'list', 'table', 'inet', 'anteroom');
    for (const hook of ['input', 'forward', 'output'])
      t.match(rules, new RegExp(`hook ${hook} priority filter; policy drop;`), `${hook} drops by default`);
    t.notMatch(/chain forward \{[^}]*\}/.exec(rules)?.[0], /accept/, 'nothing is forwarded');
  } finally {
    execFileSync('ip', ['netns', 'del', namespace]);
  }
  t.end();
});

await t.test('the example configuration is valid', (t) => {
  const config = parseConfig(read('etc/anteroom/config.example.json'), 'config.example.json');
  t.ok(existsSync(path((config.policy.file ?? '').slice(1))), 'and the policy it names is shipped');
  t.end();
});

await t.test('users have one number everywhere', (t) => {
  for (const name of processNames) {
    t.match(read('usr/lib/sysusers.d/anteroom.conf'), new RegExp(`^u anteroom-${name} +${uids[name]} `, 'm'));
    t.match(read('etc/nftables.conf'), new RegExp(`^define uid_${name} = ${uids[name]}$`, 'm'));
    t.match(
      read('usr/lib/tmpfiles.d/anteroom.conf'),
      new RegExp(`^d /var/lib/anteroom/${name} +0700 anteroom-${name} `, 'm'),
    );
  }
  t.end();
});

await t.test('each process is a unit of the target, with its own user and capability only', (t) => {
  const capabilities: Readonly<Record<string, string>> = { tunnel: 'CAP_NET_ADMIN', sensor: 'CAP_NET_RAW' };
  const target = read('usr/lib/systemd/system/anteroom.target');
  for (const name of processNames) {
    const unit = read(`usr/lib/systemd/system/anteroom-${name}.service`);
    const setting = (key: string): string[] =>
      [...unit.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map(([, value = '']) => value);
    t.ok(target.includes(`anteroom-${name}.service`));
    t.same(setting('User'), [`anteroom-${name}`]);
    t.same(setting('CapabilityBoundingSet'), [capabilities[name] ?? '']);
    t.same(setting('AmbientCapabilities'), [capabilities[name] ?? '']);
    t.same(setting('NoNewPrivileges'), ['yes']);
    t.same(setting('Restart'), ['always']);
    t.same(setting('RestartPreventExitStatus'), ['77 78']);
    t.match(setting('ExecStart')[0], new RegExp(`/src/main/${name}\\.js$`));
    t.equal(setting('RestrictAddressFamilies')[0]?.includes('AF_INET'), !['audit', 'sensor'].includes(name));
  }
  t.end();
});

await t.test('systemd understands the units', (t) => {
  if (!existsSync('/usr/bin/systemd-analyze')) {
    t.fail('systemd-analyze is missing (package systemd)');
    t.end();
    return;
  }
  const units = processNames.map((name) => path(`usr/lib/systemd/system/anteroom-${name}.service`));
  const { stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', ...units], { encoding: 'utf8' });
  // RestartSteps and RestartMaxDelaySec came with systemd 254; the image has a newer one, a developer's machine may not.
  const complaints = stderr
    .split('\n')
    .filter((line) => line.includes('anteroom-'))
    .filter((line) => !/Restart(Steps|MaxDelaySec)|not executable|No such file/.test(line));
  t.same(complaints, []);
  t.end();
});
