/**
 * Makers under the one name they get here, by the many that they have in registries and in data sets. The first
 * that matches counts. Source: the IEEE registry's assignees, DICOM's (0008,0070) as seen in public test objects.
 */
const names: readonly (readonly [RegExp, string])[] = [
  [/siemens (healthineers|medical)|^siemens\b/i, 'Siemens'],
  [/philips lighting|signify/i, 'Signify'],
  [/^philips\b/i, 'Philips'],
  [/^ge (medical|healthcare)|^general electric/i, 'GE HealthCare'],
  [/\bagfa\b/i, 'Agfa'],
  [/mortara/i, 'Mortara'],
  [/sonosite/i, 'SonoSite'],
  [/smiths medical/i, 'Smiths Medical'],
  [/hospira|icu medical/i, 'ICU Medical'],
  [/b\. ?braun|^bbraun/i, 'B. Braun'],
  [/dr(ae|\u00e4|a)ger/i, 'Dr\u00e4ger'],
  [/mindray/i, 'Mindray'],
  [/welch ?allyn/i, 'Welch Allyn'],
  [/fresenius/i, 'Fresenius'],
  [/nihon kohden/i, 'Nihon Kohden'],
  [/spacelabs/i, 'Spacelabs'],
  [/masimo/i, 'Masimo'],
  [/esaote/i, 'Esaote'],
  [/medison/i, 'Samsung Medison'],
  [/aloka/i, 'Aloka'],
  [/baxter/i, 'Baxter'],
  [/sysmex/i, 'Sysmex'],
  [/toshiba.*med/i, 'Toshiba'],
  [/canon.*medical/i, 'Canon Medical'],
  [/united imaging|^uih/i, 'United Imaging'],
  [/maquet/i, 'Maquet'],
  [/cisco/i, 'Cisco'],
  [/hewlett.?packard|^hp\b/i, 'HP'],
  [/^dell\b/i, 'Dell'],
  [/^apple\b/i, 'Apple'],
  [/d-?link/i, 'D-Link'],
  [/tp-?link/i, 'TP-Link'],
  [/edimax/i, 'Edimax'],
  [/belkin/i, 'Belkin'],
  [/eq-3/i, 'eQ-3'],
  [/assmann|ednet/i, 'Ednet'],
  [/vmware/i, 'VMware'],
];

export function vendorName(text: string): string {
  return names.find(([pattern]) => pattern.test(text))?.[1] ?? text;
}

/**
 * Makers of network modules, serial servers, contract-built boards and virtual cards: what carries their prefix is
 * another's product, so the prefix names no vendor of the device.
 */
const modules =
  /espressif|lite-?on|murata|azurewave|hon hai|foxconn|wistron|gainspan|lantronix|moxa|silex|realtek|vmware|pcs systemtechnik|digi international|texas instruments/i;

export const isModuleMaker = (cardVendor: string): boolean => modules.test(cardVendor);
