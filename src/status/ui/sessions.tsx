/** The session table: who reaches which device, what they may do there, and what went through. Open ones first. */
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { SessionRow } from '../../wire/messages.ts';
import { Table } from './table.tsx';
import type { Column } from './table.tsx';
import { agoText, bytesText, clockText, countText, pluralText } from './words.ts';

/** Each name with its count stays in one piece where there is room for it. */
function Units({ units }: { readonly units: Readonly<Record<string, number>> }): VNode {
  const names = Object.entries(units);
  if (names.length === 0) return <>–</>;
  return (
    <span>
      {names.map(([name, n], i) => (
        <span key={name} class="whole">
          {`${name} × ${countText(n)}${i < names.length - 1 ? ',\u00a0' : ''}`}
        </span>
      ))}
    </span>
  );
}

/** What the session is obliged to: watched and quarantined ones stand out, advice is told in its words. */
function Duties({ grant: { obligations } }: { readonly grant: SessionRow['grant'] }): VNode {
  const kinds = [...new Set(obligations.map(({ kind }) => kind))];
  return (
    <>
      {kinds.map((kind) => (
        <small key={kind}>
          <span class={kind === 'watch' || kind === 'quarantine' ? 'level warning' : undefined}>
            {duty[kind]}
          </span>
          {': '}
          {obligations
            .filter((each) => each.kind === kind)
            .map(({ text }) => text)
            .join(' ')}
        </small>
      ))}
    </>
  );
}

const duty: Readonly<Record<SessionRow['grant']['obligations'][number]['kind'], string>> = {
  warn: 'warned',
  record: 'recorded',
  watch: 'watched',
  'step-up': 'sign in again',
  review: 'to be reviewed',
  watermark: 'watermark',
  quarantine: 'quarantine',
};

const columns = (now: number): readonly Column<SessionRow>[] => [
  {
    head: 'User',
    cell: ({ grant: { subject } }) => (
      <>
        <strong>{subject.user}</strong>
        <small>
          {subject.userDevice}, posture {subject.posture.level}
        </small>
      </>
    ),
  },
  {
    head: 'Device',
    cell: ({ grant: { target } }) => (
      <>
        <strong>{target.device}</strong>
        <small>{target.resource}</small>
      </>
    ),
  },
  { head: 'Protocol', cell: ({ grant }) => grant.target.protocol },
  {
    head: 'May',
    cell: ({ grant }) => (
      <>
        {grant.actions.join(', ')}
        <Duties grant={grant} />
        {grant.denials.map((each) => (
          <small key={each.reason}>
            no {each.actions.join(', ')}: {each.reason}
          </small>
        ))}
      </>
    ),
  },
  { head: 'Keys', cell: ({ grant }) => <span class="fixed">{grant.subject.kex}</span> },
  { head: 'To device', numeric: true, cell: ({ progress }) => bytesText(progress.bytesToDevice) },
  { head: 'To user', numeric: true, cell: ({ progress }) => bytesText(progress.bytesToUser) },
  { head: 'Units', cell: ({ progress }) => <Units units={progress.units} /> },
  {
    head: 'Refused',
    numeric: true,
    cell: ({ progress: { refused } }) =>
      refused > 0 ? <span class="level warning">{countText(refused)} refused</span> : '0',
  },
  {
    head: 'State',
    cell: ({ progress, ended }) => (
      <>
        {ended ? 'ended' : <span class="level ok">open</span>}
        <small>
          {ended
            ? `${ended.reason}, ${agoText(now, ended.at)}`
            : `since ${clockText(progress.startedAt)}, last used ${agoText(now, progress.lastActivity)}`}
        </small>
      </>
    ),
  },
];

/** What a reader may look for in a row. */
const searchText = ({ grant: { session, subject, target } }: SessionRow): string =>
  [session, subject.user, subject.userDevice, subject.peer, target.device, target.resource, target.protocol]
    .join(' ')
    .toLowerCase();

export function Sessions({
  sessions,
  now,
}: {
  readonly sessions: readonly SessionRow[];
  readonly now: number;
}): VNode {
  const [wanted, setWanted] = useState('');
  const open = sessions.filter((row) => !row.ended).length;
  const rows = sessions
    .filter((row) => searchText(row).includes(wanted.trim().toLowerCase()))
    .toSorted(
      (a, b) =>
        Number(a.ended !== undefined) - Number(b.ended !== undefined) ||
        b.progress.startedAt - a.progress.startedAt,
    );
  return (
    <section aria-labelledby="sessions">
      <header>
        <h2 id="sessions">Sessions</h2>
        <p>
          {countText(open)} open, {countText(sessions.length - open)} ended lately
        </p>
        {sessions.length > 10 && (
          <label>
            Find{' '}
            <input
              type="search"
              value={wanted}
              placeholder="user, device, resource"
              onInput={(event) => setWanted(event.currentTarget.value)}
            />
          </label>
        )}
      </header>
      {wanted !== '' && <p role="status">{pluralText(rows.length, 'session')} found</p>}
      <Table
        caption="Sessions"
        columns={columns(now)}
        rows={rows}
        keyOf={(row) => row.grant.session}
        empty={wanted === '' ? 'No session is open, and none was lately.' : 'No session is like that.'}
      />
    </section>
  );
}
