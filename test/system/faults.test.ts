/**
 * What still works when something breaks: each process killed, a device that is silent or gone, garbage from a peer,
 * one peer with a thousand connections, a full disk under the audit store. Other people's sessions never notice.
 */
import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import type { ProcessName } from '../../src/wire/ids.ts';
import type { Agent, AgentConnection } from '../support/clinic/agent.ts';
import { Association, associateRequest, pduTypes } from '../support/clinic/association.ts';
import { startClinic } from '../support/clinic/clinic.ts';
import { tunnelPort, virtual } from '../support/clinic/gateway.ts';
import { exchange, query } from '../support/clinic/hl7.ts';
import { dicom, words } from '../support/clinic/job.ts';
import { until } from '../support/until.ts';
import { addresses, devicePlan } from '../support/clinic/network.ts';
import { FrameReader, frame } from '../support/pump/message.ts';

const silent = { address: '100.96.128.31', port: 104 };
const closed = { address: '100.96.128.32', port: 104 };
const SESSIONS_PER_PEER = 40;

const clinic = await startClinic({
  auditDiskBytes: 24 * 1024 * 1024,
  adjust: (config) => {
    config.devices?.push({
      id: 'bench',
      name: 'A device under repair',
      class: 'modality',
      unit: 'imaging',
      address: devicePlan.archive.address,
    });
    config.resources?.push(
      { id: 'silent-dicom', device: 'bench', protocol: 'dicom', virtual: silent, port: 9104 },
      { id: 'closed-dicom', device: 'bench', protocol: 'dicom', virtual: closed, port: 9105 },
    );
    config.broker = {
      limits: { sessionsPerPeer: SESSIONS_PER_PEER, connectMs: 2_000, firstByteMs: 2_000 },
    };
    config.audit = { reserveBytes: 4 * 1024 * 1024 };
  },
});
t.teardown(() => clinic.stop());
const { gateway, network } = clinic;
const nurse = clinic.agent(network.users.nurse);
const radiologist = clinic.agent(network.users.radiologist);

/** An HL7 connection that stays open, asked again and again. */
class Conversation {
  readonly connection: AgentConnection;
  #asked = 0;

  constructor(agent: Agent) {
    this.connection = agent.connect(virtual.pump.address, virtual.pump.port);
  }

  async ask(deadlineMs = 90_000): Promise<string> {
    await this.connection.settled();
    this.#asked += 1;
    this.connection.send(frame(query()));
    const answers = (bytes: Buffer): ReturnType<FrameReader['read']> => new FrameReader().read(bytes);
    const bytes = await this.connection.receives(
      `answer ${this.#asked}`,
      (received) => answers(received).length >= this.#asked,
      deadlineMs,
    );
    return answers(bytes).at(-1)?.field('MSA', 1) ?? '';
  }
}

const works = async (t: Test, what: string): Promise<void> => {
  const echo = await dicom(clinic, 'radiologist', 'echoscu', virtual.pacs, 'PACS');
  t.equal(echo.code, 0, `a new DICOM session works ${what}: ${words(echo)}`);
  const answer = await exchange(nurse, virtual.pump, query(), 30_000);
  t.equal(answer?.field('MSA', 1), 'AA', `a new HL7 session works ${what}`);
  if (echo.code !== 0 || !answer) t.comment(gateway.lines.slice(-8).join('\n'));
};

await t.test('open sessions survive the end of every process but the broker', async (t) => {
  const talk = new Conversation(nurse);
  t.equal(await talk.ask(), 'AA');
  const association = await Association.open(radiologist, virtual.pacs, 'RADIOLOGIST', 'PACS');
  await association.echo();
  for (const name of ['sensor', 'audit', 'control', 'tunnel'] satisfies ProcessName[]) {
    const before = gateway.pid(name);
    gateway.kill(name);
    await gateway.ready([name]);
    t.not(gateway.pid(name), before, `${name} is back under another pid`);
    t.equal(await talk.ask(), 'AA', `after ${name}: the open HL7 session goes on`);
    await association.echo(90_000);
    t.pass(`after ${name}: the open DICOM association goes on`);
    await works(t, `after ${name}`);
  }
  talk.connection.destroy();
  association.connection.destroy();
});

await t.test('after the broker’s end new sessions work, and nothing is left of the old ones', async (t) => {
  const talk = new Conversation(nurse);
  await talk.ask();
  gateway.kill('broker');
  await talk.connection.closes(30_000);
  await gateway.ready(['broker']);
  await until('new sessions work', async () => {
    return (await exchange(nurse, virtual.pump, query()))?.field('MSA', 1) === 'AA';
  });
  await works(t, 'after the broker');
  await until('no session of the old broker is open', async () =>
    (await gateway.overview()).sessions.every((row) => row.ended),
  );
  t.pass();
});

await t.test('a device that accepts and stays silent, and one that is not there', async (t) => {
  const device = clinic.agent(network.devices.archive);
  const accepted = await device.listen(9104);
  const talk = new Conversation(nurse);
  const toSilent = await dicom(clinic, 'radiologist', 'echoscu', silent, 'BENCH', ['-ta', '30']);
  t.not(toSilent.code, 0, `silent: ${words(toSilent)}`);
  t.equal(accepted().length, 1, 'the device was asked once');
  const toClosed = await dicom(clinic, 'radiologist', 'echoscu', closed, 'BENCH', ['-ta', '30']);
  t.not(toClosed.code, 0, `not there: ${words(toClosed)}`);
  t.equal(await talk.ask(), 'AA', 'others go on');
  const ends = await until('both ends are recorded', async () => {
    const found = (await gateway.records()).flatMap(({ event }) =>
      event.kind === 'session.end' && event.body.target.device === 'bench' ? [event.body] : [],
    );
    return found.length === 2 ? found : undefined;
  });
  t.match(ends.find((e) => e.target.resource === 'silent-dicom')?.reason, /silent|DEVICE_SILENT/i);
  t.match(
    ends.find((e) => e.target.resource === 'closed-dicom')?.reason,
    /DEVICE_UNREACHABLE|not accept|refused/i,
  );
  talk.connection.destroy();
  await device.stop();
});

await t.test('garbage on a DICOM and on an HL7 port reaches no device', async (t) => {
  const before = ((await clinic.devices.orthanc('/statistics')) as { CountInstances: number }).CountInstances;
  const garbage = [
    randomBytes(4096),
    Buffer.from('GET / HTTP/1.1\r\nHost: pacs\r\n\r\n'),
    Buffer.concat([Buffer.from([0x01, 0x00, 0xff, 0xff, 0xff, 0xff]), randomBytes(64)]),
    associateRequest('RADIOLOGIST', 'PACS').subarray(0, 40),
  ];
  for (const bytes of garbage) {
    const connection = radiologist.connect(virtual.pacs.address, virtual.pacs.port);
    await connection.settled();
    connection.send(bytes);
    connection.end();
    await connection.closes(30_000);
    t.notOk(pduTypes(connection.received).includes(0x02), 'no association came of it');
  }
  const hl7 = nurse.connect(virtual.pump.address, virtual.pump.port);
  await hl7.settled();
  hl7.send(Buffer.concat([randomBytes(2048), frame('this is not HL7'), randomBytes(64)]));
  hl7.end();
  await hl7.closes(30_000);
  t.notMatch(hl7.received.toString('latin1'), /MSA\|AA/);
  const after = ((await clinic.devices.orthanc('/statistics')) as { CountInstances: number }).CountInstances;
  t.equal(after, before);
  await works(t, 'after garbage');
});

await t.test('garbage and floods on the UDP port stop nobody', async (t) => {
  const script = `const s = require('node:dgram').createSocket('udp4'); const { randomBytes } = require('node:crypto');
let n = 0;
const next = () => {
  if (n++ === 4000) return s.close();
  const b = randomBytes(n % 1500); if (b.length > 3) b.writeUInt32LE(1 + (n % 5));
  s.send(n % 7 === 0 ? Buffer.concat([b.subarray(0, 4), randomBytes(144)]).subarray(0, 148) : b, ${tunnelPort}, '${addresses.uplink}', next);
};
next();`;
  const talk = new Conversation(nurse);
  await talk.ask();
  const [flood, answer] = await Promise.all([
    network.internet.run(process.execPath, ['-e', script]),
    talk.ask(),
  ]);
  t.equal(flood.code, 0, flood.stderr);
  t.equal(answer, 'AA', 'meanwhile the open session goes on');
  talk.connection.destroy();
  await works(t, 'after the flood');
});

await t.test('one peer with 1,000 connections takes nothing from another', async (t) => {
  const vendor = clinic.agent(network.users.vendor);
  const talk = new Conversation(nurse);
  await talk.ask();
  const flood = Array.from({ length: 1000 }, () => vendor.connect(virtual.pacs.address, virtual.pacs.port));
  t.equal(await talk.ask(), 'AA', "the nurse's open session goes on");
  t.equal(
    (await exchange(nurse, virtual.pump, query(), 30_000))?.field('MSA', 1),
    'AA',
    'and a new one opens',
  );
  await until(
    'every connection is open or refused',
    () => flood.every((c) => c.opened || c.closed || c.error),
    60_000,
  );
  // Counted at the gateway: a reset may be lost on its way, and a peer that says nothing doesn't notice.
  const established = async (): Promise<number> => {
    const filter = ['state', 'established', 'src', `${virtual.pacs.address}:${virtual.pacs.port}`];
    const { stdout } = await network.gateway.run('ss', ['-Htn', ...filter]);
    return stdout.split('\n').filter((line) => line !== '').length;
  };
  await until(
    'those over the limit are closed',
    async () => (await established()) <= SESSIONS_PER_PEER,
    60_000,
  );
  const open = (await gateway.overview()).sessions.filter(
    (row) => !row.ended && row.grant.subject.user === 'vendor',
  );
  t.ok(open.length <= SESSIONS_PER_PEER, `${open.length} sessions of the vendor are open`);
  for (const connection of flood) connection.destroy();
  await vendor.stop();
  await until(
    'the vendor works again',
    async () => {
      return (await dicom(clinic, 'vendor', 'echoscu', virtual.pacs, 'PACS')).code === 0;
    },
    60_000,
  );
  talk.connection.destroy();
  await works(t, 'after the flood');
});

await t.test('a full disk under the audit store refuses new sessions and loses nothing', async (t) => {
  const talk = new Conversation(nurse);
  await talk.ask();
  const acknowledged = await gateway.auditHead();
  const ballast = join(gateway.files.config.stateDir, 'audit', 'ballast');
  const file = openSync(ballast, 'w');
  try {
    for (const block = Buffer.alloc(64 * 1024, 1); ;) writeSync(file, block);
  } catch (error) {
    t.equal((error as NodeJS.ErrnoException).code, 'ENOSPC', 'the disk is full');
  }
  fsyncSync(file);
  closeSync(file);

  const refused = await exchange(nurse, virtual.pump, query(), 30_000);
  t.equal(refused?.field('MSA', 1), 'AR', 'a new HL7 session is refused');
  t.match(refused?.toString(), /audit/i, 'and says why');
  const echo = await dicom(clinic, 'radiologist', 'echoscu', virtual.pacs, 'PACS');
  t.not(echo.code, 0, `a new DICOM session is refused: ${words(echo)}`);
  const health = await until('health says so', async () =>
    (await gateway.overview()).health.find(
      ({ item, level }) => item.includes('audit') && level === 'critical',
    ),
  );
  t.match(health.text, /full|room|space/i);
  t.equal(await talk.ask(), 'AA', 'the open session goes on');

  rmSync(ballast);
  await until(
    'new sessions work again',
    async () => {
      return (await exchange(nurse, virtual.pump, query()))?.field('MSA', 1) === 'AA';
    },
    60_000,
  );
  await works(t, 'after the disk has room');
  talk.connection.destroy();
  const records = await gateway.records();
  t.ok(records.length >= acknowledged.size, 'every acknowledged record is there');
  t.same(
    records.map((record) => record.seq),
    records.map((_, i) => i),
    'without a gap',
  );
  const verify = await gateway.cli('audit', 'verify');
  t.equal(verify.code, 0, `${verify.stdout}${verify.stderr}`);
});
