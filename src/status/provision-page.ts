/**
 * What the technician's page says while a gateway is set up (`provision-server.ts`): seven steps, the self-test, the
 * hand-over sheet. Plain HTML that loads itself again; no script, so any phone shows it. Once the gateway is enrolled the
 * status page answers at the same address, and there `/setup` is this page.
 */
import { identityText } from '../wire/provision-status.ts';
import type { ClockState, ProvisionFacts, SelfTestItem, Step } from '../wire/provision-status.ts';
import { qrCode, qrSvg } from './qr.ts';

const RELOAD_SECONDS = 5;

export const pageHeaders: Readonly<Record<string, string>> = {
  'Content-Security-Policy':
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cache-Control': 'no-store',
};

const style = `
:root { color-scheme: light dark; --line: light-dark(#d5dae1, #363d47); --faint: light-dark(#5a6574, #9aa5b4);
  --green: light-dark(#1b6e3c, #7fd6a0); --yellow: light-dark(#7a4d00, #f0c060); --red: light-dark(#9c1521, #ff9c9c);
  --blue: light-dark(#1d4f91, #8fbcf5); }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 44rem; padding: 1rem; font: 16px/1.45 system-ui, sans-serif; overflow-wrap: anywhere;
  background: light-dark(#f4f5f7, #14171b); color: light-dark(#1c2430, #e4e8ee); }
h1 { font-size: 1.3rem; margin: 0; } h2 { font-size: 1.05rem; margin: 1.5rem 0 .5rem; }
p { margin: .25rem 0; } .faint { color: var(--faint); }
ol, ul { list-style: none; margin: 1rem 0; padding: 0; }
li { display: grid; grid-template-columns: 6rem 1fr; gap: .75rem; padding: .7rem 0; border-top: 1px solid var(--line); }
b.mark { font-size: .85rem; text-transform: uppercase; letter-spacing: .03em; }
.green { color: var(--green); } .yellow { color: var(--yellow); } .red { color: var(--red); } .now { color: var(--blue); }
.waiting, .off { color: var(--faint); }
.action { font-weight: 600; }
form { display: flex; gap: .5rem; flex-wrap: wrap; margin: 1rem 0; }
input, button { font: inherit; padding: .6rem; min-width: 0; } input { flex: 1 1 12rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; } dt { color: var(--faint); } dd { margin: 0; }
svg { width: 14rem; max-width: 100%; height: auto; }
.card { display: grid; grid-template-columns: 1fr max-content; gap: 1rem; align-items: start; }
.card figure { margin: 0; width: 14rem; font-size: .75rem; text-align: center; } .card dd { min-width: 0; }
.signs { display: grid; grid-template-columns: 1fr 1fr; gap: 2rem; margin-top: 3.5rem; }
.signs p { border-top: 1px solid; padding-top: .25rem; }
@media (max-width: 34rem) { .card, .signs { grid-template-columns: 1fr; } .signs { row-gap: 3.5rem; } }
@page { size: A4; margin: 14mm; }
@media print {
  :root { color-scheme: light; font-size: 11px; }
  body { background: #fff; color: #000; max-width: none; padding: 0; font-size: 1rem; line-height: 1.35; }
  li { padding: .35rem 0; break-inside: avoid; } li p { margin: 0; } h2 { margin-top: 1.2rem; break-after: avoid; }
  li > div { display: grid; grid-template-columns: 10rem 1fr; } li > div > * { grid-column: 2; }
  li > div > b { grid-column: 1; grid-row: 1; } ol, ul { margin: .4rem 0; } .signs { break-inside: avoid; }
  .screen { display: none; }
}
`;

const escape = (text: string): string => text.replaceAll(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
const minute = (at: number): string => `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`;

function page(title: string, body: string, reload: boolean): string {
  const refresh = reload ? `<meta http-equiv="refresh" content="${RELOAD_SECONDS};url=/setup">` : '';
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">${refresh}<title>${escape(title)}</title><style>${style}</style></head><body>${body}</body></html>\n`;
}

const marks: Readonly<Record<Step['state'], string>> = {
  green: '✓ done',
  yellow: '! look',
  red: '✗ stop',
  now: '… now',
  waiting: 'waits',
};

function row(mark: string, kind: string, title: string, text: string, action?: string): string {
  const act = action === undefined ? '' : `<p class="action">${escape(action)}</p>`;
  return `<li><b class="mark ${kind}">${mark}</b><div><b>${escape(title)}</b><p>${escape(text)}</p>${act}</div></li>`;
}

const stepRows = (steps: readonly Step[]): string =>
  steps.map(({ state, title, text, action }) => row(marks[state], state, title, text, action)).join('');

const testTitles: Readonly<Record<SelfTestItem['id'], string>> = {
  link: 'Link',
  addressing: 'Addressing',
  dns: 'Name service',
  time: 'Time',
  udp: 'UDP out',
  coordinator: 'Coordinator',
  enclave: 'Enclave port',
  reachability: 'Devices answer',
  tpm: 'TPM',
  disk: 'Disk',
};
const levels: Readonly<Record<SelfTestItem['level'], readonly [string, string]>> = {
  ok: ['✓ good', 'green'],
  warning: ['! look', 'yellow'],
  failed: ['✗ failed', 'red'],
  off: ['not run', 'off'],
};

const testRows = (items: readonly SelfTestItem[]): string =>
  items
    .map(({ id, level, text, action }) =>
      row(levels[level][0], levels[level][1], testTitles[id], text, action),
    )
    .join('');

const definition = (rows: readonly (readonly [string, string | undefined])[]): string =>
  `<dl>${rows.map(([name, value]) => (value === undefined ? '' : `<dt>${name}</dt><dd>${escape(value)}</dd>`)).join('')}</dl>`;

const clocks: Readonly<Record<ClockState, string>> = {
  authenticated: 'from a server that proved who it is',
  set: 'from a server that did not prove who it is',
  unset: 'not set since the start',
};

const about = (facts: ProvisionFacts): string =>
  definition([
    ['Site', facts.site && `${facts.site.name} (${facts.site.id})`],
    ['Device code', facts.device],
    ['Software', facts.version],
    ['Time here', `${minute(facts.now)}${facts.clock === undefined ? '' : `, ${clocks[facts.clock]}`}`],
    ['Contact', facts.contact],
  ]);

export function stepsPage(facts: ProvisionFacts, steps: readonly Step[], takesCode: boolean): string {
  const wantsCode = takesCode && facts.stick.state === 'read' && facts.stick.code === 'E13';
  const form = wantsCode
    ? '<form method="post" action="/code"><input name="code" maxlength="64" autocomplete="off" autocapitalize="characters" aria-label="One-time code" placeholder="One-time code" required><button>Use it</button></form>'
    : '';
  const tests = facts.selfTest.length === 0 ? '' : `<h2>Self-test</h2><ul>${testRows(facts.selfTest)}</ul>`;
  const sheet =
    facts.phase === 'enrolled' ? '<p class="screen"><a href="/handover">Hand-over sheet</a></p>' : '';
  return page(
    'Set-up of this gateway',
    // A page with a field in it doesn't load itself again under the typing hand.
    `<h1>Set-up of this gateway</h1>${form}<ol>${stepRows(steps)}</ol>${sheet}${tests}<h2>This box</h2>${about(facts)}`,
    !wantsCode,
  );
}

const withoutAction = ({ id, title, state, text }: Step): Step => ({ id, title, state, text });

export function handoverSheet(facts: ProvisionFacts, steps: readonly Step[]): string {
  const { site, identity } = facts;
  const said = site && identity !== undefined ? identityText(site.id, identity) : facts.device;
  const code = qrCode(said);
  // What this sheet is itself needs no more being told.
  const left = steps.map((step) => (step.id === 'done' ? withoutAction(step) : step));
  const figure = `<figure>${code ? qrSvg(code) : ''}<figcaption>${escape(said)}</figcaption></figure>`;
  const parts = [
    `<h1>Hand-over of a gateway: ${escape(site?.name ?? 'not enrolled')}</h1>`,
    `<div class="card">${about(facts)}${figure}</div>`,
    `<h2>Steps</h2><ol>${stepRows(left)}</ol>`,
    `<h2>Self-test</h2><ul>${testRows(facts.selfTest)}</ul>`,
    '<div class="signs"><p>Technician, date</p><p>For the site, date</p></div>',
  ];
  return page(`Hand-over: ${site?.name ?? 'not enrolled'}`, parts.join(''), false);
}
