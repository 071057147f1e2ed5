/** The Noise symmetric state against the published IK vector, by the pattern written out by hand. */
import t from 'tap';
import { counterNonce, open } from '../../src/crypto/aead.ts';
import { PublicKey } from '../../src/crypto/public-key.ts';
import { SecretKey } from '../../src/crypto/secret-key.ts';
import { SymmetricState } from '../../src/crypto/symmetric-state.ts';
import { dh, publicKeyOf } from '../../src/crypto/x25519.ts';
import { hex, noiseVector, toHex } from './vectors.ts';

void t.test('Noise_IK_25519_ChaChaPoly_BLAKE2s, initiator', (t) => {
  const v = noiseVector('Noise_IK_25519_ChaChaPoly_BLAKE2s');
  const s = new SecretKey(hex(v.init_static));
  const e = new SecretKey(hex(v.init_ephemeral));
  const rs = PublicKey.fromBytes(hex(v.init_remote_static)) as PublicKey;
  const [first, second, third, fourth] = v.messages.map((m) => ({
    payload: hex(m.payload),
    bytes: hex(m.ciphertext),
  }));
  if (!first || !second || !third || !fourth) throw new Error('the vector is short');

  const noise = SymmetricState.InitializeSymmetric(v.protocol_name);
  noise.MixHash(hex(v.init_prologue));
  noise.MixHash(rs.bytes); // <- s
  const ePublic = publicKeyOf(e).bytes;
  noise.MixHash(ePublic); // -> e
  noise.MixKey(dh(e, rs) as SecretKey); // es
  const sealedStatic = noise.EncryptAndHash(publicKeyOf(s).bytes); // s
  noise.MixKey(dh(s, rs) as SecretKey); // ss
  const payload = noise.EncryptAndHash(first.payload);
  t.equal(toHex(Uint8Array.of(...ePublic, ...sealedStatic, ...payload)), toHex(first.bytes));

  const before = noise.Clone();
  const re = PublicKey.fromBytes(second.bytes.subarray(0, 32)) as PublicKey;
  noise.MixHash(re.bytes); // <- e
  noise.MixKey(dh(e, re) as SecretKey); // ee
  noise.MixKey(dh(s, re) as SecretKey); // se
  t.equal(toHex(noise.DecryptAndHash(second.bytes.subarray(32))), toHex(second.payload));
  t.equal(toHex(noise.GetHandshakeHash()), v.handshake_hash);

  const [send, receive] = noise.Split();
  const none = new Uint8Array(0);
  t.equal(toHex(send.use((k) => open(k, counterNonce(0), none, third.bytes))), toHex(third.payload));
  t.equal(toHex(receive.use((k) => open(k, counterNonce(0), none, fourth.bytes))), toHex(fourth.payload));

  t.not(toHex(before.GetHandshakeHash()), v.handshake_hash, 'a clone stays where it was');
  t.end();
});

void t.test('a state without a key encrypts nothing, nor does a wiped one', (t) => {
  const noise = SymmetricState.InitializeSymmetric('short name');
  t.throws(() => noise.EncryptAndHash(new Uint8Array(1)));
  noise.MixKey(new Uint8Array(32));
  t.ok(noise.EncryptAndHash(new Uint8Array(1)));
  noise.Wipe();
  t.throws(() => noise.DecryptAndHash(new Uint8Array(17)));
  t.end();
});
