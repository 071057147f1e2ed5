/**
 * What a DIMSE request needs: one table, service by command, and one walker. PS3.4 says what each service's
 * commands do.
 *
 * What surprises: the class a command names and the class its presentation context was agreed for are two
 * statements by the same sender, and a device may believe either. Both are looked up and everything either needs
 * is needed. A class that isn't in the table, private ones among them, gives no answer: it is refused.
 */
import type { Action } from '../../wire/action.ts';
import { sopClassOf } from './constants.ts';
import type { CommandName, Service } from './constants.ts';

/** `any`: whatever the session may do, it may do this. */
type Need = Action | 'any';

const needs: Readonly<Record<Service, Partial<Record<CommandName, Need>>>> = {
  verification: { 'C-ECHO': 'any' },
  storage: { 'C-STORE': 'modify' },
  find: { 'C-FIND': 'view' },
  /** To another device it is an export: the same action, until destinations have a policy of their own. */
  move: { 'C-MOVE': 'download' },
  get: { 'C-GET': 'download' },
  'procedure-step': { 'N-CREATE': 'modify', 'N-SET': 'modify', 'N-GET': 'view' },
  'procedure-step-reading': { 'N-GET': 'view' },
  'procedure-step-notice': { 'N-EVENT-REPORT': 'view' },
  print: {
    'N-CREATE': 'print',
    'N-SET': 'print',
    'N-ACTION': 'print',
    'N-DELETE': 'print',
    'N-GET': 'view',
    'N-EVENT-REPORT': 'view',
  },
  /** Success lets the sender delete its own copy (PS3.4 annex J): never answered by the gateway. */
  commitment: { 'N-ACTION': 'modify', 'N-EVENT-REPORT': 'modify' },
  'unified-step': {
    'N-CREATE': 'modify',
    'N-SET': 'modify',
    'N-ACTION': 'modify',
    'N-GET': 'view',
    'C-FIND': 'view',
    'N-EVENT-REPORT': 'view',
  },
  availability: { 'N-CREATE': 'modify' },
  'event-log': { 'N-ACTION': 'modify' },
  /** Copies leave on a disc. */
  media: { 'N-CREATE': 'download', 'N-ACTION': 'download', 'N-GET': 'view' },
};

/** What N-DELETE needs of any class whose row doesn't say. */
const deletion: Action = 'administer';

/**
 * The actions a request needs, all of them; empty when any grant will do; undefined when nothing can permit it.
 * `sopClassUids`: what the command names and what its context was agreed for, as far as known.
 */
export function actionsOf(
  name: CommandName,
  sopClassUids: readonly (string | undefined)[],
): readonly Action[] | undefined {
  const known = sopClassUids.filter((uid) => uid !== undefined);
  if (known.length === 0) return undefined;
  const actions = new Set<Action>();
  for (const uid of known) {
    const sopClass = sopClassOf(uid);
    if (sopClass === undefined) return undefined;
    const need = needs[sopClass.service][name] ?? (name === 'N-DELETE' ? deletion : undefined);
    if (need === undefined) return undefined;
    if (need !== 'any') actions.add(need);
  }
  return [...actions];
}

/** The one action that names a request in a record: what it needs most, `view` for an echo. */
export const headAction = (actions: readonly Action[]): Action => actions[0] ?? 'view';
