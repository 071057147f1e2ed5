/** Updates over HTTPS from a real server that behaves badly: cut, short, wrong range, elsewhere, trickling. */
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { httpsSource } from '../../src/cli/update/download.ts';
import type { Patience } from '../../src/cli/update/download.ts';
import { stage } from '../../src/cli/update/staging.ts';

const content = randomBytes(300_000);
const file = {
  name: 'root.zst',
  size: content.length,
  sha256: createHash('sha256').update(content).digest('hex'),
};
const nothing = (): void => undefined;
const impatient: Patience = {
  windowMs: 60_000,
  windowBytes: 1_000,
  attempts: 3,
  farBytes: 50_000,
  pause: () => Promise.resolve(),
};

interface Site {
  readonly url: string;
  readonly ca: string;
  /** Ranges that were asked for, in order; '' for none. */
  readonly asked: string[];
}

type Answer = (question: IncomingMessage, answer: ServerResponse, from: number, nth: number) => void;

/** A key and a certificate that is its own authority. */
function authority(): { readonly key: string; readonly ca: string } {
  const dir = mkdtempSync(join(tmpdir(), 'anteroom-update-'));
  const [key, crt] = [join(dir, 'key'), join(dir, 'crt')];
  try {
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        '-noenc',
        '-days',
        '2',
        '-subj',
        '/CN=test',
        '-addext',
        'subjectAltName=IP:127.0.0.1',
        '-keyout',
        key,
        '-out',
        crt,
      ],
      { stdio: 'ignore' },
    );
    return { key: readFileSync(key, 'utf8'), ca: readFileSync(crt, 'utf8') };
  } finally {
    rmSync(dir, { recursive: true });
  }
}
const { key, ca: pinned } = authority();

async function serve(t: Test, answerWith: Answer): Promise<Site> {
  const asked: string[] = [];
  const server = createServer({ key, cert: pinned }, (question, answer) => {
    const range = question.headers.range ?? '';
    asked.push(range);
    answerWith(question, answer, Number(/^bytes=(\d+)-$/.exec(range)?.[1] ?? 0), asked.length);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `https://127.0.0.1:${(server.address() as AddressInfo).port}/updates`, ca: pinned, asked };
}

const head = (from: number): Record<string, string> =>
  from === 0
    ? { 'content-length': String(content.length) }
    : {
        'content-length': String(content.length - from),
        'content-range': `bytes ${from}-${content.length - 1}/${content.length}`,
      };
const whole: Answer = (_, answer, from) => {
  answer.writeHead(from === 0 ? 200 : 206, head(from)).end(content.subarray(from));
};
/** Answers rightly, and is cut after some bytes. */
const cutAfter =
  (bytes: number): Answer =>
  (_, answer, from) => {
    answer.writeHead(from === 0 ? 200 : 206, head(from));
    answer.write(content.subarray(from, from + bytes), () => answer.destroy());
  };

const folder = (t: Test): string => t.testdir();

await t.test('a file comes whole and verified', async (t) => {
  const { url, ca, asked } = await serve(t, whole);
  const at = await stage(httpsSource(url, ca, impatient), file, folder(t), nothing);
  t.ok(readFileSync(at).equals(content));
  t.same(asked, ['']);
});

await t.test('a connection that is cut goes on where it stopped', async (t) => {
  const { url, ca, asked } = await serve(t, cutAfter(70_000));
  const at = await stage(httpsSource(url, ca, impatient), file, folder(t), nothing);
  t.ok(readFileSync(at).equals(content));
  const from = asked.map((range) => Number(/^bytes=(\d+)-$/.exec(range)?.[1] ?? 0));
  t.ok(from.length >= 5, 'no attempt brings more than 70,000 bytes');
  t.ok(
    from.every((at, i) => i === 0 || at >= (from[i - 1] ?? 0)),
    `it only goes on: ${from.join(' ')}`,
  );
});

await t.test('an attempt after a restart goes on with what is there', async (t) => {
  const first = await serve(t, (question, answer, from, nth) =>
    nth === 1 ? cutAfter(120_000)(question, answer, from, nth) : answer.destroy(),
  );
  const at = folder(t);
  await t.rejects(stage(httpsSource(first.url, first.ca, impatient), file, at, nothing), {
    code: 'UPDATE_UNREADABLE',
  });
  t.ok(first.asked.length >= 3 && first.asked.length <= 4, 'three attempts that bring little are enough');
  const left = statSync(join(at, 'root.zst.partial')).size;
  t.ok(left > 0 && left <= 120_000);
  const second = await serve(t, whole);
  const done = await stage(httpsSource(second.url, second.ca, impatient), file, at, nothing);
  t.ok(readFileSync(done).equals(content));
  t.same(second.asked, [`bytes=${left}-`]);
});

await t.test('what an earlier attempt left wrong is fetched once more', async (t) => {
  const { url, ca, asked } = await serve(t, whole);
  const at = folder(t);
  writeFileSync(join(at, 'root.zst.partial'), Buffer.alloc(100_000));
  const done = await stage(httpsSource(url, ca, impatient), file, at, nothing);
  t.ok(readFileSync(done).equals(content));
  t.same(asked, ['bytes=100000-', '']);
});

await t.test('a server without ranges sends it all again', async (t) => {
  const { url, ca, asked } = await serve(t, (question, answer, _, nth) =>
    nth === 1 ? cutAfter(120_000)(question, answer, 0, nth) : whole(question, answer, 0, nth),
  );
  const done = await stage(httpsSource(url, ca, impatient), file, folder(t), nothing);
  t.ok(readFileSync(done).equals(content));
  t.match(asked, ['', /^bytes=\d+-$/]);
  t.equal(asked.length, 2);
});

await t.test('what is not what was signed or asked for is refused', async (t) => {
  const wrong: [string, string, Answer, number?][] = [
    ['another length', 'UPDATE_UNREADABLE', (_, answer) => answer.end(content.subarray(1))],
    [
      'too long, no length said',
      'UPDATE_CONTENT',
      (_, answer) => {
        answer.write(content);
        answer.end('more');
      },
    ],
    ['other bytes', 'UPDATE_CONTENT', (_, answer) => answer.end(Buffer.alloc(content.length))],
    [
      'elsewhere',
      'UPDATE_UNREADABLE',
      (_, answer) => {
        answer.writeHead(302, { location: 'https://127.0.0.1/' }).end();
      },
    ],
    [
      'not there',
      'UPDATE_UNREADABLE',
      (_, answer) => {
        answer.writeHead(404).end('no');
      },
    ],
    [
      'encoded',
      'UPDATE_UNREADABLE',
      (_, answer) => {
        answer.writeHead(200, { 'content-encoding': 'gzip' }).end(content);
      },
    ],
    [
      'a range nobody asked for',
      'UPDATE_UNREADABLE',
      (_, answer) => {
        answer.writeHead(206, head(100)).end(content.subarray(100));
      },
    ],
    [
      'another range than asked for',
      'UPDATE_UNREADABLE',
      (_, answer) => {
        answer.writeHead(206, head(90_000)).end(content.subarray(90_000));
      },
      100_000,
    ],
    [
      'another size',
      'UPDATE_UNREADABLE',
      (_, answer) => {
        answer
          .writeHead(206, { 'content-range': 'bytes 100000-299999/300001' })
          .end(content.subarray(100_000));
      },
      100_000,
    ],
  ];
  for (const [what, code, answer, there] of wrong) {
    await t.test(what, async (t) => {
      const { url, ca } = await serve(t, answer);
      const at = folder(t);
      if (there !== undefined) writeFileSync(join(at, 'root.zst.partial'), content.subarray(0, there));
      await t.rejects(stage(httpsSource(url, ca, impatient), file, at, nothing), { code });
      t.notOk(existsSync(join(at, 'root.zst')));
    });
  }
});

await t.test('a server that is busy is asked again, one that stays so is given up', async (t) => {
  const once = await serve(t, (question, answer, from, nth) =>
    nth === 1 ? answer.writeHead(503).end() : whole(question, answer, from, nth),
  );
  await stage(httpsSource(once.url, once.ca, impatient), file, folder(t), nothing);
  t.equal(once.asked.length, 2);
  const always = await serve(t, (_, answer) => answer.writeHead(503).end());
  await t.rejects(httpsSource(always.url, always.ca, impatient).small('manifest.json', 100), {
    code: 'UPDATE_UNREADABLE',
  });
  t.equal(always.asked.length, 3);
});

await t.test('a server that trickles or says nothing is given up', async (t) => {
  for (const silent of [true, false]) {
    const timers: NodeJS.Timeout[] = [];
    const { url, ca, asked } = await serve(t, (_, answer) => {
      if (silent) return;
      answer.writeHead(200, head(0));
      timers.push(setInterval(() => answer.write('x'), 20));
    });
    t.teardown(() => timers.forEach(clearInterval));
    await t.rejects(stage(httpsSource(url, ca, { ...impatient, windowMs: 150 }), file, folder(t), nothing), {
      code: 'UPDATE_UNREADABLE',
    });
    t.equal(asked.length, 3);
  }
});

await t.test('a small file has a limit', async (t) => {
  const { url, ca } = await serve(t, whole);
  await t.rejects(httpsSource(url, ca, impatient).small('manifest.json', 1_000), {
    code: 'UPDATE_MALFORMED',
  });
  t.ok((await httpsSource(url, ca, impatient).small('manifest.json', content.length)).equals(content));
});

await t.test('only the pinned authority speaks for the coordinator', async (t) => {
  const { url, asked } = await serve(t, whole);
  const { ca } = authority();
  await t.rejects(stage(httpsSource(url, ca, impatient), file, folder(t), nothing), {
    code: 'UPDATE_UNREADABLE',
  });
  t.same(asked, [], 'not one question was asked');
  t.throws(() => httpsSource(url.replace('https:', 'http:'), ca), { code: 'UPDATE_UNREADABLE' });
  t.throws(() => httpsSource(`${url}?token=1`, ca), { code: 'UPDATE_UNREADABLE' });
  t.end();
});
