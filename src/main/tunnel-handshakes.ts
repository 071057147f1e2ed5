/**
 * The device's answers as the addon computes them, in its own thread. Before it is trusted, a whole handshake of each
 * form is made with it by the initiator in JavaScript: when that doesn't come out, or there is no such addon, the
 * responder in JavaScript does the work, and the health list says so.
 *
 * The addon's jobs are numbered and few; each has its callback here while it is under way.
 */
import { DecapsulationKey, KEM_SEED_BYTES } from '../crypto/kem.ts';
import { PublicKey } from '../crypto/public-key.ts';
import { SecretKey } from '../crypto/secret-key.ts';
import { generateKeyPair } from '../crypto/x25519.ts';
import type { KeyPair } from '../crypto/x25519.ts';
import type { Addon, HandshakeDone, NativeHandshakes } from '../platform/addon.ts';
import { TIMESTAMP_BYTES, TYPE_HYBRID_INITIATION } from '../tunnel/constants.ts';
import { Initiator, remoteStatic } from '../tunnel/handshake.ts';
import type { Outcome } from '../tunnel/handshake.ts';
import { decodeHandshake, encodeInitiation } from '../tunnel/message.ts';
import type { Initiation } from '../tunnel/message.ts';
import type { Answer, Reading, Responding, RespondingPeer } from '../tunnel/responding.ts';
import type { KexMode } from '../wire/action.ts';
import { Fault } from '../wire/errors.ts';

const KEY_BYTES = 32;

type Open = Addon['openHandshakes'];
type Callback = (done: HandshakeDone) => void;

function answerOf({ answer, presharedKey }: HandshakeDone, hybrid: boolean): Answer | undefined {
  if (!answer) return undefined;
  const at = answer.length - 3 * KEY_BYTES;
  const part = (i: number): Uint8Array => answer.subarray(at + i * KEY_BYTES, at + (i + 1) * KEY_BYTES);
  const plain: KexMode = presharedKey === true ? 'classical+psk' : 'classical';
  const outcome: Outcome = {
    sendKey: SecretKey.take(part(0)),
    receiveKey: SecretKey.take(part(1)),
    hash: part(2),
    kex: hybrid ? 'hybrid' : plain,
  };
  return { bytes: answer.subarray(0, at), outcome };
}

export class NativeResponding implements Responding {
  readonly name = 'native';
  readonly #native: NativeHandshakes;
  readonly #plain: Responding;
  readonly #progress: () => void;
  readonly #callbacks = new Map<number, Callback>();
  readonly #atOnce: boolean;

  /**
   * Fault INTERNAL when the addon can't do it. `progress` is called after what was under way has been called back; not
   * with no threads, when that happens at once.
   */
  constructor(
    open: Open,
    threads: number,
    local: KeyPair,
    peers: readonly RespondingPeer[],
    plain: Responding,
    progress: () => void,
  ) {
    this.#plain = plain;
    this.#progress = progress;
    this.#atOnce = threads === 0;
    this.#native = local.secret.use((secretKey) =>
      open({ secretKey, threads, onDone: () => this.#progressed() }),
    );
    for (const { number, remote } of peers)
      if (!remote.psk.use((psk) => this.#native.setPeer(number, remote.public.bytes, psk)))
        throw new Fault('INTERNAL', 'a key that was refused at the start');
  }

  get ready(): boolean {
    return this.#callbacks.size < this.#native.jobs;
  }

  /** Hybrid handshakes are computed here too. */
  get hybrid(): boolean {
    return this.#native.hybrid;
  }

  checkMac1(message: Uint8Array): boolean {
    return this.#native.checkMac1(message);
  }

  read(message: Initiation, bytes: Uint8Array, done: (reading: Reading) => void): void {
    if (message.type === TYPE_HYBRID_INITIATION && !this.#native.hybrid)
      return this.#plain.read(message, bytes, done);
    const job = this.#native.read(bytes);
    if (job < 0) throw new Fault('INTERNAL', 'a handshake more than there are jobs');
    this.#callbacks.set(job, (read) => done(this.#reading(read)));
    if (this.#atOnce) this.#take();
  }

  changePresharedKey(peer: PublicKey, key: SecretKey): void {
    key.use((psk) => this.#native.setPresharedKey(peer.bytes, psk));
  }

  close(): void {
    this.#callbacks.clear();
    this.#native.close();
  }

  #reading({ job, hybrid = false, peer, timestamp, claimed, stranger }: HandshakeDone): Reading {
    const publicKey = claimed && PublicKey.fromBytes(claimed);
    if (publicKey) return { kind: stranger === true ? 'stranger' : 'false', publicKey };
    if (peer === undefined || !timestamp) return { kind: 'unreadable' };
    return {
      kind: 'authentic',
      peer,
      hybrid,
      // A copy, which is kept: what is taken in one batch is in one buffer.
      timestamp: Uint8Array.from(timestamp),
      answer: (localIndex, answered) => {
        this.#callbacks.set(job, (written) => answered(answerOf(written, hybrid)));
        this.#native.write(job, localIndex);
        if (this.#atOnce) this.#take();
      },
      discard: () => this.#native.release(job),
    };
  }

  #progressed(): void {
    if (this.#take()) this.#progress();
  }

  /** A callback may close all this, or begin the next job. */
  #take(): boolean {
    const batch = this.#native.take();
    for (const done of batch) {
      const callback = this.#callbacks.get(done.job);
      this.#callbacks.delete(done.job);
      callback?.(done);
    }
    return batch.length > 0;
  }
}

/** One handshake with `open`'s responder; true when both ends come to the same. Keys and times are any. */
function comesOut(open: Open, psk: SecretKey, wantHybrid: boolean): boolean {
  const pair = (fill: number): KeyPair => generateKeyPair(new Uint8Array(KEY_BYTES).fill(fill));
  const [initiator, responder] = [pair(1), pair(2)];
  const remote = remoteStatic(initiator, responder.public, psk);
  const label = new Uint8Array(TIMESTAMP_BYTES).fill(3);
  const native = responder.secret.use((secretKey) =>
    open({ secretKey, threads: 0, onDone: () => undefined }),
  );
  try {
    const hybrid = wantHybrid && native.hybrid;
    const ephemerals = {
      e: pair(4),
      ...(hybrid && { e1: DecapsulationKey.generate(new Uint8Array(KEM_SEED_BYTES).fill(5)) }),
    };
    const written = remote && Initiator.write(initiator, remote, ephemerals, label);
    if (!written) return false;
    if (!psk.use((key) => native.setPeer(7, initiator.public.bytes, key))) return false;
    const job = native.read(encodeInitiation({ sender: 8, ...written.fields }));
    const [read] = native.take();
    if (read?.peer !== 7 || !read.timestamp || Buffer.compare(read.timestamp, label) !== 0) return false;
    if (!native.write(job, 9)) return false;
    const [done] = native.take();
    const answer = done && answerOf(done, hybrid);
    const decoded = answer && decodeHandshake(answer.bytes);
    if (decoded?.kind !== 'message' || !('receiver' in decoded.message)) return false;
    const { message } = decoded;
    if (!('sealedNothing' in message) || message.receiver !== 8 || message.sender !== 9) return false;
    const ours = written.handshake.read(message);
    return (
      ours !== undefined &&
      ours.kex === answer?.outcome.kex &&
      ours.sendKey.equals(answer.outcome.receiveKey) &&
      ours.receiveKey.equals(answer.outcome.sendKey) &&
      Buffer.compare(ours.hash, answer.outcome.hash) === 0
    );
  } finally {
    native.close();
  }
}

/** True when `open` computes what the implementation in JavaScript computes, in the least and in the most that there is. */
export function isUnderstood(open: Open): boolean {
  try {
    const psk = new SecretKey(new Uint8Array(KEY_BYTES).fill(6));
    return comesOut(open, SecretKey.zero(), false) && comesOut(open, psk, true);
  } catch {
    return false;
  }
}
