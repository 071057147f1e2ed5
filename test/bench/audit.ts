/**
 * Bench of the audit log: durable appends against plain SQLite inserts of the same bytes with the same settings (WAL,
 * synchronous=FULL), on the same disk, in one process, interleaved, medians of the rounds.
 *
 *   node test/bench/audit.ts [--rounds 7]  →  build/bench/audit.json
 *
 * Plain inserts are one transaction each, as anyone would who wants each of them durable before going on; `in groups`
 * compares with plain transactions of as many inserts as there are clients, which is all that group commit could reach.
 * What ours does more: canonical JSON, SHA-256 leaves, tree, head, room on the disk, one promise an append.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { AuditLog } from '../../src/audit/log.ts';
import { canonicalJson, canonicalRecord } from '../../src/audit/record.ts';
import { auditSchema } from '../../src/audit/schema.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { openStore } from '../../src/store/store.ts';
import { sessionStart } from '../audit/sample.ts';
import { connectAudit, makeSite, startAudit } from '../main/audit-process.ts';

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '7' } } });
const rounds = Number(values.rounds);
const SINGLE = 300;
const CLIENTS = 64;
const EACH = 30;

const build = fileURLToPath(new URL('../../build/', import.meta.url));
mkdirSync(join(build, 'bench'), { recursive: true });
const folder = mkdtempSync(join(build, 'bench-audit-'));

interface Run {
  /** Appends a second, and latency in ms. */
  readonly rate: number;
  readonly p50: number;
  readonly p99: number;
}

function quantile(sorted: readonly number[], q: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0;
}
const median = (numbers: readonly number[]): number =>
  quantile(
    [...numbers].sort((a, b) => a - b),
    0.5,
  );

/** `clients` at a time, each doing `append` `each` times in a row. */
async function measure(clients: number, each: number, append: () => unknown): Promise<Run> {
  const latencies: number[] = [];
  const client = async (): Promise<void> => {
    for (let i = 0; i < each; i++) {
      const start = performance.now();
      await append();
      latencies.push(performance.now() - start);
    }
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: clients }, client));
  const seconds = (performance.now() - start) / 1000;
  latencies.sort((a, b) => a - b);
  return { rate: (clients * each) / seconds, p50: quantile(latencies, 0.5), p99: quantile(latencies, 0.99) };
}

const event = sessionStart(1_700_000_000_000);
const bytes = canonicalRecord(canonicalJson(event), 100_000, 1_700_000_000_000);

const log = new AuditLog({
  store: openStore({ file: join(folder, 'ours', 'audit.db'), schema: auditSchema }),
  clock: systemClock,
  freeBytes: () => 1e12,
  reserveBytes: 16 * 1024 * 1024,
  schedule: setImmediate,
});
const plain = openStore({
  file: join(folder, 'plain', 'plain.db'),
  schema: {
    applicationId: 1,
    migrations: ['CREATE TABLE record(id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;'],
  },
});
const insert = plain.prepare<[string]>('INSERT INTO record(text) VALUES(?)');
const site = makeSite({ stateDir: join(folder, 'site') });
const audit = await startAudit(site);
const client = connectAudit(site);

const workloads: Record<string, () => Promise<Run>> = {
  'ours, one at a time': () => measure(1, SINGLE, () => log.append([event])),
  'plain, one at a time': () => measure(1, SINGLE, () => plain.transaction(() => insert.run(bytes))),
  'ours, 64 clients': () => measure(CLIENTS, EACH, () => log.append([event])),
  'plain, in groups': async () => {
    const run = await measure(1, EACH, () =>
      plain.transaction(() => {
        for (let i = 0; i < CLIENTS; i++) insert.run(bytes);
      }),
    );
    return { ...run, rate: run.rate * CLIENTS };
  },
  'socket, one at a time': () => measure(1, SINGLE, () => client.call('audit.append', { events: [event] })),
  'socket, 64 clients': () => measure(CLIENTS, EACH, () => client.call('audit.append', { events: [event] })),
};

const runs = new Map<string, Run[]>(Object.keys(workloads).map((name) => [name, []]));
for (let round = -1; round < rounds; round++) {
  for (const [name, work] of Object.entries(workloads)) {
    const run = await work();
    // The first round warms caches and the compiler.
    if (round >= 0) runs.get(name)?.push(run);
  }
}
client.close();
await audit.stop();
site.remove();
log.close();
plain.close();
rmSync(folder, { recursive: true, force: true });

const of = (name: string, what: keyof Run): number => median((runs.get(name) ?? []).map((run) => run[what]));
const one = 'plain SQLite WAL FULL, a transaction an insert';
const groups = 'plain SQLite WAL FULL, 64 inserts a transaction';
const figures = (
  [
    ['appends, one at a time', 'rate', 'ours, one at a time', 'plain, one at a time', one],
    ['appends, one at a time, p50', 'p50', 'ours, one at a time', 'plain, one at a time', one],
    ['appends, one at a time, p99', 'p99', 'ours, one at a time', 'plain, one at a time', one],
    ['appends, 64 clients', 'rate', 'ours, 64 clients', 'plain, one at a time', one],
    ['appends, 64 clients, against groups', 'rate', 'ours, 64 clients', 'plain, in groups', groups],
    ['appends, 64 clients, p50', 'p50', 'ours, 64 clients', 'plain, in groups', groups],
    ['appends, 64 clients, p99', 'p99', 'ours, 64 clients', 'plain, in groups', groups],
    ['through the socket, one at a time', 'rate', 'socket, one at a time', 'plain, one at a time', one],
    ['through the socket, one at a time, p50', 'p50', 'socket, one at a time', 'plain, one at a time', one],
    ['through the socket, one at a time, p99', 'p99', 'socket, one at a time', 'plain, one at a time', one],
    ['through the socket, 64 clients', 'rate', 'socket, 64 clients', 'plain, one at a time', one],
    ['through the socket, 64 clients, p99', 'p99', 'socket, 64 clients', 'plain, in groups', groups],
  ] as const
).map(([figure, what, oursName, peerName, peer_name]) => {
  const ours = of(oursName, what);
  const peer = of(peerName, what);
  const round = (n: number): number => Number(n.toPrecision(4));
  return {
    figure,
    unit: what === 'rate' ? '1/s' : 'ms',
    ours: round(ours),
    peer: round(peer),
    peer_name,
    ratio: round(ours / peer),
    // One sync for many clients must beat a sync for each.
    goal: figure.endsWith('64 clients') ? '>= 1' : '',
  };
});
writeFileSync(join(build, 'bench', 'audit.json'), `${JSON.stringify(figures, undefined, 2)}\n`);

const say = (text: string): void => void process.stdout.write(`${text}\n`);
say(
  `audit: records of ${bytes.length} bytes, medians of ${rounds} rounds, against plain SQLite on the same disk`,
);
say(
  `${'figure'.padEnd(40)} ${'unit'.padEnd(4)} ${'ours'.padStart(9)} ${'plain'.padStart(9)} ${'ratio'.padStart(7)}`,
);
for (const { figure, unit, ours, peer, ratio } of figures) {
  say(
    `${figure.padEnd(40)} ${unit.padEnd(4)} ${String(ours).padStart(9)} ${String(peer).padStart(9)} ${ratio.toFixed(2).padStart(7)}`,
  );
}
