/** Units and scripts of the set-up: what they name is there, who they run as exists, and they may do little. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { nodeFlags } from '../../src/platform/engine.ts';
import { startOrder } from '../../src/platform/supervise/privilege.ts';

const overlay = fileURLToPath(new URL('../../rootfs-overlay/', import.meta.url));
const read = (name: string): string => readFileSync(join(overlay, name), 'utf8');
const folder = 'usr/lib/systemd/system';
const setUp = ['ports', 'site', 'stick', 'enrol', 'setup', 'selftest', 'screen', 'lights', 'time'];
const settings = (text: string, key: string): string[] =>
  [...text.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map(([, value = '']) => value);
/** What the payload and Debian bring. */
const brought = new Set([
  '/usr/bin/anteroom',
  '/usr/lib/anteroom/bin/node',
  '/bin/sh',
  '/usr/lib/anteroom/app/src/cli/screen.js',
]);

await t.test('what a unit starts is there and can be started', (t) => {
  for (const name of readdirSync(join(overlay, folder)).filter((each) => each.endsWith('.service'))) {
    const text = read(`${folder}/${name}`);
    for (const line of [...settings(text, 'ExecStart'), ...settings(text, 'ExecStop')]) {
      const program = line.replace(/^[-@:+!|]+/, '').split(' ')[0] ?? '';
      const ours = join(overlay, program);
      t.ok(
        brought.has(program) || existsSync(ours) || program.startsWith('/usr/lib/systemd/'),
        `${name}: ${program}`,
      );
      if (existsSync(ours)) t.ok((statSync(ours).mode & 0o111) === 0o111, `${program} can be run`);
    }
  }
  t.end();
});

await t.test('a process has the flags that it has with the supervisor', (t) => {
  for (const name of startOrder)
    t.strictSame(
      settings(read(`${folder}/anteroom-${name}.service`), 'ExecStart'),
      [
        ['/usr/lib/anteroom/bin/node', ...nodeFlags(name), `/usr/lib/anteroom/app/src/main/${name}.js`].join(
          ' ',
        ),
      ],
      name,
    );
  t.end();
});

await t.test('users and the folders they own exist', (t) => {
  const users = new Set(
    [...read('usr/lib/sysusers.d/anteroom.conf').matchAll(/^u (\S+) /gm)].map(([, name]) => name),
  );
  for (const name of setUp) {
    const text = read(`${folder}/anteroom-${name}.service`);
    for (const user of settings(text, 'User'))
      t.ok(users.has(user) || user === '_chrony', `${name}: ${user}`);
  }
  for (const [, user = '', group = ''] of read('usr/lib/tmpfiles.d/anteroom.conf').matchAll(
    /^d \S+ +\d+ (\S+) +(\S+) /gm,
  ))
    for (const each of [user, group]) t.ok(each === 'root' || users.has(each), each);
  const script = read('usr/lib/anteroom/stick');
  t.ok(users.has('anteroom-stick') && script.includes('anteroom-stick'));
  t.end();
});

await t.test('each may do only what its work is', (t) => {
  const capabilities: Readonly<Record<string, string>> = {
    ports: 'CAP_NET_ADMIN',
    site: 'CAP_NET_ADMIN CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER',
    stick: 'CAP_SYS_ADMIN CAP_SETUID CAP_SETGID',
    enrol: 'CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER',
  };
  for (const name of setUp) {
    const text = read(`${folder}/anteroom-${name}.service`);
    t.same(settings(text, 'CapabilityBoundingSet'), [capabilities[name] ?? ''], `${name}: capabilities`);
    for (const [key, value] of [
      ['NoNewPrivileges', 'yes'],
      ['ProtectSystem', 'strict'],
      ['ProtectHome', 'yes'],
      ['RestrictSUIDSGID', 'yes'],
      ['RestrictNamespaces', 'yes'],
      ['SystemCallArchitectures', 'native'],
      ['LockPersonality', 'yes'],
      ['LimitCORE', '0'],
    ] as const)
      t.same(settings(text, key), [value], `${name}: ${key}`);
    t.match(text, /^MemoryMax=\d+M$/m, `${name} has a limit of memory`);
    t.match(text, /^SystemCallFilter=@system-service/m);
  }
  for (const name of ['stick', 'enrol', 'lights', 'time'])
    t.match(read(`${folder}/anteroom-${name}.service`), /^PrivateNetwork=yes$/m, `${name} has no network`);
  t.match(read(`${folder}/anteroom-stick.service`), /^PrivateMounts=yes$/m, 'nobody else sees the stick');
  t.match(read('usr/lib/anteroom/stick'), /nosuid,nodev,noexec/);
  t.end();
});

await t.test('exposure, by systemd-analyze security', (t) => {
  // Mounting takes CAP_SYS_ADMIN; nothing else does.
  const most: Readonly<Record<string, number>> = { stick: 45 };
  for (const name of setUp) {
    const unit = join(overlay, folder, `anteroom-${name}.service`);
    const run = spawnSync(
      'systemd-analyze',
      ['security', '--offline=yes', `--threshold=${most[name] ?? 25}`, '--no-pager', unit],
      { encoding: 'utf8' },
    );
    t.equal(run.status, 0, `${name}: ${run.stdout.trim().split('\n').at(-1) ?? ''} ${run.stderr}`);
  }
  t.end();
});

await t.test('systemd understands them', (t) => {
  const units = readdirSync(join(overlay, folder))
    .filter((name) => /^anteroom-.*\.(service|path|timer)$/.test(name))
    .map((name) => join(overlay, folder, name));
  const { stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', ...units], { encoding: 'utf8' });
  // systemd 254 brought RestartSteps and RestartMaxDelaySec; the image has a newer one.
  const complaints = stderr
    .split('\n')
    .filter((line) => line.includes('anteroom-'))
    .filter((line) => !/Restart(Steps|MaxDelaySec)|not executable|No such file|not found/.test(line));
  t.same(complaints, []);
  t.end();
});

await t.test('what is enabled can be, and what can be is', (t) => {
  const preset = read('usr/lib/systemd/system-preset/00-anteroom.preset');
  for (const name of readdirSync(join(overlay, folder)).filter((each) =>
    /\.(service|path|timer)$/.test(each),
  ))
    t.equal(
      preset.includes(`enable ${name}\n`),
      settings(read(`${folder}/${name}`), '(?:Wanted|Required)By').length > 0,
      name,
    );
  t.end();
});

await t.test('a stick is looked at on a USB bus alone', (t) => {
  const rules = read('usr/lib/udev/rules.d/70-anteroom.rules')
    .split('\n')
    .filter((line) => line.includes('anteroom-stick.service'));
  t.equal(rules.length, 1);
  t.match(rules[0], /SUBSYSTEM=="block".*SUBSYSTEMS=="usb"/);
  t.end();
});

await t.test('the shells understand the scripts', (t) => {
  for (const name of ['ports', 'site', 'stick', 'enrol', 'lights', 'time', 'data', 'stopped']) {
    const run = spawnSync('sh', ['-n', join(overlay, 'usr/lib/anteroom', name)], { encoding: 'utf8' });
    t.equal(run.status, 0, `${name}: ${run.stderr}`);
  }
  t.end();
});
