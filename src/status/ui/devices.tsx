/** The devices: what was configured, what the sensor saw, and what each host said of itself. */
import type { VNode } from 'preact';
import type { DeviceRow } from '../../wire/messages.ts';
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

const columns = (now: number): readonly Column<DeviceRow>[] => [
  {
    head: 'Device',
    cell: ({ device }) => (
      <>
        <strong>{device?.name ?? 'Unknown device'}</strong>
        <small>{device ? `${device.id}, ${device.class}, ${device.unit}` : 'not in the inventory'}</small>
      </>
    ),
  },
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
  now,
}: {
  readonly devices: readonly DeviceRow[];
  readonly now: number;
}): VNode {
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
        columns={columns(now)}
        rows={devices}
        keyOf={({ device, observation }) => device?.id ?? observation?.mac ?? ''}
        empty="None is configured, and none was seen."
      />
    </section>
  );
}
