/** The page as the control process serves it: its own overview, on the configured address. */
import t from 'tap';
import { overview as overviewSchema } from '../../src/wire/messages.ts';
import { makeSite, startControl } from '../main/control-process.ts';

void t.test('control serves the page and its overview', async (t) => {
  const site = makeSite();
  t.teardown(() => site.remove());
  const control = await startControl(site);
  const { address, port } = site.config.status.listen;
  const origin = `http://${address}:${port}`;
  const overview = overviewSchema.parse(await (await fetch(`${origin}/api/overview`)).json());
  t.equal(overview.site.name, 'Clinic North');
  t.equal(overview.audit, undefined, 'no audit process runs here');
  const deadline = performance.now() + 20_000;
  let health = await fetch(`${origin}/healthz`);
  // Control asks the audit process for a second before it says so.
  while (health.status !== 503 && performance.now() < deadline) health = await fetch(`${origin}/healthz`);
  t.equal(await health.text(), 'critical\n', 'which is critical');
  t.match(await (await fetch(origin)).text(), /<title>Anteroom<\/title>/);
  t.equal(await control.stop(), 0);
  await t.rejects(fetch(origin));
});
