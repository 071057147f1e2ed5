/** Policy bundles: form, signatures, rotation, vectors; and that nothing that was touched is taken for one. */
import { randomBytes } from 'node:crypto';
import t from 'tap';
import { prepareBundle } from '../../src/policy/bundle-content.ts';
import { checkVectors, makeVectors } from '../../src/policy/bundle-vectors.ts';
import { questionsAbout } from '../../src/policy/bundle-questions.ts';
import { signerMap, verifyBundle } from '../../src/policy/bundle-verify.ts';
import { frame, signBundle, unframe } from '../../src/policy/bundle.ts';
import { loadPolicySet } from '../../src/policy/policy-set.ts';
import type { BundleSource } from '../../src/wire/bundle.ts';
import { MAX_BUNDLE_BYTES } from '../../src/wire/bundle.ts';
import { canonicalJson } from '../../src/wire/canonical-json.ts';
import { Fault, isFault } from '../../src/wire/errors.ts';
import { imagingText, sample, signed, signingKey } from './sample-bundle.ts';
import { shipped } from './question.ts';

const [one, two, three] = [signingKey(1), signingKey(2), signingKey(3)];
const pinned = signerMap([one.signer]);

/** The code that `bytes` are refused with, '' when they aren't. */
function codeOf(bytes: Uint8Array, known = { pinned }): string {
  try {
    prepareBundle(verifyBundle(bytes, known));
    return '';
  } catch (error) {
    if (!isFault(error)) throw error;
    return error.code;
  }
}

const utf8 = (text: string): Buffer => Buffer.from(text, 'utf8');
/** Content that isn't checked before it is signed. */
const framed = (text: string): Buffer => frame(utf8(text), [one]);
const framedValue = (value: unknown): Buffer => framed(canonicalJson(value));

void t.test('made, verified, made ready', (t) => {
  const bytes = signed();
  const bundle = verifyBundle(bytes, { pinned });
  t.equal(bundle.content.revision, 7);
  t.same(bundle.signers, [one.signer.id]);
  t.match(bundle.digest, /^[0-9a-f]{64}$/);
  const { set } = prepareBundle(bundle);
  t.equal(set.revision, `7-${bundle.digest.slice(0, 12)}`, 'grants name the bundle');
  t.same([...set.policies.keys()], ['imaging', 'major', 'recorded']);
  t.equal(verifyBundle(signed(), { pinned }).digest, bundle.digest, 'the same content is the same bytes');
  const shuffled = Object.fromEntries(Object.entries(sample()).reverse()) as unknown as BundleSource;
  t.equal(verifyBundle(signBundle(shuffled, [one]), { pinned }).digest, bundle.digest, 'in whatever order');
  t.end();
});

void t.test('one flipped bit at every offset is refused', { timeout: 120_000 }, (t) => {
  const bytes = signed({ vectors: sample().vectors.slice(0, 1) });
  const tally = new Map<string, number>();
  let taken = 0;
  for (let at = 0; at < bytes.length; at++) {
    const touched = Buffer.from(bytes);
    touched[at] = (touched[at] ?? 0) ^ (1 << (at % 8));
    const code = codeOf(touched);
    if (code === '') taken++;
    tally.set(code, (tally.get(code) ?? 0) + 1);
  }
  t.equal(taken, 0, `none of ${bytes.length}`);
  t.same(
    [...tally.keys()].sort(),
    ['BUNDLE_MALFORMED', 'BUNDLE_SIGNATURE_WRONG', 'BUNDLE_SIGNER_UNKNOWN'],
    'each by name',
  );
  t.comment(Object.fromEntries(tally));
  t.end();
});

void t.test('cut at every length, or with more behind it, it is refused', (t) => {
  const bytes = signed({ vectors: sample().vectors.slice(0, 1) });
  const wrong = [];
  for (let length = 0; length < bytes.length; length += length < 300 ? 1 : 97)
    if (codeOf(bytes.subarray(0, length)) !== 'BUNDLE_MALFORMED') wrong.push(length);
  t.same(wrong, []);
  t.equal(codeOf(Buffer.concat([bytes, Buffer.of(0)])), 'BUNDLE_MALFORMED');
  t.equal(codeOf(Buffer.concat([bytes, bytes])), 'BUNDLE_MALFORMED');
  t.equal(codeOf(Buffer.alloc(0)), 'BUNDLE_MALFORMED');
  t.equal(codeOf(randomBytes(5000)), 'BUNDLE_MALFORMED');
  t.end();
});

void t.test('too large, before anything else is looked at', (t) => {
  const start = performance.now();
  t.equal(codeOf(Buffer.alloc(100 * 1024 * 1024, 'signature ')), 'BUNDLE_TOO_LARGE');
  t.equal(codeOf(Buffer.concat([signed(), Buffer.alloc(MAX_BUNDLE_BYTES)])), 'BUNDLE_TOO_LARGE');
  t.ok(performance.now() - start < 2_000, 'and at once');
  t.throws(() => frame(Buffer.alloc(MAX_BUNDLE_BYTES), [one]), { code: 'BUNDLE_TOO_LARGE' }, 'nor made');
  t.end();
});

void t.test('content that isn’t what it should be, though it is signed', (t) => {
  const text = canonicalJson(sample());
  t.equal(codeOf(framed(text)), '', 'as it should be');
  t.equal(codeOf(framed(` ${text}`)), 'BUNDLE_MALFORMED', 'white space');
  t.equal(codeOf(framed(text.replace('"revision":7', '"revision":7.0'))), 'BUNDLE_MALFORMED', 'a number');
  t.equal(
    codeOf(framed(text.replace('"revision":7', '"revision":7,"revision":8'))),
    'BUNDLE_MALFORMED',
    'a key twice',
  );
  t.equal(codeOf(framed(text.replace('"format"', '"\\u0066ormat"'))), 'BUNDLE_MALFORMED', 'an escape');
  t.equal(
    codeOf(frame(Buffer.concat([utf8(text.slice(0, -1)), Buffer.of(0xff, 0x7d)]), [one])),
    'BUNDLE_MALFORMED',
  );
  const broken = utf8(text.replace('Imaging.', 'Imaging\u00e9'));
  const cut = Buffer.from([...broken].filter((byte) => byte !== 0xa9));
  t.equal(codeOf(frame(cut, [one])), 'BUNDLE_MALFORMED', 'invalid UTF-8');
  t.equal(
    codeOf(frame(Buffer.concat([Buffer.of(0xef, 0xbb, 0xbf), utf8(text)]), [one])),
    'BUNDLE_MALFORMED',
    'a BOM',
  );
  t.equal(codeOf(framed('')), 'BUNDLE_MALFORMED', 'nothing');
  t.equal(codeOf(framed('null')), 'BUNDLE_INVALID');
  t.equal(codeOf(framed('{}')), 'BUNDLE_INVALID');
  t.equal(codeOf(framedValue({ ...sample(), more: 1 })), 'BUNDLE_INVALID', 'an unknown key');
  t.equal(codeOf(framedValue({ ...sample(), format: 2 })), 'BUNDLE_INVALID', 'another format');
  t.equal(codeOf(framedValue({ ...sample(), revision: 0 })), 'BUNDLE_INVALID');
  t.equal(codeOf(framedValue({ ...sample(), revision: 1.5 })), 'BUNDLE_INVALID');
  t.equal(codeOf(framedValue({ ...sample(), notAfter: null })), 'BUNDLE_INVALID', 'a null instant');
  t.equal(codeOf(framedValue({ ...sample(), audience: [] })), 'BUNDLE_INVALID');
  t.equal(codeOf(framedValue({ ...sample(), notAfter: sample().notBefore })), 'BUNDLE_INVALID');
  t.equal(codeOf(framedValue({ ...sample(), destructive: false })), 'BUNDLE_INVALID');
  t.equal(
    codeOf(framed(text.replace('"context":{', '"context":{"__proto__":{"emergency":true},'))),
    'BUNDLE_MALFORMED',
  );
  t.equal(codeOf(framedValue({ ...sample(), policies: 'permit (principal, action' })), 'POLICY_INVALID');
  t.equal(
    codeOf(
      framedValue({
        ...sample(),
        policies: '@id("x") @reason("x") permit (principal, action, resource) when { context.nothing };',
      }),
    ),
    'POLICY_INVALID',
    'a broken schema',
  );
  t.end();
});

void t.test('nested without end', (t) => {
  const nested = (n: number): unknown => (n === 0 ? 'x' : { a: nested(n - 1) });
  const [vector] = sample().vectors;
  const deep = `${'{"a":'.repeat(200_000)}1${'}'.repeat(200_000)}`;
  t.equal(codeOf(framed(deep)), 'BUNDLE_MALFORMED', '200,000 levels');
  const text = canonicalJson(sample());
  t.equal(
    codeOf(framed(text.replace('"context":{', `"context":{"aa":${deep},`))),
    'BUNDLE_MALFORMED',
    'in a vector',
  );
  const twenty = { ...sample(), vectors: [{ ...vector, context: { ...vector?.context, more: nested(20) } }] };
  t.equal(codeOf(framedValue(twenty)), '', 'twenty levels of an attribute that nobody asks for');
  const uidLike = {
    ...sample(),
    vectors: [{ ...vector, context: { ...vector?.context, posture: { __entity: nested(9) } } }],
  };
  t.equal(codeOf(framedValue(uidLike)), 'BUNDLE_VECTORS', 'posture that is none');
  t.end();
});

void t.test('a directory that contradicts itself', (t) => {
  const device = { id: 'pacs', name: 'PACS', class: 'pacs', address: '10.0.0.1' };
  const resource = {
    id: 'a',
    device: 'pacs',
    protocol: 'dicom',
    virtual: { address: '100.96.128.1', port: 104 },
    port: 104,
  };
  const directory = (resources: unknown[]): Buffer =>
    framedValue({ ...sample(), directory: { users: [], devices: [device], resources } });
  t.equal(codeOf(directory([resource])), '');
  t.equal(
    codeOf(directory([resource, { ...resource, virtual: { address: '100.96.128.2', port: 104 } }])),
    'BUNDLE_INVALID',
  );
  t.equal(codeOf(directory([resource, { ...resource, id: 'b' }])), 'BUNDLE_INVALID', 'one address for two');
  t.equal(codeOf(directory([{ ...resource, device: 'none' }])), 'BUNDLE_INVALID');
  t.end();
});

void t.test('signers: known ones, each of them right, one that counts', (t) => {
  const both = { pinned: signerMap([one.signer, two.signer]) };
  t.equal(codeOf(signed({}, [two])), 'BUNDLE_SIGNER_UNKNOWN');
  t.equal(codeOf(signed({}, [one, two])), 'BUNDLE_SIGNER_UNKNOWN', 'a stranger beside a known one');
  t.equal(codeOf(signed({}, [one, two]), both), '');
  t.equal(codeOf(signed({}, [two]), both), '', 'any of the pinned ones');
  t.equal(codeOf(signed(), { pinned: signerMap([]) }), 'BUNDLE_SIGNER_UNKNOWN', 'nobody is pinned');

  const lines = signed({}, [one]).toString('latin1').split('\n');
  const others = signed({ revision: 8 }, [one]).toString('latin1').split('\n');
  const words = (line: string | undefined): string[] => (line ?? '').split(' ');
  const [, id = '', ed = '', dsa = ''] = words(lines[1]);
  const [, , otherEd = '', otherDsa = ''] = words(others[1]);
  const withLine = (line: string): Buffer =>
    Buffer.from([lines[0], line, ...lines.slice(2)].join('\n'), 'latin1');
  t.equal(codeOf(withLine(`signature ${id} ${ed} ${dsa}`)), '');
  t.equal(
    codeOf(withLine(`signature ${id} ${otherEd} ${dsa}`)),
    'BUNDLE_SIGNATURE_WRONG',
    'Ed25519 of another bundle',
  );
  t.equal(
    codeOf(withLine(`signature ${id} ${ed} ${otherDsa}`)),
    'BUNDLE_SIGNATURE_WRONG',
    'ML-DSA of another bundle',
  );
  t.equal(codeOf(withLine(`signature ${id} ${ed} ${ed}`)), 'BUNDLE_MALFORMED');
  t.equal(codeOf(withLine(`signature ${id} ${ed}`)), 'BUNDLE_MALFORMED', 'Ed25519 alone');
  t.equal(
    codeOf(withLine(`signature ${id} ${ed} ${dsa}\nsignature ${id} ${ed} ${dsa}`)),
    'BUNDLE_MALFORMED',
    'twice',
  );
  t.equal(
    codeOf(withLine(`signature ${two.signer.id} ${ed} ${dsa}`), both),
    'BUNDLE_SIGNATURE_WRONG',
    'as somebody else',
  );
  const many = Array.from({ length: 9 }, (_, n) => signingKey(20 + n));
  t.equal(
    codeOf(signed({}, many), { pinned: signerMap(many.map((k) => k.signer)) }),
    'BUNDLE_MALFORMED',
    'nine signers',
  );
  t.end();
});

void t.test('rotation: signed by one that counts and by every one that it brings in', (t) => {
  const keys = [two.signer.text];
  const verified = verifyBundle(signed({ keys }, [one, two]), { pinned });
  t.same([...(verified.keys?.keys() ?? [])], [two.signer.id]);
  t.equal(codeOf(signed({ keys }, [one])), 'BUNDLE_ROTATION', 'the new one didn’t sign');
  t.equal(codeOf(signed({ keys }, [two])), 'BUNDLE_SIGNER_UNKNOWN', 'the old one didn’t sign');
  t.equal(codeOf(signed({ keys }, [one, two, three])), 'BUNDLE_SIGNER_UNKNOWN', 'a stranger signed too');
  t.equal(
    codeOf(signed({ keys: [...keys, three.signer.text] }, [one, two])),
    'BUNDLE_ROTATION',
    'one of two new ones',
  );
  t.equal(codeOf(signed({ keys: [...keys, ...keys] }, [one, two])), 'BUNDLE_INVALID', 'one named twice');
  const id = two.signer.id.startsWith('0') ? '1' : '0';
  const forged = keys[0]?.replace(/^anteroom-signer:./, `anteroom-signer:${id}`) as never;
  t.equal(codeOf(signed({ keys: [forged] }, [one, two])), 'BUNDLE_INVALID', 'an id that isn’t its key’s');
  const retired = signerMap([one.signer]);
  const after = { pinned: signerMap([two.signer]), retired };
  t.equal(codeOf(signed({ keys }, [one, two]), after), '', 'after it, the same bundle still verifies');
  t.equal(
    codeOf(signed({}, [one]), after),
    'BUNDLE_SIGNER_UNKNOWN',
    'but one that only the retired signer signed does not',
  );
  t.end();
});

void t.test('vectors: cedar-wasm’s answers, which have to come out', (t) => {
  const text = shipped('clinic.cedar');
  const vectors = makeVectors(text, questionsAbout(text));
  const all = vectors.flatMap((v) => Object.values(v.answers));
  t.ok(vectors.length >= 8);
  t.ok(
    all.some((a) => a.allow) && all.some((a) => !a.allow && a.rules.length > 0),
    'permits and forbids speak',
  );
  const named = new Set(all.flatMap((a) => a.rules));
  const policies = loadPolicySet(text, 'clinic').policies.size;
  t.ok(named.size * 2 >= policies, `${named.size} of ${policies} policies determine an answer`);
  const set = loadPolicySet(text, 'clinic');
  checkVectors(set, vectors);

  const other = (change: (answer: { allow: boolean; rules: string[] }) => void, at = 0): typeof vectors => {
    const copy = structuredClone(vectors);
    const answer = Object.values(copy[at]?.answers ?? {})[0];
    if (answer) change(answer);
    return copy;
  };
  const refused = (list: typeof vectors, late?: () => boolean): string => {
    try {
      checkVectors(set, list, late);
      return '';
    } catch (error) {
      return error instanceof Fault ? `${error.code} ${error.detail}` : String(error);
    }
  };
  t.match(refused(other((a) => (a.allow = !a.allow))), /^BUNDLE_VECTORS vector 0: view: /);
  t.match(refused(other((a) => a.rules.push('another'), vectors.length - 1)), /^BUNDLE_VECTORS vector/);
  t.match(refused([{ ...vectors[0], answers: {} } as never]), /no answers/);
  let looks = 0;
  t.match(
    refused(vectors, () => ++looks > 3),
    /took too long: 3 of/,
    'a bounded time',
  );
  set.close();
  t.match(refused(vectors), /closed/);

  const lie = { ...sample(), policies: imagingText.replace('"radiologist"', '"nurse"') };
  t.equal(
    codeOf(framedValue({ ...lie, vectors: sample().vectors })),
    'BUNDLE_VECTORS',
    'vectors of other policies',
  );
  t.equal(codeOf(framedValue({ ...sample(), vectors: [] })), 'BUNDLE_INVALID', 'none');
  t.throws(() => makeVectors('permit (', []), { code: 'POLICY_INVALID' });
  t.end();
});

void t.test('framing takes anything without a throw', (t) => {
  const bytes = signed();
  const kinds = new Set<string>();
  for (let i = 0; i < 3_000; i++) {
    const touched = Buffer.from(bytes.subarray(0, (i * 7919) % bytes.length));
    for (let k = 0; k < 4; k++) touched[(i * (k + 31) * 17) % (touched.length || 1)] = (i * (k + 3)) & 0xff;
    kinds.add(unframe(touched).kind);
  }
  t.same([...kinds], ['malformed']);
  t.end();
});
