/** One device: what it is and why, what it said, what people said of it, and what is held against it. */
import type { ComponentChildren, VNode } from 'preact';
import type { DeviceRow } from '../../wire/messages.ts';
import type { FindingsAnswer } from '../finding-rows.ts';
import { Findings } from './findings.tsx';
import { showAll } from './place.ts';
import { Table } from './table.tsx';
import { agoText, pluralText, timeText } from './words.ts';

type Observation = NonNullable<DeviceRow['observation']>;
type Standing = NonNullable<DeviceRow['standing']>;

/** The row that a name means: a card, also one it had before, or a configured id. */
export const rowOf = (rows: readonly DeviceRow[], name: string): DeviceRow | undefined =>
  rows.find(
    ({ device, observation, standing }) =>
      device?.id === name || observation?.mac === name || standing?.record.macs.includes(name) === true,
  );

/** Every card it was seen with. */
const cardsOf = ({ observation, standing }: DeviceRow): ReadonlySet<string> =>
  new Set([...(standing?.record.macs ?? []), ...(observation === undefined ? [] : [observation.mac])]);

function Part({
  name,
  title,
  about,
  children,
}: {
  readonly name: string;
  readonly title: string;
  readonly about?: string;
  readonly children: ComponentChildren;
}): VNode {
  return (
    <section aria-labelledby={name}>
      <header>
        <h2 id={name}>{title}</h2>
        {about !== undefined && <p>{about}</p>}
      </header>
      {children}
    </section>
  );
}

function Facts({ row, now }: { readonly row: DeviceRow; readonly now: number }): VNode {
  const { device, observation, standing } = row;
  const facts: (readonly [string, string])[] = [];
  if (device) facts.push(['Configured as', `${device.id}, ${device.class}, ${device.unit}`]);
  if (observation) {
    facts.push(
      ['Card', `${observation.mac}${observation.vendor === undefined ? '' : ` (${observation.vendor})`}`],
      ['Addresses', observation.addresses.join(', ') || 'none'],
      ['Seen', `last ${agoText(now, observation.last)}, first ${timeText(observation.first)}`],
    );
  } else facts.push(['Seen', 'never']);
  if (standing) facts.push(...standingFacts(standing, observation));
  return (
    <dl>
      {facts.flatMap(([name, value]) => [<dt key={name}>{name}</dt>, <dd key={`${name} is`}>{value}</dd>])}
    </dl>
  );
}

function standingFacts(
  { record, risk }: Standing,
  observation: Observation | undefined,
): (readonly [string, string])[] {
  const { confirmed, said, macs, lifecycle } = record;
  const facts: (readonly [string, string])[] = [
    ['Risk', `${risk} of 100`],
    ['Lifecycle', lifecycle],
    ['Confirmed', confirmed === undefined ? 'no' : `by ${confirmed.by}, ${timeText(confirmed.at)}`],
  ];
  for (const [name, word] of Object.entries(said))
    if (word !== undefined) facts.push([`Said: ${name}`, `${word.value} (${word.by}, ${timeText(word.at)})`]);
  const others = macs.filter((mac) => mac !== observation?.mac);
  if (others.length > 0) facts.push(['Also seen as', others.join(', ')]);
  return facts;
}

/** Attribute by attribute: the value, the evidence it rests on, and what else was claimed. */
function Identity({ observation }: { readonly observation: Observation }): VNode {
  return (
    <Part name="identity" title="What it seems to be, and why">
      <Table
        caption="What it seems to be, and why"
        columns={[
          { head: 'Attribute', cell: ({ attribute }) => <strong>{attribute}</strong> },
          {
            head: 'Value',
            cell: ({ value }) => value ?? 'unknown: the claims differ',
          },
          { head: 'Because', cell: ({ because }) => because },
          { head: 'Also said', cell: ({ conflicts }) => conflicts.join(', ') || '–' },
        ]}
        rows={observation.identity ?? []}
        keyOf={({ attribute }) => attribute}
        empty="Nothing it sent tells what it is."
      />
    </Part>
  );
}

function Said({ observation, now }: { readonly observation: Observation; readonly now: number }): VNode {
  const { evidence, services } = observation;
  return (
    <>
      <Part name="services" title="Services" about={pluralText(services.length, 'port')}>
        <Table
          caption="Services"
          columns={[
            { head: 'Port', cell: ({ transport, port }) => `${transport}/${port}` },
            { head: 'Speaks', cell: ({ protocol }) => protocol ?? '–' },
          ]}
          rows={services}
          keyOf={({ transport, port }) => `${transport}/${port}`}
          empty="It answered on no port."
        />
      </Part>
      <Part name="evidence" title="Evidence" about={pluralText(evidence.length, 'fact')}>
        <Table
          caption="Evidence"
          columns={[
            { head: 'From', cell: ({ protocol }) => protocol },
            { head: 'Field', cell: ({ field }) => field },
            { head: 'Value', cell: ({ value }) => value },
            { head: 'Seen', cell: ({ last }) => agoText(now, last) },
          ]}
          rows={evidence}
          keyOf={({ protocol, field, value }) => `${protocol} ${field} ${value}`}
          empty="It said nothing of itself."
        />
      </Part>
    </>
  );
}

export function Device({
  name,
  devices,
  findings,
  now,
}: {
  readonly name: string;
  readonly devices: readonly DeviceRow[];
  readonly findings: FindingsAnswer;
  readonly now: number;
}): VNode {
  const row = rowOf(devices, name);
  const { device, observation, standing } = row ?? {};
  const title = standing?.record.said.name?.value ?? device?.name ?? observation?.mac ?? name;
  return (
    <>
      <Part name="device" title={title}>
        <p class="back">
          <button type="button" class="link" onClick={showAll}>
            ← All of the gateway
          </button>
        </p>
        {row === undefined ? (
          <p class="empty">No device is called that. It may have been forgotten since.</p>
        ) : (
          <Facts row={row} now={now} />
        )}
      </Part>
      <Findings answer={findings} of={row === undefined ? new Set([name]) : cardsOf(row)} />
      {observation && <Identity observation={observation} />}
      {observation && <Said observation={observation} now={now} />}
    </>
  );
}
