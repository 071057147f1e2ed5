/** `make run` without a terminal: the whole job once, a summary of what really happened, nothing left behind. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { launch } from '../support/clinic/namespace.ts';
import { until } from '../support/until.ts';

const program = fileURLToPath(new URL('../support/clinic/run.ts', import.meta.url));
const summaryFile = fileURLToPath(new URL('../../build/run/summary.json', import.meta.url));

interface Summary {
  ok: boolean;
  faults: string[];
  sessions: { user: string; kex: string; units: Record<string, number> }[];
  decisions: { decision: string; user: string }[];
  audit: { size: number; root: string; verified: boolean };
  devices: { device?: { id: string }; observation?: { mac: string } }[];
}

function start(): { pid: number; output: () => string; ended: Promise<number | null> } {
  let output = '';
  const child = spawn('setpriv', [...launch, process.execPath, program], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  return { pid: child.pid ?? 0, output: () => output, ended };
}

const left = (pid: number): string[] =>
  [...readdirSync('/run/netns'), ...readdirSync('/run')].filter((name) => name.startsWith(`ar${pid}`));

const roots = new Set<string>();
for (const time of ['first', 'second']) {
  await t.test(`the ${time} run`, async (t) => {
    rmSync(summaryFile, { force: true });
    const run = start();
    t.equal(await run.ended, 0, run.output());
    const summary = JSON.parse(readFileSync(summaryFile, 'utf8')) as Summary;
    t.same(summary.faults, []);
    t.ok(summary.sessions.length >= 7);
    t.ok(summary.sessions.every((session) => session.kex === 'classical+psk'));
    t.ok(
      summary.decisions.some((d) => d.decision === 'permit') &&
        summary.decisions.some((d) => d.decision === 'deny'),
    );
    t.match(summary.audit, { verified: true, root: /^[0-9a-f]{64}$/ });
    t.ok(summary.audit.size > summary.decisions.length);
    const named = summary.devices.filter((row) => row.device && row.observation).map((row) => row.device?.id);
    t.same(new Set(named), new Set(['archive', 'pacs', 'pump-3']));
    roots.add(summary.audit.root);
    t.same(left(run.pid), [], 'nothing is left');
  });
}
t.equal(roots.size, 2, 'two runs, two logs');

await t.test('a run that is killed leaves no process, and the next one removes the rest', async (t) => {
  const killed = start();
  await until('the gateway starts', () => /starting the gateway/.test(killed.output()), 30_000);
  process.kill(killed.pid, 'SIGKILL');
  await killed.ended;
  t.not(left(killed.pid).length, 0, 'its namespaces are still there');
  const gateway = left(killed.pid).find((name) => name.endsWith('-gateway')) ?? '';
  await until('every process of it is gone', () => {
    return execFileSync('ip', ['netns', 'pids', gateway], { encoding: 'utf8' }) === '';
  });
  const next = start();
  await until('the next one has cleared up', () => /removed what the run/.test(next.output()), 30_000);
  t.same(left(killed.pid), []);
  process.kill(next.pid, 'SIGINT');
  await next.ended;
  t.same(left(next.pid), [], 'an interrupted run leaves nothing either');
  t.notOk(existsSync(`/proc/${next.pid}`));
});

await t.test('without the rights it needs: one line, exit 77', (t) => {
  const { status, stdout, stderr } = spawnSync(
    'setpriv',
    ['--reuid=65534', '--clear-groups', ...launch, process.execPath, program],
    { encoding: 'utf8' },
  );
  t.equal(status, 77);
  t.equal(stdout, '');
  t.match(stderr, /^run: this needs root: [^\n]*\n$/);
  t.end();
});
