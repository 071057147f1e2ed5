/** Orders of reset and decommission on a stick: carried out for this gateway alone, once, with the receipt on the stick. */
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { acceptFarewell, acceptReceipt } from '../../src/cli/provision-accept.ts';
import {
  deviceCodeOf,
  openDeviceKey,
  phaseOf,
  placesOf,
  readMemory,
} from '../../src/cli/provision-memory.ts';
import type { Registry } from '../../src/cli/provision-registry.ts';
import { signEnvelope } from '../../src/crypto/envelope.ts';
import { Signer } from '../../src/crypto/signer.ts';
import type { SigningKey } from '../../src/crypto/signer.ts';
import { RESET_MAGIC, receiptContent } from '../../src/wire/provision.ts';
import { DAY, NOW, clinic, newKey, treeDigest } from './provision-sample.ts';
import type { Clinic } from './provision-sample.ts';

const ID = '0123456789abcdef0123456789abcdef';

interface InService {
  readonly root: string;
  readonly bundle: string;
  readonly registry: Registry;
  /** A stick with this order and nothing else. */
  readonly order: (changes?: object, key?: SigningKey) => string;
}

async function inService(t: Test, c: Clinic, name?: string): Promise<InService> {
  const device = deviceCodeOf(openDeviceKey(placesOf(c.state(name))));
  const { root, made } = await c.stick({ device });
  t.match(await c.apply([root], {}, name), { code: 'OK2' });
  const bundle = made.head.id;
  const receipt = readFileSync(join(root, 'anteroom', `receipt-${bundle}`));
  const text = receipt.toString('utf8');
  const said = receiptContent.parse(JSON.parse(text.slice(text.lastIndexOf('\n') + 1)));
  const { site } = said;
  const row = { id: bundle, site, made: NOW, notAfter: NOW + DAY, token: made.token, resources: 'x' };
  const [registry] = acceptReceipt({ format: 1, sticks: [row], gateways: [] }, receipt, NOW);
  let orders = 0;
  return {
    root,
    bundle,
    registry,
    order: (changes = {}, key = c.office) => {
      const to = join(c.folder, `order-stick-${++orders}`);
      mkdirSync(join(to, 'anteroom'), { recursive: true });
      const content = {
        format: 1,
        id: ID,
        site: 'riverside',
        gateway: Signer.fromText(said.keys.identity)?.id,
        order: 'decommission',
        reason: 'sold',
        notBefore: NOW - DAY,
        notAfter: NOW + DAY,
        ...changes,
      };
      writeFileSync(join(to, 'anteroom', `order-${content.id}`), signEnvelope(RESET_MAGIC, content, key));
      return to;
    },
  };
}

void t.test('an order that isn’t for this gateway, here and now, changes nothing', async (t) => {
  const c = clinic(t);
  const { order, root } = await inService(t, c);
  const before = treeDigest(c.state());
  let stopped = 0;
  const options = { stopProcesses: (): void => void stopped++ };
  for (const [what, code, changes, key] of [
    ['of another site', 'E06', { site: 'hillside' }, c.office],
    ['of another gateway', 'E06', { gateway: '0'.repeat(16) }, c.office],
    ['that is over', 'E05', { notAfter: NOW }, c.office],
    ['that is to come', 'E05', { notBefore: NOW + 1 }, c.office],
    ['of a stranger', 'E04', {}, newKey()],
    ['of another form', 'E08', { format: 2 }, c.office],
  ] as const) {
    t.match(await c.apply([order(changes, key)], options), { code }, what);
    t.equal(treeDigest(c.state()), before, `${what}: nothing changed`);
  }
  const forged = order();
  const file = join(forged, 'anteroom', `order-${ID}`);
  writeFileSync(file, readFileSync(file, 'utf8').replace('decommission', 'decommissioN'));
  t.match(await c.apply([forged], options), { code: 'E03' }, 'that was changed');
  // Beside the stick's own enrolment, whose receipt is what is wanted then.
  const beside = order({ site: 'hillside' });
  cpSync(root, beside, { recursive: true });
  t.match(await c.apply([beside], options), { code: 'OK4' }, 'beside the enrolment that was taken');
  t.equal(treeDigest(c.state()), before);
  t.equal(stopped, 0, 'no process was stopped for any of them');
});

void t.test('on a gateway that isn’t in service there is nothing to reset', async (t) => {
  const c = clinic(t);
  const { order } = await inService(t, c, 'other');
  openDeviceKey(placesOf(c.state()));
  const before = treeDigest(c.state());
  t.match(await c.apply([order()]), { code: 'E12' });
  t.equal(treeDigest(c.state()), before);
});

void t.test('a decommission from a stick: the keys are gone, the receipt is on the stick', async (t) => {
  const c = clinic(t);
  const { order, bundle, registry, root: enrolment } = await inService(t, c);
  const places = placesOf(c.state());
  for (const name of ['control/policy.db', 'audit/audit.db', 'tunnel/x/deep'])
    mkdirSync(join(places.state, name, '..'), { recursive: true });
  for (const name of ['control/policy.db', 'audit/audit.db', 'tunnel/x/deep'])
    writeFileSync(join(places.state, name), 'records');
  const root = order();
  const said: string[] = [];
  const options = {
    stopProcesses: (): void => {
      t.ok(existsSync(join(places.site, 'keys/identity.key')), 'first of all the processes are stopped');
      said.push('stopped');
    },
    step: (name: string): void => void said.push(name),
  };
  t.match(await c.apply([root], options), { code: 'OK5' });
  t.same(said, ['stopped', 'begin', 'farewell', 'keys', 'stores', 'site', 'done', 'receipt']);
  t.equal(phaseOf(places, readMemory(places)), 'decommissioned');
  t.same(
    readdirSync(places.state, { recursive: true }).map(String).toSorted(),
    ['audit', 'control', 'provision', `provision/farewell-${bundle}`, 'provision/memory', 'tunnel'],
    'nothing else is left',
  );
  const farewell = readFileSync(join(root, 'anteroom', `farewell-${bundle}`));
  const [after, content] = acceptFarewell(registry, farewell);
  t.match(content, { what: 'decommission', reason: 'sold', by: ID });
  t.match(after.gateways, [{ left: { what: 'decommission' } }]);
  const done = treeDigest(c.state());
  t.match(await c.apply([root]), { code: 'OK4' }, 'the same stick once more');
  rmSync(join(root, 'anteroom', `farewell-${bundle}`));
  t.match(await c.apply([root]), { code: 'OK5' }, 'gets its receipt again');
  t.ok(readFileSync(join(root, 'anteroom', `farewell-${bundle}`)).equals(farewell));
  cpSync(join(root, 'anteroom'), join(enrolment, 'anteroom'), { recursive: true });
  t.match(await c.apply([enrolment]), { code: 'OK4' }, 'also beside the enrolment of then');
  t.equal(treeDigest(c.state()), done);
});

void t.test('a reset, and back into service, with one stick for both', async (t) => {
  const c = clinic(t);
  const places = placesOf(c.state());
  const { order, bundle } = await inService(t, c);
  const root = order({ order: 'reset', reason: 'moved' });
  t.match(await c.apply([root]), { code: 'OK5' });
  t.equal(phaseOf(places, readMemory(places)), 'reset');
  const again = await c.stick({ device: deviceCodeOf(openDeviceKey(places)), reprovisionFrom: 'riverside' });
  // As a copy of a stick is, the receipt isn't on it.
  cpSync(join(root, 'anteroom', `order-${ID}`), join(again.root, 'anteroom', `order-${ID}`));
  t.match(await c.apply([again.root]), { code: 'OK2' }, 'the old order does not stand in the way');
  t.ok(existsSync(join(again.root, 'anteroom', `farewell-${bundle}`)), 'and gives its receipt once more');
  t.match(await c.apply([again.root]), { code: 'OK4' });
  t.match(await c.apply([root]), { code: 'E06' }, 'and is not for the new identity');
  t.equal(phaseOf(places, readMemory(places)), 'enrolled');
});

void t.test('processes that cannot be stopped keep their gateway', async (t) => {
  const c = clinic(t);
  const { order } = await inService(t, c);
  const before = treeDigest(c.state());
  const stopProcesses = (): never => {
    throw Object.assign(new Error('systemd does not answer'), { code: 'ETIMEDOUT', syscall: 'connect' });
  };
  t.match(await c.apply([order()], { stopProcesses }), { code: 'E17' });
  t.equal(treeDigest(c.state()), before, 'nothing changed');
});
