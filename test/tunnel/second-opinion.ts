/**
 * The hybrid handshake a second time: plain, slow, with Node's own cryptography, written from docs/PROTOCOL.md
 * ("Hybrid handshake") and from nothing under src/. Where this and the gateway differ, one of them or the document
 * is wrong.
 *
 * Only what Node has no function for is written out: BLAKE2s with a key (RFC 7693), HMAC over BLAKE2s.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createPrivateKey,
  createPublicKey,
  decapsulate,
  diffieHellman,
  encapsulate,
} from 'node:crypto';
import type { KeyObject } from 'node:crypto';

const CONSTRUCTION = Buffer.from('Noise_IKhfspsk2_25519+MLKEM768_ChaChaPoly_BLAKE2s');
const PROLOGUE = Buffer.from('WireGuard v1 zx2c4 Jason@zx2c4.com');
const NOTHING = Buffer.alloc(0);

// ── Functions ────────────────────────────────────────────────────────────────────────────────────────────

const HASH = (...parts: Uint8Array[]): Buffer =>
  createHash('blake2s256').update(Buffer.concat(parts)).digest();

function HMAC(key: Uint8Array, data: Uint8Array): Buffer {
  const block = Buffer.alloc(64);
  block.set(key);
  return HASH(
    block.map((b) => b ^ 0x5c),
    HASH(
      block.map((b) => b ^ 0x36),
      data,
    ),
  );
}

/** t1 … tn. */
function KDF(n: number, key: Uint8Array, data: Uint8Array): Buffer[] {
  const t0 = HMAC(key, data);
  const outputs: Buffer[] = [];
  let last: Buffer = NOTHING;
  for (let i = 1; i <= n; i++) {
    last = HMAC(t0, Buffer.concat([last, Buffer.of(i)]));
    outputs.push(last);
  }
  return outputs;
}

const IV = [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];
const SIGMA = [
  '0123456789abcdef',
  'ea489fd61c02b753',
  'b8c052fdae367194',
  '7931dcbe265a40f8',
  '905724afe1bc683d',
  '2c6a0b834d75fe19',
  'c51fed4a0763928b',
  'db7ec13950f4862a',
  '6fe9b308c2d714a5',
  'a2847615fb9e3cd0',
];

/** BLAKE2s, RFC 7693, for less than 2^32 bytes. */
export function blake2s(length: number, key: Uint8Array, data: Uint8Array): Buffer {
  const h = Uint32Array.from(IV);
  h[0] = (h[0] ?? 0) ^ 0x01010000 ^ (key.length << 8) ^ length;
  const first = Buffer.alloc(key.length > 0 ? 64 : 0);
  first.set(key);
  const whole = Buffer.concat([first, data]);
  const blocks = Math.max(1, Math.ceil(whole.length / 64));
  for (let b = 0; b < blocks; b++) {
    const block = Buffer.alloc(64);
    whole.copy(block, 0, b * 64, (b + 1) * 64);
    const m = Array.from({ length: 16 }, (_, i) => block.readUInt32LE(i * 4));
    const v = Uint32Array.from([...h, ...IV]);
    v[12] = (v[12] ?? 0) ^ Math.min((b + 1) * 64, whole.length);
    if (b === blocks - 1) v[14] = ~(v[14] ?? 0);
    const at = (i: number): number => v[i] ?? 0;
    const turn = (x: number, n: number): number => (x >>> n) | (x << (32 - n));
    for (const row of SIGMA) {
      const s = m.map((_, i) => m[Number.parseInt(row.charAt(i), 16)] ?? 0);
      const G = (a: number, bb: number, c: number, d: number, i: number): void => {
        v[a] = at(a) + at(bb) + (s[i] ?? 0);
        v[d] = turn(at(d) ^ at(a), 16);
        v[c] = at(c) + at(d);
        v[bb] = turn(at(bb) ^ at(c), 12);
        v[a] = at(a) + at(bb) + (s[i + 1] ?? 0);
        v[d] = turn(at(d) ^ at(a), 8);
        v[c] = at(c) + at(d);
        v[bb] = turn(at(bb) ^ at(c), 7);
      };
      G(0, 4, 8, 12, 0);
      G(1, 5, 9, 13, 2);
      G(2, 6, 10, 14, 4);
      G(3, 7, 11, 15, 6);
      G(0, 5, 10, 15, 8);
      G(1, 6, 11, 12, 10);
      G(2, 7, 8, 13, 12);
      G(3, 4, 9, 14, 14);
    }
    for (let i = 0; i < 8; i++) h[i] = (h[i] ?? 0) ^ at(i) ^ at(i + 8);
  }
  const out = Buffer.alloc(32);
  h.forEach((word, i) => out.writeUInt32LE(word, i * 4));
  return out.subarray(0, length);
}

const MAC = (key: Uint8Array, data: Uint8Array): Buffer => blake2s(16, key, data);

function nonce(n: number): Buffer {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt32LE(n, 4);
  return bytes;
}

function aeadSeal(key: Uint8Array, n: number, data: Uint8Array, ad: Uint8Array): Buffer {
  const cipher = createCipheriv('chacha20-poly1305', key, nonce(n), { authTagLength: 16 });
  cipher.setAAD(ad, { plaintextLength: data.length });
  return Buffer.concat([cipher.update(data), cipher.final(), cipher.getAuthTag()]);
}

/** Throws when it isn't authentic. */
function aeadOpen(key: Uint8Array, n: number, sealed: Uint8Array, ad: Uint8Array): Buffer {
  const decipher = createDecipheriv('chacha20-poly1305', key, nonce(n), { authTagLength: 16 });
  const end = sealed.length - 16;
  decipher.setAAD(ad, { plaintextLength: end });
  decipher.setAuthTag(sealed.subarray(end));
  return Buffer.concat([decipher.update(sealed.subarray(0, end)), decipher.final()]);
}

// ── Keys ─────────────────────────────────────────────────────────────────────────────────────────────────

const pkcs8 = (prefix: string, raw: Uint8Array): KeyObject =>
  createPrivateKey({ key: Buffer.concat([Buffer.from(prefix, 'hex'), raw]), format: 'der', type: 'pkcs8' });
const spki = (prefix: string, raw: Uint8Array): KeyObject =>
  createPublicKey({ key: Buffer.concat([Buffer.from(prefix, 'hex'), raw]), format: 'der', type: 'spki' });
const rawPublic = (key: KeyObject, length: number): Buffer =>
  createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-length);

export class X25519 {
  readonly #private: KeyObject;
  readonly pub: Buffer;
  constructor(secret: Uint8Array) {
    this.#private = pkcs8('302e020100300506032b656e04220420', secret);
    this.pub = rawPublic(this.#private, 32);
  }
  /** Throws on all zeros. */
  DH(remote: Uint8Array): Buffer {
    const shared = diffieHellman({
      privateKey: this.#private,
      publicKey: spki('302a300506032b656e032100', remote),
    });
    if (shared.every((b) => b === 0)) throw new Error('all zeros');
    return shared;
  }
}

/** An ML-KEM-768 key pair from its seed, d and z. */
export class Kem {
  readonly #private: KeyObject;
  readonly ek: Buffer;
  constructor(seed: Uint8Array) {
    this.#private = pkcs8('3054020100300b060960864801650304040204428040', seed);
    this.ek = rawPublic(this.#private, 1184);
  }
  Decaps(ct: Uint8Array): Buffer {
    return decapsulate(this.#private, ct);
  }
}

export interface Encapsulated {
  readonly ct: Uint8Array;
  readonly K: Uint8Array;
}

/** With OpenSSL's own randomness, which can't be given; a vector's encapsulation is given as a result. */
export function Encaps(ek: Uint8Array): Encapsulated {
  const { ciphertext, sharedKey } = encapsulate(spki('308204b2300b0609608648016503040402038204a100', ek));
  return { ct: ciphertext, K: sharedKey };
}

// ── Transcript ───────────────────────────────────────────────────────────────────────────────────────────

class Transcript {
  ck = HASH(CONSTRUCTION);
  h: Buffer;
  k: Buffer = NOTHING;
  n = 0;

  constructor(responder: Uint8Array) {
    this.h = HASH(this.ck, PROLOGUE);
    this.hash(responder);
  }
  hash(data: Uint8Array): void {
    this.h = HASH(this.h, data);
  }
  mix(data: Uint8Array): void {
    const [ck, k] = KDF(2, this.ck, data);
    this.ck = ck ?? NOTHING;
    this.k = k ?? NOTHING;
    this.n = 0;
  }
  psk(psk: Uint8Array): void {
    const [ck, t, k] = KDF(3, this.ck, psk);
    this.ck = ck ?? NOTHING;
    this.hash(t ?? NOTHING);
    this.k = k ?? NOTHING;
    this.n = 0;
  }
  seal(data: Uint8Array): Buffer {
    const c = aeadSeal(this.k, this.n++, data, this.h);
    this.hash(c);
    return c;
  }
  open(c: Uint8Array): Buffer {
    const data = aeadOpen(this.k, this.n++, c, this.h);
    this.hash(c);
    return data;
  }
  end(): Ended {
    const [t1, t2] = KDF(2, this.ck, NOTHING);
    return {
      t1: t1 ?? NOTHING,
      t2: t2 ?? NOTHING,
      hash: this.h,
      identity: this.h.subarray(0, 16).toString('hex'),
    };
  }
}

export interface Ended {
  /** The initiator's sending key, and its receiving key. */
  readonly t1: Buffer;
  readonly t2: Buffer;
  readonly hash: Buffer;
  readonly identity: string;
}

function addMacs(message: Buffer, receiver: Uint8Array): void {
  const at = message.length - 32;
  message.set(MAC(HASH(Buffer.from('mac1----'), receiver), message.subarray(0, at)), at);
}

function checkMac1(message: Uint8Array, receiver: Uint8Array): void {
  const at = message.length - 32;
  const right = MAC(HASH(Buffer.from('mac1----'), receiver), message.subarray(0, at));
  if (!right.equals(message.subarray(at, at + 16))) throw new Error('mac1 is wrong');
}

export interface Initiation {
  readonly message: Buffer;
  /** Reads the response; throws when it isn't authentic. */
  finish(response: Uint8Array): Ended & { readonly responderIndex: number };
}

/** `-> e, es, e1, s, ss`. */
export function initiate(from: {
  readonly S: X25519;
  readonly Sr: Uint8Array;
  readonly E: X25519;
  readonly kem: Kem;
  readonly psk: Uint8Array;
  readonly index: number;
  readonly timestamp: Uint8Array;
}): Initiation {
  const { S, Sr, E, kem } = from;
  const message = Buffer.alloc(1348);
  message.writeUInt8(5, 0);
  message.writeUInt32LE(from.index, 4);
  const noise = new Transcript(Sr);
  noise.hash(E.pub);
  noise.mix(E.pub);
  message.set(E.pub, 8);
  noise.mix(E.DH(Sr));
  message.set(noise.seal(kem.ek), 40);
  message.set(noise.seal(S.pub), 1240);
  noise.mix(S.DH(Sr));
  message.set(noise.seal(from.timestamp), 1288);
  addMacs(message, Sr);
  return {
    message,
    finish(bytes) {
      const response = Buffer.from(bytes);
      if (response.length !== 1196 || response.readUInt32LE(0) !== 6) throw new Error('not a type 6');
      if (response.readUInt32LE(8) !== from.index) throw new Error('not for this initiation');
      checkMac1(response, S.pub);
      const Er = response.subarray(12, 44);
      noise.hash(Er);
      noise.mix(Er);
      noise.mix(E.DH(Er));
      noise.mix(kem.Decaps(noise.open(response.subarray(44, 1148))));
      noise.mix(S.DH(Er));
      noise.psk(from.psk);
      if (noise.open(response.subarray(1148, 1164)).length !== 0) throw new Error('not empty');
      return { ...noise.end(), responderIndex: response.readUInt32LE(4) };
    },
  };
}

export interface Heard {
  readonly initiatorIndex: number;
  readonly initiator: Buffer;
  readonly timestamp: Buffer;
  readonly ek: Buffer;
  /** `<- e, ee, ekem1, se, psk`. */
  answer(own: {
    readonly E: X25519;
    readonly psk: Uint8Array;
    readonly index: number;
    readonly encapsulated: Encapsulated;
  }): Ended & { readonly message: Buffer };
}

/** Reads a type 5 that was sent to `S`; throws when it isn't authentic. */
export function hear(S: X25519, bytes: Uint8Array): Heard {
  const message = Buffer.from(bytes);
  if (message.length !== 1348 || message.readUInt32LE(0) !== 5) throw new Error('not a type 5');
  checkMac1(message, S.pub);
  const noise = new Transcript(S.pub);
  const Ei = message.subarray(8, 40);
  noise.hash(Ei);
  noise.mix(Ei);
  noise.mix(S.DH(Ei));
  const ek = noise.open(message.subarray(40, 1240));
  const Si = noise.open(message.subarray(1240, 1288));
  noise.mix(S.DH(Si));
  const timestamp = noise.open(message.subarray(1288, 1316));
  const initiatorIndex = message.readUInt32LE(4);
  return {
    initiatorIndex,
    initiator: Si,
    timestamp,
    ek,
    answer({ E, psk, index, encapsulated }) {
      const response = Buffer.alloc(1196);
      response.writeUInt8(6, 0);
      response.writeUInt32LE(index, 4);
      response.writeUInt32LE(initiatorIndex, 8);
      noise.hash(E.pub);
      noise.mix(E.pub);
      response.set(E.pub, 12);
      noise.mix(E.DH(Ei));
      response.set(noise.seal(encapsulated.ct), 44);
      noise.mix(encapsulated.K);
      noise.mix(E.DH(Si));
      noise.psk(psk);
      response.set(noise.seal(NOTHING), 1148);
      addMacs(response, Si);
      return { ...noise.end(), message: response };
    },
  };
}
