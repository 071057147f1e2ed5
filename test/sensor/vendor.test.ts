/** Makers by assignment: the longest prefix, none for local addresses, and the real registry. */
import t from 'tap';
import { vendorRegistry } from '../../src/platform/vendor-registry.ts';
import { packVendors, vendorTable } from '../../src/sensor/vendor.ts';

void t.test('the longest assignment wins', (t) => {
  const registry = {
    '0003B1': 'Large\nStreet 1',
    '0003B15': 'Medium',
    '0003B15AB': ' Small \nStreet 2',
    '00A037': 'Private',
    '00A038': 'Says "hello" \\ \u00e9\nStreet 3',
    '00A03': 'too short',
  };
  const vendorOf = vendorTable(Buffer.from(JSON.stringify(registry)));
  t.equal(vendorOf(0x0003b1000001), 'Large');
  t.equal(vendorOf(0x0003b1500001), 'Medium');
  t.equal(vendorOf(0x0003b15ab001), 'Small');
  t.equal(vendorOf(0x00a037000001), undefined, 'an assignee that is not named');
  t.equal(vendorOf(0x00a038ffffff), 'Says "hello" \\ \u00e9');
  t.equal(vendorOf(0x111111111111), undefined);
  for (const text of ['', '{', '{"0003B1', '{"0003B1":', '{"0003B1":"Large', '{"0003B1":"Large\\"'])
    t.equal(vendorTable(Buffer.from(text))(0x0003b1000001), undefined, text);
  t.equal(vendorOf(0x0203b1000001), undefined, 'locally administered');
  t.equal(vendorOf(-1), undefined);
  t.end();
});

void t.test('the IEEE registry names makers of medical equipment', (t) => {
  const vendorOf = vendorTable(vendorRegistry());
  t.match(vendorOf(0x0003b1b5b648), /ICU Medical/);
  t.match(vendorOf(0x00a037027050), /Mindray/);
  t.match(vendorOf(0x00122106b113), /B\.? ?Braun/);
  t.match(vendorOf(0x0009fb507722), /Philips/);
  t.end();
});

void t.test('packed: the same bytes each time, the same answers wherever they lie', (t) => {
  const packed = packVendors(vendorRegistry());
  t.ok(Buffer.from(packVendors(vendorRegistry())).equals(packed), 'nothing but the registry is in it');
  t.ok(packed.length < 2_500_000, `${packed.length} bytes`);
  const elsewhere = new Uint8Array(packed.length + 4).subarray(4);
  elsewhere.set(packed);
  const [here, there] = [vendorTable(packed), vendorTable(elsewhere)];
  const registry = JSON.parse(Buffer.from(vendorRegistry()).toString('utf8')) as Record<string, string>;
  const wrong: string[] = [];
  for (const [prefix, entry] of Object.entries(registry)) {
    const mac = Number.parseInt(prefix.padEnd(12, '0'), 16);
    const longer = ['0', '00', '000'].some((more) => Object.hasOwn(registry, prefix + more));
    const name = (entry.split('\n', 1)[0] ?? '').trim().slice(0, 64);
    const expected = name === '' || name === 'Private' || (mac / 2 ** 41) % 2 >= 1 ? undefined : name;
    if (!longer && (here(mac) !== expected || there(mac) !== expected)) wrong.push(prefix);
  }
  t.same(wrong, []);
  t.end();
});
