/** Every technique that a finding names is one of the published matrix, by its published name. */
import t from 'tap';
import { attackSource, attackVersion, techniques, techniqueText } from '../../src/wire/attack-ics.ts';
import type { Technique } from '../../src/wire/attack-ics.ts';
import { findingKinds } from '../../src/wire/finding.ts';
import { deprecated, matrix, tactics } from './attack-ics-matrix.ts';

const rows: Readonly<Record<string, Technique | undefined>> = techniques;

void t.test('the table is the matrix’s: id, name, not deprecated, source and version', (t) => {
  t.equal(Object.keys(matrix).length, 83);
  for (const [id, row] of Object.entries(rows)) {
    t.equal(row?.name, matrix[id], id);
    t.notOk(deprecated.includes(id), `${id} is in force`);
    t.same([...(row?.tactics ?? [])].sort(), tactics[id], `tactics of ${id}`);
    t.equal(row?.source, attackSource, id);
  }
  t.match(attackSource, attackVersion);
  t.equal(techniqueText('T0846'), 'T0846 Remote System Discovery');
  t.equal(techniqueText('T9999'), 'T9999');
  t.end();
});

void t.test('every finding names a row of the table, and every row is named', (t) => {
  const named = new Set<string>();
  for (const [kind, { technique }] of Object.entries(findingKinds)) {
    t.ok(rows[technique] !== undefined, `${kind}: ${technique}`);
    named.add(technique);
  }
  t.same([...named].toSorted(), Object.keys(rows).toSorted());
  t.end();
});
