/**
 * Asks devices that an operator named whether they answer, by ICMP echo (RFC 792), and ends:
 *
 *   reachability INTERFACE TIMEOUT_MS ADDRESS…     prints a JSON object: address → milliseconds, or null for silence
 *
 * `anteroom provision selftest --ping` and the image's `provision ask` start it as nobody, with CAP_NET_RAW and no other capability. None of the five
 * processes loads it: the sensor, which hears the enclave, can't send; this, which sends, lives for seconds and is
 * deaf to everything but its own answers.
 *
 *   type, 1 byte: 8 asks, 0 answers · code, 1: 0 · checksum, 2 · identifier, 2 · sequence number, 2 · payload
 *
 * The socket is bound to the interface and its packets live for one hop, so nothing that routes can carry them on. An
 * answer counts when it comes from the address that was asked and returns 16 random bytes: a raw socket is given every
 * ICMP message that the machine receives.
 */
import { randomBytes } from 'node:crypto';
import { isIPv4 } from 'node:net';
import rawSocket from 'raw-socket';
import { exitCodes } from '../wire/errors.ts';

const ECHO = 8;
const ECHO_REPLY = 0;
const HEADER_BYTES = 8;
const NONCE_BYTES = 16;
/** IPv4, RFC 791 section 3.1: its length is in the low half of the first byte, in words. */
const MIN_IP_BYTES = 20;
/** Asked so often while there is no answer. */
const TRIES = 3;
/** More would be a scan. */
const MAX_ADDRESSES = 8;

interface Question {
  readonly address: string;
  readonly nonce: Buffer;
  readonly identifier: number;
  sentAt: number;
  answeredMs: number | undefined;
}

function echo({ nonce, identifier }: Question, sequence: number): Buffer {
  const packet = Buffer.alloc(HEADER_BYTES + NONCE_BYTES);
  packet[0] = ECHO;
  packet.writeUInt16BE(identifier, 4);
  packet.writeUInt16BE(sequence, 6);
  nonce.copy(packet, HEADER_BYTES);
  packet.writeUInt16BE(rawSocket.createChecksum(packet), 2);
  return packet;
}

function answers(packet: Buffer, from: string, { address, nonce, identifier }: Question): boolean {
  const at = ((packet[0] ?? 0) & 15) * 4;
  return (
    from === address &&
    at >= MIN_IP_BYTES &&
    packet.length >= at + HEADER_BYTES + NONCE_BYTES &&
    packet[at] === ECHO_REPLY &&
    packet.readUInt16BE(at + 4) === identifier &&
    packet.subarray(at + HEADER_BYTES, at + HEADER_BYTES + NONCE_BYTES).equals(nonce)
  );
}

function ask(name: string, timeoutMs: number, addresses: readonly string[]): void {
  const { Protocol, SocketLevel, SocketOption } = rawSocket;
  const socket = rawSocket.createSocket({ protocol: Protocol.ICMP });
  const named = Buffer.from(`${name}\0`, 'latin1');
  socket.setOption(SocketLevel.SOL_SOCKET, SocketOption.SO_BINDTODEVICE, named, named.length);
  socket.setOption(SocketLevel.IPPROTO_IP, SocketOption.IP_TTL, 1);
  const questions = addresses.map((address): Question => {
    const [identifier, nonce] = [randomBytes(2).readUInt16BE(), randomBytes(NONCE_BYTES)];
    return { address, nonce, identifier, sentAt: 0, answeredMs: undefined };
  });
  const finish = (): void => {
    clearInterval(timer);
    socket.close();
    const said = questions.map(({ address, answeredMs }) => [address, answeredMs ?? null] as const);
    process.stdout.write(`${JSON.stringify(Object.fromEntries(said))}\n`);
  };
  let tries = 0;
  const send = (): void => {
    const silent = questions.filter(({ answeredMs }) => answeredMs === undefined);
    if (silent.length === 0 || tries === TRIES) {
      finish();
      return;
    }
    tries++;
    for (const question of silent) {
      const packet = echo(question, tries);
      question.sentAt = performance.now();
      socket.send(packet, 0, packet.length, question.address, (error) => {
        // No neighbour at that address, or the packet filter's no: silence either way.
        if (error) process.stderr.write(`${question.address}: ${error.message}\n`);
      });
    }
  };
  socket.on('message', (packet, from) => {
    for (const question of questions)
      if (question.answeredMs === undefined && answers(packet, from, question))
        question.answeredMs = Math.round((performance.now() - question.sentAt) * 10) / 10;
    if (questions.every(({ answeredMs }) => answeredMs !== undefined)) finish();
  });
  socket.on('error', (error) => process.stderr.write(`${error.message}\n`));
  const timer = setInterval(send, timeoutMs);
  send();
}

const [name = '', timeout = '', ...addresses] = process.argv.slice(2);
const timeoutMs = Number(timeout);
if (
  !/^[\w.-]{1,15}$/.test(name) ||
  !(timeoutMs >= 10 && timeoutMs <= 10_000) ||
  addresses.length === 0 ||
  addresses.length > MAX_ADDRESSES ||
  !addresses.every((address) => isIPv4(address))
) {
  process.stderr.write('usage: reachability INTERFACE TIMEOUT_MS ADDRESS…\n');
  process.exitCode = exitCodes.usage;
} else {
  try {
    ask(name, timeoutMs, addresses);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = exitCodes.noPerm;
  }
}
