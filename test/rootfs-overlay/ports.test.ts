/** Names of the network ports: the script, on a drawn machine whose `ip` renames folders. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import type { Test } from 'tap';

const script = fileURLToPath(new URL('../../rootfs-overlay/usr/lib/anteroom/ports', import.meta.url));

interface Card {
  readonly name: string;
  readonly mac: string;
  readonly where: string;
}
const card = (n: number, where = `pci0000:00/0000:00:0${n}.0`): Card => ({
  name: `eth${n}`,
  mac: `52:54:00:00:00:0${n}`,
  where,
});

interface Machine {
  plug(card: Card): void;
  /** Name → address, after the script ran. */
  run(): Record<string, string>;
  readonly site: string;
}

function machine(t: Test, cards: readonly Card[]): Machine {
  const root = t.testdir({ bin: {}, sys: { class: { net: {} }, devices: {} } });
  const net = join(root, 'sys/class/net');
  const site = join(root, 'site');
  writeFileSync(
    join(root, 'bin/ip'),
    `#!/bin/sh
# link set dev OLD down | link set dev OLD name NEW
[ "$5" = name ] || { touch "${net}/$4/down"; exit 0; }
[ -e "${net}/$4/down" ] || { echo "$4 is up" >&2; exit 2; }
[ ! -e "${net}/$6" ] || { echo "$6 exists" >&2; exit 2; }
mv "${net}/$4" "${net}/$6"
`,
    { mode: 0o755 },
  );
  const plug = ({ name, mac, where }: Card): void => {
    const device = join(root, 'sys/devices', where);
    mkdirSync(device, { recursive: true });
    mkdirSync(join(net, name));
    writeFileSync(join(net, name, 'address'), `${mac}\n`);
    writeFileSync(join(net, name, 'type'), '1\n');
    symlinkSync(device, join(net, name, 'device'));
  };
  cards.forEach(plug);
  mkdirSync(join(net, 'lo'));
  return {
    plug,
    site,
    run: () => {
      const { status, stderr } = spawnSync('sh', [script], {
        encoding: 'utf8',
        env: {
          PATH: `${join(root, 'bin')}:${process.env['PATH'] ?? ''}`,
          ANTEROOM_SYS: join(root, 'sys'),
          ANTEROOM_SITE: site,
        },
      });
      t.equal(status, 0, stderr);
      t.equal(stderr, '');
      return Object.fromEntries(
        readdirSync(net)
          .filter((name) => name !== 'lo')
          .map((name) => [name, readFileSync(join(net, name, 'address'), 'utf8').trim()]),
      );
    },
  };
}
const enrol = (site: string, links: Readonly<Record<string, string>> = {}): void => {
  mkdirSync(join(site, 'network'), { recursive: true });
  for (const [name, mac] of Object.entries(links))
    writeFileSync(
      join(site, 'network', `10-${name}.link`),
      `[Match]\nPermanentMACAddress=${mac}\n\n[Link]\nName=${name}\n`,
    );
};
const mac = (n: number): string => card(n).mac;

await t.test('in order: built-in ports first, three of them', (t) => {
  const usb = card(1, 'pci0000:00/0000:00:01.0/usb1/1-1');
  t.same(machine(t, [usb, card(3), card(2)]).run(), { uplink0: mac(2), mgmt0: mac(3), enclave0: mac(1) });
  t.end();
});

await t.test('two ports are uplink and enclave, one is the uplink, a fourth has no name', (t) => {
  t.same(machine(t, [card(1), card(2)]).run(), { uplink0: mac(1), enclave0: mac(2) });
  t.same(machine(t, [card(1)]).run(), { uplink0: mac(1) });
  t.same(machine(t, [card(1), card(2), card(3), card(4)]).run(), {
    uplink0: mac(1),
    mgmt0: mac(2),
    enclave0: mac(3),
    eth4: mac(4),
  });
  t.end();
});

await t.test('the stick says which is which: names change places', (t) => {
  const box = machine(t, [card(1), card(2), card(3)]);
  box.run();
  enrol(box.site, { uplink0: mac(3), mgmt0: mac(1), enclave0: mac(2) });
  t.same(box.run(), { uplink0: mac(3), mgmt0: mac(1), enclave0: mac(2) });
  t.same(box.run(), { uplink0: mac(3), mgmt0: mac(1), enclave0: mac(2) }, 'and stay');
  t.end();
});

await t.test('once enrolled a port keeps its name, whatever is plugged in', (t) => {
  const box = machine(t, [card(2), card(3), card(4)]);
  box.run();
  enrol(box.site);
  const before = box.run();
  t.same(before, { uplink0: mac(2), mgmt0: mac(3), enclave0: mac(4) });
  t.ok(existsSync(join(box.site, 'network/ports')));
  box.plug(card(1));
  t.same(box.run(), { ...before, eth1: mac(1) }, 'an earlier port does not move the others');
  t.end();
});

await t.test('an unknown port never becomes the way to the devices', (t) => {
  const box = machine(t, [card(2), card(3)]);
  enrol(box.site, { uplink0: mac(2), enclave0: mac(9) });
  writeFileSync(join(box.site, 'network/ports'), `uplink0 ${mac(2)}\nenclave0 ${mac(9)}\n`);
  t.same(box.run(), { uplink0: mac(2), eth3: mac(3) });
  t.end();
});
