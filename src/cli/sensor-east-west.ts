/**
 * `anteroom sensor east-west`: which observed flows between hosts of the enclave a tighter segmentation would keep, and
 * which it would cut, as an nftables set of what is needed and a list of what isn't.
 *
 * The rule of the report: a flow between two hosts of the link is needed when it was learnt and goes to a service that
 * is named by its content; everything else would be cut. It is a report: the gateway isn't in the path between devices
 * of one link, and nothing here changes a packet filter.
 */
import type { Command } from 'commander';
import type { BaselineFlow } from '../wire/finding.ts';
import type { DeviceRow } from '../wire/messages.ts';
import { bytes, fetchOverview, plain, printJson, table, withControl } from './console.ts';

/** A flow between two cards of the link, told once: by its client. */
export interface EastWest {
  readonly from: string;
  readonly to: string;
  readonly address: string;
  readonly transport: 'tcp' | 'udp';
  readonly port: number;
  readonly protocol: string | undefined;
  readonly flows: number;
  readonly bytes: number;
  readonly cut: string | undefined;
}

const CARD = /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/;
/** What lets one infected host reach the next. */
const risky: Readonly<Record<string, string>> = {
  smb: 'file sharing between devices spreads malware',
  rdp: 'remote desktops are reached through the gateway',
  vnc: 'remote desktops are reached through the gateway',
  telnet: 'consoles are reached through the gateway',
  ftp: 'file transfer in clear',
};

function why(f: BaselineFlow): string | undefined {
  if (!f.learnt) return 'new since the device was learnt';
  const known = risky[f.protocol ?? ''];
  if (known !== undefined) return known;
  if (f.protocol === undefined)
    return f.port === 0 ? 'a port that differs each time' : 'content not recognised';
  return undefined;
}

export function eastWest(flows: readonly BaselineFlow[]): EastWest[] {
  return flows
    .filter(({ role, peer }) => role === 'client' && CARD.test(peer))
    .map((f) => ({
      from: f.mac,
      to: f.peer,
      address: f.address,
      transport: f.transport,
      port: f.port,
      protocol: f.protocol,
      flows: f.flows,
      bytes: f.bytesIn + f.bytesOut,
      cut: why(f),
    }))
    .sort((a, b) => Number(a.cut !== undefined) - Number(b.cut !== undefined) || b.bytes - a.bytes);
}

/**
 * A bridge table that would let through what is needed, for a switch or a host that can. Answers go by the reverse of
 * each row: a bridge need not track connections.
 */
export function rulesText(rows: readonly EastWest[]): string {
  const kept = rows.filter(({ cut, port }) => cut === undefined && port > 0);
  const of = (transport: 'tcp' | 'udp'): string =>
    kept
      .filter((row) => row.transport === transport)
      .map(({ from, to, port }) => `      ${from} . ${to} . ${port}`)
      .join(',\n');
  const set = (transport: 'tcp' | 'udp'): string => {
    const elements = of(transport);
    const body = elements === '' ? '' : `\n    elements = {\n${elements}\n    }`;
    return `  set needed_${transport} {\n    type ether_addr . ether_addr . inet_service${body}\n  }\n`;
  };
  return `table bridge anteroom_east_west {
${set('tcp')}${set('udp')}  chain forward {
    type filter hook forward priority 0; policy drop;
    ether type arp accept
    ether saddr . ether daddr . tcp dport @needed_tcp accept
    ether daddr . ether saddr . tcp sport @needed_tcp accept
    ether saddr . ether daddr . udp dport @needed_udp accept
    ether daddr . ether saddr . udp sport @needed_udp accept
  }
}
`;
}

/** What people call a card. */
const names = (rows: readonly DeviceRow[]): ReadonlyMap<string, string> =>
  new Map(
    rows.flatMap(({ device, observation, standing }) =>
      observation === undefined
        ? []
        : [[observation.mac, device?.id ?? standing?.record.said.name?.value ?? observation.mac] as const],
    ),
  );

export function eastWestText(rows: readonly EastWest[], name: (mac: string) => string): string {
  const cut = rows.filter((row) => row.cut !== undefined);
  const text = table(
    ['FROM', 'TO', 'SERVICE', 'FLOWS', 'BYTES', 'WOULD BE'],
    rows.map((row) => [
      name(row.from),
      `${name(row.to)} (${row.address})`,
      `${row.transport}/${row.port === 0 ? 'any' : row.port}${row.protocol === undefined ? '' : ` ${row.protocol}`}`,
      String(row.flows),
      bytes(row.bytes),
      row.cut === undefined ? 'kept' : `cut: ${row.cut}`,
    ]),
  );
  return `${text}${rows.length - cut.length} kept, ${cut.length} cut.\n`;
}

export async function fetchFlows(): Promise<BaselineFlow[]> {
  return withControl(async (control) => {
    const all: BaselineFlow[] = [];
    for (let from: number | undefined = 0; from !== undefined;) {
      const page: { flows: BaselineFlow[]; next?: number | undefined } = await control.call(
        'operator.flows',
        { from },
      );
      all.push(...page.flows);
      from = page.next;
    }
    return all;
  });
}

export function registerEastWest(sensor: Command): void {
  sensor
    .command('east-west')
    .description('which flows between devices a tighter segmentation would cut')
    .option('--rules', 'as an nftables table that lets through what is needed')
    .option('--json', 'as JSON')
    .action(async (options: { rules?: boolean; json?: boolean }) => {
      const rows = eastWest(await fetchFlows());
      if (options.json === true) return printJson(rows);
      if (options.rules === true) {
        process.stdout.write(rulesText(rows));
        return;
      }
      if (rows.length === 0) {
        process.stdout.write('No flows between devices were seen.\n');
        return;
      }
      const known = names((await fetchOverview()).devices);
      process.stdout.write(eastWestText(rows, (mac) => plain(known.get(mac) ?? mac)));
    });
}
