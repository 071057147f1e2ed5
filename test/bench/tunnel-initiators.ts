/**
 * Many initiators in one process, for the bench of a responder: each has its own key and source address, initiations
 * are made beforehand, and a few wait for their answers at a time, so that the responder is busy and never under
 * load. Answers are counted, not read. Nobody but the responder works while the clock runs.
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
}
export interface InitiatorsAnswer {
  readonly perSecond: number;
  readonly lost: number;
}

const WAITING = 4;
const PATIENCE_MS = 500;

const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64'));
const clock = new Tai64nClock();
const sockets: Socket[] = [];

async function socketOf(index: number): Promise<Socket> {
  const known = sockets[index];
  if (known) return known;
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => {
    socket.bind(0, `198.18.${index >> 8}.${(index & 255) + 1}`, resolve);
  });
  sockets[index] = socket;
  return socket;
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
  for (const index of messages.keys()) await socketOf(index);
  const answerType = request.hybrid ? 6 : 2;
  let [next, answered, lost] = [0, 0, 0];
  const begin = performance.now();
  const one = async (): Promise<void> => {
    while (next < messages.length) {
      const index = next++;
      const socket = await socketOf(index);
      const message = messages[index] as Uint8Array;
      const good = await new Promise<boolean>((resolve) => {
        const timer = setTimeout(() => resolve(false), PATIENCE_MS);
        socket.once('message', (bytes) => {
          clearTimeout(timer);
          resolve(bytes[0] === answerType);
        });
        socket.send(message, request.port, request.address);
      });
      if (good) answered += 1;
      else lost += 1;
    }
  };
  await Promise.all(Array.from({ length: WAITING }, one));
  return { perSecond: answered / ((performance.now() - begin) / 1000), lost };
}

process.on('message', (request: InitiatorsRequest) => {
  void run(request).then((answer) => process.send?.(answer));
});
