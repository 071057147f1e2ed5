/** The JSON Schemas beside the generator are what it writes today; the pages have no name that isn't filled. */
import { readFileSync, readdirSync } from 'node:fs';
import t from 'tap';
import { schemaFiles } from '../../provisioning/schema/build.ts';

const folder = new URL('../../provisioning/', import.meta.url);

void t.test('schemas are current', (t) => {
  const files = schemaFiles();
  t.same(
    readdirSync(new URL('schema/', folder)).filter((name) => name.endsWith('.json')),
    [...files.keys()].toSorted(),
  );
  for (const [name, text] of files)
    t.strictSame(
      JSON.parse(readFileSync(new URL(`schema/${name}`, folder), 'utf8')),
      JSON.parse(text),
      `${name}: node provisioning/schema/build.ts`,
    );
  t.end();
});

void t.test('the stick’s page needs nothing from elsewhere', (t) => {
  const page = readFileSync(new URL('page/stick.html', folder), 'utf8');
  t.notMatch(page, /<script|src=|url\(|@import/);
  t.end();
});
