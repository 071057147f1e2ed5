/** The files of a site's network: what they say, and that nothing on a stick gets a line of its own into them. */
import fc from 'fast-check';
import t from 'tap';
import { siteFiles } from '../../src/cli/provision-site.ts';
import { enrolmentPlan } from '../../src/wire/provision.ts';
import { newKey } from './provision-sample.ts';

const signer = newKey().signer.text;
const source = {
  format: 1 as const,
  id: '00'.repeat(16),
  interfaces: {
    uplink: {
      mac: '02:00:00:00:00:01',
      addressing: {
        method: 'static' as const,
        addresses: ['192.0.2.5/24'],
        gateway: '192.0.2.1',
        dns: ['192.0.2.53'],
      },
    },
    management: { addressing: { method: 'static' as const, addresses: ['10.10.0.1/24'] } },
    enclave: {
      addressing: { method: 'static' as const, addresses: ['10.20.0.1/24'], gateway: '10.20.0.254' },
    },
  },
  ntp: ['ntp.example', '192.0.2.123'],
  tunnel: { addresses: ['100.96.0.1/17'] },
  policySigners: [signer],
  contact: 'Office',
};
const files = (value: unknown): Map<string, string> =>
  new Map(siteFiles(enrolmentPlan.parse(value)).map(({ name, content }) => [name, content]));

await t.test('addresses, routes and name servers come from the uplink alone', (t) => {
  const all = files(source);
  const uplink = all.get('network/10-uplink0.network') ?? '';
  for (const line of ['Name=uplink0', 'Address=192.0.2.5/24', 'Gateway=192.0.2.1', 'DNS=192.0.2.53'])
    t.ok(uplink.split('\n').includes(line), line);
  t.equal(
    all.get('network/10-uplink0.link'),
    '[Match]\nPermanentMACAddress=02:00:00:00:00:01\n\n[Link]\nName=uplink0\n',
  );
  const enclave = all.get('network/10-enclave0.network') ?? '';
  t.notMatch(enclave, /^(?:Gateway|DNS)=/m, 'not even where the stick says so');
  t.match(enclave, /^LinkLocalAddressing=no$/m);
  t.match(enclave, /^IPv6AcceptRA=no$/m);
  t.equal(all.get('time.conf'), 'server ntp.example iburst\nserver 192.0.2.123 iburst\n');
  t.equal(
    files({ ...source, ntp: [], nts: ['nts.example'] }).get('time.conf'),
    'server nts.example iburst nts\n',
  );
  t.end();
});

await t.test('addresses are given only on a port of the box’s own', (t) => {
  const management = (addressing: object): string =>
    files({ ...source, interfaces: { ...source.interfaces, management: { addressing } } }).get(
      'network/10-mgmt0.network',
    ) ?? '';
  const own = management({ method: 'static', addresses: ['10.10.0.1/24'] });
  t.match(own, /^DHCPServer=yes$/m);
  t.match(own, /^EmitRouter=no$/m);
  t.match(own, /^PersistLeases=no$/m, 'networkd would wait for a service that is not there');
  t.match(own, /^EmitDNS=no$/m);
  for (const other of [
    { method: 'static', addresses: ['192.168.5.2/24'] },
    { method: 'static', addresses: ['10.10.0.1/24', '192.168.5.2/24'] },
    { method: 'dhcp' },
  ])
    t.notMatch(management(other), /DHCPServer/, JSON.stringify(other));
  for (const name of ['uplink', 'enclave'])
    t.notMatch(
      files({
        ...source,
        interfaces: { ...source.interfaces, [name]: source.interfaces.management },
      }).get(`network/10-${name}0.network`),
      /DHCPServer/,
      `never on the ${name}`,
    );
  t.end();
});

await t.test('the packet filter hears of values that are not the image’s', (t) => {
  t.equal(files(source).get('nftables.nft'), '');
  t.equal(
    files({ ...source, tunnel: { port: 443, addresses: ['100.96.4.1/17', '2001:db8::1/64'] } }).get(
      'nftables.nft',
    ),
    'redefine tunnel_port = 443\nredefine gateway = { 100.96.4.1 }\nredefine peers = { 100.96.4.1/17 }\n',
  );
  t.end();
});

/** Every line that the files may have. */
const known =
  /^(?:|\[(?:Match|Network|Link|DHCPv4|DHCPServer)\]|(?:Name|PermanentMACAddress|LLMNR|MulticastDNS|LinkLocalAddressing|IPv6AcceptRA|DHCP|DHCPServer|Address|Gateway|DNS|Use(?:Routes|Gateway|DNS|NTP)|RequiredForOnline|PoolOffset|PoolSize|DefaultLeaseTimeSec|MaxLeaseTimeSec|PersistLeases|Emit[A-Za-z0-9]+|NTP)=[A-Za-z0-9.:/ -]*|server [A-Za-z0-9.:-]+ iburst(?: nts)?|redefine (?:tunnel_port|gateway|peers) = [0-9a-f.:/{} ,]+|HTTPS_PROXY=http:\/\/[A-Za-z0-9.:[\]-]+|https_proxy=http:\/\/[A-Za-z0-9.:[\]-]+)$/;
const nasty = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc
    .tuple(
      fc.constantFrom(
        '192.0.2.1',
        '192.0.2.1/24',
        'fe80::1',
        'fe80::1%eth0',
        'ntp.example',
        '02:00:00:00:00:01',
        'http://p:1',
      ),
      fc.constantFrom(
        '\n[Match]\nName=*',
        '\nDHCPServer=yes',
        '\r',
        '\0',
        ' 10.0.0.1',
        ';',
        '#',
        '\u2028x',
        '%',
        '"',
        '$(x)',
        '',
        '\\\n',
      ),
    )
    .map(([good, tail]) => good + tail),
);

await t.test('whatever a stick says, a line of a file is one of ours or there is no file', (t) => {
  let taken = 0;
  fc.assert(
    fc.property(nasty, fc.integer({ min: 0, max: 9 }), (text, place) => {
      const { uplink } = source.interfaces;
      const change = (part: object): object => ({
        ...source,
        interfaces: { ...source.interfaces, uplink: { ...uplink, ...part } },
      });
      const { addressing } = uplink;
      const value = [
        () => change({ mac: text }),
        () => change({ addressing: { ...addressing, addresses: [text] } }),
        () => change({ addressing: { ...addressing, gateway: text } }),
        () => change({ addressing: { ...addressing, dns: [text] } }),
        () => change({ addressing: { ...addressing, method: text } }),
        () => ({ ...source, ntp: [text] }),
        () => ({ ...source, nts: [text] }),
        () => ({ ...source, proxy: text }),
        () => ({ ...source, tunnel: { addresses: [text] } }),
        () => change({ [text]: true }),
      ][place]?.();
      const read = enrolmentPlan.safeParse(value);
      if (!read.success) return;
      taken += 1;
      for (const { name, content } of siteFiles(read.data))
        if (!name.endsWith('.pub') && !name.endsWith('.json'))
          for (const line of content.split('\n'))
            if (!known.test(line)) throw new Error(`${name}: ${JSON.stringify(line)}`);
    }),
    { numRuns: 12_000, seed: 7 },
  );
  t.ok(taken > 50, `${taken} were taken, so the property looked at files`);
  t.end();
});
