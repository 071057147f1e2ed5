/** A wrong configuration is one sentence that names the path and the fault. */
import { writeFileSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { loadConfig, parseConfig } from '../../src/platform/config.ts';
import { exitCodeOf, isFault } from '../../src/wire/errors.ts';

const key = Buffer.alloc(32, 1).toString('base64');
const good = {
  site: { id: 'riverside', name: 'Riverside Clinic' },
  tunnel: { privateKeyFile: '/etc/anteroom/tunnel.key', addresses: ['100.96.0.1/17'] },
  policy: { file: '/etc/anteroom/policy/clinic.cedar' },
  users: [{ id: 'r.meier', name: 'R. Meier', roles: ['radiologist'] }],
  peers: [
    { id: 'laptop', publicKey: key, allowedIps: ['100.96.1.1/32'], user: 'r.meier', userDevice: 'laptop' },
  ],
  devices: [{ id: 'pacs', name: 'PACS', class: 'pacs', address: '10.20.0.10' }],
  resources: [
    {
      id: 'pacs-dicom',
      device: 'pacs',
      protocol: 'dicom',
      virtual: { address: '100.96.128.10', port: 104 },
      port: 4242,
    },
  ],
};
type Mutable = Record<string, never> & typeof good;

void t.test('defaults live in the schema', (t) => {
  const config = parseConfig(JSON.stringify(good), 'c.json');
  t.equal(config.tunnel.listen.port, 51820);
  t.equal(config.overlay.resources, '100.96.128.0/17');
  t.equal(config.peers[0]?.posture.level, 'unknown');
  t.equal(config.uids.broker, 973);
  t.end();
});

void t.test('each fault names its path', (t) => {
  const cases: [string, (c: Mutable) => void, RegExp][] = [
    ['unknown key', (c) => Object.assign(c.tunnel, { prot: 1 }), /c\.json: tunnel: Unrecognized key: "prot"/],
    ['unknown top key', (c) => Object.assign(c, { tunel: {} }), /\(top level\): Unrecognized key: "tunel"/],
    ['port', (c) => Object.assign(c.tunnel, { listen: { port: 70000 } }), /tunnel\.listen\.port: /],
    [
      'address',
      (c) => Object.assign(c.devices[0] ?? {}, { address: 'pacs.local' }),
      /devices\.0\.address: must be an IPv4 or IPv6 address/,
    ],
    [
      'key',
      (c) => Object.assign(c.peers[0] ?? {}, { publicKey: 'abc' }),
      /peers\.0\.publicKey: must be 32 bytes in base64/,
    ],
    [
      'user',
      (c) => Object.assign(c.peers[0] ?? {}, { user: 'nobody' }),
      /peers\.0\.user: names no user: nobody/,
    ],
    [
      'device',
      (c) => Object.assign(c.resources[0] ?? {}, { device: 'ct' }),
      /resources\.0\.device: names no device: ct/,
    ],
    [
      'twice',
      (c) => c.devices.push({ ...(c.devices[0] as (typeof c.devices)[number]) }),
      /devices\.1\.id: is used twice: pacs/,
    ],
    [
      'relative path',
      (c) => Object.assign(c.policy, { file: 'clinic.cedar' }),
      /policy\.file: must be an absolute path/,
    ],
  ];
  for (const [name, change, expected] of cases) {
    const config = structuredClone(good) as Mutable;
    change(config);
    try {
      parseConfig(JSON.stringify(config), 'c.json');
      t.fail(`${name}: accepted`);
    } catch (error) {
      t.ok(isFault(error, 'CONFIG_INVALID'), name);
      t.match((error as Error).message, expected, name);
      t.notMatch((error as Error).message, /\n/, `${name}: one line`);
      t.equal(exitCodeOf(error), 78);
    }
  }
  t.end();
});

void t.test('files that cannot be read or are not JSON', (t) => {
  const file = join(mkdtempSync(join(tmpdir(), 'anteroom-config-')), 'c.json');
  t.throws(() => loadConfig(file), { code: 'CONFIG_UNREADABLE' });
  writeFileSync(file, '{"site":');
  t.throws(() => loadConfig(file), { code: 'CONFIG_INVALID' });
  writeFileSync(file, JSON.stringify(good));
  t.equal(loadConfig(file).site.id, 'riverside');
  t.end();
});
