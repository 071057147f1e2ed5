/**
 * The native half on its own: its TAP binary, the same under AddressSanitizer, UndefinedBehaviorSanitizer and
 * LeakSanitizer, and a short run of each fuzzer. Whatever isn't built yet is built first.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const root = fileURLToPath(new URL('../..', import.meta.url));
const FUZZERS = ['datagram', 'dns', 'fragment', 'frame', 'handshake', 'listen', 'segment', 'stage'];
const RUNS = 150_000;

process.chdir(root);
const { MAKEFLAGS: _flags, MAKELEVEL: _level, ...environment } = process.env;
const targets = ['test-native', 'test-native-asan', ...FUZZERS.map((name) => `fuzz-${name}`)];
execFileSync('make', ['-s', '-f', 'native/native.mk', ...targets.map((name) => `build/native/${name}`)], {
  env: environment,
  stdio: ['ignore', 'ignore', 'inherit'],
});

t.setTimeout(150_000);
await t.spawn('build/native/test-native', [], {}, 'plain');
await t.spawn(
  'build/native/test-native-asan',
  [],
  { env: { ...process.env, ASAN_OPTIONS: 'detect_leaks=1:abort_on_error=0' } },
  'under ASan, UBSan and LSan',
);

for (const name of FUZZERS) {
  void t.test(`the ${name} fuzzer finds nothing in ${RUNS} runs`, (t) => {
    const artifacts = 'build/native/fuzz-artifacts/';
    mkdirSync(artifacts, { recursive: true });
    const run = spawnSync(
      `build/native/fuzz-${name}`,
      [`-runs=${RUNS}`, '-seed=1', '-max_len=2048', '-max_total_time=30', `-artifact_prefix=${artifacts}`],
      { encoding: 'utf8' },
    );
    t.equal(run.status, 0, run.stderr.split('\n').slice(-25).join('\n'));
    t.match(run.stderr, /Done \d+ runs/);
    t.end();
  });
}
