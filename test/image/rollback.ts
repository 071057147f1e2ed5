/**
 * Bad versions, made of version 2 without building anything: its kernel with other words on the command line, measured
 * and signed with the same throw-away keys. What the words do is a unit that only test machines have (credentials).
 */
import { createHash, createPrivateKey, sign } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { signedBytes } from '../../src/cli/update/manifest.ts';
import type { Manifest } from '../../src/cli/update/manifest.ts';
import { repository, tools } from './vm.ts';

export interface Bad {
  readonly name: string;
  /** What is bad, after "a version that". */
  readonly says: string;
  /** Added to the kernel's command line. */
  readonly words: string;
  /** What the version before says of it. */
  readonly reason: RegExp;
}

export const badKinds: readonly Bad[] = [
  {
    name: 'argument',
    says: 'has a bad kernel argument',
    words: 'anteroom.test=argument rdinit=/nowhere',
    reason: /it never opened its data/,
  },
  {
    name: 'unit',
    says: 'lacks a unit',
    words: 'anteroom.test=unit systemd.mask=anteroom-broker.service',
    reason: /.*broker\.process/,
  },
  { name: 'exits', says: 'exits', words: 'anteroom.test=exits', reason: /.*broker\.process/ },
  { name: 'hangs', says: 'hangs', words: 'anteroom.test=hangs', reason: /.+/ },
  { name: 'sick', says: 'finds its database sick', words: 'anteroom.test=sick', reason: /.*audit/ },
];

const bad = (word: string, before: string, script: string): Record<string, string> => ({
  [`systemd.extra-unit.anteroom-bad-${word}.service`]: `[Unit]
Description=A bad version: ${word}
ConditionKernelCommandLine=anteroom.test=${word}
${before}
[Service]
Type=exec
ExecStart=/bin/sh -c '${script.replaceAll('$', '$$')}'
`,
});

/** In a machine for bad versions: what each does, and no shell of the test but in a good one. */
export const badCredentials: Readonly<Record<string, string>> = {
  ...bad('exits', '', 'while :; do systemctl kill -s KILL anteroom-broker.service; sleep 1; done'),
  ...bad('hangs', '', 'while :; do systemctl kill -s STOP anteroom-control.service; sleep 1; done'),
  ...bad(
    'sick',
    'Before=anteroom-audit.service\nAfter=var.mount systemd-tmpfiles-setup.service',
    'mkdir /run/sick; for f in /var/lib/anteroom/audit/*; do head -c 65536 /dev/urandom >/run/sick/x; mount --bind /run/sick/x $f; done; sleep infinity',
  ),
  'systemd.unit-dropin.test-shell.service': `[Unit]
ConditionKernelCommandLine=!anteroom.test
`,
};
export const badWords = ['exits', 'hangs', 'sick'].map(
  (word) => `systemd.wants=anteroom-bad-${word}.service`,
);

/** The folder of the update that is this bad version, made in `out`. */
export function makeBad(out: string, version: number, kind: Bad): string {
  const folder = join(out, `update-${version}`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  const good = join(out, 'update-2');
  for (const name of ['root.zst', 'verity.zst']) linkSync(join(good, name), join(folder, name));
  const at = folder.replace(repository, '/src/');
  const keys = '/src/build/image/keys';
  tools(
    'sh',
    '-euc',
    `
    python3 - ${good.replace(repository, '/src/')}/kernel.efi ${at} <<'END'
import pefile, sys
pe = pefile.PE(sys.argv[1], fast_load=True)
for section in pe.sections:
    name = section.Name.rstrip(b'\\0').decode().lstrip('.')
    if name in ('linux', 'initrd', 'osrel', 'cmdline', 'uname', 'sbat'):
        data = section.get_data()[:section.Misc_VirtualSize]
        open(sys.argv[2] + '/' + name, 'wb').write(data)
END
    cmdline=$(tr -d '\\000' <${at}/cmdline)
    ukify build --linux=${at}/linux --initrd=${at}/initrd --os-release=@${at}/osrel --uname="$(cat ${at}/uname)" \
      --cmdline="$cmdline ${kind.words}" --pcr-private-key=${keys}/pcr.key --pcr-public-key=/tmp/pcr.pub --pcr-banks=sha256 \
      --secureboot-private-key=${keys}/secure-boot.key --secureboot-certificate=${keys}/secure-boot.crt \
      --output=${at}/kernel.efi >/dev/null
    rm ${at}/linux ${at}/initrd ${at}/osrel ${at}/cmdline ${at}/uname ${at}/sbat
    `.replace(
      '    cmdline=',
      `    openssl x509 -in ${keys}/pcr.crt -noout -pubkey >/tmp/pcr.pub\n    cmdline=`,
    ),
  );
  const kernel = readFileSync(join(folder, 'kernel.efi'));
  const manifest: Manifest = {
    ...(JSON.parse(readFileSync(join(good, 'manifest.json'), 'utf8')) as Manifest),
    version,
    kernel: {
      name: 'kernel.efi',
      size: statSync(join(folder, 'kernel.efi')).size,
      sha256: createHash('sha256').update(kernel).digest('hex'),
    },
  };
  const bytes = Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`);
  writeFileSync(join(folder, 'manifest.json'), bytes);
  const key = readFileSync(join(repository, 'build/image/keys/update.key'));
  writeFileSync(join(folder, 'manifest.sig'), sign(null, signedBytes(bytes), createPrivateKey(key)));
  return folder;
}
