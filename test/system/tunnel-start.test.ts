/** The tunnel process refuses to start on keys that aren't safe or aren't keys: one line, the file's name, exit 78. */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const main = fileURLToPath(new URL('../../src/main/tunnel.ts', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'ar-tun-start-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));

const GOOD = `${Buffer.alloc(32, 7).toString('base64')}\n`;
const keyFile = join(folder, 'gateway.key');
const pskFile = join(folder, 'peer.psk');

function start(): { code: number | null; error: string } {
  const config = {
    site: { id: 'test', name: 'Test' },
    runtimeDir: folder,
    stateDir: folder,
    tunnel: { privateKeyFile: keyFile, addresses: ['100.96.0.1/17'] },
    users: [{ id: 'someone', name: 'Someone', roles: ['tester'] }],
    peers: [
      {
        id: 'laptop',
        publicKey: Buffer.alloc(32, 9).toString('base64'),
        presharedKeyFile: pskFile,
        allowedIps: ['100.96.0.2/32'],
        user: 'someone',
        userDevice: 'laptop',
      },
    ],
    policy: { file: '/nonexistent' },
  };
  const file = join(folder, 'config.json');
  writeFileSync(file, JSON.stringify(config));
  const done = spawnSync(process.execPath, [main], {
    env: { PATH: process.env['PATH'], ANTEROOM_CONFIG: file },
    encoding: 'utf8',
    timeout: 20_000,
  });
  return { code: done.status, error: done.stderr };
}

const cases: readonly (readonly [string, string, string, () => void])[] = [
  ['a private key that the group may read', keyFile, 'mode 640', () => chmodSync(keyFile, 0o640)],
  ['a private key that others may read', keyFile, 'mode 604', () => chmodSync(keyFile, 0o604)],
  ['a private key that is not there', keyFile, 'ENOENT', () => rmSync(keyFile)],
  [
    'a private key of 31 bytes',
    keyFile,
    'not a key',
    () => writeFileSync(keyFile, Buffer.alloc(31, 7).toString('base64')),
  ],
  [
    'a private key file of a megabyte',
    keyFile,
    'not a key',
    () => writeFileSync(keyFile, 'A'.repeat(1_000_000)),
  ],
  ['an empty pre-shared key', pskFile, 'not a key', () => writeFileSync(pskFile, '')],
  [
    'a pre-shared key of zeros',
    pskFile,
    'is none',
    () => writeFileSync(pskFile, Buffer.alloc(32).toString('base64')),
  ],
  ['a pre-shared key that others may read', pskFile, 'mode 644', () => chmodSync(pskFile, 0o644)],
];

for (const [name, file, what, spoil] of cases) {
  void t.test(name, (t) => {
    for (const key of [keyFile, pskFile]) {
      writeFileSync(key, GOOD, { mode: 0o600 });
      chmodSync(key, 0o600);
    }
    spoil();
    const { code, error } = start();
    t.equal(code, 78);
    t.equal(error.trim().split('\n').length, 1, 'one line');
    t.match(error, file);
    t.match(error, what);
    t.notMatch(error, GOOD.trim(), 'and nothing of the key');
    t.end();
  });
}
