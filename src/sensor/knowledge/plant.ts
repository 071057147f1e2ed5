/**
 * Equipment of plants and buildings that says who it is: makers by the identifiers of ODVA (EtherNet/IP) and of PROFIBUS &
 * PROFINET International, kinds of devices by CIP's profiles, Siemens controllers by their status lists.
 */
import type { Rule } from './rule.ts';

const cip = 'CIP volume 1, identity object';
const s7 = 'S7-300/400 system status lists';

/** ODVA's vendor identifiers. */
const odvaVendors: readonly (readonly [number, string])[] = [
  [1, 'Rockwell Automation'],
  [5, 'Rockwell Automation'],
  [7, 'SMC'],
  [26, 'Festo'],
  [40, 'WAGO'],
  [43, 'Balluff'],
  [44, 'Yaskawa'],
  [46, 'ABB'],
  [47, 'Omron'],
  [48, 'Turck'],
  [57, 'Pepperl+Fuchs'],
  [68, 'Eaton'],
  [90, 'HMS Networks'],
  [97, 'Danfoss'],
  [108, 'Beckhoff'],
  [161, 'Mitsubishi Electric'],
  [176, 'Red Lion'],
  [243, 'Schneider Electric'],
  [255, 'Bosch Rexroth'],
  [283, 'Hilscher'],
  [315, 'SEW-Eurodrive'],
  [345, 'Endress+Hauser'],
  [367, 'Keyence'],
  [445, 'Lenze'],
  [482, 'Koyo'],
  [562, 'Phoenix Contact'],
  [591, 'Fanuc'],
  [634, 'Hirschmann'],
  [640, 'Murrelektronik'],
  [660, 'AutomationDirect'],
  [666, 'Mettler Toledo'],
  [678, 'Cognex'],
  [808, 'SICK'],
  [939, 'Cisco'],
  [991, 'Moxa'],
];

/** Device profiles. */
const cipTypes: readonly (readonly [pattern: RegExp, kind: string])[] = [
  [/^14$/, 'industrial controller'],
  [/^24$/, 'operator panel'],
  [/^44$/, 'network switch'],
  [/^(?!(?:14|24|44)$)\d+$/, 'industrial device'],
];

const profinetVendors: readonly (readonly [number, string])[] = [
  [0x002a, 'Siemens'],
  [0x010c, 'HMS Networks'],
];

const vendor = (on: string, source: string, list: readonly (readonly [number, string])[]): Rule[] =>
  list.map(([id, name]) => ({
    on,
    pattern: new RegExp(`^${id}$`),
    level: 'association',
    gives: { vendor: name },
    source,
  }));

export const plantRules: readonly Rule[] = [
  ...vendor('enip vendorId', 'ODVA vendor identifiers', odvaVendors),
  ...cipTypes.map(([pattern, kind]): Rule => ({
    on: 'enip deviceType',
    pattern,
    level: 'self',
    gives: { class: kind },
    source: cip,
  })),
  { on: 'enip product', pattern: /^(.+)$/, level: 'self', gives: { model: '$1' }, source: cip },
  { on: 'enip revision', pattern: /^(.+)$/, level: 'self', gives: { software: '$1' }, source: cip },
  { on: 'enip serial', pattern: /^(.+)$/, level: 'self', gives: { serial: '$1' }, source: cip },
  // An order number names one product and its maker.
  {
    on: 's7 order',
    pattern: /^(6(?:ES|GK|AG|AV)\d \S+)/,
    level: 'association',
    gives: { vendor: 'Siemens', model: '$1', class: 'industrial controller' },
    source: s7,
  },
  {
    on: 's7 moduleType',
    pattern: /^(.+)$/,
    level: 'self',
    gives: { model: '$1', class: 'industrial controller' },
    source: s7,
  },
  { on: 's7 firmware', pattern: /^(.+)$/, level: 'self', gives: { software: '$1' }, source: s7 },
  { on: 's7 serial', pattern: /^(.+)$/, level: 'self', gives: { serial: '$1' }, source: s7 },
  ...vendor('profinet vendorId', 'PROFINET vendor identifiers', profinetVendors),
  {
    on: 'profinet stationType',
    pattern: /^(.+)$/,
    level: 'self',
    gives: { model: '$1' },
    source: 'IEC 61158-6-10',
  },
  {
    on: 'profinet role',
    pattern: /^controller$/,
    level: 'self',
    gives: { class: 'industrial controller' },
    source: 'IEC 61158-6-10',
  },
  {
    on: 'profinet role',
    pattern: /^(?:multi)?device$/,
    level: 'self',
    gives: { class: 'industrial device' },
    source: 'IEC 61158-6-10',
  },
];
