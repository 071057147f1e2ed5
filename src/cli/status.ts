/** `anteroom status`: how the gateway is, on one screen. */
import type { Command } from 'commander';
import { formatEndpoint } from '../wire/address.ts';
import type { Overview } from '../wire/messages.ts';
import { bytes, fetchOverview, plain, printJson, span, table } from './console.ts';

export function statusText(o: Overview): string {
  const live = o.sessions.filter((s) => !s.ended).length;
  const connected = o.peers.filter((p) => p.session).length;
  const facts: (readonly [string, string])[] = [
    ['site', `${o.site.id} (${o.site.name})`],
    ['version', o.version],
    ['up', span(o.now - o.startedAt)],
    ['policy', o.policy ? `${o.policy.revision}, ${o.policy.policies} policies` : 'none'],
    ['audit', o.audit ? `${o.audit.size} records, root ${o.audit.root}` : 'unknown'],
    ['sessions', `${live} live, ${o.sessions.length - live} ended`],
    ['devices', `${o.devices.length}, ${o.devices.filter((d) => d.observation).length} of them seen`],
    ['peers', `${o.peers.length}, ${connected} of them connected`],
  ];
  let text = facts.map(([name, value]) => `${name.padEnd(9)} ${plain(value)}\n`).join('');
  if (o.peers.length > 0)
    text += `\n${table(
      ['PEER', 'ENDPOINT', 'KEX', 'LAST HEARD', 'RECEIVED', 'SENT'],
      o.peers.map((p) => [
        p.peer,
        p.endpoint ? formatEndpoint(p.endpoint) : '-',
        p.session?.kex ?? 'not connected',
        p.lastReceived === undefined ? 'never' : `${span(o.now - p.lastReceived)} ago`,
        bytes(p.receivedBytes),
        bytes(p.sentBytes),
      ]),
    )}`;
  text += `\n${table(
    ['HEALTH', 'LEVEL', 'FOR', 'TEXT'],
    o.health.map((h) => [h.item, h.level, span(o.now - h.since), h.text]),
  )}`;
  return text;
}

export function register(program: Command): void {
  program
    .command('status')
    .description('how the gateway is: link, policy, audit head, health')
    .option('--json', 'as JSON')
    .action(async ({ json }: { json?: boolean }) => {
      const overview = await fetchOverview();
      if (json === true) printJson(overview);
      else process.stdout.write(statusText(overview));
    });
}
