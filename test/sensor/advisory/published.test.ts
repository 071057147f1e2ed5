/**
 * Documents in the layouts as published: CSAF 2.1 by its schema and the committee's examples, SPDX 3.0.1 by its examples
 * of JSON-LD, the MDS2 worksheet of HN 1-2019 with its parts and columns.
 */
import t from 'tap';
import { matchAdvisory } from '../../../src/sensor/advisory/match.ts';
import { readAdvisoryFile, readDeviceFile } from '../../../src/sensor/advisory/document.ts';
import type { Advisory, DeviceDocument } from '../../../src/wire/advisory.ts';
import { device } from './samples.ts';
import { mds2Workbook, workbookEntries, zip } from './workbook-builder.ts';

function advisoryOf(value: object): Advisory {
  const read = readAdvisoryFile(Buffer.from(JSON.stringify(value)));
  if (read.kind === 'malformed' || !('advisory' in read)) throw new Error(JSON.stringify(read));
  return read.advisory;
}

function documentOf(bytes: Buffer): DeviceDocument {
  const read = readDeviceFile(bytes, 'sample');
  if (read.kind === 'malformed') throw new Error(`${read.place}: ${read.detail}`);
  return read.document;
}

const head = {
  category: 'csaf_security_advisory',
  csaf_version: '2.1',
  distribution: { tlp: { label: 'CLEAR' } },
  publisher: { category: 'vendor', name: 'Example PSIRT', namespace: 'https://psirt.example.com' },
  title: 'Infusion pumps: two weaknesses',
  tracking: {
    current_release_date: '2026-03-17T13:03:42.105Z',
    id: 'EX-2026-0001',
    initial_release_date: '2026-03-17T13:03:42.105Z',
    revision_history: [{ date: '2026-03-17T13:03:42.105Z', number: '1', summary: 'Initial revision' }],
    status: 'final',
    version: '1',
  },
};
const csaf21 = {
  $schema: 'https://docs.oasis-open.org/csaf/csaf/v2.1/schema/csaf.json',
  document: head,
  product_tree: {
    branches: [
      {
        category: 'vendor',
        name: 'B. Braun',
        branches: [
          {
            category: 'product_name',
            name: 'SpaceCom',
            branches: [
              {
                category: 'product_version_range',
                name: 'vers:intdot/>=1.2.0|<2.1.0',
                product: {
                  name: 'B. Braun SpaceCom before 2.1.0',
                  product_id: 'CSAFPID-0001',
                  product_identification_helper: {
                    cpe: 'cpe:2.3:h:bbraun:spacecom:*:*:*:*:*:*:*:*',
                    model_numbers: ['8713142'],
                    purls: ['pkg:generic/spacecom', 'pkg:generic/other'],
                    serial_numbers: ['*'],
                    skus: ['x'],
                  },
                },
              },
              {
                category: 'product_version',
                name: '2.1.0',
                product: { name: 'B. Braun SpaceCom 2.1.0', product_id: 'CSAFPID-0002' },
              },
            ],
          },
        ],
      },
      {
        category: 'vendor',
        name: 'Treck',
        branches: [
          {
            category: 'product_name',
            name: 'TCP/IP stack',
            branches: [
              {
                category: 'product_version',
                name: '5.0.1.35',
                product: { name: 'Treck TCP/IP stack 5.0.1.35', product_id: 'CSAFPID-0003' },
              },
            ],
          },
        ],
      },
    ],
    product_paths: [
      {
        beginning_product_reference: 'CSAFPID-0003',
        full_product_name: {
          name: 'Treck TCP/IP stack 5.0.1.35 default component of SpaceCom before 2.1.0',
          product_id: 'CSAFPID-0004',
        },
        subpaths: [{ category: 'default_component_of', next_product_reference: 'CSAFPID-0001' }],
      },
    ],
    product_groups: [{ group_id: 'CSAFGID-0001', product_ids: ['CSAFPID-0001', 'CSAFPID-0004'] }],
  },
  vulnerabilities: [
    {
      cve: 'CVE-2026-10001',
      cwes: [
        { id: 'CWE-611', name: 'Improper Restriction of XML External Entity Reference', version: '4.6' },
        { id: 'CWE-20', name: 'Improper Input Validation', version: '4.6' },
      ],
      metrics: [
        {
          content: { cvss_v3: { baseScore: 6.1, baseSeverity: 'MEDIUM', version: '3.1' } },
          products: ['CSAFPID-0001'],
          source: 'https://psirt.example.com',
        },
      ],
      product_status: {
        first_fixed: ['CSAFPID-0002'],
        known_affected: ['CSAFPID-0001'],
        unknown: ['CSAFPID-0003'],
      },
      remediations: [
        {
          category: 'vendor_fix',
          date: '2026-03-14T13:10:55.000+01:00',
          details: 'Update to 2.1.0.',
          group_ids: ['CSAFGID-0001'],
          restart_required: { category: 'machine' },
          url: 'https://psirt.example.com/2.1.0',
        },
      ],
      first_known_exploitation_dates: [
        {
          date: '2026-03-01T00:00:00Z',
          exploitation_date: '2026-02-01T00:00:00Z',
          product_ids: ['CSAFPID-0001'],
        },
      ],
    },
    {
      cve: 'CVE-2026-10002',
      metrics: [
        { content: { cvss_v4: { baseScore: 9.3, version: '4.0' } }, products: ['CSAFPID-0004'] },
        { content: { qualitative_severity_rating: 'critical' }, products: ['CSAFPID-0002'] },
      ],
      product_status: { known_affected: ['CSAFPID-0004'] },
    },
  ],
};

void t.test('CSAF 2.1: metrics, paths, several CWEs and PURLs', (t) => {
  const read = advisoryOf(csaf21);
  t.match(read, { id: 'EX-2026-0001', publisher: 'Example PSIRT', version: '1' });
  t.match(read.products, [
    {
      vendor: 'B. Braun',
      name: 'SpaceCom',
      versions: 'vers:intdot/>=1.2.0|<2.1.0',
      purl: 'pkg:generic/spacecom',
      cpe: /bbraun:spacecom/,
    },
    { name: 'SpaceCom', versions: '2.1.0' },
    { vendor: 'Treck', name: 'TCP/IP stack' },
    { vendor: 'B. Braun', name: 'SpaceCom', versions: 'vers:intdot/>=1.2.0|<2.1.0', combined: true },
  ]);
  const [first, second] = read.vulnerabilities;
  t.match(first, {
    cve: 'CVE-2026-10001',
    title: /XML External Entity/,
    affected: [0],
    fixed: [1],
    investigated: [],
    scores: [{ score: 6.1, products: [0] }],
  });
  t.match(second, { affected: [3], scores: [{ score: 9.3, products: [3] }] });
  t.same(read.remedies[0]?.products, [0, 3], 'by group');
  const status = (version: string): string[] =>
    matchAdvisory(read, device('B. Braun', 'SpaceCom', version), new Map()).map(
      (m) => `${m.cve} ${m.status}`,
    );
  t.ok(status('1.9.0').includes('CVE-2026-10001 affected'), status('1.9.0').join(', '));
  t.ok(status('2.1.0').includes('CVE-2026-10001 fixed'));
  t.end();
});

void t.test('CSAF 2.1: a path over several steps is of what is at its end', (t) => {
  const tree = {
    full_product_names: ['A', 'B', 'C'].map((name) => ({ name: `Product ${name}`, product_id: name })),
    product_paths: [
      {
        beginning_product_reference: 'A',
        full_product_name: { name: 'A on B with C', product_id: 'ABC' },
        subpaths: [
          { category: 'installed_on', next_product_reference: 'B' },
          { category: 'installed_with', next_product_reference: 'C' },
        ],
      },
      {
        beginning_product_reference: 'ABC',
        full_product_name: { name: 'and on what nobody lists', product_id: 'ABCX' },
        subpaths: [{ category: 'installed_on', next_product_reference: 'X' }],
      },
    ],
  };
  const read = advisoryOf({ document: head, product_tree: tree });
  t.match(read.products.slice(3), [
    { name: 'Product C', combined: true },
    { name: 'and on what nobody lists', combined: true },
  ]);
  const other = readAdvisoryFile(Buffer.from(JSON.stringify({ document: { ...head, csaf_version: '3.0' } })));
  t.match(other, { kind: 'malformed', detail: /only CSAF 2\.0 and 2\.1/ });
  t.end();
});

const creationInfo = '_:creationinfo';
const id = (name: string): string => `urn:${name}-4fe40e24-20e3-11ee-be56-0242ac120002`;
const spdx3 = {
  '@context': 'https://spdx.org/rdf/3.0.1/spdx-context.jsonld',
  '@graph': [
    { type: 'Organization', spdxId: id('maker'), creationInfo, name: 'Acme Company' },
    { type: 'Organization', spdxId: id('alpine'), creationInfo, name: 'Alpine Linux' },
    {
      type: 'CreationInfo',
      '@id': creationInfo,
      specVersion: '3.0.1',
      createdBy: [id('maker')],
      created: '2024-05-02T00:00:00Z',
    },
    {
      type: 'SpdxDocument',
      spdxId: 'http://spdx.example.com/Document1',
      creationInfo,
      profileConformance: ['core', 'software'],
      rootElement: [id('sbom')],
    },
    { type: 'software_Sbom', spdxId: id('sbom'), creationInfo, rootElement: [id('product')] },
    {
      type: 'software_Package',
      spdxId: id('product'),
      creationInfo,
      name: 'Acme Application',
      software_packageVersion: '1.3',
      suppliedBy: id('maker'),
      software_primaryPurpose: 'application',
    },
    {
      type: 'software_Package',
      spdxId: id('openssl'),
      creationInfo,
      name: 'openssl',
      software_packageVersion: '3.0.4',
      suppliedBy: id('alpine'),
      software_packageUrl: 'pkg:generic/openssl@3.0.4',
      externalIdentifier: [
        {
          type: 'ExternalIdentifier',
          externalIdentifierType: 'cpe23',
          identifier: 'cpe:2.3:a:openssl:openssl:3.0.4:*:*:*:*:*:*:*',
        },
        { type: 'ExternalIdentifier', externalIdentifierType: 'packageUrl', identifier: 'pkg:other' },
      ],
    },
    { type: 'ai_AIPackage', spdxId: id('model'), creationInfo, name: 'a model', suppliedBy: id('nobody') },
    { type: 'software_File', spdxId: id('file'), creationInfo, name: 'a file' },
    {
      type: 'Relationship',
      spdxId: id('relationship'),
      creationInfo,
      from: id('product'),
      to: [id('openssl')],
      relationshipType: 'contains',
    },
  ],
};

void t.test('SPDX 3 as JSON-LD', (t) => {
  const found = documentOf(Buffer.from(JSON.stringify(spdx3)));
  t.same(found, {
    kind: 'sbom',
    name: 'sample',
    format: 'SPDX-3.0.1',
    subject: { name: 'Acme Application', version: '1.3', supplier: 'Acme Company' },
    components: [
      {
        name: 'openssl',
        version: '3.0.4',
        supplier: 'Alpine Linux',
        purl: 'pkg:generic/openssl@3.0.4',
        cpe: 'cpe:2.3:a:openssl:openssl:3.0.4:*:*:*:*:*:*:*',
      },
      { name: 'a model' },
    ],
  });
  // As converted from SPDX 2: the document describes its package.
  const graph = spdx3['@graph'].filter(({ type }) => type !== 'SpdxDocument' && type !== 'software_Sbom');
  const converted = documentOf(
    Buffer.from(
      JSON.stringify({
        ...spdx3,
        '@graph': [
          ...graph,
          { type: 'SpdxDocument', spdxId: 'urn:document0', creationInfo },
          {
            type: 'Relationship',
            spdxId: 'urn:r',
            relationshipType: 'describes',
            completeness: 'noAssertion',
            from: 'urn:document0',
            to: [id('product')],
          },
        ],
      }),
    ),
  );
  t.match(converted, { subject: { name: 'Acme Application' } });
  const single = documentOf(
    Buffer.from(
      JSON.stringify({
        '@context': 'https://spdx.org/rdf/3.0.1/spdx-context.jsonld',
        type: 'software_Package',
        spdxId: 'urn:one',
        creationInfo: { type: 'CreationInfo', specVersion: '3.0.1' },
        name: 'zlib',
        suppliedBy: { type: 'Organization', spdxId: 'urn:o', name: 'zlib.net' },
      }),
    ),
  );
  t.match(single, { format: 'SPDX-3.0.1', components: [{ name: 'zlib', supplier: 'zlib.net' }] });
  for (const wrong of [
    { '@context': 'https://schema.org', '@graph': [] },
    { ...spdx3, '@graph': [] },
  ])
    t.equal(readDeviceFile(Buffer.from(JSON.stringify(wrong)), 'sample').kind, 'malformed');
  t.end();
});

/** Question, answer, note, and the three columns of references, as the published sheet has them. */
const q = (
  question: string,
  text: string,
  answer: string,
  note = '',
  references: readonly string[] = [],
): string[] => [question, text, answer, note, ...references];
const sheet: readonly (readonly string[])[] = [
  ['Manufacturer Disclosure Statement for Medical Device Security -- MDS2'],
  ['DEVICE DESCRIPTION'],
  [
    'Question ID',
    'Question',
    '',
    'See note',
    'IEC TR 80001-2-2:2012',
    'NIST SP 800-53 Rev. 4',
    'ISO 27002:2013',
  ],
  q('DOC-1', 'Manufacturer Name', 'MediCapture Inc.', '__'),
  q('DOC-2', 'Device Description', 'Medical Video Recorder', '__'),
  q('DOC-3', 'Device Model', 'MVR435, MVR436, MTR245', '__'),
  q('DOC-4', 'Document ID', 'MDS2-MVR'),
  q('DOC-5', 'Manufacturer Contact Information', '2250 Hickory Road'),
  q('DOC-6', 'Intended use of device in network-connected environment:', 'Optional NAS'),
  q('DOC-7', 'Document Release Date', '2026-03-20'),
  q('DOC-8', 'Coordinated Vulnerability Disclosure: Does the manufacturer have a program?', 'Yes', 'Note 1'),
  q('DOC-11.1', 'Does the SaMD contain an operating system?', 'N/A'),
  [
    '',
    'MANAGEMENT OF PERSONALLY IDENTIFIABLE INFORMATION',
    '',
    '',
    'IEC TR 80001-2-2:2012',
    'NIST SP 800-53 Rev. 4',
    'ISO 27002:2013',
  ],
  q('MPII-1', 'Can this device display, transmit, store, or modify PII?', 'Yes', '', [
    '',
    'AR-2',
    'A.15.1.4',
  ]),
  q('MPII-3.10', 'Does the device use any other mechanism to transmit PII?', 'Yes', '1, 2', [
    '',
    'AR-2',
    'A.15.1.4',
  ]),
  ['', 'AUTOMATIC LOGOFF (ALOF)'],
  ['', 'The device’s ability to prevent access and misuse by unauthorized users if device is left idle.'],
  q('ALOF-1', 'Can the device be configured to force reauthorization?', 'No', '', [
    'Section 5.1, ALOF',
    'AC-12',
    'None',
  ]),
  q('AUDT-2.8.1', 'Remote or on-site support?', 'No', 'see note 2', [
    'Section 5.2, AUDT',
    'AU-1',
    'A.12.4.1',
  ]),
  q('SBOM-2.4', 'Are software components identified?', 'See Notes', '7', ['', '', '']),
  q('RMOT-1.1', 'Does the device allow the owner to initiate remote service sessions?', 'Yes', '', [
    '',
    'AC-17',
    'None',
  ]),
  ['Notes:'],
  ['', 'Note 1', 'Directly to the customers that are affected.'],
  ['2. DICOM worklist, HL7 and PACS.'],
];

void t.test('the worksheet of HN 1-2019: columns without a heading, titles between, notes below', (t) => {
  const form = documentOf(mds2Workbook(sheet));
  if (form.kind !== 'mds2') throw new Error(form.kind);
  t.match(form, {
    manufacturer: 'MediCapture Inc.',
    model: 'MVR435, MVR436, MTR245',
    released: '2026-03-20',
  });
  const answer = (wanted: string): string => {
    const found = form.answers.find((each) => each.id === wanted);
    return `${found?.answer ?? ''} | ${found?.note ?? ''}`;
  };
  t.equal(form.answers.length, 15);
  t.equal(answer('MPII-1'), 'Yes | ');
  t.equal(answer('DOC-8'), 'Yes | Directly to the customers that are affected.');
  t.equal(
    answer('MPII-3.10'),
    'Yes | Directly to the customers that are affected. DICOM worklist, HL7 and PACS.',
  );
  t.equal(answer('AUDT-2.8.1'), 'No | DICOM worklist, HL7 and PACS.');
  t.equal(answer('SBOM-2.4'), 'See Notes | 7', 'a note that isn’t there stays a number');
  t.equal(answer('DOC-11.1'), 'N/A | ');
  t.match(
    form.answers.find((each) => each.id === 'ALOF-1'),
    { question: /^Can the device be configured/ },
  );
  const apart = documentOf(
    zip(
      workbookEntries({
        Instructions: [['1. Fill in each question'], ['Complete the form.']],
        'MDS2 Worksheet': sheet.slice(0, -3),
        Notes: [
          ['Note', 'Text'],
          ['1', 'On a sheet of its own.'],
        ],
      }),
    ),
  );
  if (apart.kind !== 'mds2') throw new Error(apart.kind);
  t.equal(apart.answers.length, 15);
  t.equal(apart.answers.find((each) => each.id === 'DOC-8')?.note, 'On a sheet of its own.');
  t.end();
});
