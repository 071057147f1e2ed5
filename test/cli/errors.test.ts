/** docs/ERRORS.md is what the table says today; a reader that stops reading is no error. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { errorsMarkdown } from '../../src/cli/errors.ts';

void t.test('docs/ERRORS.md is generated from the table', (t) => {
  const document = readFileSync(new URL('../../docs/ERRORS.md', import.meta.url), 'utf8');
  t.equal(document, errorsMarkdown(), 'run `make docs`');
  t.end();
});

void t.test('a closed pipe ends the command quietly', (t) => {
  const cli = fileURLToPath(new URL('../../src/cli/anteroom.ts', import.meta.url));
  const script = `"${process.execPath}" "${cli}" errors --markdown | true; echo "\${PIPESTATUS[0]}"`;
  const said = execFileSync('bash', ['-c', script], { encoding: 'utf8' });
  t.equal(said, '0\n');
  t.end();
});
