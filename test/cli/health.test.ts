/** What a version is blamed for, and what it isn't. */
import t from 'tap';
import { complaints } from '../../src/cli/health.ts';
import type { HealthItem } from '../../src/wire/health.ts';

const item = (name: string, level: HealthItem['level'] = 'ok'): HealthItem => ({
  item: name,
  level,
  text: 'Text.',
  since: 0,
});
const there = ['tunnel', 'broker', 'audit', 'sensor'].map((name) => item(`${name}.process`));

t.same(complaints(there), [], 'four processes and control, which answers');
t.same(complaints([...there, item('sensor.drops', 'warning')]), [], 'a warning is none');
t.same(
  complaints([...there, item('control.policy', 'critical'), item('control.emergency', 'critical')]),
  [],
  "the site's own matters",
);
t.same(complaints([...there, item('control.store', 'critical')]), ['control.store: Text.']);
t.same(complaints(there.slice(1)), ['tunnel.process: it is not there.'], 'a process that has not come yet');
t.same(complaints([...there.slice(0, 3), item('sensor.process', 'warning')]), [
  'sensor.process: it is not there.',
]);
