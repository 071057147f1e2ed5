/** The image's figures: rows of build/bench/image.json, one a name, kept between steps that run apart. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { repository } from './vm.ts';

const row = z.strictObject({
  figure: z.string(),
  unit: z.string(),
  ours: z.number(),
  peer: z.number().nullable(),
  peer_name: z.string().nullable(),
  ratio: z.number().nullable(),
  goal: z.string(),
});
type Row = z.infer<typeof row>;

const file = join(repository, 'build/bench/image.json');

const read = (): Row[] =>
  existsSync(file)
    ? z
        .array(row)
        .catch([])
        .parse(JSON.parse(readFileSync(file, 'utf8')))
    : [];

/** Three digits, as the tables show them. */
const round = (n: number): number => Number(n.toPrecision(3));

export function record(
  figure: string,
  unit: string,
  ours: number,
  goal: string,
  against?: { readonly name: string; readonly value: number },
): void {
  const fresh: Row = {
    figure,
    unit,
    ours: round(ours),
    peer: against === undefined ? null : round(against.value),
    peer_name: against?.name ?? null,
    ratio: against === undefined ? null : round(ours / against.value),
    goal,
  };
  const rows = read();
  const at = rows.findIndex((each) => each.figure === figure);
  rows.splice(at === -1 ? rows.length : at, at === -1 ? 0 : 1, fresh);
  mkdirSync(join(repository, 'build/bench'), { recursive: true });
  writeFileSync(file, `${JSON.stringify(rows, null, 2)}\n`);
}
