/** Signed bundles in force: admission, the seal, stores that were put back, rotation, and what a start finds. */
import { copyFileSync, existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { BundlePolicy } from '../../src/control/bundle-policy.ts';
import { BundleStore } from '../../src/control/bundle-store.ts';
import type { BundleSource } from '../../src/wire/bundle.ts';
import { Fault } from '../../src/wire/errors.ts';
import { epochMillis } from '../../src/wire/units.ts';
import { DAY, T0, imagingText, sample, signed, signingKey } from '../policy/sample-bundle.ts';
import { place } from './bundles.ts';
import { clinicConfig } from './fakes.ts';
import type { Place } from './bundles.ts';

const [one, two, three] = [signingKey(1), signingKey(2), signingKey(3)];

/** 'activated', 'unchanged', or the code of the refusal. */
function take(policy: BundlePolicy, bytes: Uint8Array, now = T0): string {
  const outcome = policy.install(bytes, epochMillis(now), 'a test');
  return outcome.kind === 'refused' ? outcome.fault.code : outcome.kind;
}
const revision = (policy: BundlePolicy): number | undefined => policy.status().active?.revision;

const stores = ['policy.db', 'policy.db-wal', 'policy.db-shm'];
/** Copy of the store as it lies on the disk, and back. */
function keepStore(at: Place, name: string): void {
  for (const file of stores)
    if (existsSync(join(at.folder, file))) copyFileSync(join(at.folder, file), join(at.folder, name + file));
}
function putBack(at: Place, name: string): void {
  for (const file of stores) {
    rmSync(join(at.folder, file), { force: true });
    if (existsSync(join(at.folder, name + file)))
      copyFileSync(join(at.folder, name + file), join(at.folder, file));
  }
}

function at(t: { teardown(then: () => void): void }): Place {
  const here = place();
  t.teardown(() => here.remove());
  return here;
}

void t.test('nothing decides until the first bundle; then it does, and after a restart', (t) => {
  const here = at(t);
  const first = here.start();
  t.equal(first.set, undefined);
  t.match(first.finding(epochMillis(T0)), { level: 'critical', text: /None was installed yet/ });
  t.equal(take(first, signed()), 'activated');
  t.equal(revision(first), 7);
  t.match(first.set?.revision, /^7-[0-9a-f]{12}$/);
  t.equal(take(first, signed()), 'unchanged', 'once more');
  t.match(first.finding(epochMillis(T0)), { level: 'ok' });
  const again = here.start();
  t.equal(again.set?.revision, first.set?.revision);
  t.match(again.status(), { mode: 'bundle', highest: 7, faults: [], signers: [one.signer.id] });
  t.end();
});

void t.test('what may not replace it is refused by name, and it stays', (t) => {
  const here = at(t);
  const policy = here.start();
  t.equal(take(policy, signed({ revision: 10 })), 'activated');
  const name = policy.set?.revision;
  const refusals: [string, Partial<BundleSource>, string][] = [
    ['an older revision', { revision: 9 }, 'BUNDLE_OLDER'],
    ['the same revision with other content', { notAfter: T0 + DAY, revision: 10 }, 'BUNDLE_REVISION_REUSED'],
    ['another audience', { revision: 11, audience: ['elsewhere', 'nowhere'] }, 'BUNDLE_AUDIENCE'],
    ['expired', { revision: 11, notAfter: T0 }, 'BUNDLE_EXPIRED'],
    ['not yet valid', { revision: 11, notBefore: T0 + 1 }, 'BUNDLE_NOT_YET_VALID'],
    ['published outside the overlay', { revision: 11, directory: lists('10.0.0.1') }, 'BUNDLE_INVALID'],
  ];
  for (const [what, more, code] of refusals) {
    t.equal(take(policy, signed(more)), code, what);
    t.equal(policy.set?.revision, name, 'the old one stays');
    t.match(policy.finding(epochMillis(T0)), { level: 'critical', text: /in force stays/ });
  }
  t.equal(take(policy, signed({ revision: 12 }, [two])), 'BUNDLE_SIGNER_UNKNOWN');
  t.equal(take(policy, Buffer.alloc(100 * 1024 * 1024)), 'BUNDLE_TOO_LARGE', '100 MB');
  const again = here.start();
  t.equal(again.set?.revision, name, 'also after a restart');
  t.equal(take(again, signed({ revision: 11 })), 'activated', 'a refused one uses no revision up');
  t.end();
});

function lists(address = '100.96.128.11', ids = ['pacs']): NonNullable<BundleSource['directory']> {
  return {
    users: [{ id: 'ada', name: 'Ada', roles: ['radiologist'] }],
    devices: [
      { id: 'pacs', name: 'PACS', class: 'pacs', address: '10.20.0.10' },
      { id: 'pump', name: 'Pump', class: 'infusion-pump', address: '10.20.0.20' },
    ],
    resources: ids.map((id, i) => ({
      id: `${id}-dicom`,
      device: 'pacs',
      protocol: 'dicom' as const,
      virtual: { address, port: 104 + i },
      port: 4242,
    })),
  };
}

void t.test('dropping more than a fifth needs the signed mark', (t) => {
  const here = at(t);
  const policy = here.start();
  const eleven = Array.from({ length: 11 }, (_, i) => `r${i}`);
  t.equal(
    take(policy, signed({ revision: 1, directory: lists(undefined, [...eleven, 'pacs']) })),
    'activated',
  );
  t.equal(take(policy, signed({ revision: 2, directory: lists(undefined, eleven) })), 'activated', '1 of 12');
  const without = (n: number): BundleSource['directory'] => lists(undefined, eleven.slice(n));
  t.equal(take(policy, signed({ revision: 3, directory: without(3) })), 'BUNDLE_DESTRUCTIVE', '3 of 11');
  t.equal(policy.directory?.resources.length, 11);
  const renamed = lists(
    undefined,
    eleven.map((id, i) => (i < 3 ? `${id}-new` : id)),
  );
  t.equal(
    take(policy, signed({ revision: 3, directory: renamed })),
    'BUNDLE_DESTRUCTIVE',
    'new ones don’t make up',
  );
  t.equal(
    take(policy, signed({ revision: 3, directory: { users: [], devices: [], resources: [] } })),
    'BUNDLE_DESTRUCTIVE',
    'an empty answer',
  );
  t.equal(take(policy, signed({ revision: 3, directory: without(2) })), 'activated', '2 of 11 is less');
  t.equal(
    take(policy, signed({ revision: 4, directory: without(8), destructive: true })),
    'activated',
    'meant to',
  );
  t.equal(policy.directory?.resources.length, 3);

  const fewer = imagingText.split('@id("recorded")')[0] ?? '';
  t.equal(
    take(policy, signed({ revision: 5, directory: without(8), policies: fewer })),
    'BUNDLE_DESTRUCTIVE',
    '1 of 3 policies',
  );
  t.equal(
    take(policy, signed({ revision: 5, directory: without(8), policies: fewer, destructive: true })),
    'activated',
  );
  t.equal(
    take(policy, signed({ revision: 6, policies: fewer })),
    'BUNDLE_DESTRUCTIVE',
    'back to the configured lists',
  );
  t.end();
});

void t.test('a store that is put back does not decide', (t) => {
  const here = at(t);
  const policy = here.start();
  take(policy, signed({ revision: 7 }));
  keepStore(here, 'old-');
  t.equal(take(policy, signed({ revision: 8 })), 'activated');
  t.equal(policy.status().previous?.revision, 7, 'the one before is kept');
  here.ports();
  putBack(here, 'old-');
  const after = here.start();
  t.equal(after.set, undefined, 'nothing decides');
  t.match(after.finding(epochMillis(T0)), { level: 'critical', text: /revision 7; 8 was in force/ });
  t.equal(take(after, signed({ revision: 7 })), 'BUNDLE_OLDER', 'the old one can’t be installed');
  t.equal(take(after, signed({ revision: 8 })), 'activated', 'the one that was in force can');
  t.equal(here.start().set?.revision, after.set?.revision);

  here.ports();
  for (const file of stores) rmSync(join(here.folder, file), { force: true });
  const empty = here.start();
  t.equal(take(empty, signed({ revision: 7 })), 'BUNDLE_OLDER', 'nor with an empty store');
  t.equal(take(empty, signed({ revision: 9 })), 'activated');
  t.end();
});

void t.test('the power goes between seal and store', (t) => {
  const here = at(t);
  const policy = here.start();
  take(policy, signed({ revision: 7 }));
  const settled = here.seal.text;
  keepStore(here, 'old-');
  take(policy, signed({ revision: 8 }));
  const state = (text = ''): Record<string, unknown> => JSON.parse(text) as Record<string, unknown>;
  const pending = JSON.stringify({ ...state(settled), pending: state(here.seal.text)['settled'] });

  here.seal.text = pending;
  const after = here.start();
  t.equal(revision(after), 8, 'after the transaction: the new one');
  t.same(state(here.seal.text)['pending'], undefined, 'settled now');

  here.ports();
  putBack(here, 'old-');
  here.seal.text = pending;
  const before = here.start();
  t.equal(revision(before), 7, 'before it: the old one');
  t.equal(before.status().highest, 8, 'but the new one counts as seen');
  t.equal(take(before, signed({ revision: 8, notAfter: T0 + DAY })), 'BUNDLE_REVISION_REUSED');
  t.equal(take(before, signed({ revision: 8 })), 'activated');
  t.end();
});

void t.test('a seal that can’t be written, is gone, damaged or older', (t) => {
  const here = at(t);
  const policy = here.start();
  take(policy, signed({ revision: 7 }));
  const sealed = here.seal.text;
  here.seal.writable = 0;
  t.equal(take(policy, signed({ revision: 8 })), 'SEAL_UNAVAILABLE');
  t.equal(revision(policy), 7);
  here.seal.writable = 1;
  t.equal(take(policy, signed({ revision: 8 })), 'activated', 'sealed as seen is enough');
  t.match(policy.finding(epochMillis(T0)), { level: 'warning', text: /seal/ });
  here.seal.writable = Infinity;
  t.equal(revision(here.start()), 8);

  here.seal.text = undefined;
  const gone = here.start();
  t.equal(revision(gone), 8, 'made anew of the store');
  t.match(gone.finding(epochMillis(T0)), { level: 'critical', text: /seal was gone/ });
  t.equal(take(gone, signed({ revision: 7 })), 'BUNDLE_OLDER');
  t.match(here.start().finding(epochMillis(T0)), { level: 'ok' });

  here.seal.text = sealed;
  t.match(here.start().finding(epochMillis(T0)), { level: 'critical', text: /older than the store/ });
  here.seal.text = '{"format":1,"settled":{"revision":0}}';
  t.equal(revision(here.start()), 8, 'what is no seal');
  t.end();
});

void t.test('a bundle’s time is when it may be activated: clocks lock nobody out', (t) => {
  const here = at(t);
  const policy = here.start();
  take(policy, signed({ revision: 7 }));
  const year = 365 * DAY;
  const says = (now: number): unknown => policy.finding(epochMillis(now));
  t.match(says(T0 + 24 * DAY), { level: 'warning', text: /renewed/ }, 'a week before its end');
  t.match(says(T0 + 7 * year), { level: 'critical', text: /its time was over/i }, 'seven years forward');
  t.match(says(T0 - 3 * year), { level: 'warning', text: /look at the clock/ }, 'three years back');
  const again = here.start();
  t.equal(revision(again), 7);
  t.equal(take(again, signed({ revision: 8 }), T0 - 3 * year), 'BUNDLE_NOT_YET_VALID');
  t.equal(take(again, signed({ revision: 8 }), T0 + 7 * year), 'BUNDLE_EXPIRED');
  t.equal(take(again, signed({ revision: 8 }), T0), 'activated');
  t.end();
});

void t.test('rotation: the old signer counts no more, also when the store is put back', (t) => {
  const here = at(t);
  const policy = here.start();
  take(policy, signed({ revision: 1 }));
  keepStore(here, 'old-');
  t.equal(take(policy, signed({ revision: 2, keys: [two.signer.text] }, [one])), 'BUNDLE_ROTATION');
  t.equal(take(policy, signed({ revision: 2, keys: [two.signer.text] }, [two])), 'BUNDLE_SIGNER_UNKNOWN');
  t.equal(take(policy, signed({ revision: 2, keys: [two.signer.text] }, [one, two])), 'activated');
  t.same(policy.status().signers, [two.signer.id]);
  t.equal(take(policy, signed({ revision: 3 }, [one])), 'BUNDLE_SIGNER_UNKNOWN', 'the old one');
  const again = here.start();
  t.equal(revision(again), 2, 'after a restart it still decides');
  t.equal(
    take(again, signed({ revision: 3 }, [one])),
    'BUNDLE_SIGNER_UNKNOWN',
    'though the configuration pins it',
  );
  t.equal(take(again, signed({ revision: 3 }, [two])), 'activated');

  here.ports();
  putBack(here, 'old-');
  const back = here.start();
  t.equal(back.set, undefined);
  t.equal(take(back, signed({ revision: 99 }, [one])), 'BUNDLE_SIGNER_UNKNOWN', 'a stolen old key is no use');
  t.equal(take(back, signed({ revision: 4 }, [two])), 'activated');

  const both = [three.signer.text, one.signer.text];
  t.equal(
    take(back, signed({ revision: 5, keys: both }, [one, two, three])),
    'activated',
    'and back again, by word of the signers',
  );
  t.same(back.status().signers, [three.signer.id, one.signer.id].sort());
  t.equal(take(back, signed({ revision: 6 }, [one])), 'activated');
  t.equal(take(back, signed({ revision: 7 }, [two])), 'BUNDLE_SIGNER_UNKNOWN');
  t.end();
});

void t.test('signers changed in the configuration: the set in force decides on, and says so', (t) => {
  const here = at(t);
  take(here.start(), signed({ revision: 7 }));
  const other = here.start({ keys: [three] });
  t.equal(revision(other), 7);
  t.match(other.finding(epochMillis(T0)), { level: 'critical', text: /no longer pinned/ });
  t.equal(take(other, signed({ revision: 8 })), 'BUNDLE_SIGNER_UNKNOWN');
  t.equal(take(other, signed({ revision: 8 }, [three])), 'activated');
  t.match(other.finding(epochMillis(T0)), { level: 'ok' });
  t.end();
});

void t.test('the configured file: at the start, read again, stale, gone', (t) => {
  const here = at(t);
  let file: Uint8Array | undefined = signed({ revision: 7 });
  const read = (): Uint8Array => {
    if (!file) throw new Error('ENOENT');
    return file;
  };
  const policy = here.start({ read });
  t.equal(revision(policy), 7);
  t.equal(policy.reload(epochMillis(T0)).kind, 'unchanged');
  file = signed({ revision: 8 });
  t.equal(policy.reload(epochMillis(T0)).kind, 'activated');
  file = undefined;
  t.equal(policy.reload(epochMillis(T0)).kind, 'refused');
  t.equal(revision(policy), 8);
  file = signed({ revision: 7 });
  const stale = here.start({ read });
  t.equal(revision(stale), 8);
  t.match(stale.finding(epochMillis(T0)), { level: 'ok' }, 'a newer one was installed since: no fault');
  t.match(
    stale.reload(epochMillis(T0)),
    { kind: 'refused', fault: { code: 'BUNDLE_OLDER' } },
    'unless one asks',
  );
  t.end();
});

void t.test('vectors that don’t come out, or policies that aren’t any', (t) => {
  const here = at(t);
  const policy = here.start();
  take(policy, signed({ revision: 7 }));
  const vectors = structuredClone(sample().vectors);
  for (const { answers } of vectors) if (answers.view) answers.view.allow = !answers.view.allow;
  t.equal(take(policy, signed({ revision: 8, vectors })), 'BUNDLE_VECTORS');
  const bad = { policies: 'permit (principal, action, resource);', vectors: sample().vectors };
  t.equal(take(policy, signed({ revision: 8, ...bad })), 'POLICY_INVALID');
  t.equal(revision(policy), 7);
  t.end();
});

void t.test('a store that can’t be written: nothing is activated, and it can be tried again', (t) => {
  const here = at(t);
  take(here.start(), signed({ revision: 7 }));
  const ports = here.ports();
  let full = true;
  const options = {
    clock: here.clock,
    site: 'clinic',
    overlay: '100.96.128.0/17',
    configured: clinicConfig(),
  };
  const activate = ports.store.activate.bind(ports.store);
  ports.store.activate = (row) => {
    if (full) throw new Fault('STORE_FULL', 'in this test');
    activate(row);
  };
  const policy = new BundlePolicy({ ...ports, ...options });
  policy.start(epochMillis(T0));
  t.equal(take(policy, signed({ revision: 8 })), 'STORE_FULL');
  t.equal(revision(policy), 7);
  full = false;
  t.equal(policy.status().highest, 8, 'sealed as seen');
  t.equal(take(policy, signed({ revision: 8 })), 'activated');

  const gone = new BundlePolicy({
    ...ports,
    ...options,
    store: new BundleStore(undefined, new Fault('STORE_CORRUPT', 'in this test')),
  });
  gone.start(epochMillis(T0));
  t.match(gone.finding(epochMillis(T0)), { level: 'critical', text: /damaged/ });
  t.equal(take(gone, signed({ revision: 9 })), 'STORE_CORRUPT');
  t.end();
});
