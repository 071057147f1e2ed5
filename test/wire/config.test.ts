/** The configuration's word on how keys are agreed with a peer. */
import t from 'tap';
import { parseConfig } from '../../src/platform/config.ts';
import { kexPolicyOf } from '../../src/wire/config.ts';
import type { PeerConfig } from '../../src/wire/config.ts';

const parse = (peer: Record<string, string>): PeerConfig | undefined =>
  parseConfig(
    JSON.stringify({
      site: { id: 'test', name: 'Test' },
      tunnel: { privateKeyFile: '/key', addresses: ['100.96.0.1/17'] },
      users: [{ id: 'someone', name: 'Someone', roles: ['tester'] }],
      peers: [
        {
          id: 'laptop',
          publicKey: Buffer.alloc(32, 9).toString('base64'),
          allowedIps: ['100.96.0.2/32'],
          user: 'someone',
          userDevice: 'laptop',
          ...peer,
        },
      ],
      policy: { file: '/policy' },
    }),
    'config.json',
  ).peers[0];

const policy = (peer: Record<string, string>): string | undefined => {
  const parsed = parse(peer);
  return parsed && kexPolicyOf(parsed);
};

void t.test('what is not said follows from the pre-shared key', (t) => {
  t.equal(policy({}), 'classical');
  t.equal(policy({ presharedKeyFile: '/psk' }), 'classical+psk');
  t.end();
});

void t.test('what is said stands', (t) => {
  t.equal(policy({ kex: 'classical' }), 'classical');
  t.equal(policy({ kex: 'classical+psk', presharedKeyFile: '/psk' }), 'classical+psk');
  t.equal(policy({ kex: 'hybrid-required' }), 'hybrid-required');
  t.equal(policy({ kex: 'hybrid-required', presharedKeyFile: '/psk' }), 'hybrid-required');
  t.end();
});

void t.test('a contradiction is an error that names the place', (t) => {
  t.throws(() => parse({ kex: 'classical+psk' }), {
    code: 'CONFIG_INVALID',
    detail: /peers\.0\.presharedKeyFile: /,
  });
  t.throws(() => parse({ kex: 'classical', presharedKeyFile: '/psk' }), {
    code: 'CONFIG_INVALID',
    detail: /peers\.0\.kex: /,
  });
  t.throws(() => parse({ kex: 'hybrid' }), { code: 'CONFIG_INVALID', detail: /peers\.0\.kex: / });
  t.end();
});
