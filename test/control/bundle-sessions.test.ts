/** Bundles and live sessions: decided again, cut, left alone; a directory that changes under them. */
import t from 'tap';
import type { BundleSource } from '../../src/wire/bundle.ts';
import { isFault } from '../../src/wire/errors.ts';
import { imagingText, signed, signingKey } from '../policy/sample-bundle.ts';
import { place } from './bundles.ts';
import { broker, clinicConfig, granted, named, operator, refusedCode, world } from './fakes.ts';
import type { World } from './fakes.ts';

type Directory = NonNullable<BundleSource['directory']>;
type Resource = Directory['resources'][number];

const pacs: Resource = {
  id: 'pacs-dicom',
  device: 'pacs',
  protocol: 'dicom',
  virtual: { address: '100.96.128.11', port: 104 },
  port: 4242,
};
const directory = (resources: Resource[], more: Partial<Directory> = {}): Directory => ({
  users: [{ id: 'ada', name: 'Ada', roles: ['radiologist'] }],
  devices: [{ id: 'pacs', name: 'PACS', class: 'pacs', address: '10.20.0.10' }],
  resources,
  ...more,
});

interface Gateway extends World {
  install(more: Partial<BundleSource>): Promise<string>;
}

/** A gateway with revision 1 in force. */
async function gateway(
  t: { teardown(then: () => void): void },
  first: Partial<BundleSource> = {},
): Promise<Gateway> {
  const here = place();
  t.teardown(() => here.remove());
  const w = world({
    bundles: here.ports(),
    config: clinicConfig((input) => (input['policy'] = { keys: ['/a'] })),
  });
  await w.tick();
  const install = async (more: Partial<BundleSource>): Promise<string> => {
    const bundle = signed({ destructive: true, ...more }, [signingKey(1)]).toString('base64');
    try {
      await w.control.handlers['operator.policy.install']({ bundle }, operator);
      await w.tick();
      return 'done';
    } catch (error) {
      await w.tick();
      return isFault(error) ? error.code : String(error);
    }
  };
  if (refusedCode(await w.ask()) !== 'POLICY_UNAVAILABLE') throw new Error('something decides already');
  if ((await install({ revision: 1, ...first })) !== 'done') throw new Error('the first bundle was refused');
  return Object.assign(w, { install });
}

void t.test(
  'without a bundle every session is refused; with one it is decided and written down',
  async (t) => {
    const w = await gateway(t);
    const grant = granted(await w.ask());
    t.match(grant.revision, /^1-/);
    t.match(w.of('policy.activated'), [{ bundle: { revision: 1, signers: [signingKey(1).signer.id] } }]);
    t.equal(await w.install({ revision: 2, audience: ['elsewhere'] }), 'BUNDLE_AUDIENCE');
    t.match(w.of('policy.refused'), [{ code: 'BUNDLE_AUDIENCE', from: 'uid 0' }]);
    t.match(
      w.control.overview().health.find((h) => h.item === 'control.policy'),
      { level: 'critical' },
    );
    t.match(await w.control.handlers['operator.policy.status']({}, operator), {
      mode: 'bundle',
      active: { revision: 1 },
      faults: [/other sites/],
    });
  },
);

void t.test(
  'a policy goes while another still allows: the session lives on with that one’s limits',
  async (t) => {
    const both = [
      '@id("long") @reason("Twelve hours.") @session("12h") @idle("1h")',
      'permit (principal in Role::"radiologist", action == Action::"view", resource);',
      '@id("short") @reason("One hour.") @session("1h") @idle("5m")',
      'permit (principal in Role::"radiologist", action == Action::"view", resource);',
    ];
    const w = await gateway(t, { policies: both.join('\n') });
    const grant = granted(await w.ask());
    t.same(grant.rules, ['long', 'short']);
    t.equal(grant.limits.idle, 3_600_000);
    await w.started(grant);
    t.equal(await w.install({ revision: 2, policies: both.slice(2).join('\n') }), 'done');
    const [push] = w.pushed;
    t.match(push, {
      event: 'regrant',
      session: grant.session,
      body: { rules: ['short'], limits: { idle: 300_000 } },
    });
    t.ok(
      (push as unknown as { body: typeof grant }).body.limits.end <= w.clock.now() + 3_600_000,
      'and its end',
    );
    t.equal(w.pushed.length, 1, 'not cut');
  },
);

void t.test('one action goes: only that', async (t) => {
  const w = await gateway(t);
  const grant = granted(await w.ask());
  t.same(grant.actions, ['view', 'modify']);
  await w.started(grant);
  await w.install({
    revision: 2,
    policies: imagingText.replace('[Action::"view", Action::"modify"]', '[Action::"view"]'),
  });
  t.match(w.pushed, [{ event: 'regrant', body: { actions: ['view'] } }]);
});

void t.test(
  'the directory changes: the broker is told, gone and remade resources cut their sessions',
  async (t) => {
    const w = await gateway(t, { directory: directory([pacs]) });
    const asked = async (): Promise<string[]> =>
      (await w.control.handlers['broker.directory']({}, broker)).resources.map(({ id }) => id);
    t.same(await asked(), ['pacs-dicom']);
    const grant = granted(await w.ask());
    await w.started(grant);
    const told = w.directories;

    await w.install({ revision: 2, directory: directory([{ ...pacs, ephi: false }]) });
    t.equal(w.directories, told + 1);
    t.match(w.pushed.splice(0), [{ event: 'regrant' }], 'not another resource: it lives');

    await w.install({ revision: 3, directory: directory([]) });
    t.match(w.pushed.splice(0), [{ event: 'revoke', session: grant.session }], 'deleted: cut');
    t.same(await asked(), []);
    t.equal(refusedCode(await w.ask()), 'UNKNOWN_RESOURCE');

    await w.install({ revision: 4, directory: directory([pacs]) });
    t.same(w.pushed.splice(0), [], 'made again: the cut session stays cut');
    await w.started(grant);
    t.match(
      w.pushed.splice(0),
      [{ event: 'revoke', session: grant.session }],
      'also when a link flapped and it is announced again',
    );
    const again = granted(await w.ask());
    await w.started(again);

    const moved = directory([pacs], {
      devices: [{ id: 'pacs', name: 'PACS', class: 'pacs', address: '10.20.0.99' }],
    });
    await w.install({ revision: 5, directory: moved });
    t.match(
      w.pushed.splice(0),
      [{ event: 'revoke', session: again.session }],
      'the same name on another address',
    );
    const third = granted(await w.ask('100.96.0.7', named(77)));
    t.equal(third.target.dial.address, '10.20.0.99');
    await w.started(third);
    await w.install({
      revision: 6,
      directory: directory([{ ...pacs, port: 4243 }], { devices: moved.devices }),
    });
    t.match(w.pushed.splice(0), [{ event: 'revoke', session: third.session }], 'or another port');
  },
);

void t.test('users come and go with the bundle', async (t) => {
  const w = await gateway(t, { directory: directory([pacs]) });
  const grant = granted(await w.ask());
  await w.started(grant);
  const visitor = directory([pacs], { users: [{ id: 'ada', name: 'Ada', roles: ['visitor'] }] });
  await w.install({ revision: 2, directory: visitor });
  t.match(w.pushed.splice(0), [{ event: 'revoke', session: grant.session }], 'the role is gone');
  await w.install({ revision: 3, directory: directory([pacs], { users: [] }) });
  t.equal(refusedCode(await w.ask()), 'UNKNOWN_PEER');
  await w.install({ revision: 4 });
  t.ok(granted(await w.ask()), 'without a directory the configured one holds again');
});

void t.test('the site’s data come with it', async (t) => {
  const policies = [
    '@id("on-shift") @reason("On the shift.")',
    'permit (principal, action == Action::"view", resource) when { context.shift == "day" };',
  ].join('\n');
  const w = await gateway(t, { policies });
  t.equal(refusedCode(await w.ask()), 'POLICY_DENIED', 'no shift is known');
  const on = [{ start: '2020-01-01T00:00', zone: 'UTC', minutes: 1_440, every: 'day' as const }];
  await w.install({ revision: 2, policies, site: { shifts: [{ name: 'day', on }] } });
  t.same(granted(await w.ask()).rules, ['on-shift']);
});
