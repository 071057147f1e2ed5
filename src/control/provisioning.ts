/**
 * The seven steps of setting up a gateway: found, verified, network, clock, coordinator, devices seen, done. A pure
 * function of the facts. A step that can't be true yet waits; one that is red says what to do.
 *
 * What surprises: the network's and the coordinator's step may stay yellow for good. A gateway works before the
 * internet line is there, and its enrolment can be completed by carrying the receipt; neither is a fault.
 */
import { isRefusal, provisionCodes } from '../wire/provision-code.ts';
import type { ProvisionFacts, SelfTestId, SelfTestItem, Step, StepId } from '../wire/provision-status.ts';

const titles: Readonly<Record<StepId, string>> = {
  found: 'Stick found',
  verified: 'Stick verified',
  network: 'Network',
  clock: 'Clock',
  coordinator: 'Coordinator',
  devices: 'Devices seen',
  done: 'Done',
};

type Finding = Omit<Step, 'id' | 'title'>;

const green = (text: string): Finding => ({ state: 'green', text });
const waiting = (text: string): Finding => ({ state: 'waiting', text });

/** The worst of the named self-test items that ran; undefined before any did. */
function worst(facts: ProvisionFacts, ids: readonly SelfTestId[]): SelfTestItem | undefined {
  const ran = facts.selfTest.filter(({ id, level }) => ids.includes(id) && level !== 'off');
  const rank = { failed: 0, warning: 1, ok: 2, off: 3 } as const;
  return ran.toSorted((a, b) => rank[a.level] - rank[b.level])[0];
}

function ofTest(item: SelfTestItem | undefined, good: string, softly: boolean): Finding {
  if (!item) return { state: 'now', text: 'Being tried.' };
  const { level, text, action } = item;
  if (level === 'ok') return green(good);
  const state = level === 'failed' && !softly ? 'red' : 'yellow';
  return { state, text, ...(action === undefined ? {} : { action }) };
}

function found({ phase, stick }: ProvisionFacts): Finding {
  if (phase === 'decommissioned') return { state: 'red', ...told('E14') };
  if (stick.state === 'checking') return green('A stick is there.');
  if (stick.state === 'read' && (stick.code === 'E01' || stick.code === 'E16'))
    return { state: 'red', ...told(stick.code) };
  if (stick.state === 'read' || phase === 'enrolled') return green('The stick was read.');
  return { state: 'now', text: 'No stick yet.', action: 'Plug in the stick that was made for this site.' };
}

const told = (code: keyof typeof provisionCodes): { text: string; action: string } => {
  const { sentence, action } = provisionCodes[code];
  return { text: `${code}: ${sentence}`, action };
};

function verified(facts: ProvisionFacts): Finding {
  const { phase, stick, site } = facts;
  if (found(facts).state === 'red') return waiting('Needs the right stick.');
  if (stick.state === 'checking') return { state: 'now', text: 'The stick is being verified.' };
  if (stick.state === 'read' && isRefusal(stick.code) && (phase !== 'enrolled' || stick.code !== 'E01')) {
    const { text, action } = told(stick.code);
    const detail = stick.detail === undefined ? '' : ` (${stick.detail})`;
    return { state: phase === 'enrolled' ? 'yellow' : 'red', text: `${text}${detail}`, action };
  }
  if (phase === 'enrolled') return green(`This gateway is enrolled for ${site?.name ?? 'its site'}.`);
  return waiting('Needs a stick.');
}

function network(facts: ProvisionFacts): Finding {
  if (facts.phase !== 'enrolled') return waiting('Addresses come with the stick.');
  const link = worst(facts, ['link', 'addressing']);
  if (link && link.level !== 'ok') return ofTest(link, '', false);
  return ofTest(
    worst(facts, ['link', 'addressing', 'dns', 'udp']),
    'The uplink has a link and an address.',
    true,
  );
}

function clock(facts: ProvisionFacts): Finding {
  if (facts.phase !== 'enrolled') return waiting('Time servers come with the stick.');
  return ofTest(worst(facts, ['time']), 'The clock is set.', true);
}

function coordinator(facts: ProvisionFacts): Finding {
  if (facts.phase !== 'enrolled') return waiting('Its address comes with the stick.');
  if (facts.accepted) return green('The office has accepted this gateway.');
  const item = worst(facts, ['coordinator']);
  const carry = 'Bring the receipt on the stick to the office; the gateway works meanwhile.';
  if (!item) return { state: 'yellow', text: 'The office has not accepted this gateway yet.', action: carry };
  if (item.level === 'ok')
    return {
      state: 'yellow',
      text: 'The coordinator answers; the receipt is not accepted yet.',
      action: carry,
    };
  return { state: 'yellow', text: item.text, action: carry };
}

function devices({ phase, devicesSeen, selfTest }: ProvisionFacts): Finding {
  if (phase !== 'enrolled') return waiting('The sensor starts once the gateway is enrolled.');
  const enclave = selfTest.find(({ id }) => id === 'enclave');
  if (enclave?.level === 'failed') return ofTest(enclave, '', false);
  if (devicesSeen === undefined) return { state: 'now', text: 'The sensor has said nothing yet.' };
  if (devicesSeen === 0)
    return {
      state: 'yellow',
      text: 'No device has been heard on the enclave port yet.',
      action: 'Switch a device on, or move its cable to the enclave switch.',
    };
  return green(devicesSeen === 1 ? 'One device was heard.' : `${devicesSeen} devices were heard.`);
}

/** All seven, in order. */
export function provisioningSteps(facts: ProvisionFacts): Step[] {
  const made: Record<Exclude<StepId, 'done'>, Finding> = {
    found: found(facts),
    verified: verified(facts),
    network: network(facts),
    clock: clock(facts),
    coordinator: coordinator(facts),
    devices: devices(facts),
  };
  const all = Object.values(made);
  const done: Finding = all.every(({ state }) => state === 'green')
    ? green('Everything is done. Print the hand-over sheet.')
    : facts.phase === 'enrolled' && all.every(({ state }) => state === 'green' || state === 'yellow')
      ? {
          state: 'yellow',
          text: 'The gateway works; what is yellow above is left.',
          action: 'Print the hand-over sheet, and say there what is left.',
        }
      : waiting('Waits for the steps above.');
  return Object.entries({ ...made, done }).map(([id, finding]) => ({
    id: id as StepId,
    title: titles[id as StepId],
    ...finding,
  }));
}
