/**
 * What an HL7 message needs: one table by direction and MSH-9, and one walker. Message types and trigger events:
 * HL7 v2.8 appendix A, tables 0076 and 0003; device profiles: IHE PCD TF-2.
 *
 * What surprises:
 * - Direction comes first. What a device sends of its own accord is its duty: a user's posture or grant never holds
 *   back an alarm or an observation.
 * - An acknowledgement can't be refused (answers to answers never end): whether it answers anything is the gate's
 *   to know.
 */
import type { Action } from '../../wire/action.ts';

/** Into the device or out of it. */
export type Direction = 'to-device' | 'from-device';

export type Need = Action | 'acknowledgement' | 'duty';

interface Row {
  readonly type: string;
  /** Trigger events; every one when left out. */
  readonly events?: readonly string[];
  readonly need: Action | 'acknowledgement';
}

const rows = (need: Row['need'], types: string, events?: string): Row[] =>
  types
    .split(' ')
    .map((type) => ({ type, need, ...(events === undefined ? {} : { events: events.split(' ') }) }));

/** Messages into a device; what isn't here is refused. */
const intoDevice: readonly Row[] = [
  // Queries: chapter 5, and the status requests of chapter 13.
  ...rows('view', 'QBP QRY QSB QVR QRF QCN EQQ SPQ VQQ RQQ VXQ MFQ OSQ RQC RQP ESR SSR INR TCR'),

  // Observations: to a device they are values it will show or act on. Alarms (R40) and events (R42) never go in.
  ...rows('modify', 'ORU', 'R01 R30 R31 R32 W01'),
  ...rows('modify', 'OUL VXU'),
  // Infusion orders (PCD-03) and orders, chapter 4.
  ...rows('modify', 'RGV RDE RDS RAS ORM OMG OML OMI OMP OMB OMD OMN OMS ORD RDO'),
  // Patient association and demographics, schedules, documents, accounts: chapters 3, 6, 9, 10.
  ...rows('modify', 'ADT MDM SIU SRM DFT BAR PPR PGL'),
  // Laboratory automation, chapter 13: equipment commands, settings, specimens, inventory.
  ...rows('modify', 'EAC TCU SSU INU'),

  // Master files and drug libraries (chapter 8), network management (chapter 14).
  ...rows('administer', 'MFN NMD NMQ'),

  // Answers to what the device sent.
  ...rows(
    'acknowledgement',
    'ACK MCF MFK MFR ADR ORA ORB ORF ORG ORI ORL ORN ORP ORR ORS OSR RAR RCI RCL RDR RER RGR ROR RPI RPL RPR RRA RRD RRE RRG RRI RSP RTB SRR TBR VXR VXX',
  ),
];

const byType = Map.groupBy(intoDevice, (row) => row.type);

/** What a message needs; undefined when nothing can permit it. */
export function needOf(direction: Direction, type: string, event: string): Need | undefined {
  if (direction === 'from-device') return 'duty';
  return byType.get(type)?.find((row) => row.events === undefined || row.events.includes(event))?.need;
}
