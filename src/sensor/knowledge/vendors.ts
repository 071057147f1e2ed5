/**
 * Makers under the one name they get here, by the many that they have in registries and in data sets. The first
 * that matches counts. Sources: the IEEE registry's assignees; DICOM's (0008,0070) as seen in public test objects and
 * written in makers' conformance statements; vendor branches of CISA's advisories.
 */

type Names = readonly (readonly [RegExp, string])[];

/** Makers of medical equipment, by words that no other line of business uses. */
const medicalNames: Names = [
  [/philips lighting|signify/i, 'Signify'],
  [/acuson/i, 'Acuson'],
  [/\bsiemens\b/i, 'Siemens'],
  [/\bphill?ips\b|^pms\b|picker international|marconi medical|\badac lab|\batl ultrasound/i, 'Philips'],
  [
    /^"?ge\b|^g\.e\.|^ge_|ge[ _-]?(?:medical|health ?care)|^gems\b|^general electric|vingmed|genesis_signa/i,
    'GE HealthCare',
  ],
  [/\bagfa\b/i, 'Agfa'],
  [/mortara/i, 'Mortara'],
  [/sonosite/i, 'SonoSite'],
  [/smiths ?medical/i, 'Smiths Medical'],
  [/hospira|icu ?medical/i, 'ICU Medical'],
  [/\bb[. _-]{0,2}braun\b/i, 'B. Braun'],
  [/dr(?:ae|\u00e4|a)ger/i, 'Dr\u00e4ger'],
  [/mindray|datascope/i, 'Mindray'],
  [/welch ?allyn/i, 'Welch Allyn'],
  [/hill-?rom/i, 'Hillrom'],
  [/baxter|gambro/i, 'Baxter'],
  [/fresenius|ivenix/i, 'Fresenius'],
  [/nihon ?kohden/i, 'Nihon Kohden'],
  [/spacelabs/i, 'Spacelabs'],
  [/masimo/i, 'Masimo'],
  [/covidien|nellcor|puritan.?bennett|medtronic/i, 'Medtronic'],
  [/carefusion|becton|alaris medical|alaris, inc|^bd\b/i, 'BD'],
  [/\bzoll\b(?!er)/i, 'ZOLL'],
  [/physio-?control/i, 'Physio-Control'],
  [/stryker/i, 'Stryker'],
  [/hamilton medical|hamilton bonaduz/i, 'Hamilton Medical'],
  [/maquet/i, 'Maquet'],
  [/getinge/i, 'Getinge'],
  [/esaote/i, 'Esaote'],
  [/medison/i, 'Samsung Medison'],
  [/aloka/i, 'Aloka'],
  [/hitachi/i, 'Hitachi'],
  [/canon.*medical|canon_mec/i, 'Canon Medical'],
  [/toshiba/i, 'Toshiba'],
  [/fuji ?film|fuji photo/i, 'Fujifilm'],
  [/kodak|carestream/i, 'Carestream'],
  [/konica|minolta/i, 'Konica Minolta'],
  [/hologic|\blorad\b/i, 'Hologic'],
  [/shimadzu/i, 'Shimadzu'],
  [/united imaging|^uih\b|^uih_/i, 'United Imaging'],
  [/neusoft/i, 'Neusoft'],
  [/\bvarian\b/i, 'Varian'],
  [/elekta/i, 'Elekta'],
  [/accuray|tomotherapy/i, 'Accuray'],
  [/brainlab/i, 'Brainlab'],
  [/carl zeiss med|^zeiss\b/i, 'Zeiss'],
  [/heidelberg engineering/i, 'Heidelberg Engineering'],
  [/\btopcon\b/i, 'Topcon'],
  [/\bnidek\b/i, 'Nidek'],
  [/olympus/i, 'Olympus'],
  [/karl ?storz/i, 'Karl Storz'],
  [/ziehm/i, 'Ziehm'],
  [/planmeca|planmed/i, 'Planmeca'],
  [/\bsirona\b/i, 'Dentsply Sirona'],
  [/d(?:\u00fc|ue|u)rr dental/i, 'D\u00fcrr Dental'],
  [/merge (?:healthcare|technologies)|^merge\b|\bmitra\b|cedara/i, 'Merge'],
  [/\binfinitt\b/i, 'INFINITT'],
  [/\bsectra\b/i, 'Sectra'],
  [/\bpixeon\b/i, 'Pixeon'],
  [/\belscint\b/i, 'Elscint'],
  [/\broche\b/i, 'Roche'],
  [/\babbott\b|\balere\b|^i-stat corp/i, 'Abbott'],
  [/sysmex/i, 'Sysmex'],
  [/beckman(?: coulter)?\b/i, 'Beckman Coulter'],
  [/radiometer/i, 'Radiometer'],
  [/bio-?m(?:\u00e9|e)rieux/i, 'bioM\u00e9rieux'],
  [/ortho[- ]clinical|^ocd$|quidelortho/i, 'QuidelOrtho'],
  [/^quidel\b/i, 'QuidelOrtho'],
  [/nova ?bio(?:medical)?\b/i, 'Nova Biomedical'],
  [/instrumentation laboratory|\bwerfen\b/i, 'Werfen'],
  [/sd ?biosensor/i, 'SD Biosensor'],
  [/\bsnibe\b/i, 'Snibe'],
  [/\bhoriba\b/i, 'Horiba'],
  [/\bdiasorin\b/i, 'DiaSorin'],
  [/\bcepheid\b/i, 'Cepheid'],
  [/\bschiller\b/i, 'Schiller'],
  [/fukuda ?denshi/i, 'Fukuda Denshi'],
  [/\bedan\b/i, 'Edan'],
  [/\bcontec med/i, 'Contec'],
  [/\bvyaire\b|viasys/i, 'Vyaire'],
  [/respironics/i, 'Philips'],
  [/resmed/i, 'ResMed'],
  [/\bnatus\b|xltek/i, 'Natus'],
  [/capsule tech/i, 'Capsule'],
  [/swisslog/i, 'Swisslog'],
  [/omnicell/i, 'Omnicell'],
];

const otherNames: Names = [
  [/cisco/i, 'Cisco'],
  [/^aruba\b/i, 'Aruba'],
  [/hewlett.?packard|^hp\b/i, 'HP'],
  [/^dell\b/i, 'Dell'],
  [/^apple\b/i, 'Apple'],
  [/^samsung/i, 'Samsung'],
  [/^lenovo\b/i, 'Lenovo'],
  [/d-?link/i, 'D-Link'],
  [/tp-?link/i, 'TP-Link'],
  [/edimax/i, 'Edimax'],
  [/belkin/i, 'Belkin'],
  [/eq-3/i, 'eQ-3'],
  [/assmann|ednet/i, 'Ednet'],
  [/^osram|ledvance/i, 'OSRAM'],
  [/withings/i, 'Withings'],
  [/sonos\b/i, 'Sonos'],
  [/ubiquiti/i, 'Ubiquiti'],
  [/routerboard|mikrotik/i, 'MikroTik'],
  [/^netgear/i, 'Netgear'],
  [/^juniper/i, 'Juniper'],
  [/^fortinet/i, 'Fortinet'],
  [/^polycom/i, 'Polycom'],
  [/yealink/i, 'Yealink'],
  [/grandstream/i, 'Grandstream'],
  [/^axis comm/i, 'Axis'],
  [/hikvision/i, 'Hikvision'],
  [/^dahua|zhejiang dahua/i, 'Dahua'],
  [/synology/i, 'Synology'],
  [/^qnap/i, 'QNAP'],
  [/^roku\b/i, 'Roku'],
  [/^lexmark/i, 'Lexmark'],
  [/^brother\b/i, 'Brother'],
  [/^ricoh\b/i, 'Ricoh'],
  [/^xerox\b/i, 'Xerox'],
  [/seiko epson|^epson/i, 'Epson'],
  [/^kyocera/i, 'Kyocera'],
  [/^canon\b/i, 'Canon'],
  [/rockwell|allen-?bradley/i, 'Rockwell Automation'],
  [/schneider electric/i, 'Schneider Electric'],
  [/vmware/i, 'VMware'],
];

const names: Names = [...medicalNames, ...otherNames];

/** Makers are few, and devices of a kind name the same: what was answered lately. */
const CALLED = 512;
const LONG = 128;
function remembering<Answer>(answer: (text: string) => Answer): (text: string) => Answer {
  const called = new Map<string, { readonly answer: Answer }>();
  return (text) => {
    const known = called.get(text);
    if (known !== undefined) return known.answer;
    const found = answer(text);
    if (text.length > LONG) return found;
    if (called.size >= CALLED) called.clear();
    called.set(text, { answer: found });
    return found;
  };
}

export const vendorName = remembering(
  (text: string): string => names.find(([pattern]) => pattern.test(text))?.[1] ?? text,
);

/** The maker of medical equipment that a text names, if it names one; application titles join words by underscores. */
export const medicalVendor = remembering((text: string): string | undefined => {
  const words = text.replaceAll(/[_^]/g, ' ').trim();
  return medicalNames.find(([pattern]) => pattern.test(words))?.[1];
});

/**
 * Makers of network modules, network cards, serial servers, contract-built boards and virtual cards: what carries
 * their prefix is another's product, so the prefix names no vendor of the device.
 */
const modules =
  /espressif|lite-?on|murata|azurewave|hon hai|foxconn|wistron|gainspan|lantronix|moxa|silex|realtek|vmware|pcs systemtechnik|digi international|texas instruments|hi-flying|delta electronics|intel corp|broadcom|asix|ralink|mediatek|atheros|qualcomm|gemtek|ampak|universal global|quanta|compal|pegatron|inventec|microchip|wiznet|xensource|parallels|electric imp|arrayent|usi\b|samsung electro|tuya|beken|cybertan/i;

export const isModuleMaker = remembering((cardVendor: string): boolean => modules.test(cardVendor));

/** Makers of which one bought the other, so that one's products carry the other's prefixes and names. */
const kin: readonly (readonly string[])[] = [
  ['ICU Medical', 'Smiths Medical'],
  ['Baxter', 'Hillrom', 'Welch Allyn', 'Mortara'],
  ['Canon Medical', 'Toshiba'],
  ['Siemens', 'Acuson'],
  ['Getinge', 'Maquet'],
  ['Fujifilm', 'Hitachi', 'Aloka', 'SonoSite'],
  ['Stryker', 'Physio-Control'],
];

/** The maker and those it is one company with. */
export const kinOf = (vendor: string): readonly string[] =>
  kin.find((group) => group.includes(vendor)) ?? [vendor];
