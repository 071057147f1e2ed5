/**
 * Makers by the first bits of an EUI-64 that a message carries as a device's identifier (IEEE 802 clause 8): it keeps the
 * maker's assignment through every gateway. Source: the IEEE registry (MA-L, MA-S) of the makers of medical equipment.
 *
 * The registry itself names the makers of cards; here only the makers whose prefixes stand for their own devices count.
 */

const prefixes: Readonly<Record<string, string>> = {
  Abbott: '0013DD C0A26D 70B3D553F 70B3D56C6 70B3D56DD 70B3D5DDE',
  'B. Braun': '001221',
  BD: '00B094 00D075 9CC8AE F8C678 70B3D536A 70B3D56B9 70B3D56C7 70B3D5808',
  Baxter: '5842E4 5846E1',
  'Beckman Coulter': '00E090 D0D286',
  'bioM\u00e9rieux': '28DEF6',
  'Dr\u00e4ger': '00105D 0030E6 F0E5C3',
  Edan: '144FD7E',
  Esaote: '00E0A4',
  Fresenius: '001338 B04C05 70B3D54CC DC36434',
  'GE HealthCare': '080019 444B5D A0F217 50A0308',
  'Hamilton Medical': '001E9A',
  Hillrom: '0014B8',
  'ICU Medical': '0003B1',
  Maquet: '002508 002541 349B5B 0064A6',
  Masimo: '0809B6 504A5E 8809AF B810D4 C816A5 C88BE8 E0C2B7 C022F1E',
  Medtronic: '54FA89 DC16A2 70B3D5B34',
  Mindray: '000F14 00A037 380B26 6C3E51',
  Mortara: '000F82',
  'Nihon Kohden': '00A09A',
  Philips: '00095C 0009FB 7C94B2 001FFF',
  'Physio-Control': '40BD9E',
  ResMed: '00236D 8C1F643C7',
  Roche: '000E2F 004049 006019 B87879',
  'SD Biosensor': 'C430CA 70B3D5737',
  Siemens: '001865 20E791 884B39 70B3D520C',
  'Smiths Medical': '001A01',
  Spacelabs: '00A0AA',
  Sysmex: '00066B',
  'Welch Allyn': '001AFA',
};

const makers: ReadonlyMap<string, string> = new Map(
  Object.entries(prefixes).flatMap(([vendor, list]) => list.split(' ').map((prefix) => [prefix, vendor])),
);

/** The maker whose assignment an EUI-64 or EUI-48 in hexadecimal begins with. */
export function euiVendor(eui: string): string | undefined {
  const digits = eui.toUpperCase();
  for (const length of [9, 7, 6]) {
    const vendor = makers.get(digits.slice(0, length));
    if (vendor !== undefined) return vendor;
  }
  return undefined;
}
