/** The shipped rules and kernel settings, fitted to a configuration. */
import { readFileSync } from 'node:fs';
import t from 'tap';
import { parseConfig } from '../../../src/platform/config.ts';
import { fitRules, parseKernelSettings } from '../../../src/platform/supervise/ruleset.ts';
import { isFault } from '../../../src/wire/errors.ts';

const overlay = (path: string): string =>
  readFileSync(new URL(`../../../rootfs-overlay/${path}`, import.meta.url), 'utf8');
const rules = overlay('etc/nftables.conf');
const config = (more: object = {}): ReturnType<typeof parseConfig> =>
  parseConfig(
    JSON.stringify({
      site: { id: 's', name: 'S' },
      tunnel: { privateKeyFile: '/k', addresses: ['100.96.0.1/17'] },
      policy: { file: '/p' },
      ...more,
    }),
    'test',
  );
const defines = (text: string): Record<string, string> =>
  Object.fromEntries(
    [...text.matchAll(/^define (\w+) = (.*)$/gm)].map(([, name = '', value = '']) => [name, value]),
  );

await t.test('the file as shipped says what the configuration’s defaults say', (t) => {
  const shipped = defines(rules);
  t.same(defines(fitRules(rules, config())), { ...shipped, peers: '{ 100.96.0.1/17 }' });
  t.equal(shipped['peers'], '100.96.0.0/17');
  t.end();
});

await t.test('a configuration’s own values replace them', (t) => {
  const fitted = defines(
    fitRules(
      rules,
      config({
        tunnel: {
          interface: 'wg7',
          listen: { port: 4500 },
          privateKeyFile: '/k',
          addresses: ['10.9.0.1/24', 'fd00::1/64'],
        },
        overlay: { prefix: '10.9.0.0/16', resources: '10.9.128.0/17' },
        uids: { broker: 1973 },
        interfaces: { uplink: 'eth0' },
        sensor: { interfaces: ['lan1', 'lan2'] },
        status: { listen: { port: 8000 } },
      }),
    ),
  );
  t.match(fitted, {
    tunnel_interface: '"wg7"',
    tunnel_port: '4500',
    peers: '{ 10.9.0.1/24 }',
    overlay: '10.9.0.0/16',
    resources: '10.9.128.0/17',
    uid_broker: '1973',
    uplink_interface: '"eth0"',
    management_interface: '"mgmt0"',
    enclave_interface: '{ "lan1", "lan2" }',
    status_port: '8000',
  });
  t.end();
});

await t.test('a file that lacks a define is not loaded with a hole in it', (t) => {
  try {
    fitRules(rules.replace(/^define uid_broker.*$/m, ''), config());
    t.fail('no fault');
  } catch (error) {
    t.ok(isFault(error, 'INTERNAL'));
    t.match(String(error), /uid_broker/);
  }
  t.end();
});

await t.test('sysctl.d lines', (t) => {
  const settings = parseKernelSettings(
    '# c\n; c\n\nnet.ipv4.ip_forward = 0\n-net.ipv6.conf.all.forwarding=0\n',
  );
  t.same(settings, [
    { path: 'net/ipv4/ip_forward', value: '0', optional: false },
    { path: 'net/ipv6/conf/all/forwarding', value: '0', optional: true },
  ]);
  t.throws(() => parseKernelSettings('net.ipv4.ip_forward'), /not a sysctl.d line/);
  const shipped = parseKernelSettings(overlay('etc/sysctl.d/90-anteroom.conf'));
  t.ok(shipped.some((s) => s.path === 'net/ipv4/ip_forward' && s.value === '0' && !s.optional));
  t.end();
});
