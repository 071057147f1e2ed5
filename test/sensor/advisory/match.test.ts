/** Devices against CISA's own advisories, against made ones for each status, and components of bills of materials. */
import t from 'tap';
import { readAdvisoryFile } from '../../../src/sensor/advisory/document.ts';
import { readCsaf } from '../../../src/sensor/advisory/csaf.ts';
import type { Json } from '../../../src/sensor/advisory/json-document.ts';
import {
  advisoryTerms,
  matchAdvisory,
  matchExploited,
  severityOf,
  subjectTerms,
} from '../../../src/sensor/advisory/match.ts';
import { likeness } from '../../../src/sensor/advisory/product-name.ts';
import { makersOf, vendorAliases } from '../../../src/sensor/advisory/vendor-alias.ts';
import { parseRange } from '../../../src/sensor/advisory/version-range.ts';
import type { Advisory, AdvisoryMatch, AdvisorySubject } from '../../../src/wire/advisory.ts';
import { device, matchesOf, sampleAdvisories, sampleCatalogue } from './samples.ts';

const catalogue = sampleCatalogue();
const of = (matches: readonly AdvisoryMatch[], id: string): AdvisoryMatch[] =>
  matches.filter(({ advisory }) => advisory === id);
const statuses = (matches: readonly AdvisoryMatch[]): string[] =>
  [...new Set(matches.map((m) => m.status))].sort();

void t.test('every sample is read: products, vulnerabilities, scores, remedies', (t) => {
  const all = sampleAdvisories();
  t.equal(all.length, 144);
  t.ok(
    all.every((each) => each.products.length > 0 && each.vulnerabilities.every((v) => v.affected.length > 0)),
    'each with products that are affected',
  );
  t.equal(
    all.reduce((sum, each) => sum + each.products.length, 0),
    607,
  );
  t.equal(catalogue.rows.length, 1404);
  t.match(catalogue.rows[0], { cve: 'CVE-2025-48384', vendor: 'Git', due: '2025-09-15', ransomware: false });
  const cms = all.find(({ id }) => id === 'ICSMA-22-244-01');
  t.match(cms?.products[0], { vendor: 'Contec Health', versions: 'vers:all/*' });
  t.ok((cms?.remedies.length ?? 0) > 0);
  t.ok(cms?.vulnerabilities.every((v) => v.scores.length > 0));
  const ranges = all.flatMap((each) => each.products.flatMap(({ versions }) => versions ?? []));
  const lost = ranges.filter((range) => parseRange(range).kind === 'unparsed');
  t.ok(lost.length < 0.15 * ranges.length, `${lost.length} of ${ranges.length} version texts are prose`);
  // A device that is what a product says is found by every sample that names a maker and a model that tells something.
  t.ok(
    all.every((each) => advisoryTerms(each).some((term) => term.startsWith('v:'))),
    'each found by a maker',
  );
  t.end();
});

void t.test('real devices', (t) => {
  const contec = matchesOf(device('Contec Medical Systems', 'CMS8000'), catalogue);
  t.same(statuses(contec), ['affected'], 'all versions, so no version is needed');
  t.ok(contec.every(({ advisory, remedies }) => advisory === 'ICSMA-22-244-01' && remedies.length > 0));
  t.ok(contec.some(({ cve, score }) => cve === 'CVE-2022-38100' && score === 7.5));

  const dcmtk = (version?: string): string[] =>
    statuses(of(matchesOf(device('OFFIS', 'DCMTK', version), catalogue), 'ICSMA-22-174-01'));
  t.same(dcmtk('3.6.6'), ['affected']);
  t.same(dcmtk('3.6.7'), ['not affected']);
  t.same(dcmtk('3.6.10'), ['not affected'], 'numbers, not letters');
  t.same(dcmtk(), ['possible'], 'no version, no certainty');
  t.same(dcmtk('unstable snapshot'), ['possible'], 'nor with one that nobody can place');

  const picix = matchesOf(device('Philips', 'Patient Information Center iX', 'B.02'), catalogue);
  t.ok(of(picix, 'ICSMA-20-254-01').length > 0);

  const monitor = of(
    matchesOf(device('Philips Medical Systems', 'MX550', 'J.10.50'), catalogue),
    'ICSMA-20-254-01',
  );
  t.ok(
    monitor.some(({ status, product }) => status === 'affected' && product.includes('MX400-MX850')),
    'in the span',
  );
  t.same(
    statuses(of(matchesOf(device('Philips', 'MX550', 'J.10.50'), catalogue), 'ICSMA-18-156-01')),
    ['possible'],
    '"Rev J-M" is not understood',
  );
  t.same(
    statuses(of(matchesOf(device('Philips', 'MX900', 'J.10.50'), catalogue), 'ICSMA-20-254-01')),
    [],
    'outside the span',
  );

  const misspelt = matchesOf(device('Philips', 'IntelliSpace Perinatal', 'K'), catalogue);
  t.ok(
    misspelt.some(({ product }) => product.startsWith('Phil')),
    'by alias',
  );

  for (const [vendor, model] of [
    ['Dell', 'CMS8000'],
    ['Philips', 'CMS8000'],
    ['Contec', 'CMS50'],
    ['Cisco', 'Catalyst 2960'],
  ] as const)
    t.same(
      of(matchesOf(device(vendor, model, '1.0'), catalogue), 'ICSMA-22-244-01'),
      [],
      `${vendor} ${model}`,
    );
  t.same(matchesOf(device(undefined, 'CMS8000'), catalogue), [], 'a model alone is nobody’s');
  t.same(
    statuses(matchesOf({ ...device('Contec', 'CMS8000'), vendorSure: false }, catalogue)),
    ['possible'],
    'a network card alone proves nothing',
  );
  t.end();
});

void t.test('what is known to be exploited weighs more', (t) => {
  const pump = of(matchesOf(device('Baxter', 'ExactaMix EM2400', '1.10'), catalogue), 'ICSMA-20-170-01');
  const smb = pump.find(({ cve }) => cve === 'CVE-2017-0143');
  t.match(smb, { status: 'affected', exploited: true, severity: 'critical', score: 8.1 });
  t.match(smb?.due, /^\d{4}-\d\d-\d\d$/);
  t.ok(pump.every(({ cve, exploited }) => exploited === (cve === 'CVE-2017-0143')));
  const without = matchesOf(device('Baxter', 'ExactaMix EM2400', '1.10'), { ...catalogue, rows: [] });
  t.equal(without.find(({ cve }) => cve === 'CVE-2017-0143')?.severity, 'high');

  t.equal(severityOf(9.8, false), 'critical');
  t.equal(severityOf(5, false), 'medium');
  t.equal(severityOf(5, true), 'high');
  t.equal(severityOf(2, true), 'high');
  t.equal(severityOf(0, false), 'info');
  t.equal(severityOf(undefined, false), 'medium');
  t.end();
});

const id = (product_id: string, name = product_id): object => ({ name, product_id });
const version = (name: string, product_id: string, category = 'product_version_range'): object => ({
  category,
  name,
  product: id(product_id),
});
function made(vulnerability: object, tree?: object): Advisory {
  const read = readCsaf({
    document: {
      csaf_version: '2.0',
      title: 'Made',
      publisher: { name: 'Maker' },
      tracking: { id: 'M-1', version: '1', current_release_date: '2026-01-01T00:00:00Z' },
    },
    product_tree: tree ?? {
      branches: [
        {
          category: 'vendor',
          name: 'Example Inc.',
          branches: [
            {
              category: 'product_name',
              name: 'Pump X100',
              branches: [
                version('< 2.0', 'old'),
                version('2.0', 'new', 'product_version'),
                version('>= 3.0', 'next'),
              ],
            },
          ],
        },
      ],
    },
    vulnerabilities: [{ cve: 'CVE-2026-0001', ...vulnerability }],
  } as unknown as Json);
  if (read.kind === 'malformed') throw new Error(`${read.place}: ${read.detail}`);
  return read.advisory;
}

void t.test('each status', (t) => {
  const status = (product_status: object, subject: AdvisorySubject, tree?: object): string | undefined =>
    matchAdvisory(made({ product_status }, tree), subject, new Map())[0]?.status;
  const pump = (software?: string): AdvisorySubject => device('Example', 'Pump X100', software);
  const full = { known_affected: ['old'], fixed: ['new'], under_investigation: ['next'] };
  t.equal(status(full, pump('1.9')), 'affected');
  t.equal(status(full, pump('2.0')), 'fixed');
  t.equal(status(full, pump('3.1')), 'under investigation');
  t.equal(status(full, pump('2.5')), 'not affected', 'outside of what is affected');
  t.equal(status(full, pump()), 'possible');
  t.equal(status({ known_not_affected: ['old'] }, pump('1.9')), 'not affected');
  t.equal(
    status({ known_affected: ['old'], known_not_affected: ['old'] }, pump('1.9')),
    'possible',
    'it says both',
  );
  t.equal(status({ known_affected: ['nowhere in the tree'] }, pump('1.9')), undefined);
  t.equal(status({ known_affected: ['old'] }, device('Example', 'X100', '1.9')), 'affected', 'by its number');
  t.equal(status({ known_affected: ['old'] }, device('Example', 'X200', '1.9')), undefined);
  t.equal(status({ known_affected: ['old'] }, device('Other', 'X100', '1.9')), undefined);

  const related = {
    branches: [
      {
        category: 'vendor',
        name: 'Example',
        branches: [
          { category: 'product_name', name: 'X100', branches: [version('1.0', 'base', 'product_version')] },
        ],
      },
      {
        category: 'vendor',
        name: 'Sub',
        branches: [
          { category: 'product_name', name: 'Stack', branches: [version('5', 'part', 'product_version')] },
        ],
      },
    ],
    relationships: [
      {
        category: 'installed_on',
        full_product_name: id('both', 'Stack 5 on X100 1.0'),
        product_reference: 'part',
        relates_to_product_reference: 'base',
      },
    ],
  };
  t.equal(status({ known_affected: ['both'] }, device('Example', 'X100', '1.0'), related), 'possible');
  const bare = { full_product_names: [id('bare', 'Example X100')] };
  t.equal(
    status({ known_affected: ['bare'] }, device('Example', 'X100', '1.0'), bare),
    'possible',
    'no version branch',
  );

  const [match] = matchAdvisory(
    made({
      product_status: full,
      scores: [
        { products: ['old'], cvss_v3: { baseScore: 9.1 } },
        { products: ['new'], cvss_v3: { baseScore: 3 } },
      ],
      remediations: [
        { category: 'mitigation', details: 'Separate it.', product_ids: ['old'] },
        { category: 'vendor_fix', details: 'Install 2.0.', group_ids: ['g'], url: 'https://example.org/fix' },
        { category: 'vendor_fix', details: 'Of another product.', product_ids: ['next'] },
      ],
    }),
    pump('1.9'),
    new Map(),
  );
  t.match(match, { score: 9.1, severity: 'critical', advisory: 'M-1', cve: 'CVE-2026-0001' });
  t.same(match?.remedies, ['Install 2.0. https://example.org/fix', 'Separate it.'], 'the fix first');
  t.end();
});

void t.test('names of products', (t) => {
  const table = [
    ['Alaris PC Unit Model 8015', 'Alaris 8015 PC unit', 'same'],
    ['CMS8000 CONTEC ICU CCU Vital Signs Patient Monitor', 'CMS8000', 'same'],
    ['IntelliVue MP monitors MX800/700/600 ((865240/41/42) WLAN', 'IntelliVue MX700', 'same'],
    ['IntelliVue patient monitor MP2-MP90', 'MP70', 'same'],
    ['IntelliVue patient monitor MP2-MP90', 'MX70', 'no'],
    ['Baxter Spectrum', 'Spectrum IQ', 'perhaps'],
    ['Spectrum IQ', 'Spectrum', 'perhaps'],
    ['LOGIQ, not including LOGIQ 100 Pro', 'LOGIQ E10', 'perhaps'],
    ['SpaceStation with SpaceCom 2', 'SpaceCom', 'perhaps'],
    ['Vivid 7', 'LOGIQ 7', 'no'],
    ['Discovery CT750HD', 'Discovery CT590RT', 'no'],
    ['Vue PACS', 'Vue Speech', 'no'],
    ['T1 Ventilator', 'C6 Ventilator', 'no'],
    ['Version', 'MX800', 'perhaps'],
    ['Pumpe Grün', 'pumpe grun', 'same'],
    ['Anything', '', 'no'],
  ] as const;
  for (const [product, model, expected] of table)
    t.equal(likeness(product, model), expected, `${product} / ${model}`);
  t.end();
});

void t.test('makers', (t) => {
  t.same(makersOf('Phillips'), makersOf('Philips Healthcare'));
  t.same(makersOf('Becton, Dickinson and Company (BD)'), makersOf('CareFusion'));
  t.same(makersOf('Silex Technology and GE Healthcare').sort(), ['GE HealthCare', 'Silex']);
  t.same(makersOf('Dr\u00e4ger'), makersOf('Draeger Medical'));
  t.same(makersOf('Unheard of GmbH'), makersOf('unheard OF'), 'without its form of company');
  t.same(makersOf(''), []);
  t.notSame(makersOf('Signify (Philips Lighting)'), makersOf('Philips'));
  t.ok(
    vendorAliases.every(({ source }) => source !== ''),
    'each with its source',
  );
  t.equal(new Set(vendorAliases.map(({ vendor }) => vendor)).size, vendorAliases.length);
  t.end();
});

void t.test('components are possible at most', (t) => {
  const parts = (...components: AdvisorySubject['components']): AdvisorySubject =>
    device('Somebody', 'Box', undefined, { components });
  const found = matchesOf(parts({ name: 'dcmtk', version: '3.6.6' }), catalogue);
  t.same(statuses(found), ['possible']);
  t.ok(
    found.every(({ component, advisory }) => component === 'dcmtk 3.6.6' && advisory === 'ICSMA-22-174-01'),
  );
  t.same(matchesOf(parts({ name: 'dcmtk', version: '3.6.9' }), catalogue), [], 'not the fixed one');
  t.same(
    matchesOf(parts({ name: 'dcmtk', version: '3.6.6', supplier: 'Dell' }), catalogue),
    [],
    'of another maker',
  );
  t.ok(
    matchesOf(device(undefined, undefined, 'DCMTK 3.6.5'), catalogue).length > 0,
    'a program that a device names',
  );

  const exploited = (...components: AdvisorySubject['components']): AdvisoryMatch[] =>
    matchExploited(catalogue.rows, parts(...components), 50);
  const log4j = exploited({ name: 'log4j2', version: '2.14.1', supplier: 'Apache Software Foundation' });
  t.ok(
    log4j.some(
      ({ cve, status, exploited: known }) => cve === 'CVE-2021-44228' && status === 'possible' && known,
    ),
  );
  t.same(exploited({ name: 'harmless', version: '1' }), []);
  t.same(exploited({ name: 'log4j2', supplier: 'Dell' }), []);
  t.equal(exploited({ name: 'windows', supplier: 'Microsoft' }).length, 50, 'as many as asked for');

  const byId = made(
    { product_status: { known_affected: ['p'] } },
    {
      full_product_names: [
        {
          ...id('p', 'Something named otherwise'),
          product_identification_helper: {
            purl: 'pkg:npm/%40x/left@1',
            cpe: 'cpe:2.3:a:maker:thing:*:*:*:*:*:*:*:*',
          },
        },
      ],
    },
  );
  const one = (component: AdvisorySubject['components'][number]): number =>
    matchAdvisory(byId, parts(component), new Map()).length;
  t.equal(one({ name: 'left', purl: 'pkg:npm/%40x/left@2.0' }), 1);
  t.equal(one({ name: 'whatever', cpe: 'cpe:/a:maker:thing:1.0' }), 1);
  t.equal(one({ name: 'left', purl: 'pkg:npm/%40y/left@2.0', cpe: 'cpe:2.3:a:*:thing:1' }), 0);
  t.end();
});

void t.test('ten thousand components are found by word, not walked', (t) => {
  const components = Array.from({ length: 9_999 }, (_, i) => ({ name: `library part${i}`, version: '1' }));
  const subject = device('Somebody', 'Box', undefined, {
    components: [...components, { name: 'DCMTK', version: '3.6.6' }],
  });
  const began = performance.now();
  t.equal(matchesOf(subject, catalogue).length, 3);
  matchExploited(catalogue.rows, subject, 50);
  t.ok(performance.now() - began < 3_000, `${Math.round(performance.now() - began)} ms`);
  t.end();
});

void t.test('whatever matches is found by the index', (t) => {
  const subjects = [
    device('Philips', 'MX550', 'J.10.50'),
    device('Contec', 'CMS8000'),
    device('GE', 'LOGIQ E10'),
    device(undefined, undefined, 'DCMTK 3.6.5'),
    device('x', 'y', undefined, {
      components: [{ name: 'VxWorks' }, { name: 'OpenClinic GA', version: '5.09.02' }],
    }),
  ];
  for (const subject of subjects) {
    const terms = new Set(subjectTerms(subject));
    for (const advisory of sampleAdvisories()) {
      if (matchAdvisory(advisory, subject, new Map()).length === 0) continue;
      t.ok(
        advisoryTerms(advisory).some((term) => terms.has(term)),
        `${advisory.id} for ${subject.vendor ?? ''} ${subject.names[0] ?? ''}`,
      );
    }
  }
  t.end();
});

void t.test('what is no advisory says where', (t) => {
  const place = (value: unknown): string => {
    const read = readAdvisoryFile(Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)));
    return read.kind === 'malformed' ? `${read.place}: ${read.detail}` : 'read';
  };
  t.match(place('{'), /^\(top level\)/);
  t.match(place('['.repeat(1000)), /^character 64: nested deeper/);
  t.match(place(`{"a":"${'['.repeat(1000)}\\"["}`), /neither a CSAF/, 'brackets in a string are no depth');
  t.match(place({ document: { csaf_version: '1.0' } }), /document\.csaf_version: 1\.0/);
  t.match(place({ document: { csaf_version: '2.0' } }), /document\.tracking\.id/);
  t.match(place({ catalogVersion: '1', vulnerabilities: [{ cveID: 'x' }] }), /vulnerabilities\.0\.cveID/);
  t.match(place(Buffer.from([0xff, 0xfe]).toString('latin1')), /top level/);
  const bytes = readAdvisoryFile(Buffer.from([0xff, 0xfe, 0x00]));
  t.match(bytes, { kind: 'malformed', detail: 'is not UTF-8 text' });
  let branch: object = version('1', 'deep');
  for (let i = 0; i < 25; i++) branch = { category: 'product_family', name: `f${i}`, branches: [branch] };
  const document = { csaf_version: '2.0', tracking: { id: 'x' } };
  t.equal(place({ document, product_tree: { branches: [branch] } }), 'read');
  const many = Array.from({ length: 4097 }, (_, i) => id(`p${i}`));
  t.match(place({ document, product_tree: { full_product_names: many } }), /product_tree: more than 4096/);
  t.end();
});
