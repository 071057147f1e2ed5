/** The seven steps, of facts. */
import fc from 'fast-check';
import t from 'tap';
import { provisioningSteps } from '../../src/control/provisioning.ts';
import { provisionCodes } from '../../src/wire/provision-code.ts';
import type { ProvisionCode } from '../../src/wire/provision-code.ts';
import { provisionPhase, selfTestIds, stepIds } from '../../src/wire/provision-status.ts';
import type { ProvisionFacts, SelfTestItem } from '../../src/wire/provision-status.ts';

const base: ProvisionFacts = {
  phase: 'new',
  device: 'anteroom-device:x',
  version: '0.1.0',
  stick: { state: 'none' },
  accepted: false,
  selfTest: [],
  now: 0,
};
const all = (level: SelfTestItem['level']): SelfTestItem[] =>
  selfTestIds.map((id) => ({ id, level, text: `${id} ${level}`, action: 'do it' }));
const states = (facts: Partial<ProvisionFacts>): string =>
  provisioningSteps({ ...base, ...facts })
    .map(({ state }) => state)
    .join(' ');
const read = (code: ProvisionCode) => ({ state: 'read', code, at: 0 }) as const;
const enrolled = { phase: 'enrolled', stick: read('OK2'), site: { id: 'r', name: 'R' } } as const;

void t.test('from an empty box to one that is done', (t) => {
  t.equal(states({}), 'now waiting waiting waiting waiting waiting waiting');
  t.equal(states({ stick: { state: 'checking' } }), 'green now waiting waiting waiting waiting waiting');
  t.equal(states({ stick: read('E01') }), 'red waiting waiting waiting waiting waiting waiting');
  t.equal(states({ stick: read('E05') }), 'green red waiting waiting waiting waiting waiting');
  t.equal(states({ phase: 'decommissioned' }), 'red waiting waiting waiting waiting waiting waiting');
  t.equal(states(enrolled), 'green green now now yellow now waiting');
  t.equal(
    states({ ...enrolled, selfTest: all('ok'), devicesSeen: 3, accepted: true }),
    Array(7).fill('green').join(' '),
  );
  t.equal(
    states({ ...enrolled, selfTest: all('ok'), devicesSeen: 0 }),
    'green green green green yellow yellow yellow',
    'works before the line is there',
  );
  t.equal(
    states({ ...enrolled, selfTest: all('failed'), devicesSeen: 2 }),
    'green green red yellow yellow red waiting',
  );
  t.equal(
    states({ ...enrolled, stick: read('E12'), selfTest: all('ok'), devicesSeen: 1, accepted: true }),
    'green yellow green green green green yellow',
    'a wrong stick in a gateway that is in service is no alarm',
  );
  t.end();
});

void t.test('always seven; what is red or yellow in set-up says what to do', (t) => {
  const codes = Object.keys(provisionCodes) as ProvisionCode[];
  fc.assert(
    fc.property(
      fc.constantFrom(...provisionPhase.options),
      fc.constantFrom(undefined, ...codes),
      fc.constantFrom<SelfTestItem['level'] | undefined>(undefined, 'ok', 'warning', 'failed', 'off'),
      fc.option(fc.nat(5), { nil: undefined }),
      fc.boolean(),
      (phase, code, level, devicesSeen, accepted) => {
        const steps = provisioningSteps({
          ...base,
          phase,
          stick: code === undefined ? { state: 'none' } : read(code),
          selfTest: level === undefined ? [] : all(level),
          ...(devicesSeen === undefined ? {} : { devicesSeen }),
          accepted,
        });
        return (
          steps.map(({ id }) => id).join() === stepIds.join() &&
          steps.every(
            ({ state, action }) => (state !== 'red' && state !== 'yellow') || action !== undefined,
          ) &&
          (steps[6]?.state !== 'green' || steps.every(({ state }) => state === 'green'))
        );
      },
    ),
  );
  t.pass('for any facts');
  t.end();
});
