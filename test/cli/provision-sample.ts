/** A clinic to provision in a test: signers, a policy bundle, a stick of it and a gateway's state, all in one folder. */
import { hash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { applySticks } from '../../src/cli/provision-apply.ts';
import type { ApplyOptions, Outcome } from '../../src/cli/provision-apply.ts';
import { makeStick, writeStick } from '../../src/cli/provision-create.ts';
import type { MadeStick, StickOrder } from '../../src/cli/provision-create.ts';
import { signBundle } from '../../src/policy/bundle.ts';
import { makeVectors } from '../../src/policy/bundle-vectors.ts';
import { questionsAbout } from '../../src/policy/bundle-questions.ts';
import { siteId } from '../../src/wire/ids.ts';
import { SIGNER_SEED_BYTES, SigningKey } from '../../src/crypto/signer.ts';

export const NOW = Date.UTC(2026, 10, 22, 9, 0, 0);
export const DAY = 86_400_000;

export const newKey = (): SigningKey => new SigningKey(randomBytes(SIGNER_SEED_BYTES));

const cedar =
  '@id("imaging") @reason("Imaging.")\npermit (principal in Role::"radiologist", action == Action::"view", resource);\n';

export function policyBundle(key: SigningKey, audience = 'riverside'): Buffer {
  return signBundle(
    {
      format: 1,
      revision: 1,
      audience: [siteId.parse(audience)],
      notBefore: NOW - DAY,
      notAfter: NOW + 30 * DAY,
      policies: cedar,
      vectors: makeVectors(cedar, questionsAbout(cedar)),
    },
    [key],
  );
}

export interface Clinic {
  readonly folder: string;
  readonly office: SigningKey;
  readonly policy: SigningKey;
  readonly order: StickOrder;
  /** A stick in a folder of its own. */
  stick(changes?: Partial<StickOrder>, key?: SigningKey): Promise<{ root: string; made: MadeStick }>;
  /** What the gateway whose state is in `name` says of sticks. */
  apply(roots: readonly string[], changes?: Partial<ApplyOptions>, name?: string): Promise<Outcome>;
  state(name?: string): string;
}

export function clinic(t: Test): Clinic {
  const folder = mkdtempSync(join(tmpdir(), 'anteroom-provision-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const office = newKey();
  const policy = newKey();
  const order: StickOrder = {
    site: { id: 'riverside', name: 'Riverside Clinic' },
    notBefore: NOW - 300_000,
    notAfter: NOW + 7 * DAY,
    minVersion: '0.1.0',
    softKey: false,
    body: {
      interfaces: {
        uplink: { addressing: { method: 'dhcp' }, mac: '02:00:00:00:00:01' },
        management: { addressing: { method: 'static', addresses: ['10.10.0.1/24'] } },
        enclave: { addressing: { method: 'static', addresses: ['10.20.0.1/24'], gateway: '10.20.0.254' } },
      },
      ntp: ['192.0.2.123'],
      tunnel: { addresses: ['100.96.0.1/17'], endpoint: { host: 'gw.example', port: 51820 } },
      policySigners: [policy.signer.text],
      contact: 'Office, +1 555 0100',
    },
    policy: policyBundle(policy),
  };
  let sticks = 0;
  const state = (name = 'box'): string => {
    const path = join(folder, name);
    mkdirSync(path, { recursive: true });
    return path;
  };
  return {
    folder,
    office,
    policy,
    order,
    state,
    stick: async (changes = {}, key = office) => {
      const root = join(folder, `stick-${++sticks}`);
      mkdirSync(root);
      const made = await makeStick({ ...order, ...changes }, key);
      writeStick(root, made, { coordinator: 'none', contact: order.body.contact });
      return { root, made };
    },
    apply: (roots, changes = {}, name) =>
      applySticks(roots, {
        state: state(name),
        signers: [office.signer],
        version: '0.1.0',
        model: 'test',
        tpm: true,
        now: NOW,
        clockTrusted: true,
        ...changes,
      }),
  };
}

/** One digest of everything below `folder`, apart from what is below `but`: names, kinds and bytes. */
export function treeDigest(folder: string, but?: string): string {
  const lines: string[] = [];
  const walk = (at: string): void => {
    for (const entry of readdirSync(at, { withFileTypes: true }).toSorted((a, b) =>
      a.name < b.name ? -1 : 1,
    )) {
      const path = join(at, entry.name);
      if (path === but) continue;
      lines.push(`${path}${entry.isDirectory() ? '/' : ` ${hash('sha256', readFileSync(path), 'hex')}`}`);
      if (entry.isDirectory()) walk(path);
    }
  };
  if (existsSync(folder)) walk(folder);
  return hash('sha256', lines.join('\n'), 'hex');
}
