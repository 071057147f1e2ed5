/**
 * Runs a bundle of the image once and keeps what V8 compiled of it, as `NAME.code` beside it for image/tools/entry.ts:
 *
 *   NODE --hash-seed=1 [FLAG...] compile.js APP NAME [ARGUMENT...]      APP/NAME.bundle.js is run with the arguments
 *
 * NODE and the flags are those of the appliance, and so is the path, which the code holds. The bytes are the same each time:
 * the hash seed, else random, is given, and nothing depends on how far V8's other threads are, since code is only interpreted
 * and none thrown away. V8 takes code only under the flags that it was made under: before it is written all of this is undone,
 * and what the bundle sets for its own run (platform/engine.ts) isn't set.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import v8 from 'node:v8';
import { Script } from 'node:vm';
import type { Bundle } from './entry.ts';

const { setFlagsFromString } = v8;
v8.setFlagsFromString = () => undefined;
const compilers = process.execArgv.includes('--jitless') ? [] : ['sparkplug', 'maglev', 'opt'];
const meanwhile = [...compilers, 'flush-bytecode'];
for (const each of meanwhile) setFlagsFromString(`--no-${each}`);

const [node = '', , app = '', name = '', ...words] = process.argv;
const entry = `${app}/${name}.js`;
process.argv = [node, entry, ...words];
const script = new Script(readFileSync(`${app}/${name}.bundle.js`, 'utf8'), {
  filename: `/usr/lib/anteroom/app/${name}.bundle.js`,
});
process.on('exit', () => {
  setFlagsFromString('--hash-seed=0');
  for (const each of meanwhile) setFlagsFromString(`--${each}`);
  writeFileSync(`${app}/${name}.code`, script.createCachedData());
});
(script.runInThisContext() as Bundle)(createRequire(entry), { exports: {} }, entry);
