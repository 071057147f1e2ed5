/** docs/ERRORS.md is what the table says today. */
import { readFileSync } from 'node:fs';
import t from 'tap';
import { errorsMarkdown } from '../../src/cli/errors.ts';

void t.test('docs/ERRORS.md is generated from the table', (t) => {
  const document = readFileSync(new URL('../../docs/ERRORS.md', import.meta.url), 'utf8');
  t.equal(document, errorsMarkdown(), 'run `make docs`');
  t.end();
});
