/**
 * The portal's one page, as HTML without a script: what somebody may do and why, what to put right, breaking the glass,
 * asking for access, deciding on others' requests. Made for a phone and for a screen reader: headings in order, every field
 * with its label, nothing told by colour alone.
 */
import type { Obligation, StepUp } from '../../wire/grant.ts';
import type { Glass, LifeRequest } from '../../wire/life.ts';
import type { PortalAccess, PortalResource } from '../../wire/portal.ts';

const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
/** Text for anywhere in HTML, attributes too. */
export const text = (raw: string | number): string =>
  String(raw).replace(/[&<>"']/g, (c) => escapes[c] ?? '');

export const style = `:root{color-scheme:light dark}
body{font:1rem/1.5 system-ui,sans-serif;max-width:46rem;margin:0 auto;padding:1rem}
h1{font-size:1.4rem}h2{font-size:1.2rem;margin-top:2rem}h3{font-size:1.05rem;margin-bottom:.25rem}
section.row{border:1px solid;border-radius:.4rem;padding:.5rem 1rem;margin:.75rem 0}
.notice{border-left:.4rem solid;padding:.25rem .75rem;margin:.75rem 0}
label{display:block;margin-top:.5rem}
input,select,textarea,button{font:inherit;max-width:100%;padding:.4rem}
textarea,input[type=text]{width:100%;box-sizing:border-box}
button{margin-top:.6rem;min-height:2.75rem}
summary{min-height:2rem;cursor:pointer;font-weight:600}
fieldset{border:0;padding:0;margin:.5rem 0 0}fieldset label{display:inline-block;margin-right:1rem}
dt{font-weight:600}dd{margin:0 0 .4rem}
`;

function shell(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>${text(title)}</title>
<link rel="stylesheet" href="/style.css">
</head>
<body>
<main>
${body}
</main>
</body>
</html>
`;
}

function span(ms: number): string {
  const minutes = Math.max(0, Math.ceil(ms / 60_000));
  if (minutes < 120) return `${minutes} min`;
  return minutes < 2880 ? `${Math.round(minutes / 60)} h` : `${Math.round(minutes / 1440)} days`;
}

const until = (at: number, now: number): string =>
  `<time datetime="${text(new Date(at).toISOString())}">${at > now ? `for ${span(at - now)}` : 'now'}</time>`;

const list = (items: readonly string[]): string =>
  items.length === 0 ? '' : `<ul>${items.map((item) => `<li>${item}</li>`).join('')}</ul>`;

const stepUpText = ({ method, maxAge, where }: StepUp): string =>
  text(
    `Sign in again${method === 'phishing-resistant' ? ' with a passkey or smart card' : ''}${maxAge === undefined ? '' : `, not longer than ${span(maxAge)} ago`}${where === '' ? '' : `: ${where}`}`,
  );

const duty: Readonly<Record<Obligation['kind'], string>> = {
  warn: 'Note',
  record: 'Recorded',
  watch: 'Watched',
  'step-up': 'Sign in again',
  review: 'Reviewed',
  watermark: 'Watermarked',
  quarantine: 'Quarantine',
};

function glassForm({ resource, scenarios }: PortalResource): string {
  if (scenarios.length === 0) return '';
  const id = `glass-${text(resource)}`;
  return `<details>
<summary>Break the glass</summary>
<form method="post" action="/break-glass">
<p>It is recorded and reviewed. Write no patient's name.</p>
<input type="hidden" name="resource" value="${text(resource)}">
<label for="${id}-s">What is the matter?</label>
<select id="${id}-s" name="scenario">${scenarios
    .map(
      ({ name, title, minutes }) => `<option value="${text(name)}">${text(title)} (${minutes} min)</option>`,
    )
    .join('')}</select>
<label for="${id}-r">Why</label>
<textarea id="${id}-r" name="reason" rows="2" required minlength="8" maxlength="300"></textarea>
<button>Break the glass</button>
</form>
</details>`;
}

function requestForm({ resource, requestable }: PortalResource): string {
  if (!requestable) return '';
  const id = `ask-${text(resource)}`;
  const boxes = requestable.actions.map(
    (action) =>
      `<label><input type="checkbox" name="actions" value="${text(action)}" checked> ${text(action)}</label>`,
  );
  return `<details>
<summary>Ask for access</summary>
<form method="post" action="/requests">
<input type="hidden" name="resource" value="${text(resource)}">
<fieldset><legend>To do what</legend>${boxes.join('')}</fieldset>
<label for="${id}-h">For how many hours</label>
<input id="${id}-h" name="hours" type="number" min="1" max="${requestable.maxHours}" value="1" required>
<label for="${id}-t">Ticket${requestable.ticket === undefined ? ', if there is one' : ` (form ${text(requestable.ticket)})`}</label>
<input id="${id}-t" name="ticket" type="text" maxlength="64"${requestable.ticket === undefined ? '' : ' required'}>
<label for="${id}-r">Why</label>
<textarea id="${id}-r" name="reason" rows="2" required minlength="8" maxlength="300"></textarea>
<p>${requestable.approvals === 1 ? 'One person has' : `${requestable.approvals} people have`} to agree.</p>
<button>Ask</button>
</form>
</details>`;
}

function resourceRow(row: PortalResource, now: number): string {
  const { resource, name, unit, virtual, protocol, actions, denials, obligations, stepUp, changesAt } = row;
  const may = actions.length === 0 ? 'Nothing now' : actions.join(', ');
  const why = denials.map((each) => `${text(each.actions.join(', '))}: ${text(each.reason)}`);
  return `<section class="row" aria-labelledby="r-${text(resource)}">
<h3 id="r-${text(resource)}">${text(name)} (${text(resource)})</h3>
<dl>
<dt>You may</dt><dd>${text(may)}</dd>
${obligations.length === 0 ? '' : `<dt>With it</dt><dd>${list(obligations.map((each) => `${text(duty[each.kind])}: ${text(each.text)}`))}</dd>`}
${why.length === 0 ? '' : `<dt>${actions.length === 0 ? 'Why not' : 'Not now'}</dt><dd>${list(why)}</dd>`}
${stepUp.length === 0 ? '' : `<dt>What would help</dt><dd>${list(stepUp.map(stepUpText))}</dd>`}
<dt>At</dt><dd>${text(virtual.address)} port ${virtual.port} (${text(protocol)}), ${text(unit)}</dd>
${changesAt === undefined || changesAt <= now ? '' : `<dt>This holds</dt><dd>${until(changesAt, now)} at least</dd>`}
</dl>
${glassForm(row)}
${requestForm(row)}
</section>`;
}

function glassRow({ scenario, resources, until: ends }: Glass, now: number): string {
  return `<p class="notice" role="status"><strong>The glass is broken</strong> (${text(scenario)}) ${until(ends, now)}, for ${text(resources.join(', '))}. It will be reviewed.</p>`;
}

const states: Readonly<Record<LifeRequest['state'], string>> = {
  waiting: 'waits',
  approved: 'approved',
  denied: 'denied',
  withdrawn: 'withdrawn',
  expired: 'nobody decided in time',
  ended: 'over',
};

function requestRow(item: LifeRequest, now: number): string {
  const { state, resource, actions, approvals, needs, until: ends, id } = item;
  const how =
    state === 'waiting'
      ? ` (${approvals.length} of ${needs} agreed)`
      : state === 'approved' && ends !== undefined
        ? ` ${until(ends, now)}`
        : '';
  const back =
    state === 'waiting'
      ? `<form method="post" action="/requests/decide"><input type="hidden" name="request" value="${text(id)}"><input type="hidden" name="note" value=""><button name="approve" value="no">Withdraw</button></form>`
      : '';
  return `${text(resource)}: ${text(actions.join(', '))}, ${text(states[state])}${how}${back}`;
}

function approvalRow({ id, user, resource, actions, hours, reason, ticket }: LifeRequest): string {
  return `<section class="row" aria-labelledby="${text(id)}">
<h3 id="${text(id)}">${text(user)} asks for ${text(resource)}</h3>
<p>${text(actions.join(', '))} for ${hours} h${ticket === undefined ? '' : `, ticket ${text(ticket)}`}: ${text(reason)}</p>
<form method="post" action="/requests/decide">
<input type="hidden" name="request" value="${text(id)}">
<label for="${text(id)}-n">Note</label>
<input id="${text(id)}-n" name="note" type="text" maxlength="300">
<button name="approve" value="yes">Approve</button>
<button name="approve" value="no">Deny</button>
</form>
</section>`;
}

const offlineText: Readonly<Record<PortalAccess['offline']['state'], string>> = {
  standalone: '',
  online: '',
  grace: 'The gateway works without its coordinator for now.',
  expired:
    'The gateway has been without its coordinator for too long: new sessions may need a new sign-in. Break-glass works.',
};

/** What was just done, by the word in the page's address. */
const done: Readonly<Record<string, string>> = {
  glass: 'The glass is broken.',
  request: 'Your request was taken.',
  decided: 'Your decision was taken.',
};

export function accessPage(access: PortalAccess, just: string | null): string {
  const { now, emergency, glasses, requests, toApprove, resources, findings, posture } = access;
  const notices = [
    ...(just !== null && Object.hasOwn(done, just)
      ? [`<p class="notice" role="status">${text(done[just] ?? '')}</p>`]
      : []),
    ...(emergency
      ? [
          `<p class="notice" role="status"><strong>Emergency mode</strong> ${until(emergency.until, now)}: ${text(emergency.reason)}</p>`,
        ]
      : []),
    ...(offlineText[access.offline.state] === ''
      ? []
      : [`<p class="notice">${text(offlineText[access.offline.state])}</p>`]),
    ...glasses.map((each) => glassRow(each, now)),
  ];
  const fixes = findings.map(
    ({ text: what, by }) => `${text(what)}${by === undefined ? '' : ` Until ${text(by)}.`}`,
  );
  return shell(
    `What you may do at ${access.site}`,
    `<h1>What you may do at ${text(access.site)}</h1>
<p>${text(access.user)}, at ${text(access.device)}. Your device's posture: ${text(posture.level)} (${posture.score} of 100).</p>
${notices.join('\n')}
${fixes.length === 0 ? '' : `<h2>To put right on your device</h2>${list(fixes)}`}
${toApprove.length === 0 ? '' : `<h2>For you to decide</h2>${toApprove.map(approvalRow).join('\n')}`}
<h2>Devices</h2>
${resources.length === 0 ? '<p>None is open to you.</p>' : resources.map((row) => resourceRow(row, now)).join('\n')}
${requests.length === 0 ? '' : `<h2>Your requests</h2>${list(requests.map((each) => requestRow(each, now)))}`}`,
  );
}

export const refusalPage = (title: string, why: string): string =>
  shell(
    title,
    `<h1>${text(title)}</h1>\n<p role="alert">${text(why)}</p>\n<p><a href="/">Back to what you may do</a></p>`,
  );
