/** MDS2 workbooks and bills of materials, made by hand: what is read, and what hostile ones come to. */
import { crc32 } from 'node:zlib';
import t from 'tap';
import { readDeviceFile } from '../../../src/sensor/advisory/document.ts';
import { walkXml } from '../../../src/sensor/advisory/xml.ts';
import { ZipArchive } from '../../../src/sensor/advisory/zip.ts';
import type { DeviceDocument } from '../../../src/wire/advisory.ts';
import { formRows, mds2Workbook, workbookEntries, zip } from './workbook-builder.ts';
import type { Entry } from './workbook-builder.ts';

function read(bytes: Uint8Array | string): DeviceDocument {
  const found = readDeviceFile(Buffer.from(bytes), 'sample');
  if (found.kind === 'malformed') throw new Error(`${found.place}: ${found.detail}`);
  return found.document;
}
function complaint(bytes: Uint8Array | string): string {
  const found = readDeviceFile(Buffer.from(bytes), 'sample');
  return found.kind === 'malformed' ? `${found.place}: ${found.detail}` : 'read';
}

void t.test('an MDS2 form', (t) => {
  const form = read(mds2Workbook());
  if (form.kind !== 'mds2') throw new Error(form.kind);
  t.match(form, { manufacturer: 'Contec & Sons', model: 'CMS8000', released: '2026-02-01' });
  t.equal(form.answers.length, 7);
  t.same(form.answers[5], {
    id: 'AUTH-1',
    question: 'Does the device prevent access by <unauthorised> users?',
    answer: 'See Notes',
    note: 'Only with a PIN',
  });
  t.match(form.answers[6], { id: 'ALOF-1', answer: '', note: '' });
  t.equal(form.answers.find(({ id }) => id === 'MPII-1')?.note, '1');

  const moved = formRows.map((row) => ['', '', row[1] ?? '', '', row[2] ?? '', row[4] ?? '', row[3] ?? '']);
  moved[2] = ['', '', 'Question ID', '', 'Question', 'Note', 'Response'];
  const other = read(mds2Workbook(moved));
  t.match(
    other,
    { model: 'CMS8000', manufacturer: 'Contec & Sons' },
    'with other columns under their headings',
  );
  t.match(complaint(mds2Workbook([['1-1', 'Can this device store data?', 'Yes']])), /no question ids/);
  t.end();
});

void t.test('archives that lie', (t) => {
  const good = workbookEntries({ MDS2: formRows });
  const broken = (name: string, change: Partial<Entry>): string =>
    complaint(zip(good.map((each) => (each.name === name ? { ...each, ...change } : each))));
  t.equal(complaint(zip(good)), 'read');
  const sheet = 'xl/worksheets/sheet1.xml';
  t.match(broken(sheet, { size: 10 }), /sheet1\.xml: does not unpack to the size/);
  t.match(broken(sheet, { size: 1_000_000 }), /does not unpack to the size/);
  t.match(broken(sheet, { size: 17 * 1024 * 1024 }), /more than 16777216 bytes/);
  t.match(broken(sheet, { crc: 1 }), /another checksum/);
  t.match(broken(sheet, { flags: 1 }), /is encrypted/);
  t.match(broken(sheet, { method: 12 }), /method 12/);
  t.match(broken(sheet, { data: '<!DOCTYPE x [<!ENTITY a "b">]><worksheet/>' }), /document type declaration/);
  t.match(broken(sheet, { data: '<a>'.repeat(65) }), /nested deeper than 64/);
  t.match(broken(sheet, { data: '<a></b>' }), /end tag of another/);
  t.match(broken(sheet, { data: `<a ${'x'.repeat(70_000)}>` }), /a tag without an end/);
  t.match(broken(sheet, { data: Buffer.from([0x3c, 0xff]) }), /is not UTF-8/);
  t.match(broken('xl/workbook.xml', { name: 'xl/other.xml' }), /xl\/workbook\.xml: is not in the archive/);

  // A bomb: 15 MB of zeros in a few kilobytes, three times over: together they are more than one archive may be.
  const bomb = Buffer.alloc(15 * 1024 * 1024, 0x20);
  const names = ['xl/_rels/workbook.xml.rels', 'xl/workbook.xml', 'xl/sharedStrings.xml'];
  const archive = zip(
    names.map((name, i) => ({ name, data: i < 2 ? Buffer.concat([Buffer.from('<a/>'), bomb]) : bomb })),
  );
  t.ok(archive.length < 100_000);
  t.match(complaint(archive), /unpacks to more than 33554432 bytes/);

  t.match(complaint(zip(good, 1_001)), /more than 1000 entries/);
  t.match(complaint(zip(good, good.length + 1)), /no entry of the central directory/);
  t.match(complaint(zip([...good, good[0] ?? { name: '', data: '' }])), /a name twice/);
  t.match(complaint(Buffer.from('PK\x03\x04 and no more')), /no end of a central directory/);
  const whole = zip(good);
  for (let length = 4; length < whole.length; length += 7)
    if (complaint(whole.subarray(0, length)) === 'read') t.fail(`read when cut to ${length}`);
  const opened = ZipArchive.open(zip([{ name: 'a', data: 'text', stored: true, crc: crc32('text') }]));
  if (opened.kind === 'malformed') throw new Error(opened.detail);
  t.match(opened.archive.read('a'), { kind: 'message', bytes: Buffer.from('text') });
  t.match(opened.archive.read('../a'), { kind: 'malformed' }, 'a name is a key');
  t.end();
});

void t.test('XML', (t) => {
  const texts: string[] = [];
  const walk = (text: string): unknown =>
    walkXml(text, { text: (path, piece) => texts.push(`${path.join('/')}=${piece}`) });
  t.equal(
    walk(
      '<?xml version="1.0"?><!-- c --><a:b x="1>2">&lt;&#65;&#x42;&amp;amp;&other;<c/><![CDATA[<d>]]></a:b>\n',
    ),
    undefined,
  );
  t.same(texts, ['b=<AB&amp;&other;', 'b=<d>'], 'known entities once, unknown ones never');
  for (const bad of [
    '',
    'text',
    '<a',
    '<a>',
    '</a>',
    '<a/><b/>',
    '<!-- ',
    '<a><![CDATA[</a>',
    '<?x',
    '<!DOCTYPE a><a/>',
    '< a/>',
  ])
    t.match(walk(bad), { kind: 'malformed' }, JSON.stringify(bad));
  const began = performance.now();
  t.equal(walk(`<a ${'x'.repeat(65_000)}/>`), undefined);
  t.ok(performance.now() - began < 1_000, 'a tag of one long word takes no time');
  t.end();
});

const cyclone = {
  bomFormat: 'CycloneDX',
  specVersion: '1.5',
  metadata: {
    component: { type: 'device', name: 'Pump X100', version: '2.1', supplier: { name: 'Example' } },
  },
  components: [
    {
      type: 'library',
      group: 'org.apache.logging.log4j',
      name: 'log4j-core',
      version: '2.14.1',
      purl: 'pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1',
    },
    {
      type: 'operating-system',
      name: 'linux',
      version: '4.9',
      components: [{ name: 'busybox', publisher: 'BusyBox' }],
    },
    { type: 'library', version: 'no name' },
    'nonsense',
  ],
};

void t.test('CycloneDX', (t) => {
  const bill = read(JSON.stringify(cyclone));
  t.match(bill, {
    kind: 'sbom',
    format: 'CycloneDX 1.5',
    subject: { name: 'Pump X100', version: '2.1', supplier: 'Example' },
  });
  if (bill.kind !== 'sbom') throw new Error(bill.kind);
  t.same(
    bill.components.map(({ name }) => name),
    ['log4j-core', 'linux', 'busybox'],
  );
  t.notOk('supplier' in (bill.components[0] ?? {}), 'a group of Java packages is no maker');
  const xml = `<?xml version="1.0"?><bom xmlns="http://cyclonedx.org/schema/bom/1.4"><metadata><component type="device"><name>Pump X100</name><version>2.1</version><supplier><name>Example</name></supplier></component></metadata>
   <components><component type="library"><name>openssl</name><version>1.0.2k</version><licenses><license><name>no name of it</name></license></licenses><cpe>cpe:2.3:a:openssl:openssl:1.0.2k:*:*:*:*:*:*:*</cpe>
   <components><component><name>libcrypto</name></component></components></component></components></bom>`;
  t.match(read(xml), {
    format: 'CycloneDX 1.4',
    subject: { name: 'Pump X100', version: '2.1', supplier: 'Example' },
    components: [{ name: 'libcrypto' }, { name: 'openssl', version: '1.0.2k', cpe: /openssl:openssl/ }],
  });
  t.match(complaint('<html/>'), /no bom of CycloneDX/);
  const many = { ...cyclone, components: Array.from({ length: 10_001 }, (_, i) => ({ name: `c${i}` })) };
  t.match(complaint(JSON.stringify(many)), /more than 10000/);
  t.end();
});

void t.test('SPDX', (t) => {
  const json = {
    spdxVersion: 'SPDX-2.3',
    relationships: [
      { spdxElementId: 'SPDXRef-DOCUMENT', relationshipType: 'DESCRIBES', relatedSpdxElement: 'SPDXRef-dev' },
    ],
    packages: [
      {
        SPDXID: 'SPDXRef-dev',
        name: 'Pump X100',
        versionInfo: '2.1',
        supplier: 'Organization: Example (info@example.org)',
      },
      {
        SPDXID: 'SPDXRef-1',
        name: 'openssl',
        versionInfo: '1.0.2k',
        supplier: 'NOASSERTION',
        externalRefs: [
          { referenceType: 'cpe23Type', referenceLocator: 'cpe:2.3:a:openssl:openssl:1.0.2k:*:*:*:*:*:*:*' },
          { referenceType: 'purl', referenceLocator: 'pkg:generic/openssl@1.0.2k' },
        ],
      },
    ],
  };
  const expected = {
    kind: 'sbom',
    name: 'sample',
    format: 'SPDX-2.3',
    subject: { name: 'Pump X100', version: '2.1', supplier: 'Example' },
    components: [
      {
        name: 'openssl',
        version: '1.0.2k',
        purl: 'pkg:generic/openssl@1.0.2k',
        cpe: 'cpe:2.3:a:openssl:openssl:1.0.2k:*:*:*:*:*:*:*',
      },
    ],
  };
  t.same(read(JSON.stringify(json)), expected);
  const tags = `SPDXVersion: SPDX-2.3
Relationship: SPDXRef-DOCUMENT DESCRIBES SPDXRef-dev
PackageName: Pump X100
SPDXID: SPDXRef-dev
PackageVersion: 2.1
PackageSupplier: Organization: Example (info@example.org)

PackageName: openssl
SPDXID: SPDXRef-1
PackageVersion: 1.0.2k
PackageSupplier: NOASSERTION
ExternalRef: SECURITY cpe23Type cpe:2.3:a:openssl:openssl:1.0.2k:*:*:*:*:*:*:*
ExternalRef: PACKAGE-MANAGER purl pkg:generic/openssl@1.0.2k
`;
  t.same(read(tags), expected, 'the same as tags');
  t.match(complaint(tags.replace('SPDX-2.3', 'SPDX-3.0')), /only 2\.2, 2\.3 and JSON-LD of 3/);
  t.match(complaint('{"spdxVersion":"SPDX-3.0"}'), /only 2\.2, 2\.3 and JSON-LD of 3/);
  t.match(complaint('{}'), /no MDS2 form and no bill/);
  t.end();
});
