/** What is held against devices: the worst first, each with its reasons and what to do. Read only, as all of the page. */
import type { ComponentChildren, VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { FindingRow, FindingsAnswer } from '../finding-rows.ts';
import { showDevice } from './place.ts';
import { Table } from './table.tsx';
import type { Column } from './table.tsx';
import { agoText, countText, pluralText, timeText } from './words.ts';

const levels: Readonly<Record<FindingRow['severity'], string>> = {
  critical: 'critical',
  high: 'critical',
  medium: 'warning',
  low: 'quiet',
  info: 'quiet',
};

const stateText = ({ state, until }: FindingRow): string =>
  state === 'suppressed' && until !== undefined ? `suppressed until ${timeText(until)}` : state;

/** Who settled it and why; only of one that is settled. */
const saidText = ({ by, note }: FindingRow): string =>
  by === undefined ? '' : `by ${by}${note === undefined || note === '' ? '' : `: ${note}`}`;

function Evidence({ finding: { evidence, advice } }: { readonly finding: FindingRow }): VNode {
  return (
    <details>
      <summary>{pluralText(evidence.length, 'reason')}</summary>
      <ul>
        {evidence.map((each) => (
          <li key={each}>{each}</li>
        ))}
      </ul>
      <small>{`What to do: ${advice}`}</small>
    </details>
  );
}

/** A device as a way to its own view. */
export function DeviceButton({
  name,
  children,
}: {
  readonly name: string;
  readonly children: ComponentChildren;
}): VNode {
  return (
    <button type="button" class="link" onClick={() => showDevice(name)}>
      {children}
    </button>
  );
}

const columns = (now: number, ofDevice: boolean): readonly Column<FindingRow>[] => [
  {
    head: 'Severity',
    cell: ({ severity, state }) => (
      <span class={`level ${state === 'open' ? levels[severity] : 'quiet'}`}>{severity}</span>
    ),
  },
  {
    head: 'Finding',
    cell: (finding) => (
      <>
        {finding.text}
        <small>{`${finding.kind}, ${finding.key}`}</small>
        <small class="fixed">{finding.id}</small>
      </>
    ),
  },
  ...(ofDevice
    ? []
    : [
        {
          head: 'Device',
          cell: ({ device, mac }: FindingRow) =>
            mac === undefined ? (
              device
            ) : (
              <>
                <DeviceButton name={mac}>
                  <span class={device === mac ? 'fixed' : undefined}>{device}</span>
                </DeviceButton>
                {device === mac ? null : <small class="fixed">{mac}</small>}
              </>
            ),
        },
      ]),
  { head: 'Evidence', cell: (finding) => <Evidence finding={finding} /> },
  { head: 'Count', numeric: true, cell: ({ count }) => countText(count) },
  {
    head: 'ATT&CK',
    cell: ({ technique, techniqueName }) => (
      <>
        {technique}
        <small>{techniqueName}</small>
      </>
    ),
  },
  {
    head: 'Seen',
    cell: ({ first, last }) => (
      <>
        {`last ${agoText(now, last)}`}
        <small>{`first ${timeText(first)}`}</small>
      </>
    ),
  },
  {
    head: 'State',
    cell: (finding) => (
      <>
        <span class={finding.state === 'open' ? 'level warning' : undefined}>{stateText(finding)}</span>
        <small>{saidText(finding)}</small>
      </>
    ),
  },
];

const searchText = (f: FindingRow): string =>
  [f.id, f.severity, f.kind, f.text, f.device, f.mac, f.technique, f.techniqueName, f.state, ...f.evidence]
    .join(' ')
    .toLowerCase();

/** With `of`: those of one device. */
export function Findings({
  answer,
  of,
}: {
  readonly answer: FindingsAnswer;
  readonly of?: ReadonlySet<string>;
}): VNode {
  const [wanted, setWanted] = useState('');
  const all = of === undefined ? answer.findings : answer.findings.filter(({ mac }) => of.has(mac ?? ''));
  const open = all.filter(({ state }) => state === 'open').length;
  const rows = all.filter((row) => searchText(row).includes(wanted.trim().toLowerCase()));
  const past = of === undefined ? answer.total - answer.findings.length : 0;
  return (
    <section aria-labelledby="findings">
      <header>
        <h2 id="findings">Findings</h2>
        <p>
          {`${countText(open)} open, ${countText(all.length - open)} settled`}
          {past > 0 && `, ${countText(past)} lesser ones not shown`}
        </p>
        {all.length > 10 && (
          <label>
            Search{' '}
            <input
              type="search"
              value={wanted}
              placeholder="device, kind, severity"
              onInput={(event) => setWanted(event.currentTarget.value)}
            />
          </label>
        )}
      </header>
      {wanted !== '' && <p role="status">{pluralText(rows.length, 'finding')} found</p>}
      <Table
        caption="Findings"
        columns={columns(answer.now, of !== undefined)}
        rows={rows}
        keyOf={({ id }) => id}
        empty={wanted === '' ? 'Nothing is held against any device.' : 'No finding is like that.'}
      />
      {rows.length > 0 && (
        <p class="empty">
          {`Techniques are those of ${answer.source}. Acknowledge or suppress with \`anteroom findings ack\` or \`suppress\`.`}
        </p>
      )}
    </section>
  );
}
