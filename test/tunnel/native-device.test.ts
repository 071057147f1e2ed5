/**
 * The device's own tests once more, with answers computed by the addon: nothing that it decides may depend on who
 * computes.
 */
import t from 'tap';
import { NativeResponding } from '../../src/main/tunnel-handshakes.ts';
import { addon } from '../../src/platform/addon.ts';
import { respondBy } from './support.ts';

let made = 0;
respondBy((local, peers, plain) => {
  made++;
  return new NativeResponding(addon().openHandshakes, 0, local, peers, plain, () => undefined);
});
await import('./device.test.ts');
await import('./hybrid-device.test.ts');
t.teardown(() => {
  if (made < 20) throw new Error(`only ${made} devices used the addon`);
});
