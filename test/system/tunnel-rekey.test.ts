/**
 * A rekey in real time: pings every millisecond for 130 s, of which none may be lost. Against stock wireguard-go, the
 * installed build and the newest one, in both roles, with and without a pre-shared key, over IPv4 and IPv6; and two
 * gateways with the hybrid handshake. Beside them ten rekeys in a row, hurried where the constants are ours: we begin
 * them all. All at once, for it takes as long as it takes.
 */
import { randomBytes } from 'node:crypto';
import t from 'tap';
import { newestBuild } from '../support/peers/wireguard-go.ts';
import { ThreeWay, run } from '../tunnel/gateways.ts';
import { until } from '../support/until.ts';

const SECONDS = 130;
/** More than ten rekeys in the time that the others take. */
const HURRIED = { REKEY_AFTER_TIME: 8000, REKEY_TIMEOUT: 1000 };
t.setTimeout(2 * SECONDS * 1000);

const newest = newestBuild();
const builds = [
  { name: 'the installed build', program: 'wireguard-go' },
  { name: newest.name, program: `${newest.folder}/wireguard-go` },
];

interface Case {
  readonly name: string;
  readonly far: 'stock' | 'hybrid';
  readonly program?: string;
  readonly weInitiate: boolean;
  readonly psk: boolean;
  readonly outside: 4 | 6;
  readonly hurried?: boolean;
}

const cases: Case[] = [];
for (const hurried of [false, true])
  cases.push({
    name: `hybrid${hurried ? ', ten times' : ''}`,
    far: 'hybrid',
    weInitiate: hurried,
    psk: true,
    outside: 4,
    hurried,
  });
for (const { name, program } of builds) {
  const stock = { far: 'stock', program, weInitiate: true, psk: true } as const;
  cases.push({ ...stock, name: `${name} responds, ten times`, outside: 4, hurried: true });
  for (const weInitiate of [false, true])
    for (const psk of [false, true])
      for (const outside of [4, 6] as const)
        cases.push({
          ...stock,
          name: `${name} ${weInitiate ? 'responds' : 'initiates'}, ${psk ? 'with' : 'without'} psk, IPv${outside}`,
          weInitiate,
          psk,
          outside,
        });
}

/** Sets a pair up and pings from the end that begins. What ping says, and the sessions on our record. */
async function pings(each: Case, network: ThreeWay): Promise<{ said: string; sessions: unknown[] }> {
  const { a, b, stock, names } = network;
  const psk = each.psk ? randomBytes(32) : undefined;
  const shared = psk && { psk };
  if (each.far === 'hybrid') {
    const kex = 'hybrid-required';
    const far = { id: 'far', key: b.keys.public, address: '100.96.0.2', kex, ...shared } as const;
    const near = { id: 'a', key: a.keys.public, address: '100.96.0.1', kex, ...shared } as const;
    await a.prepare('100.96.0.1', [{ ...far, ...(each.weInitiate && { endpoint: '192.0.2.2' }) }]);
    await b.prepare('100.96.0.2', [{ ...near, ...(!each.weInitiate && { endpoint: '192.0.2.1' }) }]);
    await b.start();
  } else {
    const endpoint = each.outside === 4 ? '198.51.100.3' : '2001:db8:1::3';
    await a.prepare('100.96.0.1', [
      {
        id: 'far',
        key: stock.public,
        address: '100.96.0.3',
        kex: psk ? 'classical+psk' : 'classical',
        ...shared,
        ...(each.weInitiate && { endpoint }),
      },
    ]);
    const us = each.outside === 4 ? '198.51.100.1' : '2001:db8:1::1';
    const { program = '' } = each;
    await network.startStock({ endpoint: each.weInitiate ? null : us, program, ...shared });
  }
  await a.start(each.hurried ? HURRIED : undefined);
  const far = each.far === 'hybrid' ? '100.96.0.2' : '100.96.0.3';
  const beginner = each.far === 'hybrid' ? names[1] : names[2];
  const [from, to] = each.weInitiate ? [names[0], far] : [beginner, '100.96.0.1'];
  const args = ['-q', '-i', '0.001', '-w', String(SECONDS), to];
  const { stdout } = await run('ip', ['netns', 'exec', from, 'ping', ...args], {
    timeout: (SECONDS + 30) * 1000,
  });
  await until('two sessions', () => a.only('tunnel.session').length >= 2);
  return { said: stdout, sessions: a.only('tunnel.session').map((e) => e.body) };
}

void t.test('none of a ping a millisecond is lost over a rekey', async (t) => {
  const networks: ThreeWay[] = [];
  try {
    for (let i = 0; i < cases.length; i++) networks.push(await ThreeWay.make());
    const results = await Promise.all(cases.map((each, i) => pings(each, networks[i] as ThreeWay)));
    results.forEach(({ said, sessions }, i) => {
      const { name, weInitiate, far, psk, hurried } = cases[i] as Case;
      const counted = /(\d+) packets transmitted, (\d+) received/.exec(said);
      const [sent, received] = [Number(counted?.[1]), Number(counted?.[2])];
      t.comment(`${name}: ${sent} pings`);
      t.ok(sent > SECONDS * 100, `${name}: ${sent} were sent`);
      // The one that is under way when the time is up isn't lost.
      t.ok(received >= sent - 1, `${name}: ${sent - received} lost`);
      const [first, second, ...more] = sessions as { tunnelSession: string }[];
      if (hurried) t.ok(more.length >= 9, `${name}: ${more.length + 1} rekeys`);
      else t.same(more, [], `${name}: one rekey`);
      const classical = psk ? 'classical+psk' : 'classical';
      t.match(second, {
        rekeyOf: first?.tunnelSession,
        role: weInitiate ? 'initiator' : 'responder',
        kex: far === 'hybrid' ? 'hybrid' : classical,
      });
    });
  } finally {
    for (const network of networks) await network.close();
  }
});
