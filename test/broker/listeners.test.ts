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

void t.test(
  'what is published changes: gone ones close, new ones open, the rest is left alone',
  async (t) => {
    const time = new FakeTime();
    const open = new Map<string, string>();
    const calls: string[] = [];
    let refuse = '';
    const listen: Listen = async ({ id, virtual }) => {
      const at = `${virtual.address}:${virtual.port}`;
      if (id === refuse) throw named('EADDRNOTAVAIL');
      if ([...open.values()].includes(at)) throw named('EADDRINUSE');
      open.set(id, at);
      calls.push(`open ${id}`);
      return {
        close: async () => {
          open.delete(id);
          calls.push(`close ${id}`);
        },
      };
    };
    const listeners = new Listeners({
      resources,
      listen,
      schedule: time.schedule,
      log: quiet,
      onChange: () => undefined,
    });
    const parse = (...rows: unknown[]): typeof resources => configSchema.shape.resources.parse(rows);
    await listeners.start();
    calls.length = 0;

    await listeners.replace(parse(...resources.map((each) => ({ ...each, ephi: false }))));
    t.same(calls, [], 'nothing that a listener needs has changed');

    const pump = resource('pump-hl7', '100.96.128.11', 2575);
    await listeners.replace(parse(pump, resource('archive', '100.96.128.10', 104)));
    t.same(calls, ['close pacs-dicom', 'open archive'], 'one takes over the address of another');
    t.same([...open.keys()].sort(), ['archive', 'pump-hl7']);

    calls.length = 0;
    await listeners.replace(
      parse(resource('pump-hl7', '100.96.128.10', 104), resource('archive', '100.96.128.11', 2575)),
    );
    t.equal(open.get('archive'), '100.96.128.11:2575', 'two swap their addresses');
    t.equal(open.get('pump-hl7'), '100.96.128.10:104');

    refuse = 'late';
    await listeners.replace(parse(resource('late', '100.96.128.12', 104)));
    t.same(listeners.failing, ['late on 100.96.128.12:104: EADDRNOTAVAIL']);
    await listeners.replace([]);
    t.same(listeners.failing, [], 'one that is gone fails no more');
    refuse = '';
    time.advance(60_000);
    await settled();
    t.same([...open.keys()], [], 'and isn’t tried again');

    await listeners.replace(parse(pump));
    t.same([...open.keys()], ['pump-hl7'], 'deleted and made again');
  },
);

void t.test('gone while it was being opened: it doesn’t stay open', async (t) => {
  const time = new FakeTime();
  const opening = Promise.withResolvers<void>();
  let closed = 0;
  const listeners = new Listeners({
    resources: resources.slice(0, 1),
    listen: async () => {
      await opening.promise;
      return { close: async () => void closed++ };
    },
    schedule: time.schedule,
    log: quiet,
    onChange: () => undefined,
  });
  const started = listeners.start();
  await listeners.replace([]);
  opening.resolve();
  await started;
  t.equal(closed, 1);
});
