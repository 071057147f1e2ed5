/**
 * Medical equipment by what it declares: class names, DICOM modalities and roles, HL7 and DHCP identities.
 *
 * Implementation class UIDs of toolkits (DCMTK, GDCM, …) name software, never a device, so they give no vendor.
 */
import type { Rule } from './rule.ts';

/** DICOM modality (PS3.3 C.7.3.1.1.1) to the class of the equipment that makes it. */
export const modalityClasses: Readonly<Record<string, string>> = {
  BMD: 'bone densitometer',
  CR: 'radiography system',
  CT: 'CT scanner',
  DX: 'radiography system',
  ECG: 'electrocardiograph',
  ES: 'endoscopy system',
  IO: 'dental radiography system',
  MG: 'mammography system',
  MR: 'MR scanner',
  NM: 'nuclear medicine camera',
  OP: 'ophthalmic camera',
  OPT: 'ophthalmic tomograph',
  PT: 'PET scanner',
  PX: 'dental radiography system',
  RF: 'fluoroscopy system',
  US: 'ultrasound system',
  XA: 'angiography system',
};

export const pacs = 'PACS';
export const gateway = 'medical device gateway';
export const hospitalSystem = 'hospital information system';
export const hl7Engine = 'HL7 engine';

/** Classes that are medical: equipment, and systems that only hold or move its data. */
export const medicalClasses: ReadonlySet<string> = new Set([
  ...Object.values(modalityClasses),
  pacs,
  gateway,
  hospitalSystem,
  hl7Engine,
  'DICOM system',
  'DICOM worklist server',
  'DICOM workstation',
  'infusion pump',
  'infusion pump system',
  'medical device',
  'patient monitor',
  'ventilator',
  'vital signs monitor',
]);

const issue = 'maker\u2019s identity in public DICOM logs';
const pcd = 'IHE PCD sample messages';

export const medicalRules: readonly Rule[] = [
  // DICOM: implementation class UIDs of makers, and what their version names and titles tell.
  {
    on: 'dicom implementationClassUid',
    pattern: /^1\.3\.12\.2\.1107\.5\.2(\.|$)/,
    level: 'association',
    gives: { vendor: 'Siemens', class: 'MR scanner' },
    source: issue,
  },
  {
    on: 'dicom implementationVersionName',
    pattern: /^MR_(V[A-Z]\d{2}[A-Z])$/,
    level: 'association',
    also: { on: 'dicom implementationClassUid', pattern: /^1\.3\.12\.2\.1107\./ },
    gives: { software: 'syngo MR $1' },
    source: issue,
  },
  {
    on: 'dicom callingAeTitle',
    pattern: /^MRC(\d{5,6})$/,
    level: 'association',
    also: { on: 'oui vendor', pattern: /siemens/i },
    gives: { class: 'MR scanner', serial: '$1' },
    source: issue,
  },
  {
    on: 'dicom implementationClassUid',
    pattern: /^1\.2\.840\.113619\.6\./,
    level: 'association',
    gives: { vendor: 'GE HealthCare' },
    source: issue,
  },
  {
    on: 'dicom implementationVersionName',
    pattern: /^LOGIQ([A-Z]\d+)_/,
    level: 'association',
    gives: { vendor: 'GE HealthCare', model: 'LOGIQ $1', class: 'ultrasound system' },
    source: issue,
  },
  {
    on: 'dicom implementationClassUid',
    pattern: /^1\.2\.410\.200001\.101\.11\.801/,
    level: 'association',
    gives: { vendor: 'Samsung Medison', class: 'ultrasound system' },
    source: issue,
  },
  {
    on: 'dicom implementationClassUid',
    pattern: /^1\.2\.392\.200039\.102/,
    level: 'association',
    gives: { vendor: 'Aloka', class: 'ultrasound system' },
    source: issue,
  },
  {
    on: 'dicom implementationClassUid',
    pattern: /^1\.2\.840\.114340\.3/,
    level: 'association',
    gives: { vendor: 'SonoSite', class: 'ultrasound system' },
    source: issue,
  },
  {
    on: 'dicom implementationClassUid',
    pattern: /^1\.2\.410\.200010\.99\.3/,
    level: 'association',
    gives: { vendor: 'INFINITT', class: pacs },
    source: issue,
  },
  {
    on: 'dicom implementationClassUid',
    pattern: /^1\.2\.826\.0\.1\.3680043\.2\.135\.1066/,
    level: 'association',
    gives: { model: 'ConQuest', class: pacs },
    source: issue,
  },
  {
    on: 'dicom implementationClassUid',
    pattern: /^1\.2\.124\.113532\.3320/,
    level: 'association',
    gives: { vendor: 'Merge', class: 'DICOM worklist server' },
    source: issue,
  },
  {
    on: 'dicom callingAeTitle',
    pattern: /^UIH_CT/,
    level: 'association',
    gives: { vendor: 'United Imaging', class: 'CT scanner' },
    source: issue,
  },
  // DICOM: roles by title, where a server says it.
  {
    on: 'dicom calledAeTitle',
    pattern: /PACS|ARCHIVE|ORTHANC|VNA/i,
    level: 'association',
    gives: { class: pacs },
    source: 'usual naming',
  },
  {
    on: 'dicom calledAeTitle',
    pattern: /RIS$|RIS\b|WORKLIST|MWL/i,
    level: 'association',
    gives: { class: 'DICOM worklist server' },
    source: 'usual naming',
  },
  {
    on: 'dicom calledAeTitle',
    pattern: /^(WS|WKS|VIEW|WORKST)/i,
    level: 'association',
    gives: { class: 'DICOM workstation' },
    source: 'usual naming',
  },
  // HL7: the words of the sender's own equipment fields.
  { on: 'hl7 MSH-3', pattern: /E?GATEWAY/i, level: 'self', gives: { class: gateway }, source: pcd },
  {
    on: 'hl7 MSH-3',
    pattern: /^(MINDRAY)_EGATEWAY/,
    level: 'self',
    gives: { vendor: 'Mindray', model: 'eGateway' },
    source: pcd,
  },
  {
    on: 'hl7 MSH-3',
    pattern: /^Smiths Medical\b/,
    level: 'identifier',
    gives: { vendor: 'Smiths Medical' },
    source: pcd,
  },
  {
    on: 'hl7 model',
    pattern: /manufacturer=(.+?) model=/,
    level: 'self',
    gives: { vendor: '$1' },
    source: pcd,
  },
  { on: 'hl7 model', pattern: /\bmodel=(.+)$/, level: 'self', gives: { model: '$1' }, source: pcd },
  {
    on: 'hl7 manufacturer',
    pattern: /^([^^]+)/,
    level: 'self',
    gives: { vendor: '$1' },
    source: 'ISO/IEEE 11073-10101',
  },
  {
    on: 'hl7 modelNumber',
    pattern: /^([^^]+)/,
    level: 'self',
    gives: { model: '$1' },
    source: 'ISO/IEEE 11073-10101',
  },
  {
    on: 'hl7 serial',
    pattern: /^([^^]+)/,
    level: 'self',
    gives: { serial: '$1' },
    source: 'ISO/IEEE 11073-10101',
  },
  {
    on: 'hl7 software',
    pattern: /^([^^]+)/,
    level: 'self',
    gives: { software: '$1' },
    source: 'ISO/IEEE 11073-10101',
  },
  {
    on: 'hl7 device',
    pattern: /^MDC_DEV_PUMP_INFUS/,
    level: 'identifier',
    gives: { class: 'infusion pump' },
    source: 'ISO/IEEE 11073-10101',
  },
  {
    on: 'hl7 device',
    pattern: /^MDC_DEV_.*VENT/,
    level: 'identifier',
    gives: { class: 'ventilator' },
    source: 'ISO/IEEE 11073-10101',
  },
  {
    on: 'hl7 device',
    pattern: /^MDC_DEV_MON_PHYSIO/,
    level: 'identifier',
    gives: { class: 'patient monitor' },
    source: 'ISO/IEEE 11073-10101',
  },
  {
    on: 'hl7 OBX-18',
    pattern: /\bHospira\b/i,
    level: 'self',
    gives: { vendor: 'ICU Medical' },
    source: 'public sample message',
  },
  {
    on: 'hl7 OBX-18',
    pattern: /\b(Plum A\+|Plum 360|LifeCare PCA|Symbiq)/i,
    level: 'self',
    gives: { model: '$1', class: 'infusion pump' },
    source: 'FDA notices on these pumps',
  },
  {
    on: 'hl7 OBX-18',
    pattern: /\b(Medfusion \d{4})/,
    level: 'self',
    gives: { model: '$1', vendor: 'Smiths Medical', class: 'infusion pump' },
    source: pcd,
  },
  {
    on: 'hl7 OBX-18',
    pattern: /^([A-Z]\d{4})\^\^001221/,
    level: 'identifier',
    gives: { model: '$1' },
    source: pcd,
  },
  // Their own protocols.
  {
    on: 'intellivue unit',
    pattern: /./,
    level: 'self',
    gives: { class: 'patient monitor', vendor: 'Philips' },
    source: 'IntelliVue data export',
  },
  {
    on: 'intellivue model',
    pattern: /^(.+)$/,
    level: 'self',
    gives: { model: '$1' },
    source: 'IntelliVue data export',
  },
  {
    on: 'intellivue software',
    pattern: /^(.+)$/,
    level: 'self',
    gives: { software: '$1' },
    source: 'IntelliVue data export',
  },
  {
    on: 'intellivue serial',
    pattern: /^(.+)$/,
    level: 'self',
    gives: { serial: '$1' },
    source: 'IntelliVue data export',
  },
  {
    on: 'intellivue bed',
    pattern: /^(.+)$/,
    level: 'self',
    gives: { location: '$1' },
    source: 'IntelliVue data export',
  },
  {
    on: 'bcc place',
    pattern: /./,
    level: 'self',
    gives: { class: 'infusion pump system', vendor: 'B. Braun', model: 'SpaceCom' },
    source: 'SpaceCom BCC protocol',
  },
  {
    on: 'unity place',
    pattern: /^(.+)$/,
    level: 'self',
    gives: { class: 'patient monitor', vendor: 'GE HealthCare', location: '$1' },
    source: 'CARESCAPE network manuals',
  },
  {
    on: 'sdc types',
    pattern: /MedicalDevice/,
    level: 'self',
    gives: { class: 'medical device' },
    source: 'IEEE 11073-20701',
  },
  {
    on: 'sdc location',
    pattern: /^(.+)$/,
    level: 'self',
    gives: { location: '$1' },
    source: 'IEEE 11073-20701',
  },
  // DHCP.
  {
    on: 'dhcp vendorClass',
    pattern: /^B\.? ?Braun (SpaceCom|SpaceStation)/i,
    level: 'dhcp',
    gives: { vendor: 'B. Braun', model: '$1', class: 'infusion pump system' },
    source: 'seen on a wire',
  },
  {
    on: 'dhcp vendorClass',
    pattern: /^Dr(?:ae|a)ger (Infinity)/i,
    level: 'dhcp',
    gives: { vendor: 'Dr\u00e4ger', class: 'patient monitor' },
    source: 'seen on a wire',
  },
  {
    on: 'dhcp hostName',
    pattern: /^INFINITY-(C\d{3})$/i,
    level: 'dhcp',
    also: { on: 'oui vendor', pattern: /dr(ae|\u00e4|a)ger/i },
    gives: { model: 'Infinity $1', class: 'patient monitor' },
    source: 'maker\u2019s product names',
  },
  {
    on: 'dhcp vendorClass',
    pattern: /^Withings/i,
    level: 'dhcp',
    gives: { vendor: 'Withings' },
    source: 'seen on a wire',
  },
  {
    on: 'dhcp hostName',
    pattern: /^CVSM-?(6\d{3})\b/i,
    level: 'dhcp',
    gives: { vendor: 'Welch Allyn', model: 'CVSM $1', class: 'vital signs monitor' },
    source: 'maker\u2019s product names',
  },
];

/** OUIs in the first three bytes of an EUI-64 that a message carries. */
export const euiVendors: Readonly<Record<string, string>> = {
  '00A037': 'Mindray',
  '001A01': 'Smiths Medical',
  '001221': 'B. Braun',
  '00095C': 'Philips',
};
