/**
 * What has gone wrong elsewhere, tried on a gateway whose policy comes in signed bundles. Judged by bytes alone: what the
 * devices received and what they didn't, on every kind of connection. Users' streams into the enclave never pause, so
 * that the last byte that reached the device says when an event took effect.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { connect } from '../../src/ipc/client.ts';
import { silentLog } from '../../src/platform/log.ts';
import { socketPath } from '../../src/platform/config.ts';
import { signOrder } from '../../src/policy/order.ts';
import type { BundleSource } from '../../src/wire/bundle.ts';
import { fact as factSchema } from '../../src/wire/facts.ts';
import type { Fact } from '../../src/wire/facts.ts';
import type { SessionId } from '../../src/wire/ids.ts';
import { controlPushes, controlVerbs } from '../../src/wire/messages.ts';
import type { OrderContent } from '../../src/wire/order.ts';
import { signed, signingKey } from '../policy/sample-bundle.ts';
import type { AgentConnection } from '../support/clinic/agent.ts';
import { startClinic } from '../support/clinic/clinic.ts';
import { writeCtSeries } from '../support/clinic/ct-series.ts';
import { people, tunnelAddress, virtual } from '../support/clinic/gateway.ts';
import { exchange, order, query } from '../support/clinic/hl7.ts';
import { dicom } from '../support/clinic/job.ts';
import { until } from '../support/until.ts';

const DEVICE_PORT = 7_000;
const TCP_PORT = 9_100;
const HOUR = 3_600_000;
/** An event takes effect within so many ms. */
const PROMPT = 100;

/** Opaque connections to the pump's service port, each held open by something else. */
const streams = [
  'posture',
  'risk',
  'group',
  'window',
  'ticket',
  'emergency',
  'revoke',
  'flap',
  'two',
] as const;
type StreamName = (typeof streams)[number];
const addressOf = (name: StreamName): string => `100.96.128.${40 + streams.indexOf(name)}`;

const first = `
@id("live.first") @session("8h") @idle("2h")
@reason("The first of two.")
permit (principal in Role::"nurse", action in [Action::"view", Action::"modify"], resource == Resource::"tcp-two");
`;
const second = `
@id("live.second") @session("1h") @idle("5m")
@reason("The second of two.")
permit (principal in Role::"nurse", action in [Action::"view", Action::"modify"], resource == Resource::"tcp-two");
`;
const rules = `
@id("live.images")
@reason("Nurses store images here.")
permit (principal in Role::"nurse", action in [Action::"view", Action::"modify"], resource == Resource::"pacs-dicom");
@id("live.risk") @tier("hard")
@reason("The risk is too high.")
forbid (principal, action, resource == Resource::"tcp-risk") when { context has risk && context.risk > 70 };
@id("live.group") @tier("hard")
@reason("For the team of the ICU.")
forbid (principal, action, resource == Resource::"tcp-group") unless { principal in Group::"icu-team" };
@id("live.window") @tier("hard")
@reason("Only in the window.")
forbid (principal, action, resource == Resource::"tcp-window") unless { context.windows.contains("service") };
@id("live.ticket") @tier("hard")
@reason("Only with a ticket.")
forbid (principal, action, resource == Resource::"tcp-ticket") unless { context has ticket };
`;

const began = Date.now();
const minuteOf = (instant: number): string => new Date(instant).toISOString().slice(0, 16);
/** Windows begin and end with a minute: the next one that leaves the clinic time to start. */
const windowEnd = Math.ceil((began + 40_000) / 60_000) * 60_000;

const shipped = readFileSync(
  new URL('../../rootfs-overlay/etc/anteroom/policy/clinic.cedar', import.meta.url),
  'utf8',
);
type Directory = NonNullable<BundleSource['directory']>;
let folder = '';
let base: Directory = {
  users: [],
  devices: [],
  resources: [],
};
/** What the next bundle says. */
let policies = shipped + rules + first + second;
let site: NonNullable<BundleSource['site']> = {
  zone: 'UTC',
  groups: [{ name: 'icu-team', members: ['nurse'] }],
  windows: [
    {
      name: 'service',
      users: ['nurse'],
      resources: ['tcp-window'],
      on: [{ start: minuteOf(windowEnd - HOUR), minutes: 60 }],
    },
  ],
};
let nurseRoles = ['nurse'];
let revision = 0;

function bundle(more: Partial<BundleSource> = {}): Buffer {
  const users = base.users.map((user) => (user.id === 'nurse' ? { ...user, roles: nurseRoles } : user));
  return signed(
    {
      revision: ++revision,
      audience: ['sample-clinic'],
      notBefore: began - HOUR,
      notAfter: began + 24 * HOUR,
      policies,
      site,
      directory: { ...base, users },
      ...more,
    },
    [signingKey(1)],
  );
}
const bundleFile = (): string => join(folder, 'site.bundle');

const clinic = await startClinic({
  adjust: (config) => {
    folder = dirname(config.policy.file ?? '');
    const tcp = streams.map((name) => ({
      id: `tcp-${name}`,
      // The last one stands apart: nothing but the two permits is about it.
      device: name === 'two' ? 'bench' : 'pump-3',
      protocol: 'tcp' as const,
      virtual: { address: addressOf(name), port: TCP_PORT },
      port: DEVICE_PORT,
    }));
    const pump = (config.devices ?? []).find(({ id }) => id === 'pump-3');
    config.devices = [
      ...(config.devices ?? []),
      { id: 'bench', name: 'Test bench', class: 'bench', unit: 'workshop', address: pump?.address ?? '' },
    ];
    config.resources = [...(config.resources ?? []), ...tcp];
    base = { users: config.users ?? [], devices: config.devices, resources: config.resources };
    const key = join(folder, 'officer.pub');
    writeFileSync(key, `${signingKey(1).signer.text}\n`);
    writeFileSync(bundleFile(), bundle());
    config.policy = { keys: [key], bundle: bundleFile() };
  },
});
t.teardown(() => clinic.stop());
const { gateway, network } = clinic;
const control = connect({
  path: socketPath(gateway.files.config, 'control'),
  verbs: controlVerbs,
  pushes: controlPushes,
  log: silentLog,
});
t.teardown(() => control.close());

const install = (more: Partial<BundleSource> = {}): Promise<unknown> =>
  control.call('operator.policy.install', { bundle: bundle(more).toString('base64') });
const send = (what: OrderContent['order']): Promise<unknown> => {
  const content: OrderContent = {
    format: 1,
    id: randomBytes(16).toString('hex'),
    audience: ['sample-clinic'] as OrderContent['audience'],
    notBefore: began - HOUR,
    notAfter: began + HOUR,
    order: what,
    officer: 'security',
    reason: 'The posture service is down.',
  };
  return control.call('order.apply', { order: signOrder(content, signingKey(1)).toString('base64') });
};
const posture = (patchDays: number): Fact =>
  factSchema.parse({
    kind: 'posture',
    peer: `nurse-${people.nurse.device}`,
    at: Date.now(),
    signals: {
      edr: 'pass',
      diskEncryption: 'pass',
      screenLock: 'pass',
      secureBoot: 'pass',
      osSupport: 'pass',
      usbControl: 'pass',
      tamper: 'pass',
    },
    patchDays,
  });
const GOOD = 3;
const BAD = 100;

const ward = clinic.agent(network.users.nurse);
const accepted = await clinic.agent(network.devices.pump).listen(DEVICE_PORT);

/** A user's bytes to the device, one after the other without a pause. */
class Stream {
  readonly #user: AgentConnection;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly device: AgentConnection;
  readonly name: StreamName;

  constructor(name: StreamName, user: AgentConnection, device: AgentConnection) {
    this.name = name;
    this.#user = user;
    this.device = device;
    this.#timer = setInterval(() => {
      if (this.cut) this.stop();
      else user.send('.');
    }, 5);
  }

  get cut(): boolean {
    return this.#user.closed || this.#user.ended;
  }

  /** More bytes reach the device. */
  async flows(): Promise<void> {
    const before = this.device.received.length;
    await until(`${this.name} flows`, () => {
      if (this.cut) throw new Error(`${this.name} was cut`);
      return this.device.received.length > before + 4;
    });
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

const open = new Set<Stream>();
t.teardown(() => {
  for (const stream of open) stream.stop();
});
async function start(name: StreamName): Promise<Stream> {
  const user = ward.connect(addressOf(name), TCP_PORT);
  const hello = `${name} ${randomBytes(4).toString('hex')}`;
  user.send(hello);
  const device = await until(`${name} is through`, () => {
    if (user.closed || user.ended) throw new Error(`${name} was refused`);
    return accepted().find(({ received }) => received.includes(hello));
  });
  const stream = new Stream(name, user, device);
  open.add(stream);
  await stream.flows();
  return stream;
}
/** Nothing of what is said reaches the device. */
const refused = async (name: StreamName): Promise<boolean> => {
  const hello = `${name} ${randomBytes(4).toString('hex')}`;
  const user = ward.connect(addressOf(name), TCP_PORT);
  user.send(hello);
  await until(`${name} is refused`, () => user.closed || user.ended);
  return !accepted().some(({ received }) => received.includes(hello));
};

/** `event` cuts `stream`, and no byte reaches the device later than PROMPT after it. `from`: what counts as the event. */
async function cuts(
  t: Test,
  stream: Stream,
  event: () => Promise<unknown>,
  from: 'asked' | 'answered' = 'asked',
): Promise<void> {
  await stream.flows();
  const asked = performance.now();
  await event();
  const happened = from === 'asked' ? asked : performance.now();
  await until(`${stream.name} is cut`, () => stream.cut);
  const late = stream.device.receivedAt - happened;
  t.comment(`${stream.name}: the last byte reached the device ${late.toFixed(0)} ms after the event`);
  t.ok(late <= PROMPT, `${stream.name}: ${late.toFixed(0)} ms`);
  open.delete(stream);
}

await gateway.facts([posture(GOOD)]);
await t.test('posture fails: opaque bytes, orders, images and the portal, all of them', async (t) => {
  const stream = await start('posture');
  const images = join(clinic.lease.folder, 'failures');
  mkdirSync(images, { recursive: true });
  const { files } = writeCtSeries(images, 200);
  const kept = async (): Promise<number> =>
    ((await clinic.devices.orthanc('/instances')) as unknown[]).length;
  const before = await kept();
  let said = '';
  const storing = dicom(clinic, 'nurse', 'storescu', virtual.pacs, 'PACS', ['-nh'], files, (text) => {
    said += text;
  });
  const stored = (text: string): number => text.split('Received Store Response (Success)').length - 1;
  await until('images pass', () => stored(said) > 3);
  const asks = (): Promise<string | undefined> =>
    exchange(ward, virtual.pump, order(10, 100)).then((answer) => answer?.field('MSA', 1));
  t.equal(await asks(), 'AA');
  const page = async (): Promise<string> => {
    const visit = ward.connect(tunnelAddress, 80);
    visit.send(`GET / HTTP/1.1\r\nHost: ${tunnelAddress}\r\n\r\n`);
    await until('the page', () => visit.closed || visit.ended);
    return visit.received.toString('utf8');
  };
  t.match(await page(), /<dd>view, modify<\/dd>/);
  await cuts(t, stream, () => gateway.facts([posture(BAD)]));
  t.ok(await refused('posture'), 'and a new one reaches no device');
  t.equal(await asks(), 'AR', 'an order is refused');
  t.equal((await exchange(ward, virtual.pump, query()))?.field('MSA', 1), 'AA', 'a question is answered');
  const { stdout, stderr } = await storing;
  const passed = stored(`${stdout}${stderr}`);
  t.ok(passed < files.length, `${passed} of ${files.length} images passed`);
  t.equal((await kept()) - before, passed, 'and no other is in the archive');
  t.notMatch(await page(), /<dd>view, modify<\/dd>/, 'the portal says so');
});

await t.test('an emergency begins and ends: what it opened is cut', async (t) => {
  t.ok(await refused('emergency'), 'not with this posture');
  await send('emergency.start');
  const stream = await start('emergency');
  await cuts(t, stream, () => send('emergency.end'), 'answered');
  await gateway.facts([posture(GOOD)]);
});

/** Open from here on, while the rest is tried. */
let windowed: Stream | undefined;

await t.test('risk rises', async (t) => {
  windowed = await start('window');
  const stream = await start('risk');
  const score = (value: number): Fact =>
    factSchema.parse({ kind: 'risk', user: 'nurse', at: Date.now(), score: value });
  await cuts(t, stream, () => gateway.facts([score(90)]));
  await gateway.facts([score(0)]);
  await (await start('risk')).flows();
});

await t.test('a ticket ends in silence', async (t) => {
  t.ok(await refused('ticket'));
  const delays: number[] = [];
  // A machine that is busy at that moment gets another try.
  while (delays.length < 3 && !(Math.min(...delays) <= PROMPT)) {
    const end = Date.now() + 4_000;
    const ticket = {
      number: 'CHG-7',
      users: ['nurse'],
      resources: ['tcp-ticket'],
      actions: ['modify' as const],
      from: began,
      end,
    };
    site = { ...site, tickets: [ticket] };
    await install();
    const stream = await start('ticket');
    await until('its last second', () => Date.now() > end - 800);
    // Another set shortly before: every grant is made anew, and ends no later for it.
    await install();
    await until('the ticket is over', () => stream.cut);
    const late = stream.device.receivedAt + performance.timeOrigin - end;
    t.ok(late > -2_000, 'it was open until then');
    delays.push(late);
  }
  const late = Math.min(...delays);
  t.comment(
    `ticket: the last byte reached the device ${delays.map((ms) => ms.toFixed(0)).join(', ')} ms after its end`,
  );
  t.ok(late <= PROMPT, `${late.toFixed(0)} ms`);
  t.ok(await refused('ticket'));
});

await t.test('a group is left, by a bundle', async (t) => {
  const stream = await start('group');
  site = { ...site, groups: [{ name: 'icu-team', members: [] }] };
  await cuts(t, stream, () => install(), 'answered');
});

await t.test('an operator revokes', async (t) => {
  const stream = await start('revoke');
  const session = await sessionOn('tcp-revoke');
  await cuts(t, stream, () => gateway.revoke(session, 'a test'));
});

async function sessionOn(resource: string): Promise<SessionId> {
  const row = await until(`a session on ${resource}`, async () =>
    (await gateway.overview()).sessions.find(
      ({ grant, ended }) => !ended && grant.target.resource === resource,
    ),
  );
  return row.grant.session;
}

await t.test('a revocation while the link flaps is not lost', async (t) => {
  const stream = await start('flap');
  const session = await sessionOn('tcp-flap');
  const broker = gateway.pid('broker');
  process.kill(broker, 'SIGSTOP');
  try {
    await gateway.revoke(session, 'while nobody listens');
    gateway.kill('control');
  } finally {
    process.kill(broker, 'SIGCONT');
  }
  const woken = performance.now();
  await until('it is cut all the same', () => stream.cut);
  t.ok(stream.device.receivedAt - woken <= PROMPT);
  await gateway.ready(['control']);
  await windowed?.flows();
});

await t.test('a policy goes while another still allows; then that one too', async (t) => {
  const stream = await start('two');
  policies = policies.replace(first, '');
  await install();
  await stream.flows();
  const row = (await gateway.overview()).sessions.find(
    ({ grant, ended }) => !ended && grant.target.resource === 'tcp-two',
  );
  t.same(row?.grant.rules, ['live.second']);
  t.equal(row?.grant.limits.idle, 300_000, 'with that one’s limits');
  policies = policies.replace(second, '');
  await cuts(t, stream, () => install(), 'answered');
  t.ok(await refused('two'));
});

await t.test('nothing, or half of something, is not "everything removed"', async (t) => {
  const stream = await start('risk');
  const whole = bundle();
  const call = (bytes: Uint8Array): Promise<unknown> =>
    control.call('operator.policy.install', { bundle: Buffer.from(bytes).toString('base64') });
  for (const bytes of [Buffer.alloc(0), whole.subarray(0, whole.length / 2), whole.subarray(0, -1)]) {
    await t.rejects(call(bytes), { code: /^BUNDLE_/ });
    writeFileSync(bundleFile(), bytes);
    process.kill(gateway.pid('control'), 'SIGHUP');
    await until('it is refused', async () =>
      (await gateway.overview()).health.some(
        ({ item, level }) => item === 'control.policy' && level !== 'ok',
      ),
    );
    await stream.flows();
  }
  await t.rejects(install({ directory: { ...base, resources: base.resources.slice(0, 2) } }), {
    code: 'BUNDLE_DESTRUCTIVE',
  });
  await stream.flows();
  await call(whole);
  await stream.flows();
  t.notOk(stream.cut, 'and what runs runs on');
  stream.stop();
});

await t.test('a window ends in silence', async (t) => {
  const stream = windowed ?? (await start('window'));
  await until('the window is over', () => stream.cut, windowEnd - Date.now() + 5_000);
  const late = stream.device.receivedAt + performance.timeOrigin - windowEnd;
  t.comment(`window: the last byte reached the device ${late.toFixed(0)} ms after its end`);
  // There is one try, on a machine that may be busy at that moment; tickets above are held to PROMPT.
  t.ok(late <= 5 * PROMPT, `${late.toFixed(0)} ms`);
  t.ok(late > -2_000, 'and it was open until then');
  t.ok(await refused('window'));
});

await t.test('a role is taken away, by a bundle', async (t) => {
  const stream = await start('posture');
  nurseRoles = ['visitor'];
  await cuts(t, stream, () => install(), 'answered');
  t.ok(await refused('posture'));
});
