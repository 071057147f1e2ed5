/** What evidence comes to: precedence, conflicts that are shown, and the traps of re-sent and gathered data. */
import t from 'tap';
import { identify, identityRows } from '../../src/sensor/identity.ts';
import type { Known } from '../../src/sensor/identity.ts';
import { identityAttribute } from '../../src/wire/observation.ts';

const known = (words: readonly string[], more: Partial<Known> = {}): Known => ({
  services: [],
  evidence: words.map((word) => {
    const [, protocol = '', field = '', value = ''] = /^(\S+) (\S+)=(.*)$/.exec(word) ?? [];
    return { protocol, field, value, first: 0, last: 0 };
  }),
  ...more,
});

const valueOf = (k: Known): Record<string, string | undefined> =>
  Object.fromEntries(identityRows(identify(k)).map((row) => [row.attribute, row.value]));

const dicom = [{ transport: 'tcp', port: 104, protocol: 'dicom' }] as const;
const avanto = [
  'dicom callingAeTitle=MRC25641',
  'dicom equipment.modality=MR',
  'dicom equipment.manufacturer=SIEMENS',
  'dicom equipment.model=Avanto',
];
const epiq = [
  'dicom equipment.modality=US',
  'dicom equipment.manufacturer=Philips',
  'dicom equipment.model=EPIQ 7C',
];

void t.test('a device is what its data sets say; the toolkit it uses says nothing of it', (t) => {
  const toolkit = ['dicom implementationClassUid=1.2.276.0.7230010.3.0.3.6.7'];
  t.match(valueOf(known([...avanto, ...toolkit], { vendor: 'Foxconn' })), {
    class: 'MR scanner',
    vendor: 'Siemens',
    model: 'Avanto',
  });
  t.same(valueOf(known(toolkit)), {});
  t.end();
});

void t.test('a PACS that re-sends is a PACS, with one study of others as with many', (t) => {
  const many = valueOf(known(['dicom calledAeTitle=STORE1', ...avanto, ...epiq], { services: dicom }));
  t.match(many, { class: 'PACS' });
  t.equal(many['model'], undefined);
  const one = valueOf(
    known(['dicom calledAeTitle=MYPACS', ...avanto], { services: dicom, vendor: 'Dell Inc.' }),
  );
  t.match(one, { class: 'PACS', vendor: 'Dell' });
  t.equal(one['model'], undefined);
  const scanner = valueOf(known(avanto, { services: dicom, vendor: 'SIEMENS AG' }));
  t.match(
    scanner,
    { class: 'MR scanner', model: 'Avanto' },
    'a scanner that also takes commitments stays one',
  );
  t.end();
});

void t.test('a gateway is not the pump that it speaks for', (t) => {
  const said = [
    'hl7 MSH-3=X_GATEWAY^00A0370000000001^EUI-64',
    'hl7 OBX-18=Hospira Plum A+',
    'hl7 device=MDC_DEV_PUMP_INFUS_MDS',
  ];
  t.match(valueOf(known(said)), { class: 'medical device gateway', vendor: 'Mindray' });
  t.equal(valueOf(known(said))['model'], undefined);
  t.end();
});

void t.test('precedence: own protocol, DHCP, card; what contradicts is shown', (t) => {
  const k = known(['dhcp vendorClass=B.Braun SpaceCom', 'intellivue unit=indication'], {
    vendor: 'Mindray DS USA, Inc.',
  });
  const vendor = identityRows(identify(k)).find((row) => row.attribute === 'vendor');
  t.match(vendor, {
    value: 'Philips',
    because: 'intellivue unit=indication',
    conflicts: ['B. Braun', 'Mindray'],
  });
  t.ok(identityAttribute.safeParse(vendor).success);
  t.end();
});

void t.test('claims of one rank that differ leave the attribute unknown', (t) => {
  const k = known(['intellivue unit=indication', 'intellivue model=M8000', 'intellivue model=M8105A']);
  const model = identityRows(identify(k)).find((row) => row.attribute === 'model');
  t.equal(model?.value, undefined);
  t.same(model?.conflicts, ['IntelliVue M8000', 'IntelliVue MP5 (M8105A)']);
  t.end();
});

void t.test('a card of a medical maker alone makes nothing medical', (t) => {
  const identity = identify(known([], { vendor: 'Siemens Healthineers AG' }));
  t.equal(identity.medical, false);
  t.equal(identity.attributes.class, undefined);
  t.equal(identity.attributes.vendor?.value, 'Siemens');
  t.same(valueOf(known([], { vendor: 'Espressif Inc.' })), {}, 'a module is in another maker’s device');
  t.end();
});

void t.test('a system said more exactly is no conflict', (t) => {
  const rows = identityRows(
    identify(
      known([
        'browser os=5.2',
        'ntlm version=5.2.3790',
        'smb nativeOs=Windows Server 2003 R2 3790 Service Pack 2',
        'tcp system=Windows NT kernel 5.x',
      ]),
    ),
  );
  t.match(
    rows.find((row) => row.attribute === 'os'),
    { value: 'Windows Server 2003 R2', because: 'browser os=5.2', conflicts: [] },
  );
  const against = identityRows(identify(known(['dhcp vendorClass=udhcp 1.2', 'tcp system=Windows XP'])));
  t.match(
    against.find((row) => row.attribute === 'os'),
    { value: 'Linux', conflicts: ['Windows'] },
  );
  t.end();
});

void t.test('a modality that runs on Windows is a modality, an archive on a server an archive', (t) => {
  const said = ['browser os=5.1', 'browser role=server', 'wsd types=wsdp:Device pub:Computer'];
  const scanner = known([
    ...said,
    'dicom implementationClassUid=1.3.12.2.1107.5.2',
    'dicom callingAeTitle=MRC1',
  ]);
  t.match(valueOf(scanner), { class: 'MR scanner', vendor: 'Siemens', os: 'Windows' });
  const archive = known([...said, 'dicom calledAeTitle=MYPACS'], { services: dicom });
  t.match(valueOf(archive), { class: 'PACS' });
  t.match(valueOf(known(said)), { class: 'server' });
  t.match(valueOf(known(said.toSpliced(1, 1))), { class: 'workstation' });
  t.end();
});
