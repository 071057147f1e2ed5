/**
 * JSON that nobody of ours made, in place of everything a stick brings: the schemas and those who read by them answer,
 * and never throw. And what is of the right shape comes back as it went out.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { acceptFarewell, acceptReceipt } from '../../src/cli/provision-accept.ts';
import { checkEnrolment } from '../../src/cli/provision-check.ts';
import type { Surroundings } from '../../src/cli/provision-check.ts';
import { judgeOrder } from '../../src/cli/provision-reset.ts';
import { signEnvelope } from '../../src/crypto/envelope.ts';
import { readTray } from '../../src/platform/refusal-tray.ts';
import { canonicalJson } from '../../src/wire/canonical-json.ts';
import { isFault } from '../../src/wire/errors.ts';
import {
  FAREWELL_MAGIC,
  HEAD_MAGIC,
  RECEIPT_MAGIC,
  RESET_MAGIC,
  credentialContent,
  enrolmentBody,
  enrolmentHead,
  farewellContent,
  receiptContent,
  resetOrder,
} from '../../src/wire/provision.ts';
import { NOW, newKey } from '../cli/provision-sample.ts';

const office = newKey();
const hex = (bytes: number): fc.Arbitrary<string> =>
  fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((each) => Buffer.from(each).toString('hex'));
const site = fc.record({
  id: fc.constantFrom('riverside', 'hillside', 'R'),
  name: fc.string({ minLength: 1 }),
});

/** The right value nine times of ten. */
const nearly = (right: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> =>
  fc.oneof({ weight: 9, arbitrary: right }, { weight: 1, arbitrary: fc.jsonValue() });

/** Nearly a head. */
const nearHead = fc.record(
  {
    format: nearly(fc.constant(1)),
    id: nearly(hex(16)),
    site: nearly(site),
    notBefore: nearly(fc.constantFrom(NOW - 1, 0, 1.5, -1)),
    notAfter: nearly(fc.constantFrom(NOW + 1, 2 ** 53, Number.MAX_SAFE_INTEGER)),
    model: nearly(fc.constant('test')),
    minVersion: nearly(fc.constantFrom('0.1.0', '99999.0.0')),
    recipient: nearly(
      fc.oneof(
        hex(8).map((device) => ({ kind: 'device', device })),
        hex(16).map((salt) => ({ kind: 'code', salt })),
      ),
    ),
    softKey: nearly(fc.boolean()),
    reprovision: nearly(fc.constant({ from: 'riverside' })),
    body: nearly(fc.record({ bytes: fc.constantFrom(1, 100, 1e9), sha256: hex(32) })),
  },
  {
    requiredKeys: [
      ...([
        'format',
        'id',
        'site',
        'notBefore',
        'notAfter',
        'minVersion',
        'recipient',
        'softKey',
        'body',
      ] as const),
    ],
  },
);
const anything = fc.oneof(
  fc.jsonValue({ maxDepth: 4 }),
  nearHead,
  fc.dictionary(fc.string(), fc.jsonValue()),
);

const box: Surroundings = {
  signers: [office.signer],
  phase: 'new',
  used: [],
  version: '0.1.0',
  model: 'test',
  tpm: true,
  now: NOW,
  clockTrusted: true,
  code: 'ABCDE-12345',
};

const shapes = {
  enrolmentHead,
  enrolmentBody,
  receiptContent,
  credentialContent,
  resetOrder,
  farewellContent,
};

void t.test('the schemas answer to anything', (t) => {
  fc.assert(
    fc.property(anything, (value) => {
      for (const shape of Object.values(shapes)) {
        const read = shape.safeParse(value);
        // What was read is JSON again, and reads as the same.
        if (read.success) t.same(shape.parse(JSON.parse(canonicalJson(read.data))), read.data);
      }
    }),
    { numRuns: 2_000 },
  );
  t.end();
});

void t.test('a head of the right shape goes there and back', (t) => {
  let whole = 0;
  fc.assert(
    fc.property(nearHead, (value) => {
      const read = enrolmentHead.safeParse(value);
      if (!read.success) return;
      whole++;
      t.same(enrolmentHead.parse(JSON.parse(canonicalJson(value))), read.data);
    }),
    { numRuns: 3_000 },
  );
  t.ok(whole > 50, `${whole} heads of 3000`);
  t.end();
});

/** What `use` throws that isn't a refusal with a code. */
function thrown(use: () => unknown): unknown {
  try {
    use();
    return undefined;
  } catch (error) {
    return isFault(error, 'RECEIPT_REFUSED') ? undefined : error;
  }
}

void t.test(
  'signed by the right key, and still anything: refused, never thrown',
  { timeout: 240_000 },
  async (t) => {
    const body = Buffer.alloc(1);
    const codes = new Set<string>();
    await fc.assert(
      fc.asyncProperty(anything, async (value) => {
        const head = signEnvelope(HEAD_MAGIC, value, office);
        const verdict = await checkEnrolment({ head, body }, box);
        if (verdict.kind !== 'refused') throw new Error('taken');
        codes.add(verdict.code);
        const own = { site: 'riverside', gateway: '0'.repeat(16), used: [] };
        if (judgeOrder(signEnvelope(RESET_MAGIC, value, office), box.signers, own, NOW).kind !== 'refused')
          throw new Error('an order');
        const registry = { format: 1 as const, sticks: [], gateways: [] };
        for (const error of [
          thrown(() => acceptReceipt(registry, signEnvelope(RECEIPT_MAGIC, value, office), NOW)),
          thrown(() => acceptFarewell(registry, signEnvelope(FAREWELL_MAGIC, value, office))),
        ])
          if (error !== undefined) throw error;
      }),
      { numRuns: 60 },
    );
    t.ok(codes.has('E08'), [...codes].join(' '));
  },
);

void t.test('bytes in place of an envelope', async (t) => {
  const good = signEnvelope(HEAD_MAGIC, { format: 1 }, office);
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 400 }),
    fc.uint8Array({ maxLength: 40 }).map((tail) => Buffer.concat([good.subarray(0, good.length - 20), tail])),
    fc.string().map((text) => Buffer.from(`${HEAD_MAGIC}${text}`)),
  );
  await fc.assert(
    fc.asyncProperty(bytes, bytes, async (head, body) => {
      if ((await checkEnrolment({ head, body }, box)).kind !== 'refused') throw new Error('taken');
      judgeOrder(head, box.signers, { site: '', gateway: '', used: [] }, NOW);
    }),
    { numRuns: 2_000 },
  );
  const state = mkdtempSync(join(tmpdir(), 'anteroom-hostile-'));
  t.teardown(() => rmSync(state, { recursive: true, force: true }));
  t.same(readTray(state), []);
});
