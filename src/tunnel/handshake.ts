/**
 * The handshake: Noise IKpsk2 (Noise Protocol Framework, revision 34, sections 7.5 and 9) as the whitepaper's
 * sections 5.4.2 and 5.4.3 use it, and its hybrid form by the rules of the Noise HFS extension:
 *
 *   classical                                  hybrid
 *   <- s                                       <- s
 *   ...                                        ...
 *   -> e, es, s, ss      TAI64N timestamp      -> e, es, e1, s, ss         TAI64N timestamp
 *   <- e, ee, se, psk    nothing               <- e, ee, ekem1, se, psk    nothing
 *
 * In a pattern with a pre-shared key, `e` means MixHash(e) and MixKey(e). A peer without one uses 32 zero
 * bytes, which is how both ends agree that there is none. `e1` is EncryptAndHash(encapsulation key), `ekem1`
 * EncryptAndHash(ciphertext) and MixKey(shared secret). Surprising: after `e1` the key from `es` isn't replaced, so
 * `s` is sealed with nonce 1.
 *
 * Which of the two a handshake is shows in its fields, and the two have different names in the first hash. The
 * `kex` of an outcome is what ran.
 *
 * Nothing here throws on what a peer sent and nothing is remembered from a message that isn't authentic.
 * `ss` is the same for the life of a peer: it is computed once, in `remoteStatic`.
 */
import { CIPHERTEXT_BYTES, ENCAPSULATION_KEY_BYTES, encapsulate, encapsulateWith } from '../crypto/kem.ts';
import type { DecapsulationKey } from '../crypto/kem.ts';
import { PublicKey } from '../crypto/public-key.ts';
import { SecretKey } from '../crypto/secret-key.ts';
import { SymmetricState } from '../crypto/symmetric-state.ts';
import { dh } from '../crypto/x25519.ts';
import type { KeyPair } from '../crypto/x25519.ts';
import type { KexMode } from '../wire/action.ts';
import { CONSTRUCTION, HYBRID_CONSTRUCTION, IDENTIFIER } from './constants.ts';

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
  /** `e1`, in a hybrid initiation. */
  readonly sealedKemKey?: Uint8Array;
  readonly sealedStatic: Uint8Array;
  readonly sealedTimestamp: Uint8Array;
}

export interface ResponseFields {
  readonly ephemeral: Uint8Array;
  /** `ekem1`, in a hybrid response. */
  readonly sealedCiphertext?: Uint8Array;
  readonly sealedNothing: Uint8Array;
}

/** What an end has to invent: `e`, and for a hybrid initiation `e1`. */
export interface InitiatorEphemerals {
  readonly e: KeyPair;
  readonly e1?: DecapsulationKey;
}

/** `e`, and for vectors the randomness of the encapsulation, which else is fresh. */
export interface ResponderEphemerals {
  readonly e: KeyPair;
  readonly kemRandomness?: Uint8Array;
}

/** `<- s`: both ends know the responder's static key before the first message. */
function begin(hybrid: boolean, responder: PublicKey, prologue: Uint8Array): SymmetricState {
  const noise = SymmetricState.InitializeSymmetric(hybrid ? HYBRID_CONSTRUCTION : CONSTRUCTION);
  noise.MixHash(prologue);
  noise.MixHash(responder.bytes);
  return noise;
}

/** Token `e` of a psk pattern (Noise section 9.2). */
function mixEphemeral(noise: SymmetricState, ephemeral: Uint8Array): void {
  noise.MixHash(ephemeral);
  noise.MixKey(ephemeral);
}

/** A token that is a shared secret; false when there is none: a Diffie-Hellman result of all zeros. */
function mixSecret(noise: SymmetricState, secret: SecretKey | undefined): boolean {
  if (!secret) return false;
  noise.MixKey(secret);
  secret.wipe();
  return true;
}

const kexOf = (hybrid: boolean, remote: RemoteStatic): KexMode => {
  if (hybrid) return 'hybrid';
  return remote.psk.isZero ? 'classical' : 'classical+psk';
};

/** The initiating end: made by `write`, finished by `read`. */
export class Initiator {
  readonly #local: KeyPair;
  readonly #remote: RemoteStatic;
  readonly #ephemerals: InitiatorEphemerals;
  readonly #noise: SymmetricState;

  private constructor(
    local: KeyPair,
    remote: RemoteStatic,
    ephemerals: InitiatorEphemerals,
    noise: SymmetricState,
  ) {
    this.#local = local;
    this.#remote = remote;
    this.#ephemerals = ephemerals;
    this.#noise = noise;
  }

  /**
   * `-> e, es, [e1,] s, ss`: hybrid when there is an `e1`. Undefined only for a remote key of small order, which
   * `remoteStatic` already refused. Takes over the ephemerals.
   */
  static write(
    local: KeyPair,
    remote: RemoteStatic,
    ephemerals: InitiatorEphemerals,
    timestamp: Uint8Array,
    prologue: Uint8Array = IDENTIFIER,
  ): { readonly handshake: Initiator; readonly fields: InitiationFields } | undefined {
    const { e, e1 } = ephemerals;
    const noise = begin(e1 !== undefined, remote.public, prologue);
    mixEphemeral(noise, e.public.bytes); // e
    if (!mixSecret(noise, dh(e.secret, remote.public))) return undefined; // es
    const sealedKemKey = e1 && noise.EncryptAndHash(e1.encapsulationKey); // e1
    const sealedStatic = noise.EncryptAndHash(local.public.bytes); // s
    noise.MixKey(remote.ss); // ss
    const sealedTimestamp = noise.EncryptAndHash(timestamp);
    return {
      handshake: new Initiator(local, remote, ephemerals, noise),
      fields: {
        ephemeral: e.public.bytes,
        ...(sealedKemKey && { sealedKemKey }),
        sealedStatic,
        sealedTimestamp,
      },
    };
  }

  /**
   * `<- e, ee, [ekem1,] se, psk`. Undefined when it isn't the answer to this initiation, which then still waits for
   * it. A classical response never answers a hybrid initiation, nor the other way round.
   */
  read(fields: ResponseFields): Outcome | undefined {
    const { e, e1 } = this.#ephemerals;
    const { sealedCiphertext } = fields;
    if ((e1 === undefined) !== (sealedCiphertext === undefined)) return undefined;
    const ephemeral = PublicKey.fromBytes(fields.ephemeral);
    if (!ephemeral) return undefined;
    const noise = this.#noise.Clone();
    try {
      mixEphemeral(noise, ephemeral.bytes); // e
      if (!mixSecret(noise, dh(e.secret, ephemeral))) return undefined; // ee
      if (e1 && sealedCiphertext) {
        const ciphertext = noise.DecryptAndHash(sealedCiphertext); // ekem1
        if (ciphertext?.length !== CIPHERTEXT_BYTES) return undefined;
        if (!mixSecret(noise, e1.decapsulate(ciphertext))) return undefined;
      }
      if (!mixSecret(noise, dh(this.#local.secret, ephemeral))) return undefined; // se
      noise.MixKeyAndHash(this.#remote.psk); // psk
      if (!noise.DecryptAndHash(fields.sealedNothing)) return undefined;
      const [sendKey, receiveKey] = noise.Split();
      const hash = noise.GetHandshakeHash();
      this.wipe();
      return { sendKey, receiveKey, hash, kex: kexOf(e1 !== undefined, this.#remote) };
    } finally {
      noise.Wipe();
    }
  }

  wipe(): void {
    this.#noise.Wipe();
    this.#ephemerals.e.secret.wipe();
    this.#ephemerals.e1?.wipe();
  }
}

/** The responding end, in three steps because the middle one needs the peer that the first one names. */
export class Responder {
  readonly #noise: SymmetricState;
  readonly #remoteEphemeral: PublicKey;
  /** `e1` of a hybrid initiation. */
  readonly #kemKey: Uint8Array | undefined;
  /** Whom the initiation says it is from. Not authentic until `readTimestamp` has succeeded. */
  readonly claimed: PublicKey;

  private constructor(
    noise: SymmetricState,
    remoteEphemeral: PublicKey,
    kemKey: Uint8Array | undefined,
    claimed: PublicKey,
  ) {
    this.#noise = noise;
    this.#remoteEphemeral = remoteEphemeral;
    this.#kemKey = kemKey;
    this.claimed = claimed;
  }

  /** `-> e, es, [e1,] s`. Undefined when the sender doesn't know our public key or the message was changed. */
  static read(
    local: KeyPair,
    fields: InitiationFields,
    prologue: Uint8Array = IDENTIFIER,
  ): Responder | undefined {
    const { sealedKemKey } = fields;
    const ephemeral = PublicKey.fromBytes(fields.ephemeral);
    if (!ephemeral) return undefined;
    const noise = begin(sealedKemKey !== undefined, local.public, prologue);
    mixEphemeral(noise, ephemeral.bytes); // e
    if (!mixSecret(noise, dh(local.secret, ephemeral))) return undefined; // es
    const kemKey = sealedKemKey && noise.DecryptAndHash(sealedKemKey); // e1
    if (sealedKemKey && kemKey?.length !== ENCAPSULATION_KEY_BYTES) return undefined;
    const staticBytes = noise.DecryptAndHash(fields.sealedStatic); // s
    const claimed = staticBytes && PublicKey.fromBytes(staticBytes);
    return claimed && new Responder(noise, ephemeral, kemKey, claimed);
  }

  /** The initiation was a hybrid one. */
  get hybrid(): boolean {
    return this.#kemKey !== undefined;
  }

  /** `ss`, then the payload. Undefined when the sender doesn't hold the static key that it claims. */
  readTimestamp(remote: RemoteStatic, sealedTimestamp: Uint8Array): Uint8Array | undefined {
    this.#noise.MixKey(remote.ss); // ss
    return this.#noise.DecryptAndHash(sealedTimestamp);
  }

  /**
   * `<- e, ee, [ekem1,] se, psk`, once, after `readTimestamp` has succeeded: nobody makes us encapsulate who isn't a
   * peer. Undefined when a key in the initiation isn't one. Takes over the ephemerals.
   */
  write(
    remote: RemoteStatic,
    ephemerals: ResponderEphemerals,
    payload: Uint8Array = NOTHING,
  ): { readonly outcome: Outcome; readonly fields: ResponseFields } | undefined {
    const { e, kemRandomness } = ephemerals;
    const noise = this.#noise;
    try {
      mixEphemeral(noise, e.public.bytes); // e
      if (!mixSecret(noise, dh(e.secret, this.#remoteEphemeral))) return undefined; // ee
      let sealedCiphertext: Uint8Array | undefined;
      if (this.#kemKey) {
        const encapsulation = kemRandomness // ekem1
          ? encapsulateWith(this.#kemKey, kemRandomness)
          : encapsulate(this.#kemKey);
        if (!encapsulation) return undefined;
        sealedCiphertext = noise.EncryptAndHash(encapsulation.ciphertext);
        mixSecret(noise, encapsulation.secret);
      }
      if (!mixSecret(noise, dh(e.secret, remote.public))) return undefined; // se
      noise.MixKeyAndHash(remote.psk); // psk
      const sealedNothing = noise.EncryptAndHash(payload);
      const [receiveKey, sendKey] = noise.Split();
      const hash = noise.GetHandshakeHash();
      return {
        outcome: { sendKey, receiveKey, hash, kex: kexOf(this.hybrid, remote) },
        fields: {
          ephemeral: e.public.bytes,
          ...(sealedCiphertext && { sealedCiphertext }),
          sealedNothing,
        },
      };
    } finally {
      e.secret.wipe();
      this.wipe();
    }
  }

  /** For an initiation that isn't answered. */
  wipe(): void {
    this.#noise.Wipe();
  }
}
