/**
 * What starts a bundle of the image: `NAME.js` takes `NAME.bundle.js` beside it, with what V8 made of it when the image was
 * built (`NAME.code`, image/tools/compile.ts). A fifth of a process's start is saved, and the code is as sealed as the
 * bundle: both lie on the root that dm-verity guards, and V8 takes code only if it fits the source, itself and its flags.
 *
 * Code that doesn't fit costs that fifth and nothing else; standard error says so.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Script } from 'node:vm';

/** What the text of a bundle is; image/tools/payload.ts writes its head. */
export type Bundle = (require: NodeJS.Require, module: { exports: unknown }, filename: string) => void;

const name = __filename.replace(/\.js$/, '');
const filename = `${name}.bundle.js`;
const script = new Script(readFileSync(filename, 'utf8'), {
  filename,
  cachedData: readFileSync(`${name}.code`),
});
if (script.cachedDataRejected === true)
  process.stderr.write(`${filename}: its compiled code was made by another Node or under other flags\n`);
(script.runInThisContext() as Bundle)(createRequire(__filename), { exports: {} }, __filename);
