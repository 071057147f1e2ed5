/**
 * QUIC's first packet: the worked example of RFC 9001 appendix A and of RFC 9369 appendix A, what Chromium sent, packets
 * sealed here by the other direction of the ciphers, and packets that are none.
 */
import { createCipheriv, hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import t from 'tap';
import { versions } from '../../src/protocol/quic/constants.ts';
import { clientInitialKeys, HelloStream, isInitial, openInitial } from '../../src/protocol/quic/message.ts';
import { ja4 } from '../../src/protocol/tls/ja4.ts';
import { addon } from '../../src/platform/addon.ts';
import { linkType } from '../../src/sensor/constants.ts';
import { Sensor } from '../../src/sensor/sensor.ts';
import { packetsOf } from '../sensor/corpus-files.ts';
import * as wire from '../sensor/wire-builder.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');
const [one, two] = versions as [(typeof versions)[0], (typeof versions)[0]];
const id = hex('8394c8f03e515708');

/** CRYPTO frame of RFC 9001 appendix A.2. */
const example = hex(`060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e868
04fe3a47f06a2b69484c00000413011302010000c000000010000e00000b6578
616d706c652e636f6dff01000100000a00080006001d00170018001000070005
04616c706e000500050100000000003300260024001d00209370b2c9caa47fba
baf4559fedba753de171fa71f50f1ce15d43e994ec74d748002b000302030400
0d0010000e0403050306030203080408050806002d00020101001c0002400100
3900320408ffffffffffffffff05048000ffff07048000ffff08011001048000
75300901100f088394c8f03e51570806048000ffff`);

const varint = (n: number): Buffer => Buffer.from([0x40 | (n >> 8), n & 255]);

/** Seals frames as a client does: packet number 2 in four bytes, padded to 1200 bytes. */
function seal(frames: Uint8Array, version = one, destination: Uint8Array = id, to = 1200): Buffer {
  const head = Buffer.concat([
    Buffer.of(version.type | 3),
    Buffer.of(...[24, 16, 8, 0].map((shift) => (version.number >>> shift) & 255)),
    Buffer.of(destination.length),
    destination,
    Buffer.of(0, 0),
  ]);
  const room = to - head.length - 2;
  const start = head.length + 2;
  const header = Buffer.concat([head, varint(room), Buffer.of(0, 0, 0, 2)]);
  const plain = Buffer.concat([frames, Buffer.alloc(room - 4 - 16 - frames.length)]);
  const keys = clientInitialKeys(version, destination);
  const nonce = Buffer.from(keys.iv);
  nonce.writeUInt8(nonce.readUInt8(11) ^ 2, 11);
  const cipher = createCipheriv('aes-128-gcm', keys.key, nonce).setAAD(header);
  const sealed = Buffer.concat([header, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  const mask = createCipheriv('aes-128-ecb', keys.protection, null)
    .setAutoPadding(false)
    .update(sealed.subarray(start + 4, start + 20));
  sealed.writeUInt8(sealed.readUInt8(0) ^ (mask.readUInt8(0) & 15), 0);
  for (let i = 0; i < 4; i++)
    sealed.writeUInt8(sealed.readUInt8(start + i) ^ mask.readUInt8(1 + i), start + i);
  return sealed;
}

function helloOf(...packets: readonly Uint8Array[]): ReturnType<HelloStream['hello']> {
  const stream = new HelloStream();
  for (const packet of packets) {
    const opened = openInitial(packet);
    if (opened.kind === 'message') stream.add(opened.message);
  }
  return stream.hello();
}

void t.test('keys and the packet of the worked examples', (t) => {
  const keysOf = (version: typeof one): string[] => {
    const { key, iv, protection } = clientInitialKeys(version, id);
    return [key, iv, protection].map((each) => each.toString('hex'));
  };
  t.same(keysOf(one), [
    '1f369613dd76d5467730efcbe3b1a22d',
    'fa044b2f42a3fd3b46fb255c',
    '9f50449e04a0e810283a1e9933adedd2',
  ]);
  t.same(keysOf(two), [
    '8b1a0bc121284290a29e0971b5cd045d',
    '91f73e2351d8fa91660e909f',
    '45b95e15235d6f45a6b19cbcb0294ba9',
  ]);
  const packet = seal(example);
  t.equal(
    packet.subarray(0, 64).toString('hex'),
    'c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11d242b123dc9bd8bab936b47d92ec356c0bab7df5976d27cd449f63300099f399',
    'the published bytes',
  );
  t.ok(isInitial(packet));
  t.match(helloOf(packet), { serverName: 'example.com' });
  const second = seal(example, two);
  t.ok(isInitial(second));
  t.match(helloOf(second), { serverName: 'example.com' });
  t.end();
});

/** Two packets of Chromium to an address that stayed silent, as dumpcap saw them; tshark says the fields of its hello. */
const chromium = packetsOf(readFileSync(new URL('../traces/quic.pcap', import.meta.url)));
const payload = (n: number): Uint8Array => chromium[n]?.bytes.subarray(42) ?? new Uint8Array(0);

void t.test('a hello in many frames over two packets, in either order', (t) => {
  t.equal(helloOf(payload(0)), undefined, 'half of it is none');
  for (const packets of [
    [payload(0), payload(1)],
    [payload(1), payload(0)],
    [payload(0), payload(0), payload(1)],
  ]) {
    const offer = helloOf(...packets);
    t.equal(offer?.serverName, 'portal.example');
    const kinds = [27, 43, 51, 51_764, 65_037, 10, 13, 45, 57, 17_613]
      .map((kind) => kind.toString(16).padStart(4, '0'))
      .sort();
    const wanted = `${kinds.join()}_0403,0804,0401,0503,0805,0501,0806,0601,0201`;
    const fingerprint = offer === undefined ? '' : ja4(offer.hello, 'q');
    t.equal(fingerprint, `q13d0312h3_55b375c5d22e_${hash('sha256', wanted).slice(0, 12)}`);
  }
  t.end();
});

const A = { mac: '00:1b:00:00:00:01', ip: '10.1.0.1' };
const B = { mac: '00:1b:00:00:00:02', ip: '10.1.0.2' };
const datagram = (
  from: wire.Station,
  to: wire.Station,
  ports: [number, number],
  data: Uint8Array,
): Uint8Array =>
  wire.ethernet(from.mac, to.mac, 0x800, wire.ipv4(from.ip, to.ip, 17, wire.udp(...ports, [...data])));

void t.test('the sensor says whom a client wants and how, once, on any port', (t) => {
  const sensor = new Sensor({ stage: addon().openStage({}), vendorOf: () => undefined });
  const take = (frame: Uint8Array, at: number): void =>
    sensor.take(linkType.ETHERNET, frame, frame.length, at);
  for (let n = 0; n < 40; n++) take(datagram(A, B, [50_000, 8443], payload(n % 2)), n);
  const rows = [...sensor.hosts.all()].flatMap((host) =>
    host.evidenceRows().map(({ protocol, field, value }) => `${host.macText} ${protocol} ${field} ${value}`),
  );
  t.same(
    rows.filter((row) => row.includes(' quic ')).map((row) => row.replace(/_.*/, '')),
    [`${A.mac} quic serverName portal.example`, `${A.mac} quic ja4 q13d0312h3`],
  );
  // The server's Initial packet is sealed with keys of its own: it is known by the client's before it.
  const answer = seal(example, one, Buffer.alloc(8, 9));
  take(datagram(B, A, [8443, 50_000], answer), 100);
  const served = [...sensor.hosts.all()].flatMap((host) =>
    host
      .serviceRows()
      .map(({ transport, port, protocol }) => `${host.macText} ${transport}/${port} ${protocol}`),
  );
  t.ok(served.includes(`${B.mac} udp/8443 quic`), served.join());
  t.equal(sensor.weirds.size, 0);
  t.end();
});

void t.test('what is no client’s packet is named, and costs no more than it may', (t) => {
  const packet = seal(example);
  const bent = (at: number, byte: number): Uint8Array => {
    const other = Buffer.from(packet);
    other.writeUInt8(byte, at);
    return other;
  };
  t.match(openInitial(packet.subarray(0, 1199)), { name: 'quic_no_initial' });
  t.match(openInitial(bent(1, 9)), { name: 'quic_no_initial' });
  t.match(openInitial(bent(5, 7)), { name: 'quic_connection_id' });
  t.match(openInitial(bent(14, 21)), { name: 'quic_connection_id' });
  t.match(openInitial(bent(16, 0x7f)), { name: 'quic_length' });
  t.match(openInitial(bent(600, packet.readUInt8(600) ^ 1)), { name: 'quic_sealed_otherwise' });
  t.match(openInitial(bent(6, 1)), { name: 'quic_sealed_otherwise' });
  t.match(
    openInitial(seal(Buffer.of(0x08, 1, 1, 1))),
    { name: 'quic_frame' },
    'a frame that is not of this packet',
  );
  t.match(openInitial(seal(Buffer.of(6, 0, 0x7f, 0xff))), { name: 'quic_crypto' });
  t.match(openInitial(seal(Buffer.of(2, 0, 0, 0x7f, 0xff, 0))), { name: 'quic_ack' });
  const acked = seal(Buffer.concat([Buffer.of(3, 1, 0, 1, 0, 0, 0, 1, 1, 1), example]));
  t.match(helloOf(acked), { serverName: 'example.com' }, 'behind an acknowledgement');
  const far = openInitial(seal(Buffer.of(6, 0x7f, 0xff, 4, 1, 2, 3, 4)));
  t.equal(far.kind === 'message' && new HelloStream().add(far.message), false, 'a hello without end');
  const server = openInitial(seal(Buffer.of(6, 0, 4, 2, 0, 0, 1)));
  t.equal(server.kind === 'message' && new HelloStream().add(server.message), false, 'no hello');
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), fc.nat({ max: 1199 }), (noise, at) => {
      const other = Buffer.from(packet);
      other.set(noise.subarray(0, 1200 - at), at);
      openInitial(other);
      const frames = openInitial(seal(noise));
      if (frames.kind === 'message') helloOf(seal(noise));
      return true;
    }),
    { numRuns: 300 },
  );

  const sensor = new Sensor({ stage: addon().openStage({}), vendorOf: () => undefined });
  for (let n = 0; n < 3000; n++) {
    const from = { mac: A.mac, ip: A.ip };
    const frame = datagram(from, B, [1024 + n, 443], bent(700, n & 255));
    sensor.take(linkType.ETHERNET, frame, frame.length, n / 10);
  }
  const tried = sensor.weirds.get('quic_sealed_otherwise') ?? 0;
  t.ok(tried >= 500 && tried < 700, `${tried} of 3000 in a third of a second were opened`);
  t.end();
});
