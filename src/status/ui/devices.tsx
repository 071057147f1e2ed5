/** The devices: what was configured, what the sensor saw, and what each host said of itself. */
import type { VNode } from 'preact';
import type { DeviceRow } from '../../wire/messages.ts';
import type { FindingsAnswer } from '../finding-rows.ts';
import { DeviceButton } from './findings.tsx';
import { Table } from './table.tsx';
import type { Column } from './table.tsx';
import { agoText, clockText, pluralText } from './words.ts';

type Observation = NonNullable<DeviceRow['observation']>;

const servicesText = ({ services }: Observation): string =>
  services
    .map(
      ({ transport, port, protocol }) =>
        `${port}/${transport}${protocol === undefined ? '' : ` ${protocol}`}`,
    )
    .join(', ');

const seen = ({ identity }: Observation, attribute: string): string | undefined =>
  identity?.find((row) => row.attribute === attribute)?.value;

/** What it seems to be: model, class, version, as far as its own words tell. */
const kindText = (observation: Observation): string =>
  ['model', 'class', 'software'].flatMap((attribute) => seen(observation, attribute) ?? []).join(', ');

/** What the host said, newest last; behind a word when there is much of it. */
function Said({ observation }: { readonly observation: Observation }): VNode {
  const { evidence } = observation;
  if (evidence.length === 0) return <>–</>;
  const list = (
    <ul>
      {evidence.map(({ protocol, field, value, last }) => (
        <li key={`${protocol} ${field} ${value}`} title={`last ${clockText(last)}`}>
          <small class="field">
            {protocol} {field}
          </small>{' '}
          {value}
        </li>
      ))}
    </ul>
  );
  if (evidence.length <= 3) return list;
  return (
    <details>
      <summary>{pluralText(evidence.length, 'fact')}</summary>
      {list}
    </details>
  );
}

/** What people call it, then what it was configured as. */
const nameText = ({ device, standing }: DeviceRow): string =>
  standing?.record.said.name?.value ?? device?.name ?? 'Unknown device';

const placeOf = ({ device, observation }: DeviceRow): string => device?.id ?? observation?.mac ?? '';

/** Risk, and how many open findings it comes from. */
function Risk({ row, open }: { readonly row: DeviceRow; readonly open: ReadonlyMap<string, number> }): VNode {
  const { observation, standing } = row;
  const cards = new Set([...(standing?.record.macs ?? []), ...(observation ? [observation.mac] : [])]);
  let count = 0;
  for (const mac of cards) count += open.get(mac) ?? 0;
  if (count === 0) return <>–</>;
  const risk = standing?.risk ?? 0;
  return (
    <>
      <span class={`level ${risk >= 50 ? 'critical' : risk > 0 ? 'warning' : 'quiet'}`}>{risk}</span>
      <small>{pluralText(count, 'finding')}</small>
    </>
  );
}

const columns = (now: number, open: ReadonlyMap<string, number>): readonly Column<DeviceRow>[] => [
  {
    head: 'Device',
    cell: (row) => (
      <>
        <DeviceButton name={placeOf(row)}>
          <strong>{nameText(row)}</strong>
        </DeviceButton>
        <small>
          {row.device ? `${row.device.id}, ${row.device.class}, ${row.device.unit}` : 'not in the inventory'}
        </small>
      </>
    ),
  },
  { head: 'Risk', cell: (row) => <Risk row={row} open={open} /> },
  {
    head: 'Vendor',
    cell: ({ observation }) =>
      observation ? (
        <>
          {seen(observation, 'vendor') ?? observation.vendor ?? 'unknown'}
          {kindText(observation) === '' ? null : <span>{kindText(observation)}</span>}
          <small>{observation.mac}</small>
        </>
      ) : (
        '–'
      ),
  },
  { head: 'Addresses', cell: ({ observation }) => observation?.addresses.join(', ') || '–' },
  { head: 'Services', cell: ({ observation }) => (observation && servicesText(observation)) || '–' },
  { head: 'Said', cell: ({ observation }) => (observation ? <Said observation={observation} /> : '–') },
  {
    head: 'Seen',
    cell: ({ observation }) =>
      observation ? agoText(now, observation.last) : <span class="level quiet">not seen yet</span>,
  },
];

export function Devices({
  devices,
  findings,
  now,
}: {
  readonly devices: readonly DeviceRow[];
  readonly findings: FindingsAnswer;
  readonly now: number;
}): VNode {
  const open = new Map<string, number>();
  for (const { mac, state } of findings.findings)
    if (mac !== undefined && state === 'open') open.set(mac, (open.get(mac) ?? 0) + 1);
  const unknown = devices.filter((row) => !row.device).length;
  return (
    <section aria-labelledby="devices">
      <header>
        <h2 id="devices">Devices</h2>
        <p>
          {pluralText(devices.length, 'device')}, {unknown} not in the inventory
        </p>
      </header>
      <Table
        caption="Devices"
        columns={columns(now, open)}
        rows={devices}
        keyOf={placeOf}
        empty="None is configured, and none was seen."
      />
    </section>
  );
}
