/**
 * The techniques that findings name: MITRE ATT&CK for ICS, by id, with the published name and tactics of that version of the
 * matrix. ATT&CK is © The MITRE Corporation, reproduced and distributed with its permission (attack.mitre.org, terms of use).
 *
 * Ids and names alone are taken over. What surprises: an id stays and its name may not, and a technique can be
 * deprecated; so the version stands beside them, and a test holds the table against the matrix's own list.
 */

/** Where the table is from: the STIX collection "ICS ATT&CK", 2025-11-13. */
export const attackVersion = '18.1';
export const attackSource = `ATT&CK for ICS ${attackVersion}`;

export interface Technique {
  readonly name: string;
  readonly tactics: readonly string[];
  readonly source: string;
}

const row = (name: string, ...tactics: readonly string[]): Technique => ({
  name,
  tactics,
  source: attackSource,
});

export const techniques = {
  T0811: row('Data from Information Repositories', 'collection'),
  T0812: row('Default Credentials', 'lateral-movement'),
  T0814: row('Denial of Service', 'inhibit-response-function'),
  T0820: row('Exploitation for Evasion', 'evasion'),
  T0826: row('Loss of Availability', 'impact'),
  T0830: row('Adversary-in-the-Middle', 'collection'),
  T0842: row('Network Sniffing', 'discovery'),
  T0846: row('Remote System Discovery', 'discovery'),
  T0857: row('System Firmware', 'persistence', 'inhibit-response-function'),
  T0859: row('Valid Accounts', 'persistence', 'lateral-movement'),
  T0866: row('Exploitation of Remote Services', 'initial-access', 'lateral-movement'),
  T0869: row('Standard Application Layer Protocol', 'command-and-control'),
  T0886: row('Remote Services', 'initial-access', 'lateral-movement'),
} as const satisfies Readonly<Record<string, Technique>>;

export type TechniqueId = keyof typeof techniques;

/** Where a person reads about it. */
export const techniqueUrl = (id: string): string => `https://attack.mitre.org/techniques/${id}/`;

/** `T0846 Remote System Discovery`; an id that this version doesn't have stands alone. */
export const techniqueText = (id: string): string => {
  const name = (techniques as Readonly<Record<string, Technique | undefined>>)[id]?.name;
  return name === undefined ? id : `${id} ${name}`;
};
