/** Advisories in control: what is stored, what the inventory's devices come to, documents, the finding, bounds. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { AdvisoryDesk, subjectOf } from '../../src/control/advisory-desk.ts';
import type { AdvisoryDeskOptions } from '../../src/control/advisory-desk.ts';
import { AdvisoryStore, advisorySchema } from '../../src/control/advisory-store.ts';
import type { Caller } from '../../src/control/ports.ts';
import {
  advisoryTerms,
  matchAdvisory,
  matchExploited,
  subjectTerms,
} from '../../src/sensor/advisory/match.ts';
import { openStore } from '../../src/store/store.ts';
import { advisory } from '../../src/wire/advisory.ts';
import type { Advisory, DeviceDocument, ExploitedCatalogue } from '../../src/wire/advisory.ts';
import { isFault } from '../../src/wire/errors.ts';
import type { FindingReport } from '../../src/wire/finding.ts';
import { advisoryVerbs, deviceRow } from '../../src/wire/messages.ts';
import type { DeviceRow } from '../../src/wire/messages.ts';
import type { IdentityAttribute } from '../../src/wire/observation.ts';
import { fakeClock } from './fakes.ts';

const knowledge = { advisoryTerms, matchAdvisory, matchExploited, subjectTerms };
const caller: Caller = { uid: 7, pid: 1, connection: 1 };

const advice = (id: string, over: Partial<Advisory> = {}): Advisory =>
  advisory.parse({
    id,
    title: `About ${id}`,
    publisher: 'CISA',
    released: '2026-01-02T00:00:00Z',
    version: '1',
    products: [{ vendor: 'Contec Health', name: 'CMS8000 Patient Monitor', versions: '< 3.0' }],
    vulnerabilities: [
      {
        cve: 'CVE-2026-1000',
        title: 'x',
        affected: [0],
        fixed: [],
        notAffected: [],
        investigated: [],
        scores: [{ score: 7.5, products: [0] }],
      },
    ],
    remedies: [{ category: 'vendor_fix', text: 'Install 3.0.', vulnerabilities: [0], products: [0] }],
    ...over,
  });

const catalogue = (
  released = '2026-02-01T00:00:00Z',
  version = released.slice(0, 10),
): ExploitedCatalogue => ({
  version,
  released,
  rows: [
    {
      cve: 'CVE-2026-1000',
      vendor: 'Contec',
      product: 'CMS8000',
      name: 'Backdoor',
      added: '2026-01-30',
      due: '2026-02-20',
      ransomware: false,
      action: 'Disconnect it.',
    },
  ],
});

function row(id: string, mac: string, identity: readonly Partial<IdentityAttribute>[] = []): DeviceRow {
  return deviceRow.parse({
    device: { id, name: id, class: 'patient monitor', unit: 'icu' },
    observation: {
      mac,
      vendor: 'Contec Medical Systems',
      addresses: ['10.20.0.9'],
      services: [],
      evidence: [],
      identity: identity.map((each) => ({ because: 'dicom equipment.model=x', conflicts: [], ...each })),
      first: 1,
      last: 2,
    },
  });
}
const cms = (id: string, mac: string, software?: string): DeviceRow =>
  row(id, mac, [
    { attribute: 'vendor', value: 'Contec' },
    { attribute: 'model', value: 'CMS8000' },
    ...(software === undefined ? [] : [{ attribute: 'software' as const, value: software }]),
  ]);

interface World {
  readonly desk: AdvisoryDesk;
  readonly store: AdvisoryStore;
  readonly handlers: ReturnType<AdvisoryDesk['handlers']>;
  readonly written: unknown[];
  readonly found: FindingReport[];
  readonly over: string[];
  readonly clock: ReturnType<typeof fakeClock>;
  rows: DeviceRow[];
}

function world(t: { teardown(done: () => void): void }, rows: DeviceRow[], folder?: string): World {
  const at = folder ?? mkdtempSync(join(tmpdir(), 'anteroom-advisories-'));
  const file = join(at, 'advisories.db');
  const store = new AdvisoryStore(openStore({ file, schema: advisorySchema }));
  t.teardown(() => {
    store.close();
    if (folder === undefined) rmSync(at, { recursive: true });
  });
  const clock = fakeClock();
  const [written, found, over]: [unknown[], FindingReport[], string[]] = [[], [], []];
  const options: AdvisoryDeskOptions = {
    ports: { store, knowledge },
    rows: () => made.rows,
    clock,
    journal: { write: (kind, body) => written.push({ kind, ...body }) },
    found: (reports) => found.push(...reports),
    over: (mac) => over.push(mac),
  };
  const desk = new AdvisoryDesk(options);
  const made: World = { desk, store, handlers: desk.handlers(), written, found, over, clock, rows };
  return made;
}

const take = (w: World, advisories: Advisory[], list?: ExploitedCatalogue): unknown =>
  w.handlers['operator.advisories.import'](
    { advisories, from: 'a folder', ...(list ? { catalogue: list } : {}) },
    caller,
  );
type Listed = ReturnType<AdvisoryDesk['answer']>;
const list = (w: World, device?: string, all = false): Listed =>
  w.handlers['operator.advisories.list']({ device, all }, caller) as Listed;

void t.test('an import, again, and an older one', (t) => {
  const w = world(t, [cms('m1', '02:00:00:00:00:01', '2.0')]);
  t.match(w.desk.finding(), { level: 'ok', text: 'No advisories were imported.' });
  t.same(take(w, [advice('A'), advice('B')], catalogue()), {
    stored: 2,
    unchanged: 0,
    older: 0,
    catalogue: 'stored',
  });
  t.same(take(w, [advice('A'), advice('B', { title: 'Changed' })], catalogue()), {
    stored: 1,
    unchanged: 1,
    older: 0,
    catalogue: 'unchanged',
  });
  const old = advice('A', { released: '2025-01-01T00:00:00Z', title: 'Old' });
  t.same(take(w, [old], catalogue('2020-01-01T00:00:00Z')), {
    stored: 0,
    unchanged: 0,
    older: 1,
    catalogue: 'older',
  });
  t.equal(list(w).matches.find(({ advisory: id }) => id === 'A')?.title, 'About A', 'the newer one stays');
  t.match(w.written[0], {
    kind: 'operator.action',
    operator: 'uid 7',
    verb: 'advisories.import',
    object: 'a folder',
  });
  t.equal(w.store.count, 2);
  t.match(w.store.catalogue, { version: '2026-02-01' });
  t.end();
});

void t.test('what each device comes to', (t) => {
  const w = world(t, [
    cms('old', '02:00:00:00:00:01', '2.9'),
    cms('new', '02:00:00:00:00:02', '3.0'),
    cms('unsaid', '02:00:00:00:00:03'),
    row('card', '02:00:00:00:00:04', [{ attribute: 'model', value: 'CMS8000' }]),
    row('other', '02:00:00:00:00:05', [
      { attribute: 'vendor', value: 'Philips' },
      { attribute: 'model', value: 'MX800' },
    ]),
  ]);
  take(w, [advice('A')], catalogue());
  const answer = list(w, undefined, true);
  t.ok(advisoryVerbs['operator.advisories.list'].answer.safeParse(answer).success, 'fits its message');
  t.same(
    answer.matches.map(({ device, status }) => [device, status]),
    [
      ['old', 'affected'],
      ['unsaid', 'possible'],
      ['card', 'possible'],
      ['new', 'not affected'],
    ],
  );
  t.match(answer.matches[0], { exploited: true, severity: 'critical', score: 7.5, due: '2026-02-20' });
  t.same(answer.matches[0]?.remedies, ['Install 3.0.', 'Disconnect it.']);
  t.notOk(
    list(w).matches.some(({ device }) => device === 'new'),
    'only with --all',
  );
  for (const name of ['old', '02:00:00:00:00:01']) t.equal(list(w, name).matches[0]?.device, 'old');
  t.throws(() => list(w, 'nobody'), { code: 'DEVICE_UNKNOWN' });
  t.end();
});

void t.test('operators win over what was seen', (t) => {
  const seen = cms('m1', '02:00:00:00:00:01', '2.0');
  const said = (value: string): object => ({ value, by: 'uid 7', at: 1 });
  const corrected = deviceRow.parse({
    ...seen,
    standing: {
      risk: 0,
      record: {
        id: 'd-0000000000000001',
        keys: [],
        macs: [],
        lifecycle: 'in-service',
        said: { model: said('CMS50'), software: said('9'), name: said('bed 4') },
        first: 1,
        last: 1,
      },
    },
  });
  t.match(subjectOf(seen, []), { vendor: 'Contec', vendorSure: true, names: ['CMS8000'], software: '2.0' });
  t.match(subjectOf(corrected, []), { vendor: 'Contec', names: ['CMS50'], software: '9' });
  const guessed = row('x', '02:00:00:00:00:01', [
    { attribute: 'vendor', value: 'Contec', because: 'oui vendor=Contec' },
  ]);
  t.match(subjectOf(guessed, []), { vendor: 'Contec', vendorSure: false });
  const w = world(t, [corrected]);
  take(w, [advice('A')]);
  t.same(list(w).matches, []);
  t.same(list(w, 'bed 4').matches, [], 'found by the name it was given');
  t.end();
});

const form: DeviceDocument = {
  kind: 'mds2',
  name: 'form.xlsx',
  manufacturer: 'Contec',
  model: 'CMS8000',
  answers: [{ id: 'DOC-1', question: 'Manufacturer Name', answer: 'Contec', note: '' }],
};
const bill: DeviceDocument = {
  kind: 'sbom',
  name: 'bill.json',
  format: 'CycloneDX 1.5',
  components: [{ name: 'CMS8000', version: '1.0' }],
};

void t.test('documents of devices', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'anteroom-advisories-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const w = world(t, [row('m1', '02:00:00:00:00:01')], folder);
  take(w, [advice('A')]);
  t.same(list(w).matches, [], 'a card of Contec says nothing of the model');
  const put = (document: DeviceDocument): unknown =>
    w.handlers['operator.device.document']({ device: '10.20.0.9', document }, caller);
  t.same(put(form), { device: 'm1' });
  t.match(
    list(w).matches,
    [{ device: 'm1', status: 'possible' }],
    'the form names maker and model, nobody a version',
  );
  put(bill);
  put({ ...form, name: 'newer.xlsx' });
  const documents = (): unknown => w.handlers['operator.device.documents']({ device: 'm1' }, caller);
  t.match(documents(), {
    documents: [
      { document: { kind: 'mds2', name: 'newer.xlsx' }, by: 'uid 7' },
      { document: { kind: 'sbom' } },
    ],
  });
  t.throws(() => w.handlers['operator.device.document']({ device: 'nobody', document: form }, caller), {
    code: 'DEVICE_UNKNOWN',
  });

  const again = world(t, w.rows, folder);
  t.match(list(again).matches, [{ device: 'm1' }], 'all of it is there after a restart');
  const remove = (): unknown =>
    again.handlers['operator.device.documentRemove']({ device: 'm1', kind: 'mds2' }, caller);
  t.same(remove(), { removed: true });
  t.same(remove(), { removed: false });
  t.equal(again.written.length, 1);
  t.match(list(again).matches, [{ component: 'CMS8000 1.0', status: 'possible' }], 'a part is left');
  t.end();
});

void t.test('what is exploited becomes a finding and an item of the health list', (t) => {
  const w = world(t, [cms('m1', '02:00:00:00:00:01', '2.0'), cms('m2', '02:00:00:00:00:02')]);
  take(w, [advice('A')], catalogue());
  w.desk.tick();
  t.match(w.found, [{ kind: 'known-exploited', mac: '02:00:00:00:00:01', severity: 'critical' }]);
  t.match(w.found[0]?.evidence, ['known to be exploited: CVE-2026-1000']);
  const finding = w.desk.finding();
  t.equal(finding.level, 'warning');
  t.match(finding.text, /m1 \(CVE-2026-1000\)/);
  t.notMatch(finding.text, /m2/, 'possible is not affected');
  for (let i = 0; i < 30; i++) w.desk.tick();
  t.equal(w.found.length, 1, 'told once');
  w.clock.pass(25 * 3_600_000);
  w.desk.tick();
  t.equal(w.found.length, 2, 'and again the next day');

  w.rows = [cms('m1', '02:00:00:00:00:01', '3.0')];
  for (let i = 0; i < 11; i++) w.desk.tick();
  t.same(w.over, ['02:00:00:00:00:01'], 'an update ends it');
  t.equal(w.desk.finding().level, 'ok');
  t.end();
});

void t.test('many devices are looked at a few a tick', (t) => {
  const rows = Array.from({ length: 200 }, (_, i) =>
    cms(`m${i}`, `02:00:00:00:01:${i.toString(16).padStart(2, '0')}`, `2.${i}`),
  );
  const w = world(t, rows);
  take(w, [advice('A')], catalogue());
  w.desk.tick();
  t.same(w.found, [], 'nothing is told before all were looked at');
  const first = list(w);
  t.equal(first.pending, 200 - 4 - 64);
  for (let i = 0; i < 40; i++) w.desk.tick();
  t.equal(list(w).pending, 0);
  t.equal(list(w).matches.length, 200);
  t.equal(w.found.length, 200);
  t.end();
});

void t.test('an answer fits one frame, whatever is in it', (t) => {
  const rows = Array.from({ length: 300 }, (_, i) => cms(`m${i}`, '02:00:00:00:00:01', '2.0'));
  const w = world(t, rows);
  const text = (i: number): string => `${i}${'\u{1f4a5}'.repeat(498)}`;
  const remedies = Array.from({ length: 8 }, (_, i) => ({
    category: 'vendor_fix',
    text: text(i),
    vulnerabilities: [0],
    products: [0],
  }));
  take(w, [advice('A', { remedies })]);
  const answer = list(w);
  t.ok(Buffer.byteLength(JSON.stringify(answer)) < 8 * 1024 * 1024);
  t.ok(answer.matches.length > 100);
  t.equal(answer.matches.length + answer.beyond, 300, 'what has no room is counted');
  t.end();
});

void t.test('more than may be is refused whole', (t) => {
  const w = world(t, []);
  const many = Array.from({ length: 10_001 }, (_, i) =>
    advice(`N-${i}`, { products: [], vulnerabilities: [], remedies: [] }),
  );
  t.throws(() => take(w, many), { code: 'ADVISORY_INVALID' });
  t.equal(w.store.count, 0);
  take(w, many.slice(0, 10_000));
  t.equal(w.store.count, 10_000);
  t.end();
});

void t.test('without a store all else goes on', (t) => {
  const clock = fakeClock();
  const store = new AdvisoryStore(undefined);
  const made = (ports: AdvisoryDeskOptions['ports']): AdvisoryDesk =>
    new AdvisoryDesk({
      ports,
      rows: () => [cms('m1', '02:00:00:00:00:01')],
      clock,
      journal: { write: () => undefined },
    });
  for (const desk of [made(undefined), made({ store, knowledge })]) {
    desk.tick();
    t.equal(desk.finding().level, 'ok');
    try {
      void desk.handlers()['operator.advisories.import']({ advisories: [advice('A')], from: '' }, caller);
      t.fail('it was taken');
    } catch (error) {
      t.ok(isFault(error, 'STORE_UNAVAILABLE'));
    }
  }
  t.end();
});
