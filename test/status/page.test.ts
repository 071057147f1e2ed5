/** The page in a real browser: what it shows, on a screen and a phone, with hostile text, many sessions, and no answer. */
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import type { Page } from 'playwright-core';
import t from 'tap';
import { startStatus } from '../../src/status/server.ts';
import { Fault } from '../../src/wire/errors.ts';
import type { Overview } from '../../src/wire/messages.ts';
import type { KeptFinding } from '../../src/wire/finding.ts';
import { findingsOf, hostile, NOW, overviewOf, PACS } from './sample.ts';

const executablePath = '/usr/bin/chromium';
const shots = fileURLToPath(new URL('../../build/status-shots/', import.meta.url));
const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

t.ok(existsSync(executablePath), `the page is tested in ${executablePath}`);
mkdirSync(shots, { recursive: true });
const browser = await chromium.launch({ executablePath, headless: true, args: flags });
t.teardown(() => browser.close());

let answer: () => Promise<Overview> = () => Promise.resolve(overviewOf());
let held: () => KeptFinding[] = () => findingsOf();
const status = await startStatus({
  listen: { address: '127.0.0.1', port: 0 },
  overview: () => answer(),
  findings: () => Promise.resolve({ findings: held(), now: NOW }),
  log: { info: () => undefined, error: () => undefined },
});
t.teardown(() => status.close());
const origin = `http://127.0.0.1:${status.port ?? 0}`;

interface Looked {
  readonly page: Page;
  /** Errors of the page and of the content security policy, and requests to anywhere else. */
  readonly faults: string[];
}

async function look(options: { width?: number; height?: number; dark?: boolean } = {}): Promise<Looked> {
  const { width = 1280, height = 900, dark = false } = options;
  const page = await browser.newPage({ viewport: { width, height }, colorScheme: dark ? 'dark' : 'light' });
  const faults: string[] = [];
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('console', (message) => {
    const expected = message
      .text()
      .startsWith('Failed to load resource: the server responded with a status of 503');
    if (message.type() === 'error' && !expected) faults.push(message.text());
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(origin)) faults.push(`asked ${request.url()}`);
  });
  await page.goto(origin);
  return { page, faults };
}

await t.test('a clinic on a screen', async (t) => {
  answer = () => Promise.resolve(overviewOf({ sessions: 8 }));
  const { page, faults } = await look();
  await page.getByRole('heading', { name: 'Sessions' }).waitFor();
  t.match(await page.title(), /1 warning\. Clinic North/);
  const row = page
    .getByRole('table', { name: 'Sessions' })
    .getByRole('row')
    .filter({ hasText: 'dr.amari' })
    .first();
  t.match(
    await row.innerText(),
    /dr\.amari[^]*ct-2[^]*dicom[^]*view, modify[^]*classical[^]*C-STORE × 2[^]*1 refused[^]*open/,
  );
  t.equal(await page.getByRole('table', { name: 'Sessions' }).getByRole('columnheader').count(), 10);
  const peers = await page.getByRole('table', { name: 'Peers of the tunnel' }).innerText();
  t.match(
    peers,
    /laptop-7[^]*up[^]*4 s ago[^]*classical\+psk[^]*203\.0\.113\.9:51820[^]*1\.2 MB[^]*98\.8 MB/,
  );
  t.match(peers, /laptop-8[^]*quiet[^]*3 h ago[^]*\[2001:db8::1\]:51820/);
  t.match(peers, /laptop-9[^]*not seen yet/);
  const devices = page.getByRole('table', { name: 'Devices' });
  t.match(
    await devices.innerText(),
    /Archive[^]*Example Imaging[^]*10\.20\.0\.5[^]*4242\/tcp dicom[^]*4 facts/,
  );
  await devices.getByText('4 facts').click();
  t.match(await devices.innerText(), /calledAeTitle\s+ARCHIVE[^]*OFFIS_DCMTK_367/);
  t.match(await devices.innerText(), /Unknown device\s+not in the inventory[^]*MSH-3\s+PUMP/);
  const body = await page.locator('body').innerText();
  t.match(body, /18,231[^]*(ab){32}/, 'the audit head');
  t.match(body, /warning\s+The sensor lost 3 %/, 'levels are words');
  t.equal(await page.getByRole('alert').innerText(), '');
  t.same(faults, []);
  await page.screenshot({ path: join(shots, 'screen.png'), fullPage: true });
  await page.close();
  const night = await look({ dark: true });
  await night.page.getByRole('heading', { name: 'Sessions' }).waitFor();
  await night.page.screenshot({ path: join(shots, 'dark.png'), fullPage: true });
  await night.page.close();
});

await t.test('on a phone nothing is cut off', async (t) => {
  answer = () => Promise.resolve(overviewOf({ sessions: 4 }));
  const { page, faults } = await look({ width: 360, height: 740 });
  await page.getByRole('heading', { name: 'Sessions' }).waitFor();
  const [scroll, width] = await page.evaluate<[number, number]>(
    '[document.documentElement.scrollWidth, document.documentElement.clientWidth]',
  );
  t.equal(scroll, width, 'no sideways scrolling');
  t.equal(
    await page
      .getByRole('table', { name: 'Sessions' })
      .getByRole('row')
      .filter({ hasText: 'dr.vogel' })
      .count(),
    1,
  );
  t.same(faults, []);
  await page.screenshot({ path: join(shots, 'phone.png'), fullPage: true });
  await page.close();
});

await t.test('hostile text is text', async (t) => {
  for (const text of hostile) {
    answer = () => Promise.resolve(overviewOf({ sessions: 4, text }));
    held = () => findingsOf({ text });
    const { page, faults } = await look({ width: 360 });
    await page.getByRole('heading', { name: 'Sessions' }).waitFor();
    t.equal(await page.evaluate('window.broken'), undefined, text.slice(0, 40));
    t.equal(await page.locator('#page script, #page img, #page svg, #page a, #page iframe').count(), 0);
    t.equal(await page.getByRole('heading', { level: 1 }).count(), 1);
    t.ok((await page.locator('body').innerText()).includes(text), 'and is shown as it is');
    const overflow = await page.evaluate<number>(
      'document.documentElement.scrollWidth - document.documentElement.clientWidth',
    );
    t.equal(overflow, 0, 'without pushing the page wide');
    await page.goto(`${origin}/#device/pacs`);
    await page.getByRole('heading', { name: 'Evidence' }).waitFor();
    t.equal(await page.evaluate('window.broken'), undefined, 'nor in the view of a device');
    t.equal(await page.locator('#page script, #page img, #page svg, #page a, #page iframe').count(), 0);
    t.ok((await page.locator('body').innerText()).includes(text));
    t.same(faults, []);
    await page.close();
  }
  held = () => findingsOf();
});

await t.test('findings: the worst first, with reasons, technique and state, and a search', async (t) => {
  answer = () => Promise.resolve(overviewOf());
  const { page, faults } = await look();
  const table = page.getByRole('table', { name: 'Findings' });
  await table.waitFor();
  t.equal(await table.getByRole('rowheader').count(), 6);
  const first = table.getByRole('row').nth(1);
  t.match(
    await first.innerText(),
    /critical[^]*built into its firmware[^]*hard-coded-destination[^]*f-0{15}1[^]*1 reason[^]*1,235[^]*T0869[^]*Standard Application Layer Protocol[^]*last 5 min ago[^]*first [^]*open/,
  );
  await first.getByText('1 reason').click();
  t.match(await first.innerText(), /uses tcp\/104 dicom of 10\.20\.0\.1[^]*What to do: Block the address/);
  t.match(await table.innerText(), /acknowledged\s+by uid 0: the new printer/);
  t.match(await table.innerText(), /suppressed until .*2026/);
  t.match(await page.locator('body').innerText(), /4 open, 2 settled[^]*ATT&CK for ICS 18\.1/);
  await page.screenshot({ path: join(shots, 'findings.png'), fullPage: true });
  held = () => findingsOf({ more: 600 });
  await page.getByText('106 lesser ones not shown').waitFor({ timeout: 15_000 });
  await page.getByLabel('Search', { exact: true }).fill('mac-flood');
  await page.getByText('1 finding found').waitFor();
  t.equal(await table.getByRole('rowheader').count(), 1);
  held = () => [];
  await page.getByText('No finding is like that.').waitFor({ timeout: 15_000 });
  await page.getByText('0 open, 0 settled').waitFor();
  t.same(faults, []);
  held = () => findingsOf();
  await page.close();
});

await t.test('one device: what it seems to be and why, and what is held against it', async (t) => {
  answer = () => Promise.resolve(overviewOf());
  const { page, faults } = await look();
  const devices = page.getByRole('table', { name: 'Devices' });
  await devices.waitFor();
  t.match(await devices.innerText(), /Archive[^]*18\s+2 findings/, 'medium and low: 1 - 0.85 × 0.96');
  await devices.getByRole('button', { name: 'Archive' }).click();
  await page.getByRole('heading', { name: 'Archive' }).waitFor();
  t.match(page.url(), /#device\/pacs$/);
  const why = page.getByRole('table', { name: 'What it seems to be, and why' });
  t.match(await why.innerText(), /class\s+PACS\s+dicom calledAeTitle=ARCHIVE/);
  t.match(await why.innerText(), /vendor\s+unknown: the claims differ[^]*Example, Sample/);
  const body = await page.locator('body').innerText();
  t.match(body, /Risk\s+18 of 100[^]*in-service[^]*by uid 0[^]*Said: owner\s+Radiology IT/);
  t.match(body, /Also seen as\s+02:00:00:00:00:04/);
  t.match(body, /2 open, 1 settled/, 'its own findings alone');
  t.notMatch(body, /hard-coded-destination/);
  t.match(await page.getByRole('table', { name: 'Services' }).innerText(), /tcp\/4242\s+dicom/);
  t.match(await page.getByRole('table', { name: 'Evidence' }).innerText(), /OFFIS_DCMTK_367/);
  await page.screenshot({ path: join(shots, 'device.png'), fullPage: true });
  await page.goBack();
  await page.getByRole('heading', { name: 'Sessions' }).waitFor();
  for (const name of [PACS, '02:00:00:00:00:04']) {
    await page.goto(`${origin}/#device/${encodeURIComponent(name)}`);
    await page.getByRole('heading', { name: 'Archive' }).waitFor();
  }
  await page.goto(`${origin}/#device/nobody`);
  await page.getByText('No device is called that.').waitFor();
  await page.getByRole('button', { name: 'All of the gateway' }).click();
  await page.getByRole('heading', { name: 'Sessions' }).waitFor();
  await page.goto(`${origin}/#device/%E0%A4%A`);
  await page.getByRole('heading', { name: 'Sessions' }).waitFor();
  await page.setViewportSize({ width: 360, height: 740 });
  await page.goto(`${origin}/#device/pacs`);
  await page.getByRole('heading', { name: 'Archive' }).waitFor();
  const overflow = await page.evaluate<number>(
    'document.documentElement.scrollWidth - document.documentElement.clientWidth',
  );
  t.equal(overflow, 0, 'on a phone nothing is cut off');
  await page.screenshot({ path: join(shots, 'device-phone.png'), fullPage: true });
  t.same(faults, []);
  await page.close();
});

await t.test('five hundred sessions', async (t) => {
  answer = () => Promise.resolve(overviewOf({ sessions: 500 }));
  const { page, faults } = await look();
  const table = page.getByRole('table', { name: 'Sessions' });
  await table.waitFor();
  t.equal(await table.getByRole('rowheader').count(), 500);
  t.match(await page.locator('body').innerText(), /375 open, 125 ended lately/);
  t.match(await table.getByRole('row').last().innerText(), /ended/, 'open ones come first');
  await page.getByLabel('Find', { exact: true }).fill('Pump-14');
  await page.getByText('125 sessions found').waitFor();
  t.equal(await table.getByRole('rowheader').count(), 125);
  await page.getByLabel('Find', { exact: true }).fill('nobody');
  await page.getByText('No session is like that.').waitFor();
  t.same(faults, []);
  await page.close();
});

await t.test('when control stops answering the page says so, and keeps what it knew', async (t) => {
  answer = () => Promise.resolve(overviewOf({ sessions: 2 }));
  const { page } = await look();
  await page.getByRole('heading', { name: 'Sessions' }).waitFor();
  answer = () => Promise.reject(new Fault('IPC_UNREACHABLE'));
  const alert = page.getByRole('alert');
  await alert.getByText('does not answer').waitFor({ timeout: 15_000 });
  t.match(
    await alert.innerText(),
    /\(IPC_UNREACHABLE\)\. What you see is \d+ s old\. Established sessions go on/,
  );
  t.match(await page.getByRole('table', { name: 'Sessions' }).innerText(), /dr\.vogel/);
  await page.screenshot({ path: join(shots, 'stale.png'), fullPage: true });
  answer = () => Promise.resolve(overviewOf({ sessions: 2 }));
  await alert.getByText('does not answer').waitFor({ state: 'detached', timeout: 15_000 });
  await page.close();

  answer = () => Promise.reject(new Fault('IPC_UNREACHABLE'));
  const fresh = await look();
  await fresh.page.getByRole('alert').getByText('Nothing is known yet.').waitFor({ timeout: 15_000 });
  await fresh.page.close();
});

await t.test('an empty gateway', async (t) => {
  const empty = { ...overviewOf(), peers: [], sessions: [], devices: [], health: [] };
  delete empty.audit;
  delete empty.policy;
  answer = () => Promise.resolve(empty);
  const { page, faults } = await look();
  await page.getByText('No policy is loaded: nothing is permitted.').waitFor();
  const body = await page.locator('body').innerText();
  t.match(body, /No session is open/);
  t.match(body, /The audit process does not answer, so no new session can start\./);
  t.match(body, /Nothing has reported yet\./);
  t.same(faults, []);
  await page.close();
});
