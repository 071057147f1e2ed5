/**
 * Makers under the names that advisories, registries and devices have for them. Two names are of one maker when they
 * are of one row, or the same but for words like "Medical" and "Inc.".
 *
 * A row has a source: "CISA" stands for the vendor branches of CISA's medical advisories (ICSMA-17-017-02 to ICSMA-24-254-01,
 * public domain), "IEEE" for the registry of OUIs, "DICOM" for (0008,0070) in public test objects, "PCD" for IHE PCD sample
 * messages. Companies that were bought are one row with the buyer only where an advisory names both for one product.
 */

export interface VendorAlias {
  /** As it is shown and indexed. */
  readonly vendor: string;
  readonly names: readonly RegExp[];
  readonly source: string;
}

export const vendorAliases: readonly VendorAlias[] = [
  // CISA itself misspells Philips in two advisories.
  { vendor: 'Philips', names: [/\bphill?ips\b(?! lighting)/], source: 'CISA, IEEE, DICOM' },
  { vendor: 'Capsule', names: [/\bcapsule tech/], source: 'CISA' },
  { vendor: 'BD', names: [/becton[ ,]*dickinson/, /\bbd\b/, /\bcarefusion\b/, /\bpyxis\b/], source: 'CISA' },
  { vendor: 'Medtronic', names: [/\bmedtronic\b/, /\bcovidien\b/], source: 'CISA' },
  {
    vendor: 'Baxter',
    names: [/\bbaxter\b/, /\bhillrom\b/, /\bhill-rom\b/, /\bwelch ?allyn\b/, /\bmortara\b/],
    source: 'CISA, IEEE',
  },
  {
    vendor: 'GE HealthCare',
    names: [/^ge\b/, /\bge health ?care\b/, /\bge medical\b/, /\bgeneral electric\b/, /\bgems\b/],
    source: 'CISA, IEEE, DICOM',
  },
  { vendor: 'B. Braun', names: [/\bb\.? ?braun\b/, /\bbbraun\b/], source: 'CISA, IEEE, PCD' },
  { vendor: 'Siemens', names: [/\bsiemens\b/, /\bacuson\b/], source: 'CISA, IEEE, DICOM' },
  { vendor: 'Abbott', names: [/\babbott\b/, /\bst\.? jude\b/], source: 'CISA' },
  { vendor: 'Boston Scientific', names: [/\bboston scientific\b/], source: 'CISA' },
  { vendor: 'Change Healthcare', names: [/\bchange health ?care\b/, /\bmckesson\b/], source: 'CISA' },
  { vendor: 'Smiths Medical', names: [/\bsmiths medical\b/], source: 'CISA, IEEE, PCD' },
  { vendor: 'ICU Medical', names: [/\bicu medical\b/, /\bhospira\b/], source: 'IEEE, CISA' },
  { vendor: 'Johnson & Johnson', names: [/\bjohnson ?(?:&|and) ?johnson\b/, /\bethicon\b/], source: 'CISA' },
  { vendor: 'Vyaire', names: [/\bvyaire\b/], source: 'CISA' },
  { vendor: 'Silex', names: [/\bsilex\b/], source: 'CISA, IEEE' },
  { vendor: 'BeaconMedaes', names: [/\bbeacon ?medaes\b/], source: 'CISA' },
  { vendor: 'Natus', names: [/\bnatus\b/, /\bxltek\b/], source: 'CISA' },
  { vendor: 'Qualcomm Life', names: [/\bqualcomm life\b/], source: 'CISA' },
  { vendor: 'Carestream', names: [/\bcarestream\b/], source: 'CISA' },
  { vendor: 'Roche', names: [/\broche\b/], source: 'CISA, IEEE' },
  { vendor: 'Dr\u00e4ger', names: [/\bdr(?:ae|a)ger/], source: 'CISA, IEEE' },
  { vendor: 'Stryker', names: [/\bstryker\b/], source: 'CISA' },
  { vendor: 'Fujifilm', names: [/\bfuji ?film\b/, /\bfuji photo\b/, /\bsonosite\b/], source: 'CISA, DICOM' },
  { vendor: 'Spacelabs', names: [/\bspacelabs\b/], source: 'CISA, IEEE' },
  { vendor: 'Insulet', names: [/\binsulet\b/], source: 'CISA' },
  { vendor: 'Biotronik', names: [/\bbiotronik\b/], source: 'CISA' },
  { vendor: 'OpenClinic', names: [/\bopenclinic\b/], source: 'CISA' },
  { vendor: 'Innokas', names: [/\binnokas\b/], source: 'CISA' },
  { vendor: 'SOOIL', names: [/\bsooil\b/], source: 'CISA' },
  { vendor: 'Hamilton Medical', names: [/\bhamilton medical\b/], source: 'CISA' },
  { vendor: 'ZOLL', names: [/\bzoll\b/], source: 'CISA' },
  { vendor: 'Ypsomed', names: [/\bypsomed\b/], source: 'CISA' },
  { vendor: 'Swisslog', names: [/\bswisslog\b/], source: 'CISA' },
  { vendor: 'Fresenius', names: [/\bfresenius\b/], source: 'CISA, IEEE' },
  { vendor: 'LifePoint', names: [/\blifepoint informatics\b/], source: 'CISA' },
  { vendor: 'OFFIS', names: [/\boffis\b/], source: 'CISA' },
  { vendor: 'Contec', names: [/\bcontec\b/], source: 'CISA' },
  { vendor: 'AliveCor', names: [/\balivecor\b/], source: 'CISA' },
  { vendor: 'Illumina', names: [/\billumina\b/], source: 'CISA' },
  { vendor: 'Softneta', names: [/\bsoftneta\b/], source: 'CISA' },
  { vendor: 'Orthanc', names: [/\borthanc\b/, /\bosimis\b/], source: 'CISA' },
  { vendor: 'BPL', names: [/\bbpl\b/], source: 'CISA' },
  { vendor: 'Santesoft', names: [/\bsantesoft\b/], source: 'CISA' },
  { vendor: 'MicroDicom', names: [/\bmicrodicom\b/], source: 'CISA' },
  { vendor: 'i-SENS', names: [/\bi-?sens\b/], source: 'CISA' },
  { vendor: '3B Medical', names: [/\bbmc medical\b/, /\b3b medical\b/], source: 'CISA' },
  { vendor: 'Wind River', names: [/\bwind ?river\b/], source: 'CISA' },
  { vendor: 'Mindray', names: [/\bmindray\b/, /\bdatascope\b/], source: 'IEEE, PCD' },
  { vendor: 'Nihon Kohden', names: [/\bnihon kohden\b/], source: 'IEEE' },
  { vendor: 'Masimo', names: [/\bmasimo\b/], source: 'IEEE' },
  { vendor: 'Agfa', names: [/\bagfa\b/], source: 'DICOM' },
  { vendor: 'Canon Medical', names: [/\bcanon medical\b/, /\btoshiba(?: america)? med/], source: 'DICOM' },
  { vendor: 'Esaote', names: [/\besaote\b/], source: 'IEEE, DICOM' },
  { vendor: 'Samsung Medison', names: [/\bmedison\b/], source: 'IEEE' },
  { vendor: 'Sysmex', names: [/\bsysmex\b/], source: 'IEEE' },
  { vendor: 'Microsoft', names: [/\bmicrosoft\b/], source: 'KEV' },
  { vendor: 'Apache', names: [/\bapache\b/], source: 'KEV' },
];

/** Words that set no two makers apart. */
const legal =
  /\b(?:inc|incorporated|ltd|limited|llc|gmbh|ag|co|corp|corporation|company|plc|sa|oy|bv|b\.v|kg|group|international|medical|health ?care|healthineers|health|technologies|technology|diagnostics|systems|laboratories|foundation|software|project)\b/g;

export const plainName = (text: string): string =>
  text.normalize('NFKD').replaceAll(/\p{M}/gu, '').toLowerCase().replaceAll(/\s+/g, ' ').trim();

/** Every maker that a name names: "Silex Technology and GE Healthcare" are two. '' names none. */
export function makersOf(text: string): string[] {
  const plain = plainName(text);
  if (plain === '') return [];
  const found = vendorAliases.filter(({ names }) => names.some((name) => name.test(plain)));
  if (
    /\bge\b/.test(plain) &&
    !found.some(({ vendor }) => vendor === 'GE HealthCare') &&
    plain.includes(' and ')
  )
    return [...found.map(({ vendor }) => vendor), 'GE HealthCare'];
  if (found.length > 0) return found.map(({ vendor }) => vendor);
  const bare = plain
    .replaceAll(legal, ' ')
    .replaceAll(/[^\p{L}\p{N}]+/gu, ' ')
    .trim();
  return [bare === '' ? plain : bare];
}
