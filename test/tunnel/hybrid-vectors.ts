/**
 * The golden vectors of the hybrid handshake, and one handshake of ours run from a vector's inputs. The file was written
 * once by `run` from inputs that are SHA-256 of a word each; from then on it is what must not change.
 */
import { readFileSync } from 'node:fs';
import { DecapsulationKey } from '../../src/crypto/kem.ts';
import { SecretKey } from '../../src/crypto/secret-key.ts';
import { publicKeyOf } from '../../src/crypto/x25519.ts';
import type { KeyPair } from '../../src/crypto/x25519.ts';
import { CookieGenerator } from '../../src/tunnel/cookie.ts';
import { Initiator, Responder, remoteStatic } from '../../src/tunnel/handshake.ts';
import type { Outcome, RemoteStatic } from '../../src/tunnel/handshake.ts';
import { encodeInitiation, encodeResponse } from '../../src/tunnel/message.ts';
import { monotonicMillis } from '../../src/wire/units.ts';
import { hex } from '../crypto/vectors.ts';

export interface Inputs {
  readonly name: string;
  readonly initiator_static: string;
  readonly responder_static: string;
  readonly initiator_ephemeral: string;
  readonly responder_ephemeral: string;
  /** d and z. */
  readonly kem_seed: string;
  /** m. */
  readonly kem_randomness: string;
  readonly psk: string;
  readonly initiator_index: number;
  readonly responder_index: number;
  readonly timestamp: string;
}

export interface Vector extends Inputs {
  readonly initiator_static_public: string;
  readonly responder_static_public: string;
  readonly encapsulation_key: string;
  readonly ciphertext: string;
  readonly kem_secret: string;
  readonly initiation: string;
  readonly response: string;
  readonly handshake_hash: string;
  readonly session_id: string;
  readonly t1: string;
  readonly t2: string;
}

const file = new URL('../vectors/hybrid-handshake.json', import.meta.url);

export const readHybridVectors = (): Vector[] =>
  (JSON.parse(readFileSync(file, 'utf8')) as { vectors: Vector[] }).vectors;

const pair = (text: string): KeyPair => {
  const secret = new SecretKey(hex(text));
  return { secret, public: publicKeyOf(secret) };
};

const must = <T>(value: T | undefined): T => {
  if (value === undefined) throw new Error('the handshake ended early');
  return value;
};

/** Both of our ends, from the vector's inputs. */
export function run(v: Inputs): {
  readonly initiation: Uint8Array;
  readonly response: Uint8Array;
  readonly initiator: Outcome;
  readonly responder: Outcome;
  readonly timestamp: Uint8Array;
} {
  const [left, right] = [pair(v.initiator_static), pair(v.responder_static)];
  const psk = new SecretKey(hex(v.psk));
  const toRight: RemoteStatic = must(remoteStatic(left, right.public, psk));
  const toLeft: RemoteStatic = must(remoteStatic(right, left.public, psk));
  const ephemerals = { e: pair(v.initiator_ephemeral), e1: DecapsulationKey.generate(hex(v.kem_seed)) };
  const written = must(Initiator.write(left, toRight, ephemerals, hex(v.timestamp)));
  const initiation = encodeInitiation({ sender: v.initiator_index, ...written.fields });
  new CookieGenerator(right.public).addMacs(initiation, monotonicMillis(0));
  const responder = must(Responder.read(right, written.fields));
  const timestamp = must(responder.readTimestamp(toLeft, written.fields.sealedTimestamp));
  const answered = must(
    responder.write(toLeft, { e: pair(v.responder_ephemeral), kemRandomness: hex(v.kem_randomness) }),
  );
  const response = encodeResponse({
    sender: v.responder_index,
    receiver: v.initiator_index,
    ...answered.fields,
  });
  new CookieGenerator(left.public).addMacs(response, monotonicMillis(0));
  const outcome = must(written.handshake.read(answered.fields));
  return { initiation, response, initiator: outcome, responder: answered.outcome, timestamp };
}
