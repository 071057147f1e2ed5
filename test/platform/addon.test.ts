/**
 * The addon's loading and what it asks of the system for a process: credentials, notification, hardening.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { addon, type PeerCredentials } from '../../src/platform/addon.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'anteroom-addon-'));
t.teardown(() => rmSync(scratch, { recursive: true }));

const descriptorOf = (socket: Socket): number =>
  (socket as unknown as { _handle: { fd: number } })._handle.fd;

/** Node as a user that owns nothing, without the test runner's own preloads. */
function spawnStranger(...args: string[]): ChildProcess {
  const user = ['--reuid=12345', '--regid=23456', '--clear-groups'];
  return spawn('setpriv', [...user, process.execPath, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env['PATH'] },
    cwd: '/',
  });
}

/** All a child writes, once it has ended. */
async function outputOf(child: ChildProcess): Promise<string> {
  let text = '';
  child.stdout?.setEncoding('utf8').on('data', (part: string) => (text += part));
  await once(child, 'close');
  return text.trim();
}

/** The far end's credentials of one connection to a server that listens at `at`. */
async function credentialsOver(at: string | { host: string; port: number }): Promise<PeerCredentials> {
  const server: Server = createServer();
  server.listen(at);
  await once(server, 'listening');
  const bound = server.address();
  const client =
    typeof bound === 'string' ? createConnection(bound) : createConnection(bound?.port ?? 0, '127.0.0.1');
  try {
    const [socket] = (await once(server, 'connection')) as [Socket];
    try {
      return addon().peerCredentials(descriptorOf(socket));
    } finally {
      socket.destroy();
    }
  } finally {
    client.destroy();
    server.close();
  }
}

void t.test('a missing addon is a fault that names the file', async (t) => {
  const script = `import('${root}/src/platform/addon.ts').then(({ addon }) => addon()).catch((e) => console.log(e.code, e.message))`;
  const child = spawn(process.execPath, ['-e', script], {
    env: { ...process.env, ANTEROOM_ADDON: '/nonexistent/anteroom.node' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.match(await outputOf(child), /^ADDON_UNAVAILABLE .*\/nonexistent\/anteroom\.node/);
});

void t.test('peer credentials are the kernel’s word about the other end', async (t) => {
  t.same(await credentialsOver(join(scratch, 'here.sock')), {
    pid: process.pid,
    uid: process.getuid?.(),
    gid: process.getgid?.(),
  });

  const path = join(scratch, 'other.sock');
  const server = createServer();
  server.listen(path);
  await once(server, 'listening');
  chmodSync(scratch, 0o755);
  chmodSync(path, 0o777);
  const child = spawnStranger('-e', `require('node:net').connect(${JSON.stringify(path)}).resume()`);
  const [socket] = (await once(server, 'connection')) as [Socket];
  t.same(addon().peerCredentials(descriptorOf(socket)), { pid: child.pid, uid: 12345, gid: 23456 });
  socket.destroy();
  server.close();
  await outputOf(child);
});

void t.test('peer credentials of anything else are refused', async (t) => {
  await t.rejects(credentialsOver({ host: '127.0.0.1', port: 0 }), { code: 'EINVAL' });
  const file = openSync('/dev/null', 'r');
  t.throws(() => addon().peerCredentials(file), { code: 'ENOTSOCK' });
  closeSync(file);
  t.throws(() => addon().peerCredentials(999_999), { code: 'EBADF' });
  t.throws(() => addon().peerCredentials(-1), { name: 'TypeError' });
  t.throws(() => addon().peerCredentials(1.5), { name: 'TypeError' });
});

void t.test('notify reaches the socket the environment names, by path or abstract name', async (t) => {
  const before = process.env['NOTIFY_SOCKET'];
  t.teardown(() => {
    if (before === undefined) delete process.env['NOTIFY_SOCKET'];
    else process.env['NOTIFY_SOCKET'] = before;
  });
  delete process.env['NOTIFY_SOCKET'];
  t.equal(addon().notify('READY=1'), false);
  process.env['NOTIFY_SOCKET'] = join(scratch, 'nobody');
  t.throws(() => addon().notify('READY=1'), { code: 'ENOENT' });

  for (const name of [join(scratch, 'notify'), `@anteroom-notify-${process.pid}-t`]) {
    const listener = spawn(join(root, 'build/native/test-native'), ['--receive-datagram', name], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const lines = createInterface(listener.stdout)[Symbol.asyncIterator]();
    t.equal((await lines.next()).value, 'bound');
    process.env['NOTIFY_SOCKET'] = name;
    t.equal(addon().notify('STATUS=zwölf Geräte'), true);
    t.equal((await lines.next()).value, 'STATUS=zwölf Geräte');
    await once(listener, 'exit');
  }
});

void t.test('a hardened process leaves no core and is not dumpable', async (t) => {
  const script = `
    const { addon } = await import('${root}/src/platform/addon.ts');
    const { readFileSync, statSync } = await import('node:fs');
    addon().hardenProcess();
    const limits = /Max core file size +(\\d+) +(\\d+)/.exec(readFileSync('/proc/self/limits', 'utf8'));
    console.log(JSON.stringify([limits[1], limits[2], statSync('/proc/self/environ').uid]));`;
  // As another user: the kernel gives the files of a process that isn't dumpable to root.
  const line = await outputOf(spawnStranger('--input-type=module', '-e', script));
  t.same(JSON.parse(line), ['0', '0', 0]);
});
