/** The supervisor's own faults: each is one line and an exit code of sysexits. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const program = fileURLToPath(new URL('../../src/main/supervisor.ts', import.meta.url));
const good = {
  site: { id: 's', name: 'S' },
  tunnel: { privateKeyFile: '/k', addresses: ['100.96.0.1/17'] },
  policy: { file: '/p' },
};

const run = (file: string, ...args: string[]): { code: number | null; stdout: string; stderr: string } => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], {
    env: { PATH: process.env['PATH'], ANTEROOM_CONFIG: file },
    encoding: 'utf8',
  });
  return { code: status, stdout, stderr };
};

await t.test('--check of a valid configuration', (t) => {
  const file = join(t.testdir({ 'config.json': JSON.stringify(good) }), 'config.json');
  t.same(run(file, '--check', '--no-network'), {
    code: 0,
    stdout: `anteroom: ${file} is valid\n`,
    stderr: '',
  });
  t.end();
});

await t.test('a wrong configuration: one line that names file, path and fault, exit 78', (t) => {
  const wrong = { ...good, tunnel: { ...good.tunnel, listen: { port: 70000 } } };
  const file = join(t.testdir({ 'config.json': JSON.stringify(wrong) }), 'config.json');
  for (const args of [['--check'], []]) {
    const { code, stdout, stderr } = run(file, ...args);
    t.equal(code, 78);
    t.equal(stdout, '');
    t.match(stderr, /^anteroom: CONFIG_INVALID: .*config\.json: tunnel\.listen\.port: .*\n$/);
    t.equal(stderr.split('\n').length, 2, 'one line');
  }
  t.end();
});

await t.test('a configuration that is not there: exit 78', (t) => {
  const { code, stderr } = run('/nonexistent/config.json');
  t.equal(code, 78);
  t.match(stderr, /^anteroom: CONFIG_UNREADABLE: .*\/nonexistent\/config\.json: ENOENT.*\n$/);
  t.end();
});

await t.test('an option that it has not: exit 64', (t) => {
  const { code, stderr } = run('/nonexistent/config.json', '--fly');
  t.equal(code, 64);
  t.match(stderr, /--fly/);
  t.end();
});
