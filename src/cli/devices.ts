/** `anteroom devices`: the inventory, and everything known of one device. */
import type { Command } from 'commander';
import { Fault } from '../wire/errors.ts';
import type { DeviceRow } from '../wire/messages.ts';
import type { IdentityAttribute } from '../wire/observation.ts';
import { fetchOverview, plain, printJson, span, table } from './console.ts';

const headings = ['DEVICE', 'CLASS', 'UNIT', 'ADDRESSES', 'MAC', 'VENDOR', 'MODEL', 'SPEAKS', 'SEEN'];

/** What the sensor makes of the host; undefined when nothing tells or the claims differ. */
const seen = ({ observation }: DeviceRow, attribute: IdentityAttribute['attribute']): string | undefined =>
  observation?.identity?.find((row) => row.attribute === attribute)?.value;

function speaks({ observation }: DeviceRow): string {
  const services = observation?.services ?? [];
  return services
    .filter((s) => s.protocol !== undefined)
    .map((s) => `${s.protocol ?? ''}/${s.port}`)
    .join(',');
}

export function devicesTable(rows: readonly DeviceRow[], now: number): string {
  return table(
    headings,
    rows.map((row) => [
      row.device?.id ?? '-',
      row.device?.class ?? seen(row, 'class') ?? '-',
      row.device?.unit ?? '-',
      row.observation?.addresses.join(',') ?? '-',
      row.observation?.mac ?? '-',
      seen(row, 'vendor') ?? row.observation?.vendor ?? '-',
      seen(row, 'model') ?? '-',
      speaks(row) || '-',
      row.observation ? `${span(now - row.observation.last)} ago` : 'never',
    ]),
  );
}

function deviceText({ device, observation }: DeviceRow, now: number): string {
  const lines: (readonly [string, string])[] = [];
  if (device)
    lines.push(['device', `${device.id} (${device.name})`], ['class', device.class], ['unit', device.unit]);
  else lines.push(['device', 'not configured']);
  if (observation) {
    const { mac, vendor, addresses, first, last } = observation;
    lines.push(
      ['mac', mac],
      ['vendor', vendor ?? 'unknown'],
      ['addresses', addresses.join(', ') || 'none'],
      ['first seen', new Date(first).toISOString()],
      ['last seen', `${span(now - last)} ago`],
    );
  } else lines.push(['seen', 'never']);
  let text = lines.map(([name, value]) => `${name.padEnd(11)} ${plain(value)}\n`).join('');
  if (observation?.identity && observation.identity.length > 0)
    text += `\n${table(
      ['SEEMS', 'VALUE', 'BECAUSE', 'ALSO SAID'],
      observation.identity.map((row) => [
        row.attribute,
        row.value ?? 'unknown',
        row.because,
        row.conflicts.join(', ') || '-',
      ]),
    )}`;
  if (observation && observation.services.length > 0)
    text += `\n${table(
      ['PORT', 'PROTOCOL'],
      observation.services.map((s) => [`${s.transport}/${s.port}`, s.protocol ?? '-']),
    )}`;
  if (observation && observation.evidence.length > 0)
    text += `\n${table(
      ['FROM', 'FIELD', 'VALUE', 'LAST'],
      observation.evidence.map((e) => [e.protocol, e.field, e.value, `${span(now - e.last)} ago`]),
    )}`;
  return text;
}

/** By configured id, MAC or address. */
function find(rows: readonly DeviceRow[], name: string): DeviceRow | undefined {
  return rows.find(
    ({ device, observation }) =>
      device?.id === name || observation?.mac === name || observation?.addresses.includes(name) === true,
  );
}

export function register(program: Command): void {
  const devices = program
    .command('devices')
    .description('the inventory: what is configured and what was seen')
    .option('--json', 'as JSON')
    .action(async ({ json }: { json?: boolean }) => {
      const overview = await fetchOverview();
      if (json === true) printJson(overview.devices);
      else if (overview.devices.length === 0) process.stdout.write('No devices.\n');
      else process.stdout.write(devicesTable(overview.devices, overview.now));
    });
  devices
    .command('show')
    .description('everything known of one device')
    .argument('<device>', 'its id, MAC or address')
    .option('--json', 'as JSON')
    .action(async (name: string, { json }: { json?: boolean }, command: Command) => {
      const overview = await fetchOverview();
      const row = find(overview.devices, name);
      if (!row) throw new Fault('DEVICE_UNKNOWN', name);
      if (json === true || command.parent?.opts<{ json?: boolean }>().json === true) printJson(row);
      else process.stdout.write(deviceText(row, overview.now));
    });
}
