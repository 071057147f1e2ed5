/**
 * A device that behaves as if it were taken over: its frame is seen, the finding counts, policy decides again, and the
 * nurse's open session to it steps down to looking at the next order. By the shipped policy, on the user's own connection.
 */
import t from 'tap';
import type { AgentConnection } from '../support/clinic/agent.ts';
import { startClinic } from '../support/clinic/clinic.ts';
import { virtual } from '../support/clinic/gateway.ts';
import { order, query } from '../support/clinic/hl7.ts';
import { until } from '../support/until.ts';
import { addresses } from '../support/clinic/network.ts';
import { FrameReader, frame } from '../support/pump/message.ts';
import type { Message } from '../support/pump/message.ts';

/** Built into the firmware of a monitor that is known for it: worth a critical finding on its first packet. */
const FAR = '202.114.4.119';

const clinic = await startClinic({ users: ['nurse'] });
t.teardown(() => clinic.stop());
const { gateway, network } = clinic;

const connection: AgentConnection = clinic
  .agent(network.users.nurse)
  .connect(virtual.pump.address, virtual.pump.port);
t.ok(await connection.settled(), 'a connection to the pump');
let answers = 0;

async function ask(message: Message): Promise<{ code: string; text: string }> {
  connection.send(frame(message));
  const wanted = ++answers;
  const all = (): Message[] => new FrameReader().read(connection.received);
  await connection.receives(`answer ${wanted}`, () => all().length >= wanted);
  const text = String(all()[wanted - 1]);
  return { code: /MSA\|(\w+)\|/.exec(text)?.[1] ?? '', text };
}

interface Row {
  readonly id: string;
  readonly kind: string;
  readonly device: string;
  readonly severity: string;
  readonly state: string;
}
const findings = async (): Promise<Row[]> =>
  JSON.parse((await gateway.cli('findings', 'list', '--json')).stdout) as Row[];

await t.test(
  'while the device is as it should be, an order passes and nothing is held against it',
  async (t) => {
    t.equal((await ask(order(1, 100))).code, 'AA');
    await until('the pump is known', async () =>
      (await gateway.overview()).devices.some(
        ({ device, observation }) => device?.id === 'pump-3' && observation,
      ),
    );
    t.same(await findings(), [], 'not for talking with the gateway either');
  },
);

await t.test('it calls a firmware’s own address: orders are refused, questions go on', async (t) => {
  network.devices.pump.ip('route', 'add', FAR, 'via', addresses.enclave);
  const calls = clinic.agent(network.devices.pump).connect(FAR, 515);
  let answer = await ask(order(2, 100));
  await until('an order is refused', async () => {
    answer = await ask(order(3, 100));
    return answer.code !== 'AA';
  });
  t.match(answer.text, /modify is not permitted.*behaves as if it were attacked or broken/);
  t.equal((await ask(query())).code, 'AA', 'the session goes on: a question is answered');
  const overview = await gateway.overview();
  t.equal(overview.sessions.length, 1, 'one session, all the while');
  const [row] = overview.sessions;
  const denied = row?.grant.denials.find(({ rules }) => rules.includes('device.risk'));
  t.ok(denied?.actions.includes('modify'));
  t.ok(row?.grant.actions.includes('view') && !row.grant.actions.includes('modify'));
  t.ok(
    row?.grant.obligations.some(({ kind }) => kind === 'watch'),
    'and is watched',
  );
  t.match(
    overview.devices.find(({ device }) => device?.id === 'pump-3'),
    { standing: { risk: 70 } },
  );
  calls.destroy();
});

await t.test('acknowledged, it counts no more: orders pass again, and all of it is on record', async (t) => {
  const [finding, ...more] = await findings();
  t.match(finding, { kind: 'hard-coded-destination', device: 'pump-3', severity: 'critical', state: 'open' });
  t.same(more, []);
  const learn = await gateway.cli('findings', 'ack', finding?.id ?? '', '--learn');
  t.match(learn, { code: 65, stderr: /nothing that a baseline can take in/ }, 'it can never be normal');
  t.notOk(
    gateway.lines.some((line) => line.includes('what operators made normal is not known')),
    'the sensor was told what is',
  );
  const done = await gateway.cli('findings', 'ack', finding?.id ?? '', '--note', 'blocked at the edge');
  t.match(done, { code: 0, stdout: /is acknowledged/ });
  await until('an order passes', async () => (await ask(order(4, 100))).code === 'AA');
  const kinds = await until('it is on record', async () => {
    const events = (await gateway.records()).map(({ event }) => event);
    return events.some(({ kind }) => kind === 'finding.closed') ? events : undefined;
  });
  t.ok(
    kinds.some(
      ({ kind, body }) =>
        kind === 'finding.raised' && 'what' in body && body.what === 'hard-coded-destination',
    ),
  );
});
