/**
 * Fingerprints and names against what others say of the same bytes: FoxIO's published example of JA4, and tshark on
 * captures of the shared corpus (HASSH, certificates, SMB, NTLM, DHCPv6, SNI).
 */
import t from 'tap';
import { addon } from '../../src/platform/addon.ts';
import { decodeTls } from '../../src/protocol/tls/message.ts';
import { ja4 } from '../../src/protocol/tls/ja4.ts';
import { PcapReader } from '../sensor/reference/pcap.ts';
import { Sensor } from '../../src/sensor/sensor.ts';
import { corpusFile } from '../sensor/corpus-files.ts';
import { fieldsOf, shared } from './capture.ts';
import * as sample from './samples.ts';

const greased = 0x4a4a;

void t.test('JA4 of its description\u2019s example', (t) => {
  const ciphers = [
    greased,
    0x1301,
    0x1302,
    0x1303,
    0xc02b,
    0xc02f,
    0xc02c,
    0xc030,
    0xcca9,
    0xcca8,
    0xc013,
    0xc014,
    0x009c,
    0x009d,
    0x002f,
    0x0035,
  ];
  const empty = [
    0x001b, 0x0033, 0xff01, 0x0017, 0x0023, 0x000a, 0x000b, 0x0012, 0x002d, 0x0005, 0x4469, 0x0015,
  ];
  const bytes = sample.record(
    sample.clientHello({
      ciphers,
      extensions: [
        [greased, []],
        ...empty.map((kind): [number, number[]] => [kind, []]),
        sample.serverName('example.org'),
        [16, [0, 12, 2, 0x68, 0x32, 8, ...sample.ascii('http/1.1')]],
        [43, [6, 0x4a, 0x4a, 3, 4, 3, 3]],
        [13, [0, 16, 4, 3, 8, 4, 4, 1, 5, 3, 8, 5, 5, 1, 8, 6, 6, 1]],
        [greased, [0]],
      ],
    }),
  );
  const decoded = decodeTls(Uint8Array.from(bytes));
  const hello = decoded.kind === 'message' ? decoded.message.hello : undefined;
  t.equal(hello === undefined ? '' : ja4(hello), 't13d1516h2_8daaf6152771_e5627efa2ab1');
  t.match(decoded, { message: { serverName: 'example.org' } });
  const bare = decodeTls(
    Uint8Array.from(sample.record(sample.clientHello({ ciphers: [], extensions: [], version: 0x0301 }))),
  );
  const none = bare.kind === 'message' ? bare.message.hello : undefined;
  t.equal(none === undefined ? '' : ja4(none), 't10i000000_000000000000_000000000000');
  t.end();
});

/** Words of a protocol by address, out of a file. */
function read(file: string, protocol: string): Map<string, Set<string>> {
  const sensor = new Sensor({ stage: addon().openStage({}), vendorOf: () => undefined });
  const reader = new PcapReader({
    packet: (link, bytes, wireLength, at) => sensor.take(link, bytes, wireLength, at),
    weird: () => undefined,
  });
  reader.push(corpusFile(file));
  reader.end();
  sensor.expire(Number.MAX_SAFE_INTEGER);
  const words = new Map<string, Set<string>>();
  for (const host of sensor.hosts.all()) {
    for (const e of host.evidenceRows().filter((row) => row.protocol === protocol))
      for (const address of host.addressTexts()) {
        const key = `${address} ${e.field}`;
        words.set(key, (words.get(key) ?? new Set()).add(e.value));
      }
  }
  return words;
}

const theirs = (file: string, filter: string, fields: readonly string[]): string[][] =>
  fieldsOf(shared(`corpus/${file}`), filter, fields);

void t.test('HASSH of both sides, as tshark has it', (t) => {
  const file = 'zeek__zeek/ssh.pcap';
  const ours = read(file, 'ssh');
  let compared = 0;
  for (const [source = '', client = '', server = ''] of theirs(file, 'ssh.kex.hassh or ssh.kex.hasshserver', [
    'ip.src',
    'ssh.kex.hassh',
    'ssh.kex.hasshserver',
  ])) {
    // Only hosts with an address of their own are spoken of.
    if (![...ours.keys()].some((key) => key.startsWith(`${source} `))) continue;
    if (client !== '') t.ok(ours.get(`${source} hassh`)?.has(client), `${source} ${client}`);
    if (server !== '') t.ok(ours.get(`${source} hasshServer`)?.has(server), `${source} ${server}`);
    compared++;
  }
  t.ok(compared >= 8, `${compared} key exchanges`);
  t.end();
});

void t.test('native systems and NTLM names, as tshark has them', (t) => {
  const file = 'ITI__ICS-Security-Tools/EIP-IPAddressChangeAttempt.pcap';
  const smb = read(file, 'smb');
  const ntlm = read(file, 'ntlm');
  const rows = theirs(file, 'smb.native_os', ['ip.src', 'smb.native_os']);
  t.ok(rows.length >= 4, `${rows.length} session setups`);
  for (const [source = '', os = ''] of rows)
    t.ok(smb.get(`${source} nativeOs`)?.has(os.split(',')[0] ?? ''), `${source} ${os}`);
  const names = 'ntlmssp.challenge.target_info.nb_computer_name';
  for (const [source = '', name = ''] of theirs(file, names, ['ip.src', names]))
    t.ok(ntlm.get(`${source} computer`)?.has(name), `${source} ${name}`);
  const users = theirs(file, 'ntlmssp.auth.username', ['ntlmssp.auth.username']).flat();
  t.ok(users.length > 0, 'there are users in it');
  const said = JSON.stringify([...smb, ...ntlm].map(([key, values]) => [key, ...values]));
  for (const user of users.filter((name) => name.length > 3))
    t.notOk(said.includes(user), `${user} is nowhere`);
  t.end();
});

void t.test('DHCPv6 option lists and names in TLS, as tshark has them', (t) => {
  const file = 'FoxIO-LLC__ja4/dhcpv6.pcap';
  const ours = read(file, 'dhcpv6');
  for (const [source = '', list = ''] of theirs(file, 'dhcpv6.requested_option_code', [
    'ipv6.src',
    'dhcpv6.requested_option_code',
  ]))
    t.ok(ours.get(`${source} parameters`)?.has(list), `${source} ${list}`);
  t.ok(ours.size > 0);
  const sonos = read('ntop__nDPI/sonos.pcapng', 'tls');
  const certificates = theirs('ntop__nDPI/sonos.pcapng', 'x509sat.uTF8String', [
    'ip.src',
    'x509sat.uTF8String',
  ]);
  t.ok(certificates.length > 0, 'a certificate is in it');
  for (const [source = '', text = ''] of certificates) {
    const [subject = ''] = sonos.get(`${source} certificate.subject`) ?? [];
    const parts = /O=(.+) OU=(.+)$/.exec(subject)?.slice(1) ?? [];
    t.equal(parts.length, 2, subject);
    for (const part of parts) t.ok(text.includes(part), `${source}: ${part} in ${text}`);
  }
  t.end();
});
