/** What a gateway does with a stick: takes the right one, refuses every other and changes nothing then. */
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Outcome } from '../../src/cli/provision-apply.ts';
import { checkEnrolment } from '../../src/cli/provision-check.ts';
import type { Surroundings } from '../../src/cli/provision-check.ts';
import { deviceCodeOf, openDeviceKey, placesOf } from '../../src/cli/provision-memory.ts';
import { parseConfig } from '../../src/platform/config.ts';
import { generateKeyPair } from '../../src/crypto/x25519.ts';
import { HEAD_MAGIC, receiptContent } from '../../src/wire/provision.ts';
import { signEnvelope } from '../../src/crypto/envelope.ts';
import { DAY, NOW, clinic, newKey, policyBundle, treeDigest } from './provision-sample.ts';

void t.test('the right stick: keys, configuration, receipt, and the same stick once more', async (t) => {
  const c = clinic(t);
  const { root, made } = await c.stick();
  const code = made.code ?? '';
  t.match(code, /^[0-9A-Z]{5}-[0-9A-Z]{5}$/);
  const onStick = ['index.html', 'README.txt', 'anteroom/enrolment', 'anteroom/enrolment.sealed'];
  for (const name of onStick)
    t.notMatch(readFileSync(join(root, name), 'latin1'), code, `the code is not in ${name}`);
  t.notMatch(
    readFileSync(join(root, 'anteroom/enrolment.sealed'), 'latin1'),
    /Office/,
    'the body is encrypted',
  );
  t.match(readFileSync(join(root, 'index.html'), 'utf8'), /Riverside Clinic/);

  t.match(await c.apply([root], { code: code.toLowerCase().replace('-', ' ') }), {
    code: 'OK2',
    site: 'Riverside Clinic',
  });
  const site = join(c.state(), 'site');
  const config = parseConfig(readFileSync(join(site, 'config.json'), 'utf8'), 'config.json');
  t.equal(config.site.id, 'riverside');
  t.equal(config.tunnel.privateKeyFile, join(site, 'keys/tunnel.key'));
  t.equal(config.policy.bundle, join(site, 'policy/initial.bundle'));
  for (const file of [...config.policy.keys, config.tunnel.privateKeyFile, config.policy.bundle ?? ''])
    t.ok(existsSync(file), file);
  t.equal(statSync(join(site, 'keys/tunnel.key')).mode & 0o777, 0o600);
  t.equal(statSync(join(site, 'keys/identity.key')).mode & 0o777, 0o600);
  t.ok(existsSync(join(c.state(), 'audit/checkpoint.key')), 'the audit key is in its place');
  t.notOk(existsSync(join(site, 'keys/audit.key')), 'and nowhere else');
  t.match(
    readFileSync(join(site, 'network/10-uplink0.link'), 'utf8'),
    /PermanentMACAddress=02:00:00:00:00:01/,
  );
  t.match(readFileSync(join(site, 'network/10-uplink0.network'), 'utf8'), /DHCP=yes/);
  t.notMatch(
    readFileSync(join(site, 'network/10-enclave0.network'), 'utf8'),
    /Gateway=/,
    'no route by the enclave',
  );
  t.notMatch(readFileSync(join(site, 'enrolled.json'), 'utf8'), /token/, 'the token is not kept');

  const file = join(root, 'anteroom', `receipt-${made.head.id}`);
  const receipt = readFileSync(file, 'utf8');
  const said = receiptContent.parse(JSON.parse(receipt.slice(receipt.lastIndexOf('\n') + 1)));
  t.equal(said.bundle, made.head.id);
  const stick = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  for (const secret of [
    readFileSync(join(site, 'keys/tunnel.key'), 'utf8').trim(),
    'anteroom-signer-secret',
    'PRIVATE KEY',
  ])
    for (const entry of stick)
      t.notOk(
        readFileSync(join(entry.parentPath, entry.name), 'latin1').includes(secret),
        `no secret in ${entry.name}`,
      );

  const before = treeDigest(c.state());
  t.match(await c.apply([root], { code }), { code: 'OK4' }, 'the same stick once more');
  rmSync(file);
  t.match(await c.apply([root]), { code: 'OK2' }, 'its receipt is written again, without the code');
  t.equal(readFileSync(file, 'utf8'), receipt, 'and is the same');
  t.equal(treeDigest(c.state()), before);

  const other = await c.stick();
  t.match(await c.apply([other.root], { code: other.made.code ?? '' }), { code: 'E12' }, 'another stick');
  t.equal(treeDigest(c.state()), before);
});

void t.test('every refusal has its code and changes nothing', async (t) => {
  const c = clinic(t);
  const places = placesOf(c.state());
  const device = deviceCodeOf(openDeviceKey(places));
  const own = { device };
  const good = await c.stick(own);
  const copy = (name: string): string => {
    const to = join(c.folder, name);
    cpSync(good.root, to, { recursive: true });
    return to;
  };
  const at = (root: string, name: string): string => join(root, 'anteroom', name);
  const before = treeDigest(c.state());
  const refused = async (
    what: string,
    code: Outcome['code'],
    roots: readonly string[],
    changes: Parameters<typeof c.apply>[1] = {},
  ): Promise<void> => {
    const outcome = await c.apply(roots, changes);
    t.equal(outcome.code, code, `${what}: ${JSON.stringify(outcome)}`);
    t.equal(treeDigest(c.state()), before, `${what}: nothing changed`);
  };

  const empty = join(c.folder, 'empty');
  mkdirSync(empty);
  await refused('an empty stick', 'E01', [empty]);
  await refused('no stick', 'E02', [join(c.folder, 'nowhere')]);

  for (const name of ['enrolment', 'enrolment.sealed']) {
    const { size } = statSync(at(good.root, name));
    for (const length of [0, 1, Math.floor(size / 2), size - 1]) {
      const cut = copy(`cut-${name}-${length}`);
      truncateSync(at(cut, name), length);
      const { code } = await c.apply([cut]);
      t.ok(code === 'E02' || code === 'E03', `${name} cut at ${length} of ${size}: ${code}`);
      t.equal(treeDigest(c.state()), before);
    }
  }
  const gone = copy('gone');
  rmSync(at(gone, 'enrolment.sealed'));
  await refused('pulled out before the body', 'E02', [gone]);
  const unwritten = copy('unwritten');
  rmSync(at(unwritten, 'enrolment'));
  await refused('pulled out before the head', 'E01', [unwritten]);

  const long = copy('long');
  writeFileSync(at(long, 'enrolment'), Buffer.alloc(64 * 1024 + 1, 0x20));
  await refused('a head of over 64 KiB', 'E02', [long]);
  const huge = copy('huge');
  truncateSync(at(huge, 'enrolment.sealed'), 4 * 2 ** 30);
  await refused('a body of 4 GiB', 'E02', [huge]);
  const many = copy('many');
  for (let i = 0; i < 10_000; i++) writeFileSync(join(many, `f${i}`), '');
  await refused('10,000 files', 'E02', [many]);
  const inside = copy('inside');
  for (let i = 0; i < 300; i++) writeFileSync(at(inside, `f${i}`), '');
  await refused('too many files in the folder', 'E02', [inside]);
  const link = copy('link');
  rmSync(at(link, 'enrolment'));
  symlinkSync(at(good.root, 'enrolment'), at(link, 'enrolment'));
  await refused('a link', 'E02', [link]);
  const folder = copy('folder');
  rmSync(at(folder, 'enrolment'));
  mkdirSync(at(folder, 'enrolment'));
  await refused('a folder with the name of the file', 'E02', [folder]);
  const flat = join(c.folder, 'flat');
  mkdirSync(flat);
  writeFileSync(join(flat, 'anteroom'), 'a file');
  await refused('a file with the name of the folder', 'E02', [flat]);

  await refused('an unknown signer', 'E04', [(await c.stick(own, newKey())).root]);
  const forged = copy('forged');
  writeFileSync(
    at(forged, 'enrolment'),
    readFileSync(at(forged, 'enrolment'), 'utf8').replace('Riverside', 'Riverfront'),
  );
  await refused('another name in the head', 'E03', [forged]);
  const swapped = copy('swapped');
  const second = await c.stick(own);
  cpSync(at(second.root, 'enrolment.sealed'), at(swapped, 'enrolment.sealed'));
  await refused('the body of another stick', 'E03', [swapped]);
  const order = copy('order');
  writeFileSync(at(order, 'enrolment'), signEnvelope('anteroom-order 1\n', good.made.head, c.office));
  await refused('something else that the office signed', 'E02', [order]);

  await refused('expired', 'E05', [good.root], { now: NOW + 7 * DAY });
  await refused('not valid yet', 'E05', [good.root], { now: NOW - DAY });
  const stranger = deviceCodeOf(generateKeyPair(Buffer.alloc(32, 7)));
  await refused('another device', 'E06', [(await c.stick({ device: stranger })).root]);
  await refused('another model', 'E06', [(await c.stick({ ...own, model: 'other' })).root]);
  await refused('another site’s gateway', 'E06', [
    (await c.stick({ ...own, reprovisionFrom: 'hillside' })).root,
  ]);
  await refused('too old an image', 'E08', [(await c.stick({ ...own, minVersion: '0.2.0' })).root]);
  await refused('no TPM', 'E11', [good.root], { tpm: false });
  const coded = await c.stick();
  await refused('no code', 'E13', [coded.root]);
  await refused('a wrong code', 'E13', [coded.root], { code: 'AAAAA-AAAAA' });
  await refused('two sticks', 'E16', [good.root, second.root]);

  t.match(await c.apply([empty, good.root]), { code: 'OK2' }, 'and the right one is still taken');
});

void t.test('what the office refuses to write, a gateway refuses to take', async (t) => {
  const c = clinic(t);
  await t.rejects(c.stick({ policy: policyBundle(c.policy, 'hillside') }), { code: 'BUNDLE_AUDIENCE' });
  await t.rejects(c.stick({ policy: policyBundle(newKey()) }), { code: 'BUNDLE_SIGNER_UNKNOWN' });
  await t.rejects(c.stick({ notAfter: NOW - DAY }), { code: 'PROVISION_INVALID' });
  await t.rejects(
    c.stick({ device: 'anteroom-device:0000000000000000:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=' }),
    {
      code: 'PROVISION_INVALID',
      detail: /mistyped/,
    },
  );
  const { made, root } = await c.stick();
  const { writeStick } = await import('../../src/cli/provision-create.ts');
  t.throws(
    () => writeStick(root, made, { coordinator: '', contact: '' }),
    { code: 'PROVISION_INVALID' },
    'no second enrolment on one stick',
  );

  // A head that is signed, and of a later form.
  const later = { ...made.head, format: 2 };
  writeFileSync(join(root, 'anteroom/enrolment'), signEnvelope(HEAD_MAGIC, later, c.office));
  t.match(await c.apply([root]), { code: 'E08' });
});

void t.test(
  'a box without a clock takes the signer’s time for the better one, and remembers it',
  async (t) => {
    const c = clinic(t);
    const device = deviceCodeOf(openDeviceKey(placesOf(c.state())));
    const { root } = await c.stick({ device });
    const image = NOW - 200 * DAY;
    t.match(await c.apply([root], { now: image, clockTrusted: false }), { code: 'OK2' });
    const old = await c.stick({ device, notBefore: NOW - 30 * DAY, notAfter: NOW - DAY });
    t.match(await c.apply([old.root], { now: image, clockTrusted: false }, 'box'), { code: 'E05' });
  },
);

void t.test('one byte flipped, at every offset of both files: refused', { timeout: 540_000 }, async (t) => {
  const c = clinic(t);
  const device = openDeviceKey(placesOf(c.state()));
  const { made } = await c.stick({ device: deviceCodeOf(device) });
  const box: Surroundings = {
    signers: [c.office.signer],
    device,
    phase: 'new',
    used: [],
    version: '0.1.0',
    model: 'test',
    tpm: true,
    now: NOW,
    clockTrusted: true,
  };
  const head = Uint8Array.from(made.headBytes);
  const body = Uint8Array.from(made.bodyBytes);
  t.match(await checkEnrolment({ head, body }, box), { kind: 'accepted' });
  const wrong: string[] = [];
  const codes = new Set<string>();
  for (const [name, bytes] of [
    ['head', head],
    ['body', body],
  ] as const)
    for (let i = 0; i < bytes.length; i++) {
      const was = bytes[i] ?? 0;
      bytes[i] = was ^ (1 << (i % 8));
      const verdict = await checkEnrolment({ head, body }, box);
      bytes[i] = was;
      if (verdict.kind === 'refused') codes.add(verdict.code);
      else wrong.push(`${name} ${i}`);
    }
  t.same(wrong, []);
  t.same([...codes].toSorted(), ['E02', 'E03', 'E04']);
  t.comment(`${head.length + body.length} offsets`);
});
