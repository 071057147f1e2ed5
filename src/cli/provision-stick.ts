/**
 * A stick's folder, read within limits: each file once, by its exact name, no links, nothing else of the stick. What
 * is judged afterwards is what was read here, so a stick that answers a second read differently gains nothing. Receipts
 * go back the same way.
 */
import { opendirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  BODY_FILE,
  HEAD_FILE,
  MAX_BODY_BYTES,
  MAX_HEAD_BYTES,
  MAX_STICK_NAMES,
  STICK_FOLDER,
} from '../wire/provision.ts';
import { readBounded, replaceFile } from './durable-file.ts';

const ANSWER = /^(?:credential|order)-[0-9a-f]{32}$/;

export interface StickContent {
  readonly head?: Buffer;
  readonly body?: Buffer;
  /** Credentials and orders, by name, sorted. */
  readonly answers: readonly { readonly name: string; readonly bytes: Buffer }[];
}

export type StickReading =
  | ({ readonly kind: 'stick' } & StickContent)
  | { readonly kind: 'empty' }
  | { readonly kind: 'unreadable'; readonly detail: string };

/** Names of a folder; undefined when it isn't one, 'many' past the limit. */
function namesOf(folder: string): string[] | 'many' | undefined {
  let open;
  try {
    open = opendirSync(folder);
  } catch {
    return undefined;
  }
  const names: string[] = [];
  try {
    for (let entry = open.readSync(); entry; entry = open.readSync()) {
      if (names.length === MAX_STICK_NAMES) return 'many';
      names.push(entry.name);
    }
  } finally {
    open.closeSync();
  }
  return names;
}

const unreadable = (detail: string): StickReading => ({ kind: 'unreadable', detail });

/** Never throws for what is on the stick. */
export function readStick(root: string): StickReading {
  try {
    const top = namesOf(root);
    if (top === undefined) return unreadable('it has no folder');
    if (top === 'many') return unreadable(`more than ${MAX_STICK_NAMES} files`);
    if (!top.includes(STICK_FOLDER)) return { kind: 'empty' };
    const folder = join(root, STICK_FOLDER);
    const names = namesOf(folder);
    if (names === undefined) return unreadable(`${STICK_FOLDER} is not a folder`);
    if (names === 'many') return unreadable(`more than ${MAX_STICK_NAMES} files in ${STICK_FOLDER}`);

    const answers: { name: string; bytes: Buffer }[] = [];
    for (const name of names.filter((each) => ANSWER.test(each)).toSorted()) {
      const read = readBounded(join(folder, name), MAX_HEAD_BYTES);
      if (read.kind !== 'bytes')
        return unreadable(`${name}: ${read.kind === 'missing' ? 'gone' : read.detail}`);
      answers.push({ name, bytes: read.bytes });
    }
    const head = readBounded(join(folder, HEAD_FILE), MAX_HEAD_BYTES);
    if (head.kind === 'unreadable') return unreadable(`${HEAD_FILE}: ${head.detail}`);
    if (head.kind === 'missing') return answers.length > 0 ? { kind: 'stick', answers } : { kind: 'empty' };
    const body = readBounded(join(folder, BODY_FILE), MAX_BODY_BYTES);
    if (body.kind !== 'bytes')
      return unreadable(`${BODY_FILE}: ${body.kind === 'missing' ? 'missing' : body.detail}`);
    return { kind: 'stick', head: head.bytes, body: body.bytes, answers };
  } catch (error) {
    return unreadable(error instanceof Error && 'code' in error ? String(error.code) : 'it was pulled out');
  }
}

/** What is said when `writeBack` failed. */
export const NOT_ON_STICK = 'the receipt could not be written to the stick; plug it in once more to get it';

/** A file of the gateway's own to the stick. */
export function writeBack(from: string, root: string, name: string): 'written' | 'there' | 'failed' {
  const bytes = readFileSync(from);
  const file = join(root, STICK_FOLDER, name);
  const before = readBounded(file, MAX_HEAD_BYTES);
  if (before.kind === 'bytes' && before.bytes.equals(bytes)) return 'there';
  try {
    replaceFile(file, bytes, 0o644);
    return 'written';
  } catch {
    return 'failed';
  }
}
