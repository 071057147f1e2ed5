/**
 * Many initiators in one process, for the bench of a responder: each has its own key and source address, initiations
 * are made beforehand, and some wait for their answers at a time, so that the responder is busy and never under
 * load. Answers are counted, not read: while the clock runs this costs some 20 µs a handshake.
 */
import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { DecapsulationKey } from '../../src/crypto/kem.ts';
import { PublicKey } from '../../src/crypto/public-key.ts';
import { SecretKey } from '../../src/crypto/secret-key.ts';
import { generateKeyPair, publicKeyOf } from '../../src/crypto/x25519.ts';
import { CookieGenerator } from '../../src/tunnel/cookie.ts';
import { Initiator, remoteStatic } from '../../src/tunnel/handshake.ts';
import { encodeInitiation } from '../../src/tunnel/message.ts';
import { Tai64nClock } from '../../src/tunnel/tai64n.ts';
import type { PublicKeyText } from '../../src/wire/ids.ts';
import { epochMillis, monotonicMillis } from '../../src/wire/units.ts';

export interface InitiatorsRequest {
  readonly responder: string;
  readonly privateKeys: readonly string[];
  readonly address: string;
  readonly port: number;
  readonly hybrid: boolean;
  /** Initiations that wait for their answers at a time. */
  readonly waiting: number;
}
export interface InitiatorsAnswer {
  readonly perSecond: number;
  readonly lost: number;
}

const PATIENCE_MS = 500;

const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64'));
const clock = new Tai64nClock();
const sockets: Socket[] = [];
/** What each socket's next datagram is given to. */
const heard: (((bytes: Uint8Array) => void) | undefined)[] = [];

async function open(index: number, { port, address }: InitiatorsRequest): Promise<void> {
  if (sockets[index]) return;
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => {
    socket.bind(0, `198.18.${index >> 7}.${(index & 127) + 1}`, resolve);
  });
  // Connected, so that sending looks nothing up.
  await new Promise<void>((resolve) => {
    socket.connect(port, address, resolve);
  });
  socket.on('message', (bytes) => heard[index]?.(bytes));
  sockets[index] = socket;
}

function initiationOf(request: InitiatorsRequest, privateKey: string, sender: number): Uint8Array {
  const responder = PublicKey.fromText(request.responder as PublicKeyText);
  const secret = SecretKey.take(bytesOf(privateKey));
  const local = { secret, public: publicKeyOf(secret) };
  const remote = remoteStatic(local, responder);
  const written =
    remote &&
    Initiator.write(
      local,
      remote,
      {
        e: generateKeyPair(new Uint8Array(randomBytes(32))),
        ...(request.hybrid && { e1: DecapsulationKey.generate(new Uint8Array(randomBytes(64))) }),
      },
      clock.label(epochMillis(Date.now())).label,
    );
  if (!written) throw new Error('no initiation');
  const message = encodeInitiation({ sender, ...written.fields });
  new CookieGenerator(responder).addMacs(message, monotonicMillis(performance.now()));
  return message;
}

async function run(request: InitiatorsRequest): Promise<InitiatorsAnswer> {
  const messages = request.privateKeys.map((key, i) => initiationOf(request, key, i + 1));
  for (const index of messages.keys()) await open(index, request);
  const answerType = request.hybrid ? 6 : 2;
  const since = new Map<number, number>();
  let [next, answered, lost] = [0, 0, 0];
  return new Promise((resolve) => {
    const begin = performance.now();
    const send = (): void => {
      if (answered + lost === messages.length) {
        clearInterval(timer);
        const seconds = (performance.now() - begin) / 1000;
        return resolve({ perSecond: answered / seconds, lost });
      }
      if (next === messages.length) return;
      const index = next++;
      since.set(index, performance.now());
      sockets[index]?.send(messages[index] as Uint8Array);
    };
    const end = (index: number, good: boolean): void => {
      if (!since.delete(index)) return;
      if (good) answered += 1;
      else lost += 1;
      send();
    };
    for (const index of messages.keys()) heard[index] = (bytes) => end(index, bytes[0] === answerType);
    const timer = setInterval(() => {
      const late = performance.now() - PATIENCE_MS;
      for (const [index, at] of since) if (at < late) end(index, false);
    }, PATIENCE_MS / 2);
    for (let i = 0; i < request.waiting; i++) send();
  });
}

process.on('message', (request: InitiatorsRequest) => {
  void run(request).then((answer) => process.send?.(answer));
});
