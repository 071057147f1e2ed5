/**
 * A draft of least privilege from what was really done: for the pilot that starts permissive. Each action that a session
 * used (`session.unit`) asks for a permit of that action to a role of its user on devices of that class, narrowed by
 * what held every time: the user's own unit, from inside the site, a posture that was good enough.
 *
 * What was permitted and never used isn't in the draft; neither is what was done by break-glass or in an emergency: those
 * stay exceptions. A draft knows only what happened while the pilot ran: a person reads it before it decides.
 */
import type { Action } from '../wire/action.ts';
import { actions } from '../wire/action.ts';
import type { AuditRecord } from '../wire/audit-event.ts';
import { decisionOf } from './replay.ts';
import type { AccessRequest } from './request.ts';

/** What one user did to devices of one class. */
interface Use {
  readonly roles: readonly string[];
  readonly sessions: Set<string>;
  own: boolean;
  local: boolean;
  postureGood: boolean;
}

/** A service that the sensor saw a host of the enclave answer on: traffic that may need a resource of its own. */
export interface SeenService {
  readonly addresses: readonly string[];
  /** `tcp/104 dicom`. */
  readonly service: string;
  readonly port: number;
}

/** One policy of the draft. */
export interface Suggestion {
  readonly id: string;
  readonly role: string;
  readonly class: string;
  readonly actions: readonly Action[];
  /** Conditions that held every time. */
  readonly own: boolean;
  readonly local: boolean;
  readonly postureGood: boolean;
  readonly users: number;
  readonly sessions: number;
}

export interface Draft {
  readonly suggestions: readonly Suggestion[];
  readonly cedar: string;
  /** A decision table of it, `table-file.ts`. */
  readonly cases: string;
  readonly sessions: number;
  /** Sessions left out: break-glass and emergencies; records without facts; users without a role. */
  readonly exceptional: number;
  readonly lacking: number;
  readonly roleless: number;
  /** Refusals during the pilot, by user and resource: how often. They ask for nothing. */
  readonly refused: ReadonlyMap<string, number>;
  readonly seen: readonly SeenService[];
}

const GOOD_ENOUGH = new Set(['good', 'minor']);
/** Characters that an id of a policy may have. */
const slug = (text: string): string => text.toLowerCase().replaceAll(/[^a-z0-9_-]+/g, '-');
const quote = (text: string): string => JSON.stringify(text);

interface Traits {
  readonly own: boolean;
  readonly local: boolean;
  readonly postureGood: boolean;
}
const signature = ({ own, local, postureGood }: Traits): string => `${own} ${local} ${postureGood}`;

export class Suggester {
  readonly #open = new Map<string, AccessRequest>();
  /** By class and action, and then by user. */
  readonly #uses = new Map<string, Map<string, Use>>();
  readonly #seen = new Set<string>();
  readonly #refused = new Map<string, number>();
  /** By hardware address and service. */
  readonly #services = new Map<string, SeenService>();
  #exceptional = 0;
  #lacking = 0;
  readonly #roleless = new Set<string>();

  put(record: Pick<AuditRecord, 'seq' | 'time' | 'event'>): void {
    const { event } = record;
    if (event.kind === 'session.unit') this.#unit(event.body.session, event.body.action);
    else if (event.kind === 'session.end') this.#open.delete(event.body.session);
    else if (event.kind === 'device.observed')
      for (const service of event.body.what) {
        const [, port] = /^tcp\/(\d+)\b/.exec(service) ?? [];
        const { mac, addresses } = event.body;
        if (port !== undefined)
          this.#services.set(`${mac} ${port}`, { addresses, service, port: Number(port) });
      }
    const decision = decisionOf(record);
    if (!decision) return;
    if (event.kind === 'session.refused') {
      const what = `${decision.user ?? 'somebody unknown'} on ${decision.resource ?? 'something unknown'}`;
      this.#refused.set(what, (this.#refused.get(what) ?? 0) + 1);
    } else if (!decision.request) this.#lacking++;
    else if (decision.request.breakGlass || decision.request.emergency) {
      if (event.kind === 'session.start') this.#exceptional++;
      this.#open.delete(decision.session);
    } else this.#open.set(decision.session, decision.request);
  }

  #unit(session: string, action: Action): void {
    const request = this.#open.get(session);
    if (!request) return;
    this.#seen.add(session);
    const { subject, device, units, path } = request;
    if (subject.roles.length === 0) {
      this.#roleless.add(session);
      return;
    }
    const key = `${device.class}\0${action}`;
    const users = this.#uses.get(key) ?? new Map<string, Use>();
    this.#uses.set(key, users);
    const use = users.get(subject.user) ?? {
      roles: subject.roles,
      sessions: new Set<string>(),
      own: true,
      local: true,
      postureGood: true,
    };
    users.set(subject.user, use);
    use.sessions.add(session);
    use.own &&= units.includes(device.unit);
    use.local &&= path === 'local';
    use.postureGood &&= GOOD_ENOUGH.has(subject.posture.level);
  }

  /** For each class and action the fewest roles whose users are all who did it. */
  #roles(): Map<string, { action: Action; users: Map<string, Use> }[]> {
    const byRole = new Map<string, { action: Action; users: Map<string, Use> }[]>();
    for (const [key, all] of [...this.#uses].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const [className = '', action = ''] = key.split('\0');
      const left = new Map(all);
      while (left.size > 0) {
        const counts = new Map<string, number>();
        for (const { roles } of left.values())
          for (const role of roles) counts.set(role, (counts.get(role) ?? 0) + 1);
        const [[role] = ['']] = [...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));
        const users = new Map([...left].filter(([, use]) => use.roles.includes(role)));
        for (const user of users.keys()) left.delete(user);
        const place = `${role}\0${className}`;
        byRole.set(place, [...(byRole.get(place) ?? []), { action: action as Action, users }]);
      }
    }
    return byRole;
  }

  draft(): Draft {
    const suggestions: Suggestion[] = [];
    for (const [place, uses] of [...this.#roles()].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const [role = '', className = ''] = place.split('\0');
      const groups = new Map<
        string,
        { traits: Traits; actions: Action[]; users: Set<string>; sessions: Set<string> }
      >();
      for (const { action, users } of uses) {
        const all = [...users.values()];
        const traits: Traits = {
          own: all.every((use) => use.own),
          local: all.every((use) => use.local),
          postureGood: all.every((use) => use.postureGood),
        };
        const group = groups.get(signature(traits)) ?? {
          traits,
          actions: [],
          users: new Set(),
          sessions: new Set(),
        };
        groups.set(signature(traits), group);
        group.actions.push(action);
        for (const [user, use] of users) {
          group.users.add(user);
          for (const session of use.sessions) group.sessions.add(session);
        }
      }
      [...groups.values()].forEach((group, i) => {
        const base = `suggested.${slug(role)}.${slug(className)}`.slice(0, 58);
        suggestions.push({
          id: groups.size > 1 ? `${base}.${i + 1}` : base,
          role,
          class: className,
          actions: actions.filter((action) => group.actions.includes(action)),
          ...group.traits,
          users: group.users.size,
          sessions: group.sessions.size,
        });
      });
    }
    return {
      suggestions,
      cedar: cedarOf(suggestions),
      cases: casesOf(suggestions),
      sessions: this.#seen.size,
      exceptional: this.#exceptional,
      lacking: this.#lacking,
      roleless: this.#roleless.size,
      refused: this.#refused,
      seen: [...this.#services.values()],
    };
  }
}

function conditions({ class: className, own, local, postureGood, actions: of }: Suggestion): string[] {
  const list = [`resource.class == ${quote(className)}`];
  if (own) list.push('principal.units.contains(resource.unit)');
  if (local) list.push('context.path == Path::"local"');
  if (postureGood) list.push('[Level::"good", Level::"minor"].contains(context.posture.level)');
  // A download is never without any look at the device that it goes to.
  else if (of.includes('download')) list.push('context.posture.level != Level::"critical"');
  return list;
}

function cedarOf(suggestions: readonly Suggestion[]): string {
  const policies = suggestions.map((each) => {
    const { id, role, class: className, actions: of, own, users, sessions } = each;
    const [only] = of;
    const action =
      of.length === 1 ? `== Action::"${only}"` : `in [${of.map((name) => `Action::"${name}"`).join(', ')}]`;
    const unit = own ? ' of the own unit' : '';
    const reason = `${role} on ${className}${unit}: seen in ${sessions} sessions of ${users} users.`.slice(
      0,
      200,
    );
    return `@id("${id}")
@reason(${quote(reason)})
permit (
  principal in Role::${quote(role)},
  action ${action},
  resource
)
when { ${conditions(each).join(' && ')} };
`;
  });
  return `// A draft of least privilege from recorded sessions. Read it, name it, and add the guards of the site (posture,
// vendors, emergency) before it decides anything: what nobody did while it was recorded isn't in it.

${policies.join('\n')}`;
}

/** A word that a cell of a table can hold. */
const speakable = (word: string): boolean => !/[,;|`\n]/.test(word) && word.trim() === word && word !== '-';

function casesOf(suggestions: readonly Suggestion[]): string {
  const rows: string[][] = [];
  const places = new Map<string, Suggestion[]>();
  for (const each of suggestions) {
    if (!speakable(each.role) || !speakable(each.class)) continue;
    const place = `${each.role} on ${each.class}`;
    places.set(place, [...(places.get(place) ?? []), each]);
  }
  const words = (list: readonly string[], none: string): string => (list.length > 0 ? list.join(', ') : none);
  for (const [place, group] of places) {
    const [first] = group;
    if (!first) continue;
    const row = (
      name: string,
      roles: string,
      units: string,
      path: string,
      posture: string,
      held: readonly Suggestion[],
    ): void => {
      const may = actions.filter((action) => held.some((each) => each.actions.includes(action)));
      const cells = [name, roles, units, first.class, 'unit-a', path, posture, words(may, 'nothing')];
      rows.push([...cells, words(held.map(({ id }) => id).sort(), '-')]);
    };
    row(place, first.role, 'unit-a', 'local', 'good', group);
    row(
      `${place}, another unit`,
      first.role,
      'unit-b',
      'local',
      'good',
      group.filter(({ own }) => !own),
    );
    row(
      `${place}, from outside`,
      first.role,
      'unit-a',
      'remote',
      'good',
      group.filter(({ local }) => !local),
    );
    const quarantined = group.filter(
      ({ postureGood, actions: of }) => !postureGood && !of.includes('download'),
    );
    row(`${place}, a device in quarantine`, first.role, 'unit-a', 'local', 'critical', quarantined);
    row(`nobody in particular on ${first.class} (${first.role})`, '-', 'unit-a', 'local', 'good', []);
  }
  const headings = ['case', 'roles', 'units', 'class', 'unit', 'path', 'posture', 'may', 'rules'];
  const widths = headings.map((heading, i) =>
    Math.max(heading.length, ...rows.map((row) => row[i]?.length ?? 0)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |`;
  const table = [headings, widths.map((width) => '-'.repeat(width)), ...rows].map(line).join('\n');
  return `# What the draft permits\n\nPolicies: suggested.cedar\n\n${table}\n`;
}
