/**
 * Policies and decision tables from disk: a `.cedar` file, or a folder of them with their `.cases.md` tables beside
 * them. All `.cedar` files of a folder are one set, in the order of their names; folders inside it are not read.
 */
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { check } from '../policy/check.ts';
import type { SourceFile } from '../policy/check.ts';
import type { PolicySet } from '../policy/policy-set.ts';
import { Fault } from '../wire/errors.ts';

export interface PolicyFiles {
  readonly path: string;
  readonly files: readonly SourceFile[];
  readonly tables: readonly SourceFile[];
}

const faultOf = (cause: unknown): Fault =>
  new Fault('POLICY_UNREADABLE', cause instanceof Error ? cause.message : String(cause), { cause });

function read(folder: string, name: string): SourceFile {
  return { name, text: readFileSync(join(folder, name), 'utf8') };
}

/** Fault POLICY_UNREADABLE. */
export function readSource(path: string): PolicyFiles {
  try {
    if (!statSync(path).isDirectory())
      return { path, files: [{ name: basename(path), text: readFileSync(path, 'utf8') }], tables: [] };
    const names = readdirSync(path).sort();
    const files = names.filter((name) => name.endsWith('.cedar')).map((name) => read(path, name));
    const tables = names.filter((name) => name.endsWith('.cases.md')).map((name) => read(path, name));
    if (files.length === 0) throw new Error(`${path}: there is no .cedar file`);
    return { path, files, tables };
  } catch (cause) {
    throw faultOf(cause);
  }
}

/** The set that a source makes. Fault POLICY_INVALID with the first mistake. */
export function setOf({ path, files }: PolicyFiles): PolicySet {
  const { set, findings } = check(files);
  if (set) return set;
  const [first] = findings;
  const { file = path, line = 1, column = 1, policy = '', message = '' } = first ?? {};
  const named = policy === '' ? '' : `policy ${policy}: `;
  throw new Fault('POLICY_INVALID', `${file}:${line}:${column}: ${named}${message}`);
}
