/**
 * The handshake: Noise IKpsk2 (Noise Protocol Framework, revision 34, sections 7.5 and 9) as the whitepaper's
 * sections 5.4.2 and 5.4.3 use it:
 *
 *   <- s
 *   ...
 *   -> e, es, s, ss      payload: TAI64N timestamp
 *   <- e, ee, se, psk    payload: nothing
 *
 * In a pattern with a pre-shared key, `e` means MixHash(e) and MixKey(e). A peer without one uses 32 zero
 * bytes, which is how both ends agree that there is none.
 *
 * A post-quantum exchange has its place after each `e` (Noise HFS: `-> e, e1, …`, `<- e, ee, ekem1, …`) in
 * messages of their own types, 5 and 6; these two stay as they are.
 *
 * Nothing here throws on what a peer sent and nothing is remembered from a message that isn't authentic.
 * `ss` is the same for the life of a peer and costs a millisecond: it is computed once, in `remoteStatic`.
 */
import { PublicKey } from '../crypto/public-key.ts';
import { SecretKey } from '../crypto/secret-key.ts';
import { SymmetricState } from '../crypto/symmetric-state.ts';
import { dh } from '../crypto/x25519.ts';
import type { KeyPair } from '../crypto/x25519.ts';
import type { KexMode } from '../wire/action.ts';
import { CONSTRUCTION, IDENTIFIER } from './constants.ts';

const NOTHING = new Uint8Array(0);

/** A peer's static key, the secret that it shares with ours, and the pre-shared key (zeros for none). */
export interface RemoteStatic {
  readonly public: PublicKey;
  readonly ss: SecretKey;
  readonly psk: SecretKey;
}

/** Undefined when the peer's public key is a point of small order, which no honest peer has. */
export function remoteStatic(local: KeyPair, remote: PublicKey, psk?: SecretKey): RemoteStatic | undefined {
  const ss = dh(local.secret, remote);
  return ss && { public: remote, ss, psk: psk ?? SecretKey.zero() };
}

/** What a finished handshake gives. `hash` is the final handshake hash, equal on both ends. */
export interface Outcome {
  readonly sendKey: SecretKey;
  readonly receiveKey: SecretKey;
  readonly hash: Uint8Array;
  readonly kex: KexMode;
}

export interface InitiationFields {
  readonly ephemeral: Uint8Array;
  readonly sealedStatic: Uint8Array;
  readonly sealedTimestamp: Uint8Array;
}

export interface ResponseFields {
  readonly ephemeral: Uint8Array;
  readonly sealedNothing: Uint8Array;
}

/** `<- s`: both ends know the responder's static key before the first message. */
function begin(responder: PublicKey, prologue: Uint8Array): SymmetricState {
  const noise = SymmetricState.InitializeSymmetric(CONSTRUCTION);
  noise.MixHash(prologue);
  noise.MixHash(responder.bytes);
  return noise;
}

/** Token `e` of a psk pattern (Noise section 9.2). */
function mixEphemeral(noise: SymmetricState, ephemeral: Uint8Array): void {
  noise.MixHash(ephemeral);
  noise.MixKey(ephemeral);
}

/** A token that is a Diffie-Hellman result; false when the result is all zeros. */
function mixSecret(noise: SymmetricState, secret: SecretKey | undefined): boolean {
  if (!secret) return false;
  noise.MixKey(secret);
  secret.wipe();
  return true;
}

const kexOf = (remote: RemoteStatic): KexMode => (remote.psk.isZero ? 'classical' : 'classical+psk');

/** The initiating end: made by `write`, finished by `read`. */
export class Initiator {
  readonly #local: KeyPair;
  readonly #remote: RemoteStatic;
  readonly #ephemeral: KeyPair;
  readonly #noise: SymmetricState;

  private constructor(local: KeyPair, remote: RemoteStatic, ephemeral: KeyPair, noise: SymmetricState) {
    this.#local = local;
    this.#remote = remote;
    this.#ephemeral = ephemeral;
    this.#noise = noise;
  }

  /** `-> e, es, s, ss`. Undefined only for a remote key of small order, which `remoteStatic` already refused. */
  static write(
    local: KeyPair,
    remote: RemoteStatic,
    ephemeral: KeyPair,
    timestamp: Uint8Array,
    prologue: Uint8Array = IDENTIFIER,
  ): { readonly handshake: Initiator; readonly fields: InitiationFields } | undefined {
    const noise = begin(remote.public, prologue);
    mixEphemeral(noise, ephemeral.public.bytes); // e
    if (!mixSecret(noise, dh(ephemeral.secret, remote.public))) return undefined; // es
    const sealedStatic = noise.EncryptAndHash(local.public.bytes); // s
    noise.MixKey(remote.ss); // ss
    const sealedTimestamp = noise.EncryptAndHash(timestamp);
    return {
      handshake: new Initiator(local, remote, ephemeral, noise),
      fields: { ephemeral: ephemeral.public.bytes, sealedStatic, sealedTimestamp },
    };
  }

  /** `<- e, ee, se, psk`. Undefined when it isn't the answer to this initiation, which then still waits for it. */
  read(fields: ResponseFields): Outcome | undefined {
    const ephemeral = PublicKey.fromBytes(fields.ephemeral);
    if (!ephemeral) return undefined;
    const noise = this.#noise.Clone();
    mixEphemeral(noise, ephemeral.bytes); // e
    if (!mixSecret(noise, dh(this.#ephemeral.secret, ephemeral))) return undefined; // ee
    if (!mixSecret(noise, dh(this.#local.secret, ephemeral))) return undefined; // se
    noise.MixKeyAndHash(this.#remote.psk); // psk
    if (!noise.DecryptAndHash(fields.sealedNothing)) return undefined;
    const [sendKey, receiveKey] = noise.Split();
    const hash = noise.GetHandshakeHash();
    noise.Wipe();
    this.wipe();
    return { sendKey, receiveKey, hash, kex: kexOf(this.#remote) };
  }

  wipe(): void {
    this.#noise.Wipe();
    this.#ephemeral.secret.wipe();
  }
}

/** The responding end, in three steps because the middle one needs the peer that the first one names. */
export class Responder {
  readonly #noise: SymmetricState;
  readonly #remoteEphemeral: PublicKey;
  /** Whom the initiation says it is from. Not authentic until `readTimestamp` has succeeded. */
  readonly claimed: PublicKey;

  private constructor(noise: SymmetricState, remoteEphemeral: PublicKey, claimed: PublicKey) {
    this.#noise = noise;
    this.#remoteEphemeral = remoteEphemeral;
    this.claimed = claimed;
  }

  /** `-> e, es, s`. Undefined when the sender doesn't know our public key or the message was changed. */
  static read(
    local: KeyPair,
    fields: InitiationFields,
    prologue: Uint8Array = IDENTIFIER,
  ): Responder | undefined {
    const ephemeral = PublicKey.fromBytes(fields.ephemeral);
    if (!ephemeral) return undefined;
    const noise = begin(local.public, prologue);
    mixEphemeral(noise, ephemeral.bytes); // e
    if (!mixSecret(noise, dh(local.secret, ephemeral))) return undefined; // es
    const staticBytes = noise.DecryptAndHash(fields.sealedStatic); // s
    const claimed = staticBytes && PublicKey.fromBytes(staticBytes);
    return claimed && new Responder(noise, ephemeral, claimed);
  }

  /** `ss`, then the payload. Undefined when the sender doesn't hold the static key that it claims. */
  readTimestamp(remote: RemoteStatic, sealedTimestamp: Uint8Array): Uint8Array | undefined {
    this.#noise.MixKey(remote.ss); // ss
    return this.#noise.DecryptAndHash(sealedTimestamp);
  }

  /** `<- e, ee, se, psk`, once, after `readTimestamp` has succeeded. */
  write(
    remote: RemoteStatic,
    ephemeral: KeyPair,
    payload: Uint8Array = NOTHING,
  ): { readonly outcome: Outcome; readonly fields: ResponseFields } | undefined {
    const noise = this.#noise;
    mixEphemeral(noise, ephemeral.public.bytes); // e
    if (!mixSecret(noise, dh(ephemeral.secret, this.#remoteEphemeral))) return undefined; // ee
    if (!mixSecret(noise, dh(ephemeral.secret, remote.public))) return undefined; // se
    ephemeral.secret.wipe();
    noise.MixKeyAndHash(remote.psk); // psk
    const sealedNothing = noise.EncryptAndHash(payload);
    const [receiveKey, sendKey] = noise.Split();
    const hash = noise.GetHandshakeHash();
    noise.Wipe();
    return {
      outcome: { sendKey, receiveKey, hash, kex: kexOf(remote) },
      fields: { ephemeral: ephemeral.public.bytes, sealedNothing },
    };
  }
}
