/** The technician's page: what it shows, and what it takes from whom. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { provisioningSteps } from '../../src/control/provisioning.ts';
import { handoverSheet } from '../../src/status/provision-page.ts';
import { provisionApplication, startProvisionPage } from '../../src/status/provision-server.ts';
import { selfTestIds } from '../../src/wire/provision-status.ts';
import type { ProvisionFacts } from '../../src/wire/provision-status.ts';

const facts: ProvisionFacts = {
  phase: 'new',
  device: 'anteroom-device:0123456789abcdef:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=',
  version: '0.1.0',
  stick: { state: 'read', code: 'E13', detail: '<script>alert(1)</script>', at: 0 },
  accepted: false,
  selfTest: [{ id: 'link', level: 'failed', text: 'No link.', action: 'Look at the cable.' }],
  now: Date.UTC(2026, 10, 22, 9),
};

const ask = (path: string, init: RequestInit = {}, now = facts, typed?: string[]): Promise<Response> =>
  Promise.resolve(
    provisionApplication({
      facts: () => now,
      steps: provisioningSteps,
      ...(typed ? { onCode: (code: string) => void typed.push(code) } : {}),
    }).request(`http://10.10.0.1:8420${path}`, {
      ...init,
      headers: { Host: '10.10.0.1:8420', ...(init.headers as Record<string, string>) },
    }),
  );

void t.test('shows the steps without a script, and text as text', async (t) => {
  const answer = await ask('/');
  const html = await answer.text();
  t.equal(answer.status, 200);
  t.match(answer.headers.get('Content-Security-Policy'), /default-src 'none'/);
  t.notMatch(html, /<script/);
  for (const title of [
    'Stick found',
    'Stick verified',
    'Network',
    'Clock',
    'Coordinator',
    'Devices seen',
    'Done',
  ])
    t.match(html, title);
  t.match(html, /E13: The one-time code is missing or wrong/);
  t.match(html, /http-equiv="refresh"/);
  t.notMatch(html, /<form/, 'no field where no code is taken');
  t.match(await (await ask('/', {}, facts, [])).text(), /<form method="post" action="\/code">/);
  t.notMatch(await (await ask('/', {}, facts, [])).text(), /refresh/, 'no reload under the typing hand');
});

void t.test('the hand-over sheet has the identity as a QR code', async (t) => {
  const identity = `anteroom-signer:0011223344556677:${'A'.repeat(2645)}Q==`;
  const enrolled: ProvisionFacts = {
    ...facts,
    phase: 'enrolled',
    site: { id: 'riverside', name: 'Riverside <Clinic>' },
    identity,
  };
  const html = await (await ask('/handover', {}, enrolled)).text();
  t.match(html, /<svg/);
  t.match(html, /anteroom:gateway\/riverside\?identity=0011223344556677/);
  t.match(html, /Riverside &#60;Clinic&#62;/);
  t.match(html, /Technician, date/);
});

void t.test('the hand-over sheet prints as one page', { timeout: 120_000 }, (t) => {
  // Half of it red, as it may be at a first visit.
  const selfTest = selfTestIds.map((id, i) => ({
    id,
    level: 'failed' as const,
    text: 'Something of this row is not as it should be.',
    ...(i % 2 === 0
      ? { action: 'Do what is written here, in a sentence of the usual length for a row.' }
      : {}),
  }));
  const enrolled: ProvisionFacts = {
    ...facts,
    phase: 'enrolled',
    site: { id: 'riverside', name: 'Riverside Clinic' },
    contact: 'Office, +1 555 0100',
    selfTest,
  };
  const folder = t.testdir({ 'sheet.html': handoverSheet(enrolled, provisioningSteps(enrolled)) });
  const pdf = join(folder, 'sheet.pdf');
  const flags = ['--headless', '--no-sandbox', '--disable-gpu', `--user-data-dir=${join(folder, 'profile')}`];
  const print = [`--print-to-pdf=${pdf}`, '--no-pdf-header-footer', `file://${join(folder, 'sheet.html')}`];
  execFileSync('chromium', [...flags, ...print], { stdio: 'ignore' });
  t.match(readFileSync(pdf, 'latin1'), /\/Type \/Pages\s+\/Count 1\b/);
  t.end();
});

void t.test('takes a code from its own page, and nothing else', async (t) => {
  const typed: string[] = [];
  const post = (body: string, headers: Record<string, string> = {}, path = '/code'): Promise<Response> =>
    ask(
      path,
      {
        method: 'POST',
        body,
        headers: {
          'Content-Type': 'application/x-www-form-urlencoded',
          'Content-Length': String(body.length),
          ...headers,
        },
      },
      facts,
      typed,
    );
  t.equal((await post('code=abcde-12345', { Origin: 'http://10.10.0.1:8420' })).status, 303);
  t.same(typed, ['abcde-12345']);
  t.equal((await post('code=x', { Origin: 'http://evil.example' })).status, 403);
  t.equal((await post('code=x', { 'Sec-Fetch-Site': 'cross-site' })).status, 403);
  t.equal((await post('code=x', { Host: 'evil.example' })).status, 421);
  t.equal((await post('code=%3Cb%3E')).status, 400);
  t.equal((await post('')).status, 400);
  t.equal((await post(`code=${'x'.repeat(2000)}`)).status, 413);
  t.equal((await post('code=x', {}, '/')).status, 405);
  t.equal((await ask('/code', { method: 'DELETE' }, facts, typed)).status, 405);
  t.equal((await ask('/nothing')).status, 404);
  t.same(typed, ['abcde-12345']);
});

void t.test('serves on a socket', async (t) => {
  const page = await startProvisionPage({
    listen: { address: '127.0.0.1', port: 0 },
    facts: () => facts,
    steps: provisioningSteps,
  });
  t.teardown(() => page.close());
  const answer = await fetch(`http://127.0.0.1:${page.port}/`);
  t.equal(answer.status, 200);
  t.match(await answer.text(), /Set-up of this gateway/);
});
