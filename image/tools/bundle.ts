/**
 * Makes the signed update from a build: the folder that goes to a stick as `anteroom`.
 *
 *   node image/tools/bundle.ts ARCH VERSION BUILD KEY OUT [MINIMUM]     BUILD: mkosi's output folder
 *
 * KEY is the Ed25519 private key. MINIMUM is the oldest version that may run once this one is confirmed.
 *
 * What it writes is described in src/cli/update/manifest.ts, which reads it.
 */
import { createHash, createPrivateKey, sign } from 'node:crypto';
import {
  copyFileSync,
  createReadStream,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { createWriteStream } from 'node:fs';
import { basename, join } from 'node:path';
import { constants, createZstdCompress } from 'node:zlib';
import { signedBytes } from '../../src/cli/update/manifest.ts';
import type { Manifest, Part } from '../../src/cli/update/manifest.ts';

const digest = async (file: string): Promise<string> => {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(file)) hash.update(piece as Buffer);
  return hash.digest('hex');
};

function only(folder: string, pattern: RegExp): string {
  const found = readdirSync(folder).filter((name) => pattern.test(name));
  if (found.length !== 1) throw new Error(`${folder}: ${found.length} files match ${String(pattern)}`);
  return join(folder, found[0] ?? '');
}

async function part(file: string, name: string, out: string): Promise<Part> {
  const target = join(out, name);
  await pipeline(
    createReadStream(file),
    createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: 3 } }),
    createWriteStream(target),
  );
  return {
    name,
    size: statSync(target).size,
    sha256: await digest(target),
    expanded: { size: statSync(file).size, sha256: await digest(file) },
  };
}

async function main(): Promise<void> {
  const [arch, version, build, key, out, minimum] = process.argv.slice(2);
  if ((arch !== 'amd64' && arch !== 'arm64') || version === undefined || !build || !key || !out) {
    process.stderr.write('usage: node image/tools/bundle.ts amd64|arm64 VERSION BUILD KEY OUT [MINIMUM]\n');
    process.exit(64);
  }
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  const root = only(build, new RegExp(`^anteroom_${version}\\.root\\.[0-9a-f]{32}\\.raw$`));
  const verity = only(build, new RegExp(`^anteroom_${version}\\.verity\\.[0-9a-f]{32}\\.raw$`));
  const id = (file: string): string => /\.([0-9a-f]{32})\.raw$/.exec(basename(file))?.[1] ?? '';
  const kernel = join(build, `anteroom_${version}.efi`);
  copyFileSync(kernel, join(out, 'kernel.efi'));
  const manifest: Manifest = {
    format: 1,
    product: 'anteroom',
    version: Number(version),
    arch,
    ...(minimum === undefined || minimum === '' ? {} : { minimum: Number(minimum) }),
    rootHash: id(root) + id(verity),
    kernel: { name: 'kernel.efi', size: statSync(kernel).size, sha256: await digest(kernel) },
    root: await part(root, 'root.zst', out),
    verity: await part(verity, 'verity.zst', out),
  };
  const bytes = Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`);
  writeFileSync(join(out, 'manifest.json'), bytes);
  writeFileSync(
    join(out, 'manifest.sig'),
    sign(null, signedBytes(bytes), createPrivateKey(readFileSync(key))),
  );
}

await main();
