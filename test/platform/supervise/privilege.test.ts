/** What each process is given, as the kernel sees it once setpriv has run. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import {
  barredFolder,
  setprivArguments,
  startOrder,
  stopStages,
} from '../../../src/platform/supervise/privilege.ts';
import { processNames } from '../../../src/wire/ids.ts';

const uids = { tunnel: 971, sensor: 972, broker: 973, control: 974, audit: 975, operators: [] };
/** Capability numbers of capabilities(7) as bits. */
const bits = { tunnel: 1n << 12n, sensor: 1n << 13n, broker: 0n, control: 0n, audit: 0n };

await t.test('each process runs as its own user with its own capability only', (t) => {
  for (const name of processNames) {
    const status = execFileSync('setpriv', [...setprivArguments(name, uids), 'cat', '/proc/self/status'], {
      encoding: 'utf8',
    });
    const field = (label: string): string =>
      new RegExp(`^${label}:[ \\t]*(.*)$`, 'm').exec(status)?.[1] ?? '';
    t.same(new Set(field('Uid').split('\t')), new Set([String(uids[name])]), `${name}: uid`);
    t.same(new Set(field('Gid').split('\t')), new Set([String(uids[name])]), `${name}: gid`);
    t.equal(field('Groups').trim(), '', `${name}: no other group`);
    t.equal(field('NoNewPrivs'), '1', `${name}: no new privileges`);
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'])
      t.equal(BigInt(`0x${field(set)}`), bits[name], `${name}: ${set}`);
  }
  t.end();
});

await t.test('every process is started and stopped', (t) => {
  t.same([...startOrder].sort(), [...processNames].sort());
  t.same(stopStages.flat().sort(), [...processNames].sort());
  t.same(stopStages.at(-1), ['audit'], 'the log is the last to go');
  t.end();
});

await t.test('a folder that other users may not enter is named', (t) => {
  const folder = t.testdir({});
  const inside = join(folder, 'closed', 'in');
  mkdirSync(inside, { recursive: true });
  t.not(barredFolder(join(inside, 'file')), join(folder, 'closed'));
  chmodSync(join(folder, 'closed'), 0o700);
  t.equal(barredFolder(join(inside, 'file')), join(folder, 'closed'));
  t.end();
});
