/**
 * Signed bundles on a running gateway: the control and broker processes on loopback, live connections through them,
 * bundles by the command line and by SIGHUP. What a bundle publishes is there without a restart; what it takes away is
 * cut, and only that; kill -9 of control changes nothing of it.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import t from 'tap';
import type { BundleSource } from '../../src/wire/bundle.ts';
import { configSchema } from '../../src/wire/config.ts';
import { policyStatus } from '../../src/wire/messages.ts';
import type { PolicyStatus } from '../../src/wire/messages.ts';
import { DAY, imagingText, signed, signingKey } from '../policy/sample-bundle.ts';
import {
  makeSite,
  present,
  startAudit,
  startControl,
  startTunnel,
  tunnelSession,
  until,
} from './control-process.ts';
import type { Site } from './control-process.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../../src/', import.meta.url));
/** A loopback network of this process. */
const net = `127.${64 + ((process.pid >> 8) & 63)}.${process.pid & 255}`;
const DEVICE_PORT = 7_000;

type Directory = NonNullable<BundleSource['directory']>;

const directory = (...hosts: number[]): Directory => ({
  users: [
    { id: 'ada', name: 'Ada', roles: ['radiologist'] },
    { id: 'bob', name: 'Bob', roles: ['visitor'] },
  ],
  devices: [{ id: 'device', name: 'Device', class: 'monitor', address: `${net}.9` }],
  resources: hosts.map((host) => ({
    id: `tcp-${host}`,
    device: 'device',
    protocol: 'tcp' as const,
    virtual: { address: `${net}.${host}`, port: 9_100 },
    port: DEVICE_PORT,
  })),
});

/** A site with pinned signers and no resource of its own. */
function bundleSite(): Site & { readonly bundleFile: string } {
  const site = makeSite();
  const keyFile = join(site.folder, 'officer.pub');
  writeFileSync(keyFile, `${signingKey(1).signer.text}\n`);
  const bundleFile = join(site.folder, 'site.bundle');
  const input = JSON.parse(readFileSync(site.configFile, 'utf8')) as Record<string, unknown>;
  const [peer] = input['peers'] as Record<string, unknown>[];
  Object.assign(input, {
    overlay: { prefix: '127.0.0.0/8', resources: '127.0.0.0/8' },
    peers: [{ ...peer, allowedIps: [`${net}.100/32`] }],
    devices: [],
    resources: [],
    policy: { keys: [keyFile], bundle: bundleFile },
  });
  writeFileSync(site.configFile, JSON.stringify(input));
  return { ...site, bundleFile, config: configSchema.parse(input) };
}

/** A user's connection that is echoed by the device. */
class User {
  readonly socket: Socket;
  heard = '';
  closedAt: number | undefined;

  constructor(host: number) {
    this.socket = connect({ host: `${net}.${host}`, port: 9_100, localAddress: `${net}.100` });
    this.socket.on('data', (bytes: Buffer) => (this.heard += bytes.toString('latin1')));
    this.socket.on('error', () => undefined);
    this.socket.on('close', () => (this.closedAt = performance.now()));
  }

  async echoes(text: string): Promise<void> {
    this.socket.write(text);
    await until(`${text} comes back`, () => {
      if (this.closedAt !== undefined) throw new Error('closed');
      return this.heard.includes(text) || undefined;
    });
  }
}

/** A connection that works, tried until there is one. */
const reaches = (host: number, text: string): Promise<User> =>
  until(`a session on ${host}`, async () => {
    const user = new User(host);
    await once(user.socket, 'connect');
    user.socket.write(text);
    for (const end = performance.now() + 2_000; performance.now() < end && user.closedAt === undefined;) {
      if (user.heard === text) return user;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    user.socket.destroy();
    return undefined;
  });

const refusedOn = (host: number): Promise<boolean> =>
  until(`nobody listens on ${host}`, async () => {
    const socket = connect({ host: `${net}.${host}`, port: 9_100, localAddress: `${net}.100` });
    const [error] = (await Promise.race([once(socket, 'error'), once(socket, 'connect')])) as [
      NodeJS.ErrnoException | undefined,
    ];
    socket.destroy();
    return error?.code === 'ECONNREFUSED' || undefined;
  });

void t.test('a gateway whose policy comes in bundles', { timeout: 240_000 }, async (t) => {
  const site = bundleSite();
  const events = await startAudit(site);
  const tunnel = await startTunnel(site, [present('ada-laptop', tunnelSession('ada-laptop'))]);
  const device = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.pipe(socket);
  });
  device.listen(DEVICE_PORT, `${net}.9`);
  await once(device, 'listening');
  let control = await startControl(site);
  const env = { ...process.env, ANTEROOM_CONFIG: site.configFile };
  const broker = spawn(process.execPath, [join(root, 'main', 'broker.ts')], { env, stdio: 'ignore' });
  const users: User[] = [];
  t.teardown(async () => {
    for (const { socket } of users) socket.destroy();
    const over = once(broker, 'exit');
    if (broker.kill('SIGKILL')) await over;
    await control.kill();
    device.close();
    await tunnel.server.close();
    await events.close();
    site.remove();
  });
  const keep = (user: User): User => {
    users.push(user);
    return user;
  };
  const anteroom = (...args: string[]): Promise<{ stdout: string; stderr: string }> =>
    run(process.execPath, [join(root, 'cli', 'anteroom.ts'), 'policy', ...args], { env });
  const now = Date.now();
  const bundle = (revision: number, hosts: number[], more: Partial<BundleSource> = {}): string => {
    const file = join(site.folder, `${revision}.bundle`);
    const time = { notBefore: now - DAY, notAfter: now + DAY };
    const audience = ['clinic-north'];
    writeFileSync(
      file,
      signed({ revision, audience, ...time, policies: imagingText, directory: directory(...hosts), ...more }),
    );
    return file;
  };
  const status = async (): Promise<PolicyStatus> =>
    policyStatus.parse(JSON.parse((await anteroom('status', '--json')).stdout));

  t.equal((await status()).revision, undefined, 'nothing decides before the first bundle, and control runs');
  t.match((await anteroom('install', bundle(1, [10]))).stdout, /in force +1-/);
  const first = keep(await reaches(10, 'one'));

  const why = async (user: string): Promise<string> =>
    (await anteroom('explain', '--user', user, '--resource', 'tcp-10')).stdout;
  t.match(await why('ada'), /May view and modify, because/, 'users and resources are those of the bundle');
  t.match(await why('bob'), /May do nothing/);

  await anteroom('install', bundle(2, [10, 11]));
  const second = keep(await reaches(11, 'two'));
  await first.echoes('still here');
  t.pass('a published resource is reached without a restart, and what ran runs on');

  const refused = await anteroom('install', bundle(3, [11])).catch((error: { stderr: string }) => error);
  t.match(refused.stderr, /more than a fifth/, 'half of the resources gone, unmarked');
  await first.echoes('and still');
  const before = performance.now();
  await anteroom('install', bundle(4, [11], { destructive: true }));
  await until('the session on what is gone is cut', () => first.closedAt);
  t.ok((first.closedAt ?? Infinity) > before);
  await refusedOn(10);
  await second.echoes('the other lives');

  await anteroom('install', bundle(5, [10, 11]));
  const third = keep(await reaches(10, 'made again'));
  await control.kill();
  control = await startControl(site);
  t.match(
    await status(),
    { active: { revision: 5 }, previous: { revision: 4 }, highest: 5 },
    'after kill -9',
  );
  await second.echoes('through it all');
  await third.echoes('this too');

  writeFileSync(site.bundleFile, readFileSync(bundle(4, [11], { destructive: true })));
  control.child.kill('SIGHUP');
  await until(
    'an older one is refused by name',
    () =>
      events.of('policy.refused').some(({ body }) => JSON.stringify(body).includes('BUNDLE_OLDER')) ||
      undefined,
  );
  await third.echoes('nothing happened');
  writeFileSync(site.bundleFile, readFileSync(bundle(6, [11], { destructive: true })));
  control.child.kill('SIGHUP');
  await until('the session on what is gone is cut', () => third.closedAt);
  await second.echoes('to the end');
  t.match(await status(), { active: { revision: 6 } });
  await until(
    'and it is on record',
    () =>
      events.of('policy.activated').some(({ body }) => JSON.stringify(body).includes('"revision":6')) ||
      undefined,
  );
});
