/** The status page's server: what it answers, what it refuses, and what it says to a browser. */
import { once } from 'node:events';
import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { connect, createServer } from 'node:net';
import t from 'tap';
import type { Test } from 'tap';
import { startStatus } from '../../src/status/server.ts';
import { Fault } from '../../src/wire/errors.ts';
import type { KeptFinding } from '../../src/wire/finding.ts';
import { overview as overviewSchema } from '../../src/wire/messages.ts';
import type { Overview } from '../../src/wire/messages.ts';
import { SHOWN } from '../../src/status/finding-rows.ts';
import type { FindingsAnswer } from '../../src/status/finding-rows.ts';
import { matrix } from '../wire/attack-ics-matrix.ts';
import { findingsOf, NOW, overviewOf } from './sample.ts';

const log = { info: () => undefined, error: () => undefined };

interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

function ask(
  port: number,
  path: string,
  options: { method?: string; headers?: Record<string, string> } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const req = request({ host: '127.0.0.1', port, path, agent: false, ...options }, (res) => {
      let body = '';
      res.setEncoding('utf8');
      res.on('data', (chunk: string) => (body += chunk));
      res.on('end', () => resolve({ status: res.statusCode, headers: res.headers, body }));
    });
    req.on('error', reject);
    req.end();
  });
}

/** What comes back for bytes that no client library would send. */
async function raw(port: number, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  let answer = '';
  socket.setEncoding('utf8');
  socket.on('data', (chunk: string) => (answer += chunk));
  socket.end(text);
  await once(socket, 'close');
  return answer;
}

const findings = (): Promise<{ findings: KeptFinding[]; now: number }> =>
  Promise.resolve({ findings: findingsOf(), now: NOW });

async function open(t: Test, overview: () => Promise<Overview>, held = findings): Promise<number> {
  const listen = { address: '127.0.0.1', port: 0 };
  const page = await startStatus({ listen, overview, findings: held, log });
  t.teardown(() => page.close());
  return page.port ?? 0;
}

void t.test('the page, its parts and the overview', async (t) => {
  const port = await open(t, () => Promise.resolve(overviewOf()));
  const page = await ask(port, '/');
  t.equal(page.status, 200);
  t.match(page.headers['content-type'], /^text\/html/);
  t.notMatch(page.body, /https?:|<style|onload|<script>(?!<)/, 'nothing inline, nothing from elsewhere');
  t.match((await ask(port, '/style.css')).headers['content-type'], /^text\/css/);
  t.match((await ask(port, '/main.js')).headers['content-type'], /^text\/javascript/);
  const api = await ask(port, '/api/overview');
  t.match(api.headers['content-type'], /^application\/json/);
  t.same(overviewSchema.parse(JSON.parse(api.body)), overviewOf());
  for (const path of ['/', '/main.js', '/api/overview', '/healthz', '/nothing']) {
    const { headers } = await ask(port, path);
    const policy = headers['content-security-policy'] ?? '';
    t.match(policy, /default-src 'none'.*frame-ancestors 'none'/, path);
    t.notMatch(policy, /unsafe|\*/);
    t.match(headers, {
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-store',
      'cross-origin-resource-policy': 'same-origin',
    });
    t.equal(headers['access-control-allow-origin'], undefined);
    t.equal(headers['x-powered-by'], undefined);
  }
});

void t.test('findings: each with its sentence, technique by name, state, and no more than fit', async (t) => {
  const all = findingsOf({ more: SHOWN });
  const port = await open(
    t,
    () => Promise.resolve(overviewOf()),
    () => Promise.resolve({ findings: all, now: NOW }),
  );
  const { status, body } = await ask(port, '/api/findings');
  t.equal(status, 200);
  const answer = JSON.parse(body) as FindingsAnswer;
  t.match(answer, { now: NOW, total: all.length, source: /^ATT&CK for ICS \d+\.\d+$/ });
  t.equal(answer.findings.length, SHOWN);
  t.equal(answer.findings[0]?.severity, 'critical', 'the worst first');
  for (const row of answer.findings.slice(0, 8)) {
    t.match(row, { text: /\.$/, advice: /\.$/, id: /^f-/ });
    t.equal(row.techniqueName, matrix[row.technique]);
  }
  const failing = await open(
    t,
    () => Promise.resolve(overviewOf()),
    () => Promise.reject(new Fault('IPC_TIMEOUT', 'a detail that stays inside')),
  );
  t.match(await ask(failing, '/api/findings'), { status: 503, body: '{"code":"IPC_TIMEOUT"}' });
  t.equal((await ask(port, '/api/findings', { method: 'POST' })).status, 405);
  t.equal((await ask(port, '/api/findings', { headers: { Host: 'evil.example' } })).status, 421);
});

void t.test('nothing but reading, nothing but these paths', async (t) => {
  const port = await open(t, () => Promise.resolve(overviewOf()));
  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE']) {
    const { status, headers } = await ask(port, '/api/overview', { method });
    t.equal(status, 405, method);
    t.equal(headers.allow, 'GET, HEAD');
  }
  const head = await ask(port, '/', { method: 'HEAD' });
  t.equal(head.status, 200);
  t.equal(head.body, '');
  for (const path of [
    '/index.html',
    '/../package.json',
    '/..%2f..%2fpackage.json',
    '//etc/passwd',
    '/api',
    '/style.css/x',
    '/%00',
  ])
    t.equal((await ask(port, path)).status, 404, path);
});

void t.test('names in Host are refused, addresses are not', async (t) => {
  const port = await open(t, () => Promise.resolve(overviewOf()));
  const statusFor = async (host: string): Promise<number | undefined> =>
    (await ask(port, '/api/overview', { headers: { Host: host } })).status;
  for (const host of ['localhost', 'LOCALHOST:8420', '127.0.0.1', '10.0.0.1:8420', '[::1]:8420', '[fe80::1]'])
    t.equal(await statusFor(host), 200, host);
  for (const host of [
    'evil.example',
    'localhost.evil.example',
    '127.0.0.1.evil.example:8420',
    '127.0.0.1@evil',
    '1.2.3',
  ])
    t.not(await statusFor(host), 200, host);
  t.equal(await statusFor('evil.example'), 421);
  for (const head of [
    'GET / HTTP/1.0',
    'GET / HTTP/1.1\r\nHost:',
    'GET http://evil.example/ HTTP/1.1\r\nHost: evil.example',
  ])
    t.match(await raw(port, `${head}\r\nConnection: close\r\n\r\n`), /^HTTP\/1\.1 4\d\d /, head);
  const crossSite = { 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'no-cors' };
  t.equal((await ask(port, '/api/overview', { headers: crossSite })).status, 403);
  const link = { 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'navigate' };
  t.equal((await ask(port, '/', { headers: link })).status, 200, 'a link from elsewhere is a link');
});

void t.test('health in a word, and faults by their code', async (t) => {
  let answer: () => Promise<Overview> = () => Promise.resolve(overviewOf());
  const port = await open(t, () => answer());
  t.match(await ask(port, '/healthz'), { status: 200, body: 'warning\n' });
  const later = await open(t, () => Promise.resolve({ ...overviewOf(), health: [] }));
  t.match(await ask(later, '/healthz'), { status: 200, body: 'ok\n' });
  const critical = await open(t, () =>
    Promise.resolve({
      ...overviewOf(),
      health: [{ item: 'audit.process', level: 'critical' as const, text: 'gone', since: 1 }],
    }),
  );
  t.match(await ask(critical, '/healthz'), { status: 503, body: 'critical\n' });
  answer = () => Promise.reject(new Fault('IPC_TIMEOUT', 'a detail that stays inside'));
  const failing = await open(t, () => answer());
  t.match(await ask(failing, '/api/overview'), { status: 503, body: '{"code":"IPC_TIMEOUT"}' });
  t.equal((await ask(failing, '/healthz')).status, 503);
  const broken = await open(t, () => Promise.reject(new Error('a detail that stays inside')));
  t.match(await ask(broken, '/api/overview'), { status: 503, body: '{"code":"INTERNAL"}' });
});

void t.test('many readers at once share one answer', async (t) => {
  let asked = 0;
  const port = await open(t, () => {
    asked++;
    return Promise.resolve(overviewOf());
  });
  const answers = await Promise.all(Array.from({ length: 30 }, () => ask(port, '/api/overview')));
  t.ok(answers.every(({ status }) => status === 200));
  t.ok(asked <= 5, `asked ${asked} times`);
});

void t.test('an address that is taken does not end the process', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => taken.once('listening', resolve));
  const address = taken.address();
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  const told: string[] = [];
  const page = await startStatus({
    listen: { address: '127.0.0.1', port },
    overview: () => Promise.resolve(overviewOf()),
    findings,
    log: { info: () => undefined, error: (_fields, text) => void told.push(text) },
  });
  t.equal(page.port, undefined);
  t.same(told, ['the status page cannot be served; trying again']);
  await page.close();
  taken.close();
});
