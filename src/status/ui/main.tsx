/**
 * The page: asks /api/overview and /api/findings every POLL_MS and shows them, all or one device of them. When control stops answering, what was last known stays, under
 * a banner that says how old it is. Text is only ever text: nothing here sets HTML.
 */
import { render } from 'preact';
import type { VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { Overview } from '../../wire/messages.ts';
import type { FindingsAnswer } from '../finding-rows.ts';
import { Device } from './device.tsx';
import { Devices } from './devices.tsx';
import { Findings } from './findings.tsx';
import { Health, summaryText, worst } from './health.tsx';
import { Peers } from './peers.tsx';
import { usePlace } from './place.ts';
import { Sessions } from './sessions.tsx';
import { agoText, countText, spanText, timeText } from './words.ts';

const POLL_MS = 2_000;
const TIMEOUT_MS = 4_000;
/** Older than this is called stale: two answers were missed. */
const STALE_MS = 2 * POLL_MS + TIMEOUT_MS;

interface Known {
  /** The last answer, and when it came, on the browser's steady clock. */
  readonly overview?: Overview;
  readonly findings?: FindingsAnswer;
  readonly at: number;
  /** Why the last attempt failed. */
  readonly fault?: string;
}

async function ask<T>(path: string): Promise<T> {
  const response = await fetch(path, { signal: AbortSignal.timeout(TIMEOUT_MS), cache: 'no-store' });
  if (response.ok) return (await response.json()) as T;
  const { code } = (await response.json().catch(() => ({ code: `HTTP ${response.status}` }))) as {
    code: string;
  };
  throw new Error(code);
}

/** Polls while the page is looked at. */
function useOverview(): { readonly known: Known; readonly age: number } {
  const [known, setKnown] = useState<Known>({ at: performance.now() });
  const [now, setNow] = useState(performance.now());
  useEffect(() => {
    let timer = 0;
    let stopped = false;
    const poll = async (): Promise<void> => {
      try {
        const [overview, findings] = await Promise.all([
          ask<Overview>('api/overview'),
          ask<FindingsAnswer>('api/findings'),
        ]);
        setKnown({ overview, findings, at: performance.now() });
      } catch (error) {
        const fault = error instanceof Error && error.name === 'Error' ? error.message : 'no answer';
        setKnown((before) => ({ ...before, fault }));
      }
      setNow(performance.now());
      if (!stopped && !document.hidden) timer = window.setTimeout(() => void poll(), POLL_MS);
    };
    const onVisible = (): void => {
      if (document.hidden) return;
      window.clearTimeout(timer);
      void poll();
    };
    document.addEventListener('visibilitychange', onVisible);
    void poll();
    return () => {
      stopped = true;
      window.clearTimeout(timer);
      document.removeEventListener('visibilitychange', onVisible);
    };
  }, []);
  return { known, age: now - known.at };
}

function Stale({ known, age }: { readonly known: Known; readonly age: number }): VNode {
  const { overview, fault } = known;
  const stale = fault !== undefined || age > STALE_MS;
  return (
    <div role="alert">
      {stale && (
        <p class="stale">
          <strong>The gateway's control process does not answer</strong>
          {fault === undefined ? '' : ` (${fault})`}.{' '}
          {overview
            ? `What you see is ${spanText(age)} old. Established sessions go on without it.`
            : 'Nothing is known yet.'}
        </p>
      )}
    </div>
  );
}

function Audit({ overview: { audit, now } }: { readonly overview: Overview }): VNode {
  return (
    <section aria-labelledby="audit">
      <header>
        <h2 id="audit">Audit log</h2>
        {audit && <p>{`last record ${agoText(now, audit.time)}`}</p>}
      </header>
      {audit ? (
        <dl>
          <dt>Records</dt>
          <dd>{countText(audit.size)}</dd>
          <dt>Root</dt>
          <dd>
            <code>{audit.root}</code>
          </dd>
        </dl>
      ) : (
        <p class="empty">The audit process does not answer, so no new session can start.</p>
      )}
    </section>
  );
}

function Whole({
  overview,
  findings,
}: {
  readonly overview: Overview;
  readonly findings: FindingsAnswer;
}): VNode {
  const { health, peers, sessions, devices, now } = overview;
  return (
    <>
      <Health health={health} now={now} />
      <Peers peers={peers} now={now} />
      <Sessions sessions={sessions} now={now} />
      <Findings answer={findings} />
      <Devices devices={devices} findings={findings} now={now} />
      <Audit overview={overview} />
    </>
  );
}

function Page(): VNode {
  const { known, age } = useOverview();
  const { overview, findings } = known;
  const name = usePlace();
  useEffect(() => {
    if (overview) document.title = `${summaryText(overview.health)} ${overview.site.name} – Anteroom`;
  }, [overview]);
  return (
    <>
      <header class="page">
        <h1>
          Anteroom{overview && <span class="site">{overview.site.name}</span>}
          {overview && <span class={`level ${worst(overview.health)}`}>{worst(overview.health)}</span>}
        </h1>
        {overview && (
          <p>
            {`Version ${overview.version}, up ${spanText(overview.now - overview.startedAt)}. `}
            {overview.policy
              ? `Policy ${overview.policy.revision}, ${countText(overview.policy.policies)} rules.`
              : 'No policy is loaded: nothing is permitted.'}
            <span class="asof">{` As of ${timeText(overview.now)}.`}</span>
          </p>
        )}
      </header>
      <Stale known={known} age={age} />
      {overview && findings ? (
        <main class={known.fault === undefined ? undefined : 'old'}>
          {name === undefined ? (
            <Whole overview={overview} findings={findings} />
          ) : (
            <Device name={name} devices={overview.devices} findings={findings} now={overview.now} />
          )}
        </main>
      ) : (
        <main>
          <p class="empty">Asking the gateway …</p>
        </main>
      )}
    </>
  );
}

const root = document.querySelector('#page');
if (root) render(<Page />, root);
