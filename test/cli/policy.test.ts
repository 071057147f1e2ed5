/**
 * `anteroom policy …` as a person uses it: files in a folder, an audit store, a configuration. What is printed fits a
 * terminal of 80 columns; exit codes are those of sysexits(3).
 */
import { execFile } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Command, CommanderError } from 'commander';
import t from 'tap';
import { register } from '../../src/cli/policy.ts';
import { loadPolicySet } from '../../src/policy/policy-set.ts';
import { exitCodeOf, exitCodes, isFault } from '../../src/wire/errors.ts';
import { openLog } from '../audit/opened.ts';
import { shipped } from '../policy/question.ts';
import { Records } from '../policy/recorded.ts';

const command = fileURLToPath(new URL('../../src/cli/anteroom.ts', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'anteroom-policy-'));
t.teardown(() => rmSync(folder, { recursive: true }));
const at = (...names: string[]): string => join(folder, ...names);

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The command in this process: what it prints, and the exit code that `anteroom` would end with. */
async function run(...args: string[]): Promise<Outcome> {
  process.env['ANTEROOM_CONFIG'] = at('config.json');
  const program = new Command('anteroom').exitOverride().configureOutput({ writeErr: () => undefined });
  register(program);
  const write = process.stdout.write.bind(process.stdout);
  let stdout = '';
  process.stdout.write = (text: string | Uint8Array) => {
    stdout += String(text);
    return true;
  };
  try {
    await program.parseAsync(['policy', ...args], { from: 'user' });
    return { code: 0, stdout, stderr: '' };
  } catch (error) {
    if (error instanceof CommanderError) return { code: exitCodes.usage, stdout, stderr: error.message };
    if (!isFault(error)) throw error;
    return { code: exitCodeOf(error), stdout, stderr: `anteroom: ${error.message}\n` };
  } finally {
    process.stdout.write = write;
  }
}

void t.test('as a process: output, message and exit code', async (t) => {
  writeFileSync(at('slip.cedar'), 'permit (principal,');
  const process_ = promisify(execFile)(process.execPath, [command, 'policy', 'check', at('slip.cedar')]);
  const { code, stdout, stderr } = (await process_.catch((error: unknown) => error)) as Outcome;
  t.equal(code, 78);
  t.match(stdout, /^slip\.cedar:1:\d+: error invalid/);
  t.match(stderr, /^anteroom: The policy set is not valid\. /);
});

/** Words longer than a line can't be broken; everything else is. */
const tooWide = (text: string): string[] =>
  text.split('\n').filter((line) => line.length > 80 && line.trim().includes(' '));

const clinic = shipped('clinic.cedar');
const table = `# Nurses and pumps

Given:
- class = infusion-pump; unit = icu

Who:
- nina: roles = nurse; units = icu

| case         | who  | posture | may          | rules        | refused by    | advice |
|--------------|------|---------|--------------|--------------|---------------|--------|
| her own unit | nina |         | view, modify | bedside.nurse| -             | -      |
| old laptop   | nina | major   | view         | bedside.nurse| posture.major | warn   |
`;
mkdirSync(at('site'));
writeFileSync(at('site', 'clinic.cedar'), clinic);
writeFileSync(at('site', 'nurses.cases.md'), table);
mkdirSync(at('next'));
writeFileSync(
  at('next', 'clinic.cedar'),
  `${clinic.replace('"Nurses read and order', '"Nurses look at and order')}
@id("orders.pharmacy")
@reason("Orders on infusion pumps go through the pharmacy's own order system since the spring of this year.")
forbid (
  principal in Role::"nurse",
  action == Action::"modify",
  resource
);
`,
);

const config = {
  site: { id: 'clinic-north', name: 'Clinic North' },
  runtimeDir: at('run'),
  stateDir: at('state'),
  tunnel: { privateKeyFile: '/nowhere', addresses: ['100.96.0.1/17'] },
  peers: [
    {
      id: 'nina-laptop',
      publicKey: `${'A'.repeat(43)}=`,
      allowedIps: ['100.96.0.7/32'],
      user: 'nina',
      userDevice: 'ward laptop 7',
      posture: { level: 'good', score: 90 },
    },
  ],
  users: [
    { id: 'nina', name: 'Nina Hart', roles: ['nurse'], units: ['icu'] },
    { id: 'rita', name: 'Rita Lens', roles: ['radiologist'] },
  ],
  devices: [
    { id: 'pump-3', name: 'Infusion pump 3', class: 'infusion-pump', unit: 'icu', address: '10.20.0.20' },
    { id: 'pacs', name: 'Image archive', class: 'pacs', unit: 'radiology', address: '10.20.0.10' },
  ],
  resources: [
    {
      id: 'pump-3-console',
      device: 'pump-3',
      protocol: 'tcp',
      virtual: { address: '100.96.128.11', port: 8080 },
      port: 80,
    },
    {
      id: 'archive',
      device: 'pacs',
      protocol: 'dicom',
      virtual: { address: '100.96.128.12', port: 104 },
      port: 4242,
    },
  ],
  policy: { file: at('site', 'clinic.cedar') },
};
writeFileSync(at('config.json'), JSON.stringify(config));

const nina = {
  user: 'nina',
  roles: ['nurse'],
  units: ['icu'],
  class: 'infusion-pump',
  unit: 'icu',
  resource: 'pump-3-console',
  path: 'local',
};
const records = new Records(loadPolicySet(clinic, 'clinic.cedar'));
const first = records.session(nina, ['view', 'modify']);
for (let i = 0; i < 4; i++) records.session(nina, ['view']);
records.session(
  { user: 'rita', roles: ['radiologist'], class: 'pacs', unit: 'radiology', resource: 'archive' },
  ['view'],
);
const refused = records.session({ ...nina, user: 'eric', units: ['er'] });
records.session(nina, [], true);
records.put({
  origin: 'control',
  kind: 'device.observed',
  body: {
    mac: '02:00:00:00:00:09',
    addresses: ['10.20.0.10'],
    what: ['tcp/4242 dicom', 'tcp/8042 http', 'dicom calledAeTitle=X'],
  },
});

const store = at('audit.db');
async function writeStore(): Promise<void> {
  const bench = openLog(store);
  bench.now = Date.now() - 3_600_000;
  await bench.log.append(records.events);
  bench.close();
}

void t.test('check', async (t) => {
  const good = await run('check', at('site'));
  t.match(good, { code: 0, stdout: /^\d+ policies in 1 file: no findings\.\n$/, stderr: '' });
  writeFileSync(at('wide.cedar'), '@id("all") @reason("All.") permit (principal, action, resource);\n');
  const wide = await run('check', at('wide.cedar'));
  t.match(wide, { code: 0, stdout: /^wide\.cedar:1:1: warning over-broad\n {2}all: permits everyone/ });
  t.same(tooWide(wide.stdout), []);
  t.equal((await run('check', '--strict', at('wide.cedar'))).code, 65);
  writeFileSync(at('bad.cedar'), 'permit (principal,');
  const bad = await run('check', at('bad.cedar'));
  t.match(bad, { code: 78, stdout: /^bad\.cedar:1:\d+: error invalid/ });
  t.match(JSON.parse((await run('check', '--json', at('wide.cedar'))).stdout), {
    policies: 1,
    findings: [{ file: 'wide.cedar', line: 1, level: 'warning', name: 'over-broad', policy: 'all' }],
  });
  t.match(await run('check', at('none')), { code: 66, stderr: /^anteroom: A policy file/ });
  mkdirSync(at('site', 'inside'));
  writeFileSync(at('site', 'inside', 'bad.cedar'), 'permit (principal,');
  t.match(await run('check', at('site')), { code: 0 }, 'a folder inside is not read');
  t.equal((await run('check')).code, 64);
});

void t.test('fmt', async (t) => {
  mkdirSync(at('fmt'));
  const file = at('fmt', 'one.cedar');
  writeFileSync(file, '// kept\n@id("a")   @reason("A.") permit(principal in Role::"a",action,resource);');
  t.equal((await run('fmt', '--check', at('fmt'))).code, 65);
  t.match(await run('fmt', at('fmt')), { code: 0, stdout: 'one.cedar\n' });
  t.match(
    readFileSync(file, 'utf8'),
    /^\/\/ kept\n@id\("a"\)\n@reason\("A\."\)\npermit \(\n {2}principal in Role::"a",\n {2}action,\n {2}resource\n\);\n$/,
  );
  t.match(await run('fmt', '--check', file), { code: 0, stdout: '' });
  writeFileSync(file, `// Of the file.\n// All of it.\n\n\n${readFileSync(file, 'utf8')}`);
  t.match(await run('fmt', file), { code: 0, stdout: 'one.cedar\n' });
  t.match(readFileSync(file, 'utf8'), /^\/\/ Of the file\.\n\/\/ All of it\.\n\n\/\/ kept\n@id/);
  t.match(await run('fmt', '--check', file), { code: 0, stdout: '' });
  const library = fileURLToPath(new URL('../../provisioning/policies', import.meta.url));
  t.match(await run('fmt', '--check', library), { code: 0, stdout: '' }, 'the library is laid out so');
});

void t.test('test', async (t) => {
  t.match(await run('test', at('site')), {
    code: 0,
    stdout: /^nurses\.cases\.md {2}2 cases, all hold\nNo case is decided by: /,
  });
  const next = await run('test', at('site'), '--strict');
  t.match(next, { code: 65, stderr: /untested/ });
  mkdirSync(at('otherwise'));
  copyFileSync(at('next', 'clinic.cedar'), at('otherwise', 'clinic.cedar'));
  copyFileSync(at('site', 'nurses.cases.md'), at('otherwise', 'nurses.cases.md'));
  const failed = await run('test', at('otherwise'));
  t.match(failed, { code: 65, stderr: /decides otherwise than its decision tables say\. 2 cases/ });
  t.match(
    failed.stdout,
    /nurses\.cases\.md:11: her own unit\n {2}may: expected view, modify\n {7}found view\n/,
  );
  t.match(failed.stdout, /modify: Orders on infusion pumps/);
  t.same(tooWide(failed.stdout), []);
  t.match(JSON.parse((await run('test', '--json', at('otherwise'))).stdout), {
    tables: [
      {
        file: 'nurses.cases.md',
        cases: 2,
        failed: [{ name: 'her own unit', line: 11 }, { name: 'old laptop' }],
      },
    ],
  });
  writeFileSync(at('otherwise', 'nurses.cases.md'), table.replace('posture |', 'postur |'));
  t.match(await run('test', at('otherwise')), { code: 65, stdout: /nurses\.cases\.md:9: unknown-column\n/ });
  t.equal((await run('test', at('next'))).code, 66, 'no table');
});

void t.test('explain: a user, a case, a recorded session', async (t) => {
  await writeStore();
  const person = await run(
    'explain',
    '--user',
    'nina',
    '--resource',
    'pump-3-console',
    '--at',
    'Wed 22:30',
    '--fact',
    'posture=major',
  );
  t.equal(person.code, 0, person.stderr);
  t.match(person.stdout, /^Nina Hart \(nurse; icu\) asks for pump-3-console on Infusion pump 3/);
  t.match(person.stdout, /Wednesday\s+at\s+22:30/);
  t.match(person.stdout, /May view, because:\n {2}view\n {6}Nurses read and order/);
  t.match(person.stdout, /the posture of the device: good[^\n]*\n {8}→ may also modify/);
  t.match(person.stdout, /is assumed to be in good order/);
  t.same(tooWide(person.stdout), []);

  const site = {
    zone: 'Europe/Berlin',
    shifts: [
      { name: 'night', roles: ['nurse'], on: [{ start: '2026-01-01T21:00', minutes: 600, every: 'day' }] },
    ],
    windows: [
      {
        name: 'service',
        resources: ['pump-3-console'],
        on: [{ start: '2026-01-07T22:00', minutes: 60, every: 'week' }],
      },
    ],
    tickets: [
      { number: 'CHG-9', users: ['nina'], actions: ['view'], from: 1.7e12, end: 4e12 },
      { number: 'CHG-0', users: ['nina'], actions: ['view'], from: 1.6e12, end: 1.7e12 },
    ],
    exceptions: [
      { name: 'old-tablet', owner: 'nina', reason: 'Until the new ones are here.', end: 4e12 },
      { name: 'gone', owner: 'nina', reason: 'Over.', end: 1.7e12 },
    ],
  };
  writeFileSync(at('config.json'), JSON.stringify({ ...config, siteData: site }));
  const told = async (...args: string[]): Promise<unknown> =>
    (
      JSON.parse(
        (await run('explain', '--user', 'nina', '--resource', 'pump-3-console', '--json', ...args)).stdout,
      ) as { request: unknown }
    ).request;
  t.match(await told('--at', 'Wed 22:30'), {
    time: { minute: 1350, weekday: 3 },
    shift: 'night',
    windows: ['service'],
    exceptions: ['old-tablet'],
    ticket: { number: 'CHG-9', actions: ['view'] },
  });
  const day = (await told('--at', '2026-07-01 12:00')) as { windows?: string[]; shift?: string };
  t.same([day.windows ?? [], day.shift], [[], undefined], 'by day neither shift nor window');
  t.match(await told('--at', '2026-07-01 22:59'), { windows: ['service'], time: { weekday: 3 } });
  t.match(await told('--fact', 'shift=day'), { shift: 'day' }, 'and --fact sets it all the same');
  writeFileSync(at('config.json'), JSON.stringify(config));

  const tabled = await run('explain', at('site'), '--case', 'old laptop');
  t.match(tabled, { code: 0, stdout: /^nina \(nurse; icu\) asks for/ });
  const session = await run('explain', '--session', first.slice(0, 34), '--store', store);
  t.match(session, { code: 0, stdout: /^nina \(nurse; icu\) asks for pump-3-console/ });
  t.same(tooWide(session.stdout), []);
  const denied = await run('explain', '--session', refused, '--store', store, '--json');
  t.match(JSON.parse(denied.stdout), {
    request: { subject: { user: 'eric' } },
    permitted: [],
    effects: [{ changes: [{ fact: 'the role biomedical-engineer' }] }, {}],
  });
  t.match(await run('explain', '--session', `s-${'9'.repeat(32)}`, '--store', store), { code: 66 });
  t.match(await run('explain', '--user', 'nobody', '--resource', 'archive'), {
    code: 66,
    stderr: /no user nobody/,
  });
  t.match(await run('explain', '--user', 'nina', '--resource', 'archive', '--fact', 'mood=good'), {
    code: 65,
    stderr: /no fact "mood"/,
  });
  t.match(await run('explain', '--user', 'nina', '--resource', 'archive', '--fact', 'posture=glad'), {
    code: 65,
    stderr: /"glad"/,
  });
});

void t.test('diff, with the recorded decisions it would change', async (t) => {
  const same = await run('diff', at('site'), at('site'));
  t.match(same, { code: 0, stdout: 'The two say the same.\n' });
  const { code, stdout } = await run(
    'diff',
    at('site'),
    at('next'),
    '--replay',
    '--days',
    '7',
    '--store',
    store,
  );
  t.equal(code, 0);
  t.match(stdout, /^ {2}bedside\.nurse {2}\(reworded, permit\)\n {4}- @reason\("Nurses read/);
  t.match(stdout, /\+ orders\.pharmacy {2}\(new, forbid\)/);
  t.match(stdout, /1 new, 0 gone, 0 changed, 1 reworded\./);
  t.match(stdout, /8 decisions in the last 7 days, under 1 revision; 7 put again: 5 would change\./);
  t.match(stdout, /nina \(nurse\) on pump-3-console, 5 times: loses modify/);
  t.match(stdout, /1 record could not be put again: no facts in them\./);
  t.same(tooWide(stdout), []);
  const json = await run('diff', at('site'), at('next'), '--replay', '--store', store, '--json');
  t.match(JSON.parse(json.stdout), {
    differences: [
      { id: 'bedside.nurse', kind: 'reworded' },
      { id: 'orders.pharmacy', kind: 'new' },
    ],
    replay: {
      decisions: 8,
      replayed: 7,
      lacking: { facts: 1 },
      changed: [{ user: 'nina', count: 5, loses: ['modify'] }],
    },
  });
  t.match(await run('diff', at('site'), at('next'), '--replay', '--store', at('none.db')), { code: 74 });
  t.match(await run('diff', at('site'), at('next'), '--days', 'many'), { code: 64 });
});

void t.test('suggest: a draft that is checked and tested', async (t) => {
  const out = at('draft');
  const { code, stdout, stderr } = await run('suggest', '--store', store, '--out', out);
  t.equal(code, 0, stderr);
  t.match(stdout, /^6 sessions of the last 30 days come to 2 policies\./);
  t.match(
    stdout,
    /nurse on infusion-pump: view, modify; only their own unit, from inside, good\s+posture; 5 sessions of 1 user/,
  );
  t.match(stdout, /eric on pump-3-console: refused 1 time\./);
  t.match(stdout, /published as no resource:\n {4}10\.20\.0\.10 answers on tcp\/8042 http\n/);
  t.notMatch(stdout, /tcp\/4242/);
  t.same(tooWide(stdout), []);
  t.match(await run('check', '--strict', out), { code: 0 });
  t.match(await run('test', '--strict', out), { code: 0 });
  t.match(await run('suggest', '--store', store, '--out', out), { code: 66, stderr: /is there already/ });
  t.match(await run('suggest', '--store', store), {
    code: 0,
    stdout: /@id\("suggested\.nurse\.infusion-pump"\)/,
  });
  t.ok(existsSync(join(out, 'suggested.cases.md')));
});

void t.test('review: who may what, and who did', async (t) => {
  const { code, stdout, stderr } = await run('review', '--store', store, '--days', '30');
  t.equal(code, 0, stderr);
  t.match(stdout, /^nina\n {2}pump-3-console {2}view, modify; used 60 min ago\n/);
  t.match(
    stdout,
    /^rita\n {2}archive {9}view, modify, download; used 60 min ago, never to modify,\s+download/m,
  );
  t.match(stdout, /2 entitlements of 2 users, 0 not used in 30 days\./);
  t.match(stdout, /Policies that permitted nothing that was done: bedside\.clinician/);
  t.match(stdout, /Control cannot be asked/);
  t.same(tooWide(stdout), []);
  const unused = JSON.parse((await run('review', '--store', store, '--unused', '--json')).stdout) as object;
  t.match(unused, { entitlements: [{ user: 'rita', unused: ['modify', 'download'] }] });
  t.match(await run('review', 'attest', 'something', 'keep'), { code: 64 });
  t.match(await run('review', 'attest', 'access:rita:archive', 'perhaps'), { code: 64 });
});
