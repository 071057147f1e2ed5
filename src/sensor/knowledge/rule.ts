/**
 * The form of what the sensor knows: a pattern over one field of one protocol, and what a match says of the host.
 *
 * `levels` is the precedence: what a device declares in a protocol of its own outranks an association, that an
 * identifier in a message, that DHCP, that a banner, that what it talks to, that who made its network card.
 */

export const attributes = ['class', 'vendor', 'model', 'os', 'software', 'serial', 'location'] as const;
export type Attribute = (typeof attributes)[number];

export const levels = {
  self: 100,
  association: 80,
  identifier: 70,
  dhcp: 60,
  banner: 50,
  traffic: 40,
  oui: 20,
} as const;
export type Level = keyof typeof levels;

export interface Condition {
  /**
   * Protocol and field of the evidence: `dhcp hostName`; `oui vendor` for the maker of the card, `service` for a port that
   * answers: `tcp/104`.
   */
  readonly on: string;
  readonly pattern: RegExp;
}

export interface Rule extends Condition {
  readonly level: Level;
  /** Another field must match too. */
  readonly also?: Condition;
  /** `$1` stands for the first group. */
  readonly gives: Readonly<Partial<Record<Attribute, string>>>;
  /** Where the fact is from. */
  readonly source: string;
}
