/**
 * What the image is made of, as CycloneDX 1.6 (ECMA-424): Debian packages, npm packages, Node and what it carries,
 * our own part.
 *
 *   node image/tools/sbom.ts ARCH VERSION OUT
 *
 * Everything comes from inputs that the build is pinned to (image/lock, package-lock.json, the Node in .toolchain), so
 * the list is there before the image, goes into it, and is the same each time. It carries no time and no serial number
 * for the same reason.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

const read = (name: string): unknown =>
  JSON.parse(readFileSync(fileURLToPath(new URL(`../../${name}`, import.meta.url)), 'utf8'));

const locked = z.array(
  z.object({ name: z.string(), version: z.string(), arch: z.string(), sha256: z.string() }),
);
const npmLock = z.object({
  packages: z.record(
    z.string(),
    z.object({
      version: z.string().optional(),
      license: z.string().optional(),
      dev: z.boolean().optional(),
      integrity: z.string().optional(),
    }),
  ),
});
const manifest = z.object({ name: z.string(), version: z.string(), license: z.string() });

interface Component {
  readonly type: 'library' | 'application' | 'operating-system';
  readonly 'bom-ref': string;
  readonly name: string;
  readonly version: string;
  readonly purl?: string;
  readonly licenses?: readonly object[];
  readonly hashes?: readonly { readonly alg: string; readonly content: string }[];
}

/** The system's packages, and those that only the ESP has something of: firmware, and the stub that unpacks the kernel. */
const debian = (arch: string): Component[] =>
  [`image-${arch}`, ...(arch === 'arm64' ? ['linux-arm64', 'pi-arm64'] : [])]
    .flatMap((set) => locked.parse(read(`image/lock/${set}.json`)))
    .map(({ name, version, arch: built, sha256 }) => {
      const purl = `pkg:deb/debian/${encodeURIComponent(name)}@${encodeURIComponent(version)}?arch=${built}&distro=trixie`;
      return {
        type: 'library',
        'bom-ref': purl,
        name,
        version,
        purl,
        hashes: [{ alg: 'SHA-256', content: sha256 }],
      };
    });

/** Packages of the product; those for development and tests aren't in the image. */
const npm = (): Component[] =>
  Object.entries(npmLock.parse(read('package-lock.json')).packages).flatMap(([path, each]): Component[] => {
    const name = path.replace(/^.*node_modules\//, '');
    if (path === '' || each.dev === true || each.version === undefined) return [];
    const purl = `pkg:npm/${name.replace('@', '%40')}@${each.version}`;
    const sha512 = /^sha512-(.*)$/.exec(each.integrity ?? '')?.[1];
    return [
      {
        type: 'library',
        'bom-ref': purl,
        name,
        version: each.version,
        purl,
        ...(each.license === undefined ? {} : { licenses: [{ expression: each.license }] }),
        ...(sha512 === undefined
          ? {}
          : { hashes: [{ alg: 'SHA-512', content: Buffer.from(sha512, 'base64').toString('hex') }] }),
      },
    ];
  });

/** Node is one file that carries its libraries; it says which (process.versions). */
const node = (): Component[] =>
  Object.entries(z.record(z.string(), z.string()).parse({ ...process.versions })).flatMap(
    ([name, version]): Component[] =>
      name === 'modules' || name === 'napi'
        ? []
        : [
            {
              type: name === 'node' ? 'application' : 'library',
              'bom-ref': `node:${name}`,
              name,
              version,
              ...(name === 'node' ? { purl: `pkg:generic/node@${version}` } : {}),
            },
          ],
  );

const [arch, version, out] = process.argv.slice(2);
if ((arch !== 'amd64' && arch !== 'arm64') || version === undefined || out === undefined) {
  process.stderr.write('usage: node image/tools/sbom.ts amd64|arm64 VERSION OUT\n');
  process.exit(64);
}
const product = manifest.parse(read('package.json'));
const components = [...debian(arch), ...npm(), ...node()].toSorted((a, b) =>
  a['bom-ref'] < b['bom-ref'] ? -1 : 1,
);
const bom = {
  bomFormat: 'CycloneDX',
  specVersion: '1.6',
  version: 1,
  metadata: {
    component: {
      type: 'operating-system',
      'bom-ref': 'image',
      name: `anteroom-image-${arch}`,
      version,
      components: [
        {
          type: 'application',
          'bom-ref': product.name,
          name: product.name,
          version: product.version,
          licenses: [{ expression: product.license }],
        },
      ],
    },
  },
  components,
  dependencies: [{ ref: 'image', dependsOn: components.map((each) => each['bom-ref']) }],
};
mkdirSync(dirname(out), { recursive: true });
writeFileSync(out, `${JSON.stringify(bom, null, 1)}\n`);
process.stdout.write(`${components.length} components\n`);
