/**
 * A fact changes while bytes flow: what is no longer permitted stops at the next protocol unit, on every protocol, and
 * the rest of the session goes on. Measured on the users' own connections, not on what was pushed to whom.
 */
import { appendFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { fact as factSchema } from '../../src/wire/facts.ts';
import type { Fact } from '../../src/wire/facts.ts';
import type { AgentConnection } from '../support/clinic/agent.ts';
import { startClinic } from '../support/clinic/clinic.ts';
import { writeCtSeries } from '../support/clinic/ct-series.ts';
import { people, virtual } from '../support/clinic/gateway.ts';
import { order, query } from '../support/clinic/hl7.ts';
import { dicom } from '../support/clinic/job.ts';
import { until } from '../support/until.ts';
import { FrameReader, frame } from '../support/pump/message.ts';
import type { Message } from '../support/pump/message.ts';

/** Beside the shipped set: changing a pump needs a shift that hasn't ended, and a sign-in of the last hour. */
const more = `
@id("test.shift")
@reason("Pumps are changed on shift.")
forbid (principal in Role::"nurse", action == Action::"modify", resource)
unless { context.shift != "" };

@id("test.step-up")
@stepup("any 1h")
@reason("Sign in again to change a pump.")
forbid (principal in Role::"nurse", action == Action::"modify", resource)
unless { context.authentication.age <= 60 };

@id("test.record")
@reason("Pump sessions are recorded.")
permit (principal in Role::"nurse", action == Action::"record", resource);
`;

const where = 'https://help.clinic.example/sign-in';
const clinic = await startClinic({
  adjust: (config) => {
    appendFileSync(config.policy.file ?? '', more);
    config.siteData = { stepUp: { where } };
  },
});
t.teardown(() => clinic.stop());
const { gateway } = clinic;

const peerOf = (name: keyof typeof people): string => `${name}-${people[name].device}`;
const signals = {
  edr: 'pass',
  diskEncryption: 'pass',
  screenLock: 'pass',
  secureBoot: 'pass',
  osSupport: 'pass',
  usbControl: 'pass',
  tamper: 'pass',
} as const;
/** A laptop in order, or one that waited for its updates for a hundred days: a major failure without grace. */
const posture = (name: keyof typeof people, patchDays: number): Fact =>
  factSchema.parse({ kind: 'posture', peer: peerOf(name), at: Date.now(), signals, patchDays });
const GOOD = 3;
const BAD = 100;
const signIn = (ageMinutes: number): Fact =>
  factSchema.parse({
    kind: 'authentication',
    peer: peerOf('nurse'),
    at: Date.now() - ageMinutes * 60_000,
    method: 'badge',
  });
const shift = (forMs: number): Fact =>
  factSchema.parse({
    kind: 'shift',
    user: 'nurse',
    at: Date.now(),
    name: 'day',
    until: Date.now() + forMs,
  });

/** One HL7 connection that stays open: a message, and the answer's code and text. */
class Ward {
  readonly #connection: AgentConnection;
  #answers = 0;

  constructor(connection: AgentConnection) {
    this.#connection = connection;
  }

  async ask(message: Message): Promise<{ code: string; text: string }> {
    this.#connection.send(frame(message));
    const wanted = ++this.#answers;
    const answers = (): Message[] => new FrameReader().read(this.#connection.received);
    await this.#connection.receives(`answer ${wanted}`, () => answers().length >= wanted);
    const msa = String(answers()[wanted - 1]).match(/MSA\|(\w+)\|[^|\r]*\|?([^\r]*)/);
    return { code: msa?.[1] ?? '', text: String(answers()[wanted - 1]) };
  }

  get open(): boolean {
    return this.#connection.opened && !this.#connection.closed && !this.#connection.ended;
  }
}

async function ward(): Promise<Ward> {
  const connection = clinic
    .agent(clinic.network.users.nurse)
    .connect(virtual.pump.address, virtual.pump.port);
  t.ok(await connection.settled(), 'a connection to the pump');
  return new Ward(connection);
}

await gateway.facts([signIn(70), shift(3_600_000), posture('nurse', GOOD), posture('radiologist', GOOD)]);

await t.test('a sign-in that is too old: the refusal says for machines what would do', async (t) => {
  const nurse = await ward();
  const { code, text } = await nurse.ask(order(10, 100));
  t.not(code, 'AA');
  t.match(text, `STEP_UP_REQUIRED method=any max-age=3600 where=${where}`);
  const row = (await gateway.overview()).sessions.find(({ ended }) => !ended);
  t.match(row?.grant.denials.find(({ rules }) => rules.includes('test.step-up'))?.stepUp, {
    method: 'any',
    maxAge: 3_600_000,
    where,
  });
  t.ok(row?.grant.obligations.some(({ kind }) => kind === 'step-up'));
  await gateway.facts([signIn(0)]);
  await until('after the sign-in it passes', async () => (await nurse.ask(order(11, 100))).code === 'AA');
  await t.rejects(gateway.facts([signIn(61)]), { code: 'FACT_INVALID' }, 'an older report changes nothing');
  t.equal((await nurse.ask(order(12, 100))).code, 'AA');
});

await t.test(
  'posture fails during a stream of orders: the next order is refused, questions go on',
  async (t) => {
    const nurse = await ward();
    t.match(await nurse.ask(order(20, 100)), { code: 'AA' }, 'at first an order passes');
    const delays: number[] = [];
    for (let round = 0; round < 3; round++) {
      const event = gateway.facts([posture('nurse', BAD)]);
      const start = performance.now();
      let last = 0;
      let answer = await nurse.ask(order(21, 100));
      while (answer.code === 'AA') {
        last = performance.now() - start;
        answer = await nurse.ask(order(22, 100));
      }
      await event;
      delays.push(last);
      t.match(answer.text, /modify is not permitted.*major failure/, 'and says why');
      t.match(await nurse.ask(query()), { code: 'AA' }, 'the session goes on: a question is answered');
      t.not((await nurse.ask(order(23, 100))).code, 'AA', 'and it stays refused');
      await gateway.facts([posture('nurse', GOOD)]);
      await until('orders pass again', async () => (await nurse.ask(order(24, 100))).code === 'AA');
    }
    t.comment(
      `last order that passed, ms after the report began: ${delays.map((ms) => ms.toFixed(0)).join(', ')}`,
    );
    t.ok(Math.min(...delays) <= 100, 'within 100 ms');
    t.ok(nurse.open, 'one connection, all the while');
  },
);

await t.test('the same for images: the rest of a series is refused, the association goes on', async (t) => {
  const folder = join(clinic.lease.folder, 'facts');
  mkdirSync(folder, { recursive: true });
  const { files } = writeCtSeries(folder, 300);
  const kept = async (): Promise<number> =>
    ((await clinic.devices.orthanc('/instances')) as unknown[]).length;
  const before = await kept();
  let said = '';
  let last = 0;
  const storing = dicom(clinic, 'radiologist', 'storescu', virtual.pacs, 'PACS', ['-nh'], files, (text) => {
    said += text;
    if (text.includes('Received Store Response (Success)')) last = performance.now();
  });
  await until('images pass', () => said.split('Received Store Response (Success)').length > 4);
  const event = performance.now();
  await gateway.facts([posture('radiologist', BAD)]);
  const { stdout, stderr } = await storing;
  t.ok(last - event <= 100, `the last image passed ${(last - event).toFixed(0)} ms after the report began`);
  const responses = [...`${stdout}${stderr}`.matchAll(/Received Store Response \(([^)]*)\)/g)].map(
    ([, status]) => status === 'Success',
  );
  const passed = responses.filter(Boolean).length;
  t.ok(passed > 0 && passed < files.length, `${passed} of ${files.length} passed`);
  t.equal(responses.length, files.length, 'every image had its answer on the one association');
  t.notOk(responses.slice(passed).some(Boolean), 'and after the first refusal none passed');
  t.equal((await kept()) - before, passed, 'the device has those that passed, and no other');
  const echo = await dicom(clinic, 'radiologist', 'echoscu', virtual.pacs, 'PACS');
  t.equal(echo.code, 0, 'a new session may still look');
  await gateway.facts([posture('radiologist', GOOD)]);
});

await t.test('a shift ends in silence', async (t) => {
  const nurse = await ward();
  await gateway.facts([shift(4_000)]);
  const ends = performance.now() + 4_000;
  let answer = await nurse.ask(order(30, 100));
  t.equal(answer.code, 'AA', 'on shift');
  let last = performance.now();
  await until('the shift is over', async () => {
    answer = await nurse.ask(order(31, 100));
    if (answer.code === 'AA') last = performance.now();
    return answer.code !== 'AA';
  });
  t.ok(last <= ends + 200, `the last order passed ${(last - ends).toFixed(0)} ms after the end`);
  t.match(answer.text, /Pumps are changed on shift/);
  t.match(await nurse.ask(query()), { code: 'AA' });
  await gateway.facts([shift(3_600_000)]);
  await until('the next shift', async () => (await nurse.ask(order(32, 100))).code === 'AA');
});

await t.test('what control was told while the broker was away is not lost', async (t) => {
  const nurse = await ward();
  t.equal((await nurse.ask(order(50, 100))).code, 'AA');
  gateway.kill('control');
  await gateway.ready(['control']);
  await gateway.facts([posture('nurse', BAD)]);
  let answer = await nurse.ask(order(51, 100));
  await until('the order is refused', async () => {
    answer = await nurse.ask(order(52, 100));
    return answer.code !== 'AA';
  });
  t.match(answer.text, /modify is not permitted/);
  t.match(await nurse.ask(query()), { code: 'AA' });
  gateway.kill('control');
  await gateway.ready(['control']);
  await until('the broker is there again', async () => (await gateway.overview()).sessions.length > 0);
  t.not((await nurse.ask(order(53, 100))).code, 'AA', 'nor does a restart of control forget a failure');
  await gateway.facts([posture('nurse', GOOD)]);
  await until('orders pass again', async () => (await nurse.ask(order(54, 100))).code === 'AA');
});

await t.test('a report without its time, or from the future, is no report', async (t) => {
  const nurse = await ward();
  const bad = posture('nurse', BAD);
  for (const at of [null, 0, undefined, Date.now() / 1000])
    await t.rejects(gateway.facts([{ ...bad, at: at as number }]), { code: 'IPC_MALFORMED' }, String(at));
  await t.rejects(gateway.facts([{ ...bad, at: Date.now() + 3_600_000 }]), { code: 'FACT_INVALID' });
  await t.rejects(
    gateway.facts([{ ...bad, at: Date.now() - 3_600_000 }]),
    { code: 'FACT_INVALID' },
    'an old one',
  );
  t.equal((await nurse.ask(order(60, 100))).code, 'AA', 'what was known before still holds');
});

await t.test('every unit of a session to be recorded is in the log', async (t) => {
  const nurse = await ward();
  for (let i = 0; i < 5; i++) t.equal((await nurse.ask(query())).code, 'AA');
  const rows = (await gateway.overview()).sessions.filter(({ ended }) => !ended);
  const newest = rows.find(({ grant }) => grant.subject.user === 'nurse');
  const session = newest?.grant.session;
  t.ok(
    newest?.grant.obligations.some(({ kind }) => kind === 'record'),
    'the row says that it is recorded',
  );
  const units = await until('five records', async () => {
    const found = (await gateway.records()).filter(
      ({ event }) => event.kind === 'session.unit' && event.body.session === session,
    );
    return found.length >= 5 ? found : undefined;
  });
  t.equal(units.length, 5);
  const reported = (await gateway.records()).filter(({ event }) => event.kind === 'fact.reported');
  t.ok(reported.length >= 6, 'reports that say something new are on record');
});
