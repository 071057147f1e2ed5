/**
 * What a process asks of V8 beyond what Node asks: `nodeFlags` on the command line, the same that the units give, and
 * `tuneEngine` once its modules are loaded. Bounds of memory are read when V8 starts. Everything else waits: V8 takes
 * compiled code (Node's own, and the image's of our bundles) only under the flags that it was compiled under, and would
 * compile it all anew.
 *
 * The sensor's tables are bounded, and so is what V8 may keep beside them: a small nursery, an old space that is collected
 * before it grows, one thread to help; it marks in one go, some 30 ms in which the capture ring takes the load, since step
 * by step the heap grows to twice what is alive and its pages aren't given back.
 *
 * Control reads policies with Cedar's WebAssembly (policy/cedar.ts) when it starts and seldom after: compiled once and
 * quickly it costs a third of the time and 30 MB less than compiled a second time for speed; a function is validated when
 * it is compiled, not before, since most never are.
 */
import { setFlagsFromString } from 'node:v8';
import type { ProcessName } from '../wire/ids.ts';

type Flags = { readonly [name in ProcessName]?: readonly string[] };

const bounds: Flags = { sensor: ['--v8-pool-size=1', '--max-semi-space-size=2', '--max-old-space-size=128'] };
const settings: Flags = {
  // The first implies the next two on a command line only.
  control: ['--liftoff-only', '--no-wasm-dynamic-tiering', '--no-wasm-tier-up', '--wasm-lazy-validation'],
  sensor: ['--no-incremental-marking'],
};

export const nodeFlags = (name: ProcessName): readonly string[] => bounds[name] ?? [];

/** To be called by the process itself, when it has loaded its code and before it does anything. */
export function tuneEngine(name: ProcessName): void {
  for (const flag of settings[name] ?? []) setFlagsFromString(flag);
}
