/** The health list says what holds, since when, and what still works. */
import t from 'tap';
import { BrokerHealth } from '../../src/broker/health.ts';
import type { HealthFacts } from '../../src/broker/health.ts';
import { healthItem } from '../../src/wire/health.ts';
import { epochMillis } from '../../src/wire/units.ts';

const well: HealthFacts = {
  listeners: [],
  resources: 2,
  controlConnected: true,
  recorder: { failing: undefined, waiting: 0, uncounted: 0 },
  sessions: 1,
  sessionLimit: 100,
};

void t.test('levels and since', (t) => {
  const health = new BrokerHealth();
  const levels = (facts: HealthFacts, now: number): Record<string, string> =>
    Object.fromEntries(
      health.list(facts, epochMillis(now)).items.map((i) => [i.item, `${i.level} ${i.since}`]),
    );
  t.same(levels(well, 10), {
    'broker.listeners': 'ok 10',
    'broker.control': 'ok 10',
    'broker.audit': 'ok 10',
    'broker.places': 'ok 10',
  });
  const ill: HealthFacts = {
    ...well,
    listeners: ['pacs-dicom on 100.96.128.10:104: EADDRINUSE'],
    controlConnected: false,
    recorder: { failing: 'AUDIT_STORAGE_FULL', waiting: 3, uncounted: 0 },
    sessions: 90,
  };
  t.same(levels(ill, 20), {
    'broker.listeners': 'critical 20',
    'broker.control': 'critical 20',
    'broker.audit': 'critical 20',
    'broker.places': 'warning 20',
  });
  const { items, changed } = health.list(ill, epochMillis(30));
  t.equal(changed, false);
  for (const item of items) t.ok(healthItem.safeParse(item).success && item.since === 20, item.item);
  t.match(items[0]?.text, /pacs-dicom on 100\.96\.128\.10:104/, 'names the resource');
  t.equal(health.list(well, epochMillis(40)).changed, true);
  t.end();
});
