/**
 * Medical equipment by what it declares in its own protocols: HL7 and IHE PCD, IntelliVue, BCC, Unity, SDC, ASTM, POCT1-A,
 * DHCP; and which classes are medical. DICOM is in `dicom.ts`, products by name in `products.ts`.
 */
import { dicomClasses } from './dicom.ts';
import { gateway } from './product-row.ts';
import { productClasses } from './products.ts';
import type { Rule } from './rule.ts';

export const hospitalSystem = 'hospital information system';
export const hl7Engine = 'HL7 engine';
const analyzer = 'laboratory analyzer';
const pointOfCare = 'point-of-care analyzer';
const laboratorySystem = 'laboratory information system';

/** Classes that are medical: equipment, and systems that only hold or move its data. */
export const medicalClasses: ReadonlySet<string> = new Set([
  ...dicomClasses,
  ...productClasses,
  gateway,
  hospitalSystem,
  hl7Engine,
  analyzer,
  pointOfCare,
  laboratorySystem,
  'infusion pump',
  'infusion pump system',
  'medical device',
  'patient monitor',
  'ventilator',
  'vital signs monitor',
]);

const pcd = 'IHE PCD sample messages';
const mdc = 'ISO/IEEE 11073-10101';
/** A field up to its first component separator. */
const first = /^([^^]+)/;

/** Types of device systems (MDS) and of the parts (VMD) that stand for a whole device. */
const deviceTypes: readonly (readonly [RegExp, string])[] = [
  [/^MDC_DEV_PUMP_INFUS\w*_(?:MDS|VMD)$/, 'infusion pump'],
  [/^MDC_DEV_\w*VENT(?:_\w+)?_MDS$/, 'ventilator'],
  [/^MDC_DEV_\w*ANESTH\w*_MDS$/, 'anesthesia machine'],
  [/^MDC_DEV_MON_\w*PHYSIO\w*_MDS$/, 'patient monitor'],
  [/^MDC_DEV_ANALY_SAT_O2_MDS$/, 'pulse oximeter'],
  [/^MDC_DEV_METER_PRESS_BLD_MDS$/, 'blood pressure monitor'],
  [/^MDC_DEV_\w*DIALYSIS\w*_MDS$/, 'dialysis machine'],
  [/^MDC_DEV_ECG\w*_MDS$/, 'electrocardiograph'],
  [/^MDC_DEV_ANALY_(?:BLOOD_)?(?:CHEM|GAS)\w*_MDS$/, 'point-of-care analyzer'],
  [/^MDC_DEV_\w*INCUB\w*_MDS$/, 'incubator'],
];

/** What is measured, where nothing says what measures. */
const measured: readonly (readonly [RegExp, string])[] = [
  [/^(?:ECG|PRESS_CUFF|PULS_OXIM)$/, 'patient monitor'],
  [/^FLOW_FLUID_PUMP$/, 'infusion pump'],
  [/^VENT$/, 'ventilator'],
];

/** Order numbers, which a monitor may give as its model. */
const intelliVueModels: readonly (readonly [string, string])[] = [
  ['M8001', 'MP20'],
  ['M8002', 'MP30'],
  ['M8003', 'MP40'],
  ['M8004', 'MP50'],
  ['M8005', 'MP60'],
  ['M8007', 'MP70'],
  ['M8008', 'MP80'],
  ['M8010', 'MP90'],
  ['M8102', 'MP2'],
  ['M8105', 'MP5'],
  ['M3002', 'X2'],
  ['865240', 'MX800'],
  ['865241', 'MX700'],
  ['865242', 'MX600'],
  ['866060', 'MX400'],
  ['866062', 'MX450'],
  ['866064', 'MX500'],
  ['866066', 'MX550'],
];

export const medicalRules: readonly Rule[] = [
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
    on: 'hl7 model',
    pattern: /manufacturer=(.+?) model=/,
    level: 'self',
    gives: { vendor: '$1' },
    source: pcd,
  },
  {
    on: 'hl7 model',
    pattern: /^(?:.*\bmodel=)?([^=^]+)$/,
    level: 'self',
    gives: { model: '$1' },
    source: pcd,
  },
  { on: 'hl7 manufacturer', pattern: first, level: 'self', gives: { vendor: '$1' }, source: mdc },
  { on: 'hl7 modelNumber', pattern: first, level: 'self', gives: { model: '$1' }, source: mdc },
  { on: 'hl7 serial', pattern: first, level: 'self', gives: { serial: '$1' }, source: mdc },
  { on: 'hl7 software', pattern: first, level: 'self', gives: { software: '$1' }, source: mdc },
  { on: 'hl7 firmware', pattern: first, level: 'identifier', gives: { software: '$1' }, source: mdc },
  ...deviceTypes.map(([pattern, kind]): Rule => ({
    on: 'hl7 device',
    pattern,
    level: 'identifier',
    gives: { class: kind },
    source: mdc,
  })),
  ...measured.map(([pattern, kind]): Rule => ({
    on: 'hl7 measures',
    pattern,
    level: 'traffic',
    gives: { class: kind },
    source: mdc,
  })),
  {
    on: 'hl7 OBX-18',
    pattern: /^([A-Z]\d{4})\^\^001221/,
    level: 'identifier',
    gives: { model: '$1' },
    source: pcd,
  },
  // Unsolicited observations and queries for work of the analytical workflow, which analysers send.
  {
    on: 'hl7 MSH-9',
    pattern: /^(?:OUL\^R2[1-4]|QBP\^(?:Q11|WOS))/,
    level: 'traffic',
    gives: { class: analyzer },
    source: 'IHE PaLM LAW, LAB-27 and LAB-29',
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
    pattern: new RegExp(`^(?!${intelliVueModels.map(([number]) => number).join('|')})(?:IntelliVue )?(.+)$`),
    level: 'self',
    gives: { model: 'IntelliVue $1' },
    source: 'IntelliVue data export',
  },
  ...intelliVueModels.map(([number, name]): Rule => ({
    on: 'intellivue model',
    pattern: new RegExp(`^(${number}.*)$`),
    level: 'self',
    gives: { model: `IntelliVue ${name} ($1)` },
    source: 'order numbers in service guides, CISA ICSMA-19-255-01, IHE PCD sample messages',
  })),
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
  {
    on: 'sdc manufacturer',
    pattern: /^(.+)$/,
    level: 'self',
    gives: { vendor: '$1', class: 'medical device' },
    source: 'DPWS 1.1, IEEE 11073-20701',
  },
  { on: 'sdc model', pattern: /^(.+)$/, level: 'self', gives: { model: '$1' }, source: 'DPWS 1.1' },
  { on: 'sdc software', pattern: /^(.+)$/, level: 'self', gives: { software: '$1' }, source: 'DPWS 1.1' },
  { on: 'sdc serial', pattern: /^(.+)$/, level: 'self', gives: { serial: '$1' }, source: 'DPWS 1.1' },
  {
    on: 'sdc certificate.purpose',
    pattern: /^1\.2\.840\.10004\.20701\.1\.1$/,
    level: 'traffic',
    gives: { class: 'medical device' },
    source: 'IEEE 11073-20701, provider role',
  },
  // Laboratories. Who sends only orders is the laboratory's own system.
  {
    on: 'astm sends',
    pattern: /^(?:results|queries)$/,
    level: 'association',
    gives: { class: analyzer },
    source: 'ASTM E1394',
  },
  {
    on: 'astm sender',
    pattern: /^(.+)$/,
    level: 'self',
    also: { on: 'astm sends', pattern: /^(?:results|queries)$/ },
    gives: { model: '$1' },
    source: 'ASTM E1394 7.1.5',
  },
  { on: 'astm maker', pattern: /^(.+)$/, level: 'self', gives: { vendor: '$1' }, source: 'ASTM E1394 7.1.5' },
  {
    on: 'astm version',
    pattern: /^(.+)$/,
    level: 'self',
    gives: { software: '$1' },
    source: 'ASTM E1394 7.1.5',
  },
  {
    on: 'astm serial',
    pattern: /^(.+)$/,
    level: 'self',
    gives: { serial: '$1' },
    source: 'ASTM E1394 7.1.5',
  },
  {
    on: 'astm sends',
    pattern: /^orders$/,
    level: 'association',
    gives: { class: laboratorySystem },
    source: 'ASTM E1394',
  },
  {
    on: 'poct1a message',
    pattern: /./,
    level: 'self',
    gives: { class: pointOfCare },
    source: 'CLSI POCT01-A2',
  },
  {
    on: 'poct1a manufacturer',
    pattern: /^(.+)$/,
    level: 'self',
    gives: { vendor: '$1' },
    source: 'CLSI POCT01-A2',
  },
  {
    on: 'poct1a vendor',
    pattern: /^(.+)$/,
    level: 'association',
    gives: { vendor: '$1' },
    source: 'CLSI POCT01-A2',
  },
  { on: 'poct1a model', pattern: /^(.+)$/, level: 'self', gives: { model: '$1' }, source: 'CLSI POCT01-A2' },
  {
    on: 'poct1a software',
    pattern: /^(.+)$/,
    level: 'self',
    gives: { software: '$1' },
    source: 'CLSI POCT01-A2',
  },
  {
    on: 'poct1a serial',
    pattern: /^(.+)$/,
    level: 'self',
    gives: { serial: '$1' },
    source: 'CLSI POCT01-A2',
  },
  // DHCP.
  {
    on: 'dhcp vendorClass',
    pattern: /^Withings/i,
    level: 'dhcp',
    gives: { vendor: 'Withings' },
    source: 'the maker\u2019s own name',
  },
  {
    on: 'dhcp hostName',
    pattern: /^CVSM-?(6\d{3})\b/i,
    level: 'dhcp',
    gives: { vendor: 'Welch Allyn', model: 'CVSM $1', class: 'vital signs monitor' },
    source: 'maker\u2019s product names',
  },
];
