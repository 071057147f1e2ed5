/** The self-test against a time server and a coordinator of its own, on loopback, and against their absence. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { selfTest } from '../../src/cli/provision-selftest.ts';
import { enrolmentPlan } from '../../src/wire/provision.ts';
import { newKey } from './provision-sample.ts';

const NTP_EPOCH_SECONDS = 2_208_988_800;

void t.test('what answers is good, what does not says what to do', async (t) => {
  const state = mkdtempSync(join(tmpdir(), 'anteroom-selftest-'));
  const sys = join(state, 'sys');
  t.teardown(() => rmSync(state, { recursive: true, force: true }));
  for (const [name, carrier] of [
    ['uplink0', '1\n'],
    ['enclave0', '0\n'],
  ] as const) {
    mkdirSync(join(sys, 'class/net', name), { recursive: true });
    writeFileSync(join(sys, 'class/net', name, 'carrier'), carrier);
  }
  let offsetSeconds = 0;
  let silent = false;
  const ntp = createSocket('udp4');
  ntp.on('message', (request, from) => {
    if (silent) return;
    const answer = Buffer.alloc(48);
    answer[0] = (4 << 3) | 4;
    request.copy(answer, 24, 40, 48);
    const now = Date.now() / 1000 + offsetSeconds;
    answer.writeUInt32BE((Math.floor(now) + NTP_EPOCH_SECONDS) >>> 0, 40);
    answer.writeUInt32BE(Math.floor((now % 1) * 2 ** 32), 44);
    ntp.send(answer, from.port, from.address);
  });
  ntp.bind(0, '127.0.0.1');
  await once(ntp, 'listening');
  t.teardown(() => ntp.close());
  const server = createServer((socket) => socket.end());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const key = newKey().signer.text;
  const planOf = (url: string) =>
    enrolmentPlan.parse({
      format: 1,
      id: '0'.repeat(32),
      coordinator: { name: 'c', url, keys: [key] },
      interfaces: Object.fromEntries(
        ['uplink', 'management', 'enclave'].map((name) => [name, { addressing: { method: 'dhcp' } }]),
      ),
      ntp: ['127.0.0.1'],
      tunnel: { addresses: ['100.96.0.1/17'] },
      policySigners: [key],
      contact: 'x',
    });
  const test = async (): Promise<Record<string, string>> => {
    const items = await selfTest(
      { plan: planOf(`https://127.0.0.1:${port}/`), state, sys, now: Date.now, timeoutMs: 300 },
      ntp.address().port,
    );
    for (const { id, level, action } of items)
      if (level === 'warning' || level === 'failed') t.ok(action, `${id} says what to do`);
    return Object.fromEntries(items.map(({ id, level }) => [id, level]));
  };
  const expected = {
    link: 'ok',
    addressing: 'failed',
    dns: 'off',
    time: 'ok',
    udp: 'ok',
    coordinator: 'ok',
    enclave: 'failed',
    tpm: 'warning',
  };
  t.match(await test(), expected);
  offsetSeconds = 3600;
  t.match(await test(), { ...expected, time: 'warning' }, 'a clock that is off');
  silent = true;
  mkdirSync(join(sys, 'class/tpm/tpm0'), { recursive: true });
  server.close();
  await once(server, 'close');
  t.match(await test(), { ...expected, time: 'warning', udp: 'failed', coordinator: 'warning', tpm: 'ok' });
});

void t.test('a network that is not there is an answer', async (t) => {
  const state = mkdtempSync(join(tmpdir(), 'anteroom-selftest-'));
  t.teardown(() => rmSync(state, { recursive: true, force: true }));
  const key = newKey().signer.text;
  const port = { addressing: { method: 'dhcp' } };
  const plan = enrolmentPlan.parse({
    format: 1,
    id: '0'.repeat(32),
    interfaces: { uplink: port, management: port, enclave: port },
    // A multicast address of an interface that isn't there (RFC 4291): the kernel refuses it at once.
    ntp: ['ff02::1'],
    tunnel: { addresses: ['100.96.0.1/17'] },
    policySigners: [key],
    contact: 'x',
  });
  const items = await selfTest({ plan, state, sys: state, now: Date.now, timeoutMs: 200 });
  t.match(
    items.find(({ id }) => id === 'udp'),
    { level: 'failed', text: 'No answer by UDP.' },
  );
});
