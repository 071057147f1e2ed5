/** Listeners that can't be opened are named, tried again, and stop nothing else. */
import t from 'tap';
import { Listeners } from '../../src/broker/listeners.ts';
import type { Listen } from '../../src/broker/listeners.ts';
import { configSchema } from '../../src/wire/config.ts';
import { FakeTime } from './world.ts';

const quiet = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};
const resources = configSchema.shape.resources.parse([
  resource('pacs-dicom', '100.96.128.10', 104),
  resource('pump-hl7', '100.96.128.11', 2575),
]);

function resource(id: string, address: string, port: number): unknown {
  return { id, device: 'd', protocol: 'tcp', virtual: { address, port }, port };
}

const named = (code: string): Error => Object.assign(new Error(`listen ${code}`), { code });
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

void t.test('one fails, the other works; it comes back by itself', async (t) => {
  const time = new FakeTime();
  let fault: string | undefined = 'EADDRNOTAVAIL';
  let attempts = 0;
  let changes = 0;
  let closed = 0;
  let breakIt: (error: unknown) => void = () => undefined;
  const listen: Listen = async ({ id }, failed) => {
    if (id === 'pacs-dicom') {
      attempts++;
      breakIt = failed;
      if (fault !== undefined) throw named(fault);
    }
    return { close: async () => void closed++ };
  };
  const listeners = new Listeners({
    resources,
    listen,
    schedule: time.schedule,
    log: quiet,
    onChange: () => changes++,
  });
  await listeners.start();
  t.same(listeners.failing, ['pacs-dicom on 100.96.128.10:104: EADDRNOTAVAIL']);
  t.equal(changes, 1);
  for (let i = 0; i < 60; i++) {
    time.advance(1_000);
    await settled();
  }
  t.ok(attempts > 10 && attempts < 20, `the back-off stays bounded: ${attempts} attempts in a minute`);
  t.equal(changes, 1, 'the same fault is said once');
  fault = 'EADDRINUSE';
  time.advance(5_000);
  await settled();
  t.match(listeners.failing, [/EADDRINUSE/]);
  fault = undefined;
  time.advance(5_000);
  await settled();
  t.same(listeners.failing, []);
  t.equal(changes, 3);
  breakIt(named('EBADF'));
  t.match(listeners.failing, [/EBADF/], 'one that breaks later is named too');
  time.advance(250);
  await settled();
  t.same(listeners.failing, []);
  await listeners.stop();
  t.equal(closed, 2);
  t.equal(time.pending, 0);
});

void t.test('stopped while it tries', async (t) => {
  const time = new FakeTime();
  const listen: Listen = () => Promise.reject(named('EACCES'));
  const listeners = new Listeners({
    resources,
    listen,
    schedule: time.schedule,
    log: quiet,
    onChange: () => undefined,
  });
  await listeners.start();
  t.equal(listeners.failing.length, 2);
  await listeners.stop();
  time.advance(60_000);
  t.equal(time.pending, 0);
});
