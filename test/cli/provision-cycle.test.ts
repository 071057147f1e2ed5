/**
 * The life of an enrolment: power cuts between any two steps of taking and of leaving, receipts at the office, forged
 * and twice, the office's answer, reset, re-provisioning, decommission.
 */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { acceptFarewell, acceptReceipt, makeCredential, peerLines } from '../../src/cli/provision-accept.ts';
import { mend } from '../../src/cli/provision-enrol.ts';
import {
  deviceCodeOf,
  openDeviceKey,
  phaseOf,
  placesOf,
  readMemory,
} from '../../src/cli/provision-memory.ts';
import type { Registry } from '../../src/cli/provision-registry.ts';
import { leave } from '../../src/cli/provision-reset.ts';
import { openEnvelope, signEnvelope } from '../../src/crypto/envelope.ts';
import { Signer, SigningKey } from '../../src/crypto/signer.ts';
import { parseConfig } from '../../src/platform/config.ts';
import { FAREWELL_MAGIC, RECEIPT_MAGIC, RESET_MAGIC, receiptContent } from '../../src/wire/provision.ts';
import type { ReceiptContent } from '../../src/wire/provision.ts';
import { DAY, NOW, clinic, newKey, treeDigest } from './provision-sample.ts';
import type { Clinic } from './provision-sample.ts';
import type { MadeStick } from '../../src/cli/provision-create.ts';

const powerCut = { message: 'the power is cut' };
const cut = (): never => {
  throw new Error(powerCut.message);
};

const registryOf = (made: MadeStick): Registry => ({
  format: 1,
  sticks: [
    {
      id: made.head.id,
      site: made.head.site.id,
      made: NOW,
      notAfter: made.head.notAfter,
      token: made.token,
      resources: '100.96.128.0/17',
      endpoint: 'gw.example:51820',
    },
  ],
  gateways: [],
});

const content = (receipt: Uint8Array): ReceiptContent => {
  const text = Buffer.from(receipt).toString('utf8');
  return receiptContent.parse(JSON.parse(text.slice(text.lastIndexOf('\n') + 1)));
};

interface Enrolled {
  readonly root: string;
  readonly made: MadeStick;
  readonly receipt: Buffer;
}

async function enrol(t: Test, c: Clinic, name = 'box', changes = {}): Promise<Enrolled> {
  const device = deviceCodeOf(openDeviceKey(placesOf(c.state(name))));
  const { root, made } = await c.stick({ device, ...changes });
  t.match(await c.apply([root], {}, name), { code: 'OK2' });
  return { root, made, receipt: readFileSync(join(root, 'anteroom', `receipt-${made.head.id}`)) };
}

void t.test('the power goes at every step of taking a stick: the same stick completes it', async (t) => {
  const c = clinic(t);
  const steps: string[] = [];
  {
    const device = deviceCodeOf(openDeviceKey(placesOf(c.state('dry'))));
    const { root } = await c.stick({ device });
    await c.apply([root], { step: (name) => steps.push(name) }, 'dry');
  }
  t.same(steps, ['begin', 'keys', 'files', 'rename', 'used', 'audit-key', 'receipt']);
  for (const at of steps) {
    const name = `box-${at}`;
    const places = placesOf(c.state(name));
    const device = deviceCodeOf(openDeviceKey(places));
    const { root, made } = await c.stick({ device });
    const step = (now: string): void => {
      if (now === at) cut();
    };
    await t.rejects(c.apply([root], { step }, name), powerCut, at);
    const whole = existsSync(places.site);
    t.equal(whole, ['used', 'audit-key', 'receipt'].includes(at), `${at}: there whole or not at all`);
    t.match(await c.apply([root], {}, name), { code: 'OK2' }, `${at}: the same stick`);
    t.same(readMemory(places).used, [made.head.id], `${at}: used once`);
    t.same(
      readdirSync(places.state).toSorted(),
      ['audit', 'provision', 'site'],
      `${at}: nothing is left over`,
    );
    t.notOk(existsSync(join(places.site, 'keys/audit.key')));
    parseConfig(readFileSync(join(places.site, 'config.json'), 'utf8'), 'config.json');
    acceptReceipt(registryOf(made), readFileSync(join(root, 'anteroom', `receipt-${made.head.id}`)), NOW);
  }
});

void t.test('a stick that cannot be written to gives its receipt later', async (t) => {
  const c = clinic(t);
  const device = deviceCodeOf(openDeviceKey(placesOf(c.state())));
  const { root, made } = await c.stick({ device });
  const file = join(root, 'anteroom', `receipt-${made.head.id}`);
  mkdirSync(file);
  t.match(await c.apply([root]), { code: 'OK1', detail: /once more/ });
  rmSync(file, { recursive: true });
  t.match(await c.apply([root]), { code: 'OK2' });
});

void t.test('a damaged memory takes nothing', async (t) => {
  const c = clinic(t);
  const { root } = await enrol(t, c);
  const { memory } = placesOf(c.state());
  writeFileSync(memory, readFileSync(memory, 'latin1').replace('"used"', '"Used"'));
  const before = treeDigest(c.state());
  t.match(await c.apply([root]), { code: 'E17' });
  t.equal(treeDigest(c.state()), before);
});

void t.test('the office accepts one receipt a stick, from who opened it', async (t) => {
  const c = clinic(t);
  const { made, receipt } = await enrol(t, c);
  const registry = registryOf(made);
  const [next, accepted] = acceptReceipt(registry, receipt, NOW);
  t.equal(next.gateways.length, 1);
  t.equal(next.sticks[0]?.token, undefined, 'the token is forgotten');
  t.match(
    peerLines(accepted),
    /\[Peer\]\nPublicKey = .{44}\nEndpoint = gw.example:51820\nAllowedIPs = 100.96.128.0\/17/,
  );
  t.throws(() => acceptReceipt(next, receipt, NOW), { code: 'RECEIPT_REFUSED', detail: /accepted before/ });

  const refused = (what: string, bytes: Uint8Array, detail: RegExp, from = registry): void => {
    t.throws(() => acceptReceipt(from, bytes, NOW), { code: 'RECEIPT_REFUSED', detail }, what);
  };
  const forger = newKey();
  const said = content(receipt);
  const keys = { ...said.keys, identity: forger.signer.text };
  refused('keys of a forger', signEnvelope(RECEIPT_MAGIC, { ...said, keys }, forger), /not opened the stick/);
  refused('signed by a forger', signEnvelope(RECEIPT_MAGIC, said, forger), /signature is wrong/);
  refused('another stick', receipt, /No stick of ours/, { ...registry, sticks: [] });
  refused('nothing', Buffer.alloc(0), /cannot be read/);
  refused('too long', Buffer.alloc(70_000), /too long/);
  let taken = 0;
  for (let i = 0; i < receipt.length; i += 61) {
    const flipped = Buffer.from(receipt);
    flipped[i] = (flipped[i] ?? 0) ^ 4;
    try {
      acceptReceipt(registry, flipped, NOW);
      taken++;
    } catch (error) {
      if (!(error instanceof Error) || error.name !== 'Fault') throw error;
    }
  }
  t.equal(taken, 0, 'a flipped byte is never accepted');
});

void t.test('the office’s answer brings peers, to this gateway alone', async (t) => {
  const c = clinic(t);
  const { root, made, receipt } = await enrol(t, c);
  const [, accepted] = acceptReceipt(registryOf(made), receipt, NOW);
  const user = { id: 'r.okafor', name: 'Rana Okafor', roles: ['radiologist'] } as never;
  const peer = {
    id: 'r.okafor-laptop',
    publicKey: 'AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=' as never,
    allowedIps: ['100.96.0.10/32'],
    user: 'r.okafor',
    userDevice: 'laptop',
  };
  const name = join(root, 'anteroom', `credential-${made.head.id}`);
  const answer = (key: SigningKey, at: number, lists: { users?: never[]; peers: (typeof peer)[] }): void =>
    writeFileSync(name, makeCredential(accepted, lists, key, at));
  const before = treeDigest(c.state());
  answer(newKey(), NOW, { peers: [] });
  t.match(await c.apply([root]), { code: 'E04' });
  answer(c.office, NOW, { peers: [peer] });
  t.match(await c.apply([root]), { code: 'E15', detail: /names no user/ });
  t.equal(treeDigest(c.state()), before, 'nothing changed');

  answer(c.office, NOW, { users: [user], peers: [peer] });
  for (const at of ['credential', 'config']) {
    const step = (now: string): void => {
      if (now === at) cut();
    };
    await t.rejects(c.apply([root], { step }), powerCut, at);
  }
  t.match(await c.apply([root]), { code: 'OK3' });
  const config = parseConfig(readFileSync(join(c.state(), 'site/config.json'), 'utf8'), 'config.json');
  t.equal(config.peers[0]?.id, 'r.okafor-laptop');
  t.match(await c.apply([root]), { code: 'OK4' }, 'once more');
  answer(c.office, NOW - 1, { peers: [] });
  t.match(await c.apply([root]), { code: 'E07' }, 'an older answer');

  const other = await enrol(t, c, 'other');
  copyFileSync(name, join(other.root, 'anteroom', `credential-${other.made.head.id}`));
  t.match(await c.apply([other.root], {}, 'other'), { code: 'E06' }, 'on another gateway');
});

void t.test('reset: power cuts, replay, and back into service by a stick for just that', async (t) => {
  const c = clinic(t);
  const steps = ['begin', 'farewell', 'keys', 'stores', 'site', 'done'];
  for (const at of steps) {
    const name = `box-${at}`;
    const places = placesOf(c.state(name));
    const { made, root, receipt } = await enrol(t, c, name);
    for (const store of ['control/policy.db', 'audit/audit.db']) {
      mkdirSync(join(places.state, store, '..'), { recursive: true });
      writeFileSync(join(places.state, store), 'records');
    }
    const options = {
      state: places.state,
      signers: [c.office.signer],
      now: NOW,
      what: 'reset',
      by: 'presence',
      reason: 'moved',
    } as const;
    const before = treeDigest(places.state);
    const step = (now: string): void => {
      if (now === at) cut();
    };
    t.throws(() => leave({ ...options, step }), powerCut, at);
    if (at === 'begin') {
      t.equal(treeDigest(places.state), before, 'before the first write nothing has happened');
      leave(options);
    }
    mend(places);
    t.equal(phaseOf(places, readMemory(places)), 'reset', at);
    t.notOk(existsSync(places.site));
    t.same(readdirSync(join(places.state, 'control')), [], 'stores are empty');
    t.same(readdirSync(join(places.state, 'audit')), ['audit.db'], 'the audit log stays, without its key');
    const farewell = readFileSync(join(places.provision, `farewell-${made.head.id}`));
    const [registry] = acceptReceipt(registryOf(made), receipt, NOW);
    const [after, said] = acceptFarewell(registry, farewell);
    t.match(said, { what: 'reset', by: 'presence', reason: 'moved' });
    t.throws(() => acceptFarewell(after, farewell), { code: 'RECEIPT_REFUSED' }, 'not twice');
    t.throws(
      () => acceptFarewell({ ...registry, gateways: [] }, farewell),
      { code: 'RECEIPT_REFUSED' },
      'not of a stranger',
    );

    const device = deviceCodeOf(openDeviceKey(places));
    t.not(device, content(receipt).device, 'a new device code');
    t.match(await c.apply([root], {}, name), { code: /E06|E07/ }, 'the used stick');
    const plain = await c.stick({ device });
    t.match(await c.apply([plain.root], {}, name), { code: 'E12' }, 'a stick for a new gateway');
    const again = await c.stick({ device, reprovisionFrom: 'riverside' });
    t.match(await c.apply([again.root], {}, name), { code: 'OK2' }, 'a stick for one that was reset');
  }
});

void t.test('a used stick with a code stays used after a reset', async (t) => {
  const c = clinic(t);
  const { root, made } = await c.stick();
  const code = made.code ?? '';
  t.match(await c.apply([root], { code }), { code: 'OK2' });
  leave({ state: c.state(), signers: [], now: NOW, what: 'reset', by: 'presence', reason: 'test' });
  t.match(await c.apply([root], { code }), { code: 'E07' });
});

void t.test('decommission takes an order for this gateway, and is for good', async (t) => {
  const c = clinic(t);
  const { receipt } = await enrol(t, c);
  const places = placesOf(c.state());
  const identity = Signer.fromText(content(receipt).keys.identity);
  const base = {
    format: 1,
    id: '0123456789abcdef0123456789abcdef',
    site: 'riverside',
    gateway: identity?.id,
    order: 'decommission',
    reason: 'sold',
    notBefore: NOW - DAY,
    notAfter: NOW + DAY,
  };
  const attempt = (changes: object, key = c.office): Buffer =>
    leave({
      state: places.state,
      signers: [c.office.signer],
      now: NOW,
      what: 'decommission',
      by: signEnvelope(RESET_MAGIC, { ...base, ...changes }, key),
      reason: '',
    });
  const before = treeDigest(places.state);
  for (const [changes, detail, key] of [
    [{ site: 'hillside' }, /another gateway/, c.office],
    [{ gateway: '0000000000000000' }, /another gateway/, c.office],
    [{ order: 'reset' }, /orders a reset/, c.office],
    [{ notAfter: NOW }, /does not hold now/, c.office],
    [{ format: 2 }, /another shape/, c.office],
    [{}, /not known here/, newKey()],
  ] as const)
    t.throws(() => attempt(changes, key), { code: 'ORDER_REFUSED', detail });
  t.throws(
    () =>
      leave({
        state: places.state,
        signers: [],
        now: NOW,
        what: 'decommission',
        by: 'presence',
        reason: 'x',
      }),
    { code: 'ORDER_REFUSED' },
    'not by the button',
  );
  t.equal(treeDigest(places.state), before, 'nothing changed');
  const farewell = attempt({});
  t.match(openEnvelope(FAREWELL_MAGIC, farewell, identity ? [identity] : []), {
    kind: 'value',
    value: { what: 'decommission', reason: 'sold', by: base.id },
  });
  t.equal(phaseOf(places, readMemory(places)), 'decommissioned');
  const { root } = await c.stick();
  t.match(await c.apply([root]), { code: 'E14' });
});
