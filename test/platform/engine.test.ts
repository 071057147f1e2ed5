/** What a process sets of V8 holds when it is set by the process itself: V8 draws conclusions from flags only when it starts. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { nodeFlags } from '../../src/platform/engine.ts';

const engine = fileURLToPath(new URL('../../src/platform/engine.ts', import.meta.url));
/** Calls a function of WebAssembly until V8 would compile it a second time; says which compiler its code is of. */
const script = `
  import { setFlagsFromString } from 'node:v8';
  import { tuneEngine } from ${JSON.stringify(engine)};
  if (process.argv[1] === 'control') tuneEngine('control');
  setFlagsFromString('--allow-natives-syntax');
  const bytes = [0, 97, 115, 109, 1, 0, 0, 0, 1, 6, 1, 96, 1, 127, 1, 127, 3, 2, 1, 0, 7, 5, 1, 1, 102, 0, 0,
    10, 9, 1, 7, 0, 32, 0, 65, 1, 106, 11];
  const { f } = new WebAssembly.Instance(new WebAssembly.Module(Uint8Array.from(bytes))).exports;
  const quick = new Function('f', 'return %IsLiftoffFunction(f)');
  for (let i = 0; i < 100 && (i === 0 || quick(f)); i += 1) {
    for (let k = 0; k < 1e5; k += 1) f(k);
    await new Promise((done) => setTimeout(done, 10));
  }
  console.log(f(1), quick(f));
`;
const run = (who: string): string =>
  execFileSync(process.execPath, ['--input-type=module', '--eval', script, who], { encoding: 'utf8' }).trim();

await t.test('control’s WebAssembly stays with the quick compiler', (t) => {
  t.equal(run('nobody'), '2 false', 'V8 by itself compiles a function that is called often again');
  t.equal(run('control'), '2 true');
  t.end();
});

await t.test('what the command line gives are bounds of memory alone', (t) => {
  for (const flag of nodeFlags('sensor'))
    t.match(flag, /^--(v8-pool|max-semi-space|max-old-space)-size=\d+$/);
  t.same(nodeFlags('control'), []);
  t.end();
});
