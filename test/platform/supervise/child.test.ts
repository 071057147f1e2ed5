/** A supervised process: ready, started again, given up, stopped. */
import { once } from 'node:events';
import t from 'tap';
import { systemClock } from '../../../src/platform/clock.ts';
import { SupervisedChild } from '../../../src/platform/supervise/child.ts';

/** A child that runs `script`, and what it said; `says` resolves at the first line that matches. */
function supervise(script: string): {
  child: SupervisedChild;
  lines: string[];
  logged: string[];
  faults: number[];
  says: (pattern: RegExp, times?: number) => Promise<void>;
} {
  const lines: string[] = [];
  const logged: string[] = [];
  const faults: number[] = [];
  const target = new EventTarget();
  const tell = (): boolean => target.dispatchEvent(new Event('line'));
  const child = new SupervisedChild({
    name: 'audit',
    command: process.execPath,
    args: ['-e', script],
    environment: {},
    clock: systemClock,
    say: (text) => {
      lines.push(text);
      tell();
    },
    log: (line) => {
      logged.push(line);
      tell();
    },
    onLastingFault: (code) => {
      faults.push(code);
      tell();
    },
  });
  const says = async (pattern: RegExp, times = 1): Promise<void> => {
    while (lines.filter((line) => pattern.test(line)).length < times) await once(target, 'line');
  };
  child.start();
  return { child, lines, logged, faults, says };
}

const stay = `process.stdout.write('{"msg":"ready"}\\n'); setInterval(() => {}, 1000);`;

await t.test('says that it is ready, comes back when killed, stops', async (t) => {
  const { child, lines, logged, says } = supervise(stay);
  await says(/ready/);
  const pid = Number(/ready, pid (\d+)/.exec(lines.join('\n'))?.[1]);
  process.kill(pid, 'SIGKILL');
  await says(/ready/, 2);
  t.match(lines, [
    /^audit started, pid \d+$/,
    /^audit ready, pid \d+$/,
    'audit ended, SIGKILL; started again in 100 ms',
    /^audit started, pid \d+$/,
    /^audit ready, pid \d+$/,
  ]);
  await child.stop();
  t.equal(lines.at(-1), 'audit stopped, SIGTERM');
  t.same(logged, ['{"msg":"ready"}', '{"msg":"ready"}'], 'its log is passed on');
});

await t.test('a wrong configuration is not tried again', async (t) => {
  const { lines, faults, says } = supervise('process.exit(78)');
  await says(/ended/);
  t.same(faults, [78]);
  t.equal(lines.at(-1), 'audit ended, exit code 78: not started again');
});

await t.test('any other end is, even one in good order', async (t) => {
  const { child, lines, says } = supervise('process.exit(0)');
  await says(/started again/, 2);
  t.match(
    lines.filter((line) => line.includes('again')),
    [/in 100 ms/, /in 200 ms/],
  );
  await child.stop();
});

await t.test('a program that is not there is said so', async (t) => {
  const lines: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const child = new SupervisedChild({
    name: 'audit',
    command: '/nonexistent/program',
    args: [],
    environment: {},
    clock: systemClock,
    say: (text) => {
      lines.push(text);
      if (/again/.test(text)) resolve();
    },
    log: () => undefined,
    onLastingFault: () => undefined,
  });
  child.start();
  await promise;
  await child.stop();
  t.match(lines.join('\n'), /cannot be started: .*ENOENT/);
});
