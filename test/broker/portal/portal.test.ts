/** The portal over real sockets: pages and JSON, typed questions, whose request it is, limits. */
import { createServer, connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import type { Test } from 'tap';
import { VISITS_PER_PEER } from '../../../src/broker/portal/constants.ts';
import { Portal } from '../../../src/broker/portal/portal.ts';
import type { PortalControl } from '../../../src/broker/portal/portal.ts';
import { Visits } from '../../../src/broker/portal/visit.ts';
import { Fault } from '../../../src/wire/errors.ts';
import { portalAccess } from '../../../src/wire/portal.ts';

const silent = (): void => undefined;
const log = { debug: silent, info: silent, warn: silent, error: silent };
const hostile = `<script>alert("1")</script>'&`;

const access = portalAccess.parse({
  now: 1_800_000_000_000,
  site: `Clinic ${hostile}`,
  user: `Nina ${hostile}`,
  device: 'laptop',
  posture: { level: 'major', score: 20 },
  findings: [{ signal: 'edr', level: 'major', text: `Switch it on ${hostile}`, by: 'Tue 24 Nov, 14:00' }],
  resources: [
    {
      resource: 'pump-er',
      name: `Pump ${hostile}`,
      class: 'infusion-pump',
      unit: 'er',
      virtual: { address: '100.96.128.11', port: 104 },
      protocol: 'tcp',
      actions: ['view'],
      denials: [{ actions: ['modify'], rules: ['r'], reason: `Your device fails ${hostile}` }],
      obligations: [{ kind: 'record', text: 'It is recorded.' }],
      stepUp: [{ method: 'phishing-resistant', maxAge: 900_000, where: 'https://id.clinic' }],
      changesAt: 1_800_000_600_000,
      scenarios: [{ name: 'patient-in-danger', title: 'A patient is in danger', minutes: 60 }],
      requestable: { actions: ['modify'], maxHours: 8, approvals: 2, ticket: 'INC-[0-9]+' },
    },
  ],
  glasses: [],
  requests: [],
  toApprove: [],
  offline: { state: 'grace', usedMs: 1, leftMs: 1 },
});

interface Served {
  readonly port: number;
  readonly asked: { readonly verb: string; readonly question: Record<string, unknown> }[];
  readonly visits: Visits;
  readonly send: (request: string) => Promise<string>;
}

async function serve(t: Test, fail?: Fault): Promise<Served> {
  const asked: Served['asked'] = [];
  const note =
    (verb: string, answer: unknown) =>
    (question: Record<string, unknown>): Promise<never> => {
      asked.push({ verb, question });
      return fail ? Promise.reject(fail) : Promise.resolve(answer as never);
    };
  const control: PortalControl = {
    access: note('access', access),
    breakGlass: note('breakGlass', { glass: {} }),
    request: note('request', { request: {} }),
    decide: note('decide', { request: {} }),
    posture: note('posture', { posture: { level: 'good', score: 90 }, findings: [] }),
  };
  let visits: Visits | undefined;
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) =>
    visits?.accept(socket),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  visits = new Visits({
    portal: new Portal({ control, addresses: ['127.0.0.1'], port, log }),
    overlay: '127.0.0.0/8',
    peerOf: (address) => address,
    schedule: (ms, then) => {
      const timer = setTimeout(then, ms);
      timer.unref();
      return () => clearTimeout(timer);
    },
    log,
  });
  const send = (request: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const parts: Buffer[] = [];
      const socket = connect(port, '127.0.0.1', () => socket.write(request));
      socket.on('data', (part: Buffer) => parts.push(part));
      socket.on('error', reject);
      socket.on('close', () => resolve(Buffer.concat(parts).toString('utf8')));
    });
  return { port, asked, visits, send };
}

const get = (port: number, path: string, more = ''): string =>
  `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n${more}\r\n`;
const post = (port: number, path: string, type: string, body: string, more = ''): string =>
  `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nContent-Type: ${type}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n${more}\r\n${body}`;
const form = 'application/x-www-form-urlencoded';
const status = (answer: string): string => answer.slice(9, 12);

void t.test('the page: what she may do and why, without a script, everything escaped', async (t) => {
  const { port, send, asked } = await serve(t);
  const page = await send(get(port, '/?done=glass'));
  t.equal(status(page), '200');
  for (const wanted of [
    /Content-Security-Policy: default-src 'none'/,
    /Cache-Control: no-store/,
    /Connection: close/,
    /lang="en"/,
    /name="viewport"/,
    /You may<\/dt><dd>view/,
    /modify: Your device fails/,
    /passkey or smart card, not longer than 15 min ago: https:\/\/id\.clinic/,
    /<label for="glass-pump-er-r">/,
    /2 people have to agree/,
    /The glass is broken\./,
    /Until Tue 24 Nov, 14:00/,
    /for 10 min/,
  ])
    t.match(page, wanted);
  t.notMatch(page, /<script/);
  t.notMatch(page, / on[a-z]+="/);
  const labelled = [...page.matchAll(/<(?:input|select|textarea) id="([^"]+)"/g)].map(([, id]) => id);
  t.ok(labelled.length >= 5);
  for (const id of labelled) t.ok(page.includes(`<label for="${id}"`), `${id} has a label`);
  t.match(asked, [{ verb: 'access', question: { source: { address: '127.0.0.1' } } }]);
  t.match(await send(get(port, '/style.css')), /Content-Type: text\/css/);
  const head = await send(`HEAD / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`);
  t.match(head, /Content-Length: \d{4}/);
  t.match(head, /\r\n\r\n$/);
  const json = await send(get(port, '/api/access'));
  t.same(portalAccess.parse(JSON.parse(json.slice(json.indexOf('\r\n\r\n')))), access);
});

void t.test('forms and JSON become typed questions, and who asks is the connection', async (t) => {
  const { port, send, asked } = await serve(t);
  const glass = await send(
    post(
      port,
      '/break-glass',
      form,
      'scenario=patient-in-danger&resource=pump-er&reason=+Patient+collapsing+',
    ),
  );
  t.equal(status(glass), '303');
  t.match(glass, /Location: \/\?done=glass/);
  await send(
    post(
      port,
      '/requests',
      form,
      'resource=pump-er&actions=view&actions=modify&hours=4&ticket=&reason=Cover+for+tonight',
    ),
  );
  await send(post(port, '/requests/decide', form, `request=request-${'0'.repeat(16)}&approve=yes&note=`));
  await send(
    post(port, '/api/posture', 'application/json; charset=utf-8', '{"signals":{"edr":"pass"},"patchDays":3}'),
  );
  t.match(asked, [
    {
      verb: 'breakGlass',
      question: { scenario: 'patient-in-danger', resource: 'pump-er', reason: 'Patient collapsing' },
    },
    { verb: 'request', question: { actions: ['view', 'modify'], hours: 4 } },
    { verb: 'decide', question: { approve: true } },
    { verb: 'posture', question: { signals: { edr: 'pass' }, patchDays: 3 } },
  ]);
  for (const { question } of asked) t.match(question['source'], { address: '127.0.0.1' });
  t.notOk('ticket' in (asked[1]?.question ?? {}));
  const bad = [
    ['422', post(port, '/break-glass', form, 'scenario=x&reason=')],
    ['422', post(port, '/requests', form, 'resource=pump-er&actions=fly&hours=4&reason=x')],
    ['422', post(port, '/requests/decide', form, `request=request-${'0'.repeat(16)}&approve=maybe`)],
    ['422', post(port, '/api/posture', 'application/json', '{"signals":{"edr":null}}')],
    ['422', post(port, '/api/posture', 'application/json', '{"signals":{},"at":null}')],
    [
      '422',
      post(
        port,
        '/api/posture',
        'application/json',
        '{"signals":{},"source":{"address":"100.96.0.9","port":1}}',
      ),
    ],
    ['400', post(port, '/api/posture', 'application/json', '[]')],
    ['400', post(port, '/api/posture', 'application/json', '{')],
  ] as const;
  for (const [wanted, request] of bad) t.equal(status(await send(request)), wanted, request.slice(-60));
  t.equal(asked.length, 4, 'none of those reached control');
});

void t.test('another page in her browser cannot ask in her name', async (t) => {
  const { port, send, asked } = await serve(t);
  const body = 'scenario=patient-in-danger&reason=Patient+collapsing';
  const cases = [
    ['403', post(port, '/break-glass', form, body, 'Origin: https://evil.example\r\n')],
    ['403', post(port, '/break-glass', form, body, 'Origin: null\r\n')],
    ['403', post(port, '/break-glass', form, body, 'Sec-Fetch-Site: cross-site\r\n')],
    ['403', post(port, '/break-glass', form, body, 'Sec-Fetch-Site: same-site\r\n')],
    ['415', post(port, '/api/break-glass', 'text/plain', '{}')],
    ['415', post(port, '/break-glass', 'multipart/form-data', body)],
    [
      '421',
      post(port, '/break-glass', form, body).replace(`Host: 127.0.0.1:${port}`, `Host: evil.example:${port}`),
    ],
    ['421', get(port, '/').replace(`:${port}`, '')],
    ['405', get(port, '/break-glass')],
    ['405', post(port, '/', form, '')],
    ['404', get(port, '/etc/passwd')],
    ['400', 'GET / HTTP/1.1\r\n\r\n'],
  ] as const;
  for (const [wanted, request] of cases)
    t.equal(status(await send(request)), wanted, request.split('\r\n', 1).join());
  t.same(asked, []);
  const own = await send(
    post(
      port,
      '/break-glass',
      form,
      body,
      `Origin: http://127.0.0.1:${port}\r\nSec-Fetch-Site: same-origin\r\n`,
    ),
  );
  t.equal(status(own), '303');
});

void t.test('what control refuses is said in words, and to programs by code', async (t) => {
  const refused = await serve(t, new Fault('GLASS_REFUSED', 'No policy lets you <here>.'));
  const body = 'scenario=patient-in-danger&reason=Patient+collapsing';
  const page = await refused.send(post(refused.port, '/break-glass', form, body));
  t.equal(status(page), '403');
  t.match(page, /role="alert">[^<]*No policy lets you &lt;here&gt;/);
  const json = await refused.send(
    post(
      refused.port,
      '/api/break-glass',
      'application/json',
      '{"scenario":"x","reason":"Patient collapsing"}',
    ),
  );
  t.match(json, /\{"error":\{"code":"GLASS_REFUSED"/);
  const away = await serve(t, new Fault('IPC_UNREACHABLE', 'control'));
  t.equal(status(await away.send(get(away.port, '/'))), '503');
});

void t.test('a peer that opens many uses up its own places, and gets them back', async (t) => {
  const { port, visits, send } = await serve(t);
  const idle = Array.from({ length: VISITS_PER_PEER + 3 }, () =>
    connect(port, '127.0.0.1').on('error', silent),
  );
  let closed = 0;
  await new Promise<void>((resolve) => {
    for (const socket of idle)
      socket.on('close', () => {
        if (++closed === 3) resolve();
      });
  });
  t.equal(visits.open, VISITS_PER_PEER);
  const gone = new Promise<void>((resolve) => {
    const left = idle.filter((socket) => !socket.destroyed);
    let n = 0;
    for (const socket of left) {
      socket.on('close', () => {
        if (++n === left.length) resolve();
      });
      socket.end();
    }
  });
  await gone;
  while (visits.open > 0) await new Promise((resolve) => setImmediate(resolve));
  t.equal(status(await send(get(port, '/api/access'))), '200');
});
