/**
 * What DICOM associations tell: whose implementation speaks (the root of its class UID, PS3.7 annex D.3.3.2), which
 * version names and titles are a product's own, which services an end takes part in (PS3.4).
 *
 * A UID under a maker's root names the maker's software, so it names the maker; only some makers give each kind of
 * equipment a branch of its own. Roots of toolkits (DCMTK, GDCM, dcm4che, pynetdicom, fo-dicom, dicom3tools, Merge's
 * MergeCOM) are in many makers' products and name nobody.
 */
import type { Level, Rule } from './rule.ts';

/** DICOM modality (PS3.3 C.7.3.1.1.1) to the class of the equipment that makes it. */
export const modalityClasses: Readonly<Record<string, string>> = {
  AR: 'autorefractor',
  BDUS: 'bone densitometer',
  BMD: 'bone densitometer',
  CR: 'radiography system',
  CT: 'CT scanner',
  DX: 'radiography system',
  ECG: 'electrocardiograph',
  EEG: 'electroencephalograph',
  EPS: 'electrophysiology system',
  ES: 'endoscopy system',
  GM: 'microscope',
  HD: 'hemodynamics system',
  IO: 'dental radiography system',
  IVUS: 'intravascular ultrasound system',
  KER: 'keratometer',
  LEN: 'lensmeter',
  MG: 'mammography system',
  MR: 'MR scanner',
  NM: 'nuclear medicine camera',
  OAM: 'ophthalmic biometer',
  OCT: 'intravascular OCT system',
  OP: 'ophthalmic camera',
  OPM: 'ophthalmic mapper',
  OPT: 'ophthalmic tomograph',
  OPTBSV: 'ophthalmic tomograph',
  OPTENF: 'ophthalmic tomograph',
  OPV: 'visual field analyzer',
  OSS: 'optical surface scanner',
  PT: 'PET scanner',
  PX: 'dental radiography system',
  RESP: 'respiratory monitor',
  RF: 'fluoroscopy system',
  RTIMAGE: 'radiotherapy system',
  RTPLAN: 'radiotherapy planning system',
  RTDOSE: 'radiotherapy planning system',
  RTRECORD: 'radiotherapy system',
  RTSTRUCT: 'radiotherapy planning system',
  SM: 'slide scanner',
  SRF: 'autorefractor',
  TG: 'thermograph',
  US: 'ultrasound system',
  VA: 'visual acuity tester',
  XA: 'angiography system',
  XC: 'medical camera',
};

export const pacs = 'PACS';
export const dicomSystem = 'DICOM system';
export const dicomClient = 'DICOM client';
const modality = 'DICOM modality';
const worklist = 'DICOM worklist server';
const workstation = 'DICOM workstation';
const printer = 'DICOM printer';

export const dicomClasses: readonly string[] = [
  ...Object.values(modalityClasses),
  pacs,
  dicomSystem,
  modality,
  worklist,
  workstation,
  printer,
  'radiology information system',
];

const logs = 'maker\u2019s identity in public DICOM logs and test objects';
const roots = 'roots of UIDs in public test objects and conformance statements';
const usual = 'usual naming';

/** Root or branch, maker, and what kind of equipment it is where the branch tells. */
const implementations: readonly (readonly [string, string, string?])[] = [
  ['1.3.12.2.1107', 'Siemens'],
  ['1.3.12.2.1107.5.1', 'Siemens', 'CT scanner'],
  ['1.3.12.2.1107.5.2', 'Siemens', 'MR scanner'],
  ['1.3.12.2.1107.5.4', 'Siemens', 'angiography system'],
  ['1.2.840.113619', 'GE HealthCare'],
  ['1.2.528.1.1001', 'GE HealthCare'],
  ['1.3.46.670589', 'Philips'],
  ['1.3.46.670589.11', 'Philips', 'MR scanner'],
  ['1.3.46.670589.33', 'Philips', 'CT scanner'],
  ['1.2.840.113663', 'Philips', 'ultrasound system'],
  ['1.2.840.113704.1', 'Philips'],
  ['1.2.392.200036.9116', 'Canon Medical'],
  ['1.2.392.200036.9125', 'Fujifilm'],
  ['1.2.392.200036.9107', 'Konica Minolta'],
  ['1.2.392.200039.102', 'Aloka', 'ultrasound system'],
  ['1.2.410.200001.101.11.801', 'Samsung Medison', 'ultrasound system'],
  ['1.2.410.200010.99.3', 'INFINITT', pacs],
  ['1.2.840.114340', 'SonoSite', 'ultrasound system'],
  ['1.2.840.113680', 'Acuson', 'ultrasound system'],
  ['1.2.840.113681', 'Hologic'],
  ['1.2.840.113564', 'Carestream'],
  ['1.2.124.113532', 'Agfa'],
  ['1.2.124.113532.3320', 'Merge', worklist],
  ['1.3.51', 'Agfa'],
  ['1.2.156.112605', 'United Imaging'],
  ['1.2.276.0.48', 'TomTec'],
  ['1.2.276.0.75', 'Zeiss'],
  ['1.2.246.352', 'Varian'],
  ['1.2.752.24', 'Sectra'],
  ['1.2.752.243', 'RaySearch', 'radiotherapy planning system'],
  ['1.3.6.1.4.1.32203', 'Pixeon', pacs],
];

/** Archives and viewers that have a UID of their own: what they send is others'. Root, product, class. */
const software: readonly (readonly [string, string, string])[] = [
  ['1.2.826.0.1.3680043.2.135.1066', 'ConQuest', pacs],
  ['1.3.6.1.4.1.25403.1', 'ClearCanvas', workstation],
];

const under = (root: string): RegExp => new RegExp(`^${root.replaceAll('.', '\\.')}(?:\\.|$)`);

/** The longest branch speaks for a UID. */
const implementationRules = implementations.map(([root, vendor, kind]): Rule => {
  const longer = implementations.filter(([other]) => other.startsWith(`${root}.`)).map(([other]) => other);
  const except = longer.map((other) => `(?!${other.replaceAll('.', '\\.')}(?:\\.|$))`).join('');
  return {
    on: 'dicom implementationClassUid',
    pattern: new RegExp(`^${except}${root.replaceAll('.', '\\.')}(?:\\.|$)`),
    level: 'association',
    gives: kind === undefined ? { vendor } : { vendor, class: kind },
    source: roots,
  };
});

const rule = (
  on: string,
  pattern: RegExp,
  source: string,
  gives: Rule['gives'],
  level: Level = 'association',
): Rule => ({
  on: `dicom ${on}`,
  pattern,
  level,
  gives,
  source,
});

/** An archive or a viewer: what it sends on, others made. */
export const sendsOthers = (uid: string): boolean =>
  software.some(([root]) => under(root).test(uid)) ||
  implementations.some(([root, , kind]) => kind === pacs && under(root).test(uid));

export const dicomRules: readonly Rule[] = [
  ...implementationRules,
  ...software.map(([root, model, kind]) =>
    rule('implementationClassUid', under(root), logs, { model, class: kind }),
  ),
  rule('implementationVersionName', /^LOGIQ([A-Z]\d+)_/, logs, {
    vendor: 'GE HealthCare',
    model: 'LOGIQ $1',
    class: 'ultrasound system',
  }),
  {
    ...rule('implementationVersionName', /^AW\d_\d/, logs, {
      model: 'Advantage Workstation',
      class: workstation,
    }),
    also: { on: 'dicom implementationClassUid', pattern: under('1.2.840.113619') },
  },
  rule('implementationVersionName', /^dcm4che-dcm4chee/i, logs, { model: 'dcm4chee', class: pacs }),
  rule('implementationVersionName', /^INFINITT_([\d.]+)/, logs, { software: '$1' }),
  rule('implementationVersionName', /^PIXEON ([\d.]+)/, logs, { software: '$1' }),
  rule('implementationVersionName', /^([\d.]+)\/(?:WIN|OTHER|LINUX|MAC)/, logs, { software: '$1' }),
  {
    ...rule('implementationVersionName', /^MR_(?:[\dA-Z]+_)?(V[A-Z]\d{2}[A-Z])$/, logs, {
      software: 'syngo MR $1',
    }),
    also: { on: 'dicom implementationClassUid', pattern: /^1\.3\.12\.2\.1107\./ },
  },
  {
    ...rule('callingAeTitle', /^MRC(\d{5,6})$/, logs, { class: 'MR scanner', serial: '$1' }),
    also: { on: 'oui vendor', pattern: /siemens/i },
  },
  {
    ...rule('callingAeTitle', /^MRC(\d{5,6})$/, logs, { serial: '$1' }),
    also: { on: 'dicom implementationClassUid', pattern: under('1.3.12.2.1107.5.2') },
  },
  rule('implementationVersionName', /^BROKER([\d.]+)/, logs, { software: '$1' }),
  rule('callingAeTitle', /^UIH_(?:CT)/, logs, { vendor: 'United Imaging', class: 'CT scanner' }),
  rule('callingAeTitle', /^UIH_(?:MR)/, logs, { vendor: 'United Imaging', class: 'MR scanner' }),
  // Roles by title, where a server says it.
  rule('calledAeTitle', /PACS|ARCHIVE|ORTHANC|VNA/i, usual, { class: pacs }),
  rule('calledAeTitle', /RIS$|RIS\b|WORKLIST|MWL/i, usual, { class: worklist }),
  rule('calledAeTitle', /^(?:WS|WKS|VIEW|WORKST)/i, usual, { class: workstation }),
  // Roles by the services that an end accepted: PS3.4 annexes C (query), K (worklist), H (print).
  {
    ...rule('accepts', /^query$/, 'DICOM PS3.4 annex C', { class: pacs }, 'identifier'),
    also: { on: 'dicom accepts', pattern: /^(?:storage|retrieve)$/ },
  },
  rule('accepts', /^worklist$/, 'DICOM PS3.4 annex K', { class: worklist }, 'banner'),
  rule('accepts', /^print$/, 'DICOM PS3.4 annex H', { class: printer }, 'identifier'),
  // Only what makes images asks for the list of those that it shall make, and reports that it made them.
  rule(
    'proposes',
    /^(?:worklist|procedure-step)$/,
    'DICOM PS3.4 annexes K and F',
    { class: modality },
    'traffic',
  ),
];
