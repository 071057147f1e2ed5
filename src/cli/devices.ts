/**
 * `anteroom devices`: the inventory, everything known of one device and why, and what operators say of it, which wins
 * over what was seen.
 */
import type { Command } from 'commander';
import { deviceFields, lifecycles } from '../wire/device-record.ts';
import { Fault } from '../wire/errors.ts';
import type { DeviceRow } from '../wire/messages.ts';
import type { IdentityAttribute } from '../wire/observation.ts';
import { deviceKnowledge, registerDocument } from './device-document.ts';
import { fetchOverview, plain, printJson, span, table, withControl } from './console.ts';

const headings = ['DEVICE', 'CLASS', 'UNIT', 'ADDRESSES', 'MAC', 'VENDOR', 'MODEL', 'SPEAKS', 'RISK', 'SEEN'];

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
      row.device?.id ?? row.standing?.record.said.name?.value ?? '-',
      row.device?.class ?? seen(row, 'class') ?? '-',
      row.device?.unit ?? '-',
      row.observation?.addresses.join(',') ?? '-',
      row.observation?.mac ?? '-',
      seen(row, 'vendor') ?? row.observation?.vendor ?? '-',
      seen(row, 'model') ?? '-',
      speaks(row) || '-',
      row.standing === undefined || row.standing.risk === 0 ? '-' : String(row.standing.risk),
      row.observation ? `${span(now - row.observation.last)} ago` : 'never',
    ]),
  );
}

function deviceText({ device, observation, standing }: DeviceRow, now: number): string {
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
  if (standing) {
    const { record, risk } = standing;
    const { confirmed } = record;
    lines.push(
      ['record', record.id],
      ['lifecycle', record.lifecycle],
      [
        'confirmed',
        confirmed ? `by ${confirmed.by} on ${new Date(confirmed.at).toISOString().slice(0, 10)}` : 'no',
      ],
      ['risk', `${risk} of 100`],
    );
    for (const name of ['name', 'owner', 'location'] as const) {
      const said = record.said[name];
      if (said)
        lines.push([name, `${said.value} (${said.by}, ${new Date(said.at).toISOString().slice(0, 10)})`]);
    }
    const others = record.macs.filter((mac) => mac !== observation?.mac);
    if (others.length > 0) lines.push(['also seen as', others.join(', ')]);
  }
  let text = lines.map(([name, value]) => `${name.padEnd(12)} ${plain(value)}\n`).join('');
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
  const keys = standing?.record.keys.filter(({ kind }) => kind !== 'mac') ?? [];
  if (keys.length > 0)
    text += `\n${table(
      ['KNOWN BY', 'VALUE'],
      keys.map(({ kind, value }) => [kind, value]),
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

/** By configured id, given name, MAC or address. */
function find(rows: readonly DeviceRow[], name: string): DeviceRow | undefined {
  return rows.find(
    ({ device, observation, standing }) =>
      device?.id === name ||
      standing?.record.id === name ||
      standing?.record.said.name?.value === name ||
      observation?.mac === name ||
      observation?.addresses.includes(name) === true,
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
  registerDocument(devices);
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
      else process.stdout.write(deviceText(row, overview.now) + (await deviceKnowledge(name)));
    });
  const device = ['<device>', 'its id, given name, MAC or address'] as const;
  devices
    .command('confirm')
    .description('say that a device is what it seems to be; takes in changed parts')
    .argument(...device)
    .action(async (name: string) => {
      const { record } = await withControl((control) =>
        control.call('operator.device.confirm', { device: name }),
      );
      process.stdout.write(`${record.id} is confirmed.\n`);
    });
  const set = devices
    .command('set')
    .description('correct what was guessed: your word wins; an empty one is taken back')
    .argument(...device)
    .option('--lifecycle <state>', lifecycles.join(', '));
  for (const field of deviceFields) set.option(`--${field} <text>`);
  set.action(async (name: string, options: Readonly<Record<string, string>>) => {
    const fields = Object.fromEntries(
      deviceFields.flatMap((field) => (options[field] === undefined ? [] : [[field, options[field]]])),
    );
    const lifecycle = lifecycles.find((each) => each === options['lifecycle']);
    if (options['lifecycle'] !== undefined && lifecycle === undefined)
      throw new Fault('DEVICE_UNKNOWN', `--lifecycle is one of ${lifecycles.join(', ')}`);
    const body = { device: name, fields, ...(lifecycle === undefined ? {} : { lifecycle }) };
    const { record } = await withControl((control) => control.call('operator.device.set', body));
    process.stdout.write(`${record.id} is as you say.\n`);
  });
  devices
    .command('retire')
    .description('say that a device is no longer in use')
    .argument(...device)
    .option('--reason <text>', 'why, for the record', '')
    .action(async (name: string, { reason }: { reason: string }) => {
      const body = { device: name, reason };
      const { record } = await withControl((control) => control.call('operator.device.retire', body));
      process.stdout.write(`${record.id} is retired.\n`);
    });
}
