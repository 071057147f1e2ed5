/**
 * The figures of build/bench/*.json as tables for docs/PERFORMANCE.md: `node test/bench/report.ts > FILE`.
 * It writes what the benches measured and nothing else.
 */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

const row = z.object({
  figure: z.string(),
  unit: z.string(),
  ours: z.number(),
  peer: z.number().nullable(),
  peer_name: z.string().nullable(),
  ratio: z.number().nullable(),
  goal: z.union([z.string(), z.number()]).nullable(),
});

const number = (n: number | null): string => (n === null ? '' : String(Number(n.toPrecision(3))));

for (const name of ['tunnel', 'broker', 'policy', 'audit', 'sensor', 'image']) {
  const file = fileURLToPath(new URL(`../../build/bench/${name}.json`, import.meta.url));
  if (!existsSync(file)) continue;
  const rows = z.array(row).parse(JSON.parse(readFileSync(file, 'utf8')));
  console.log(`### ${name}\n`);
  console.log('| figure | unit | ours | peer | ratio | goal | against |\n|---|---|---|---|---|---|---|');
  for (const r of rows) {
    const cells = [
      r.figure,
      r.unit,
      number(r.ours),
      number(r.peer),
      number(r.ratio),
      r.goal ?? '',
      r.peer_name ?? '',
    ];
    console.log(`| ${cells.join(' | ')} |`);
  }
  console.log('');
}
