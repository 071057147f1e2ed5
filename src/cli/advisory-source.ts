/**
 * Advisories from disk: files, folders of `.json` files (folders inside them too, links are not followed), and signed
 * bundles of both. What is in a file is told from its content; a file that isn't understood stops none of the others.
 *
 * A signed bundle has the framing and the signers of a policy bundle (`wire/bundle.ts`) under another first line, so that
 * neither can be taken for the other; the content is the files as they were:
 *
 *   anteroom-advisories 1\n
 *   signature <signer id> <base64 Ed25519> <base64 ML-DSA-65>\n      once a signer
 *   content <length>\n
 *   {"files":[{"name":"…","text":"…"}],"format":1}                   canonical JSON (RFC 8785)
 */
import { closeSync, fstatSync, lstatSync, openSync, readSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import * as z from 'zod';
import type { SigningKey } from '../crypto/signer.ts';
import { contentValue, frame, signedBytes, unframe } from '../policy/bundle.ts';
import type { BundleForm } from '../policy/bundle.ts';
import type { Signers } from '../policy/bundle-verify.ts';
import { canonicalJson } from '../wire/canonical-json.ts';
import { Fault } from '../wire/errors.ts';

export const MAX_FILES = 10_000;
export const MAX_FILE_BYTES = 50 * 1024 * 1024;
const MAX_FOLDER_DEPTH = 16;

/** What is signed is announced by its first line. */
export const advisoryForm: BundleForm = {
  magic: 'anteroom-advisories 1\n',
  maxBytes: 64 * 1024 * 1024,
};

const bundleFiles = z.strictObject({
  format: z.literal(1),
  files: z.array(z.strictObject({ name: z.string().min(1).max(300), text: z.string() })).max(MAX_FILES),
});

export interface SourceFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

const why = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));

/** At most MAX_FILE_BYTES, however long the file says it is. Fault ADVISORY_UNREADABLE. */
export function readFile(file: string, max = MAX_FILE_BYTES): Buffer {
  let fd: number;
  try {
    fd = openSync(file, 'r');
  } catch (cause) {
    throw new Fault('ADVISORY_UNREADABLE', why(cause), { cause });
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw new Fault('ADVISORY_UNREADABLE', `${file}: is no file`);
    if (stat.size > max)
      throw new Fault('ADVISORY_UNREADABLE', `${file}: ${stat.size} bytes, more than ${max}`);
    const bytes = Buffer.alloc(stat.size);
    let length = 0;
    while (length < bytes.length) {
      const got = readSync(fd, bytes, length, bytes.length - length, null);
      if (got === 0) break;
      length += got;
    }
    return bytes.subarray(0, length);
  } catch (cause) {
    throw cause instanceof Fault ? cause : new Fault('ADVISORY_UNREADABLE', why(cause), { cause });
  } finally {
    closeSync(fd);
  }
}

/** Names of files under these paths, in the order of their names. Fault ADVISORY_UNREADABLE. */
export function filesUnder(paths: readonly string[]): string[] {
  const found: string[] = [];
  const add = (file: string): void => {
    if (found.length === MAX_FILES) throw new Fault('ADVISORY_UNREADABLE', `more than ${MAX_FILES} files`);
    found.push(file);
  };
  const walk = (folder: string, depth: number): void => {
    if (depth > MAX_FOLDER_DEPTH)
      throw new Fault('ADVISORY_UNREADABLE', `${folder}: folders deeper than ${MAX_FOLDER_DEPTH}`);
    for (const entry of readdirSync(folder, { withFileTypes: true }).sort((a, b) =>
      a.name < b.name ? -1 : 1,
    )) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) walk(path, depth + 1);
      else if (entry.isFile() && entry.name.toLowerCase().endsWith('.json')) add(path);
    }
  };
  for (const path of paths) {
    try {
      if (lstatSync(path).isDirectory()) walk(path, 1);
      else add(path);
    } catch (cause) {
      throw cause instanceof Fault ? cause : new Fault('ADVISORY_UNREADABLE', why(cause), { cause });
    }
  }
  return found;
}

export const isBundle = (bytes: Uint8Array): boolean =>
  Buffer.from(bytes.subarray(0, advisoryForm.magic.length)).equals(Buffer.from(advisoryForm.magic, 'latin1'));

/**
 * The files of a signed bundle. Every signature has to be right and of a known signer. Faults BUNDLE_MALFORMED,
 * BUNDLE_TOO_LARGE, BUNDLE_NO_KEYS, BUNDLE_SIGNER_UNKNOWN, BUNDLE_SIGNATURE_WRONG and BUNDLE_INVALID.
 */
export function openBundle(bytes: Uint8Array, signers: Signers): SourceFile[] {
  const framed = unframe(bytes, advisoryForm);
  if (framed.kind === 'too-large') throw new Fault('BUNDLE_TOO_LARGE', `${bytes.length} bytes`);
  if (framed.kind === 'malformed')
    throw new Fault('BUNDLE_MALFORMED', `at byte ${framed.offset}: ${framed.detail}`);
  if (signers.size === 0) throw new Fault('BUNDLE_NO_KEYS', 'name one with --key, or pin it in policy.keys');
  const message = signedBytes(framed.content, advisoryForm);
  for (const signature of framed.signatures) {
    const signer = signers.get(signature.signer);
    if (!signer) throw new Fault('BUNDLE_SIGNER_UNKNOWN', signature.signer);
    if (!signer.verify(message, signature)) throw new Fault('BUNDLE_SIGNATURE_WRONG', signer.id);
  }
  const read = bundleFiles.safeParse(contentValue(framed.content));
  if (!read.success) {
    const [issue] = read.error.issues;
    throw new Fault('BUNDLE_INVALID', `${issue?.path.map(String).join('.') ?? ''}: ${issue?.message ?? ''}`);
  }
  return read.data.files.map(({ name, text }) => ({ name, bytes: Buffer.from(text, 'utf8') }));
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** A signed bundle of these files. Faults ADVISORY_INVALID for what isn't text, BUNDLE_TOO_LARGE. */
export function makeBundle(files: readonly SourceFile[], keys: readonly SigningKey[]): Buffer {
  const content = {
    format: 1,
    files: files.map(({ name, bytes }) => {
      try {
        return { name: basename(name), text: utf8.decode(bytes) };
      } catch (cause) {
        throw new Fault('ADVISORY_INVALID', `${name}: is not UTF-8 text`, { cause });
      }
    }),
  };
  return frame(Buffer.from(canonicalJson(content), 'utf8'), keys, [], advisoryForm);
}
