/**
 * The local status page: one page, two JSON answers, one line for a monitor. Read only: GET and HEAD, nothing else.
 *
 *   /              the page, with its style, script and icon, as built into build/status/
 *   /api/overview  what control knows, `Overview` of wire/messages.ts; 503 when control can't say
 *   /api/findings  what is held against devices, `FindingsAnswer` of finding-rows.ts; 503 likewise
 *   /api/health    the health list alone, with how many sessions and devices there are: for the console's screen
 *   /setup         the steps of the set-up and the hand-over sheet (/handover), where they are known
 *   /healthz       200 while no health item is critical, 503 otherwise, with the level as its text
 *
 * There is no login, so who can reach the address can read it: it listens on loopback or the management network alone.
 * Against a hostile web page in the reader's own browser: names in `Host` are refused (DNS rebinding needs one), other
 * sites' scripts are refused by Sec-Fetch-Site, framing and everything from elsewhere by the content security policy.
 *
 * It speaks Node's HTTP without a framework: a framework asks for `Request`, and that starts Node's whole HTTP client,
 * half of what starting the control process took.
 */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isFault } from '../wire/errors.ts';
import type { KeptFinding } from '../wire/finding.ts';
import type { HealthSummary } from '../wire/health.ts';
import type { Overview } from '../wire/messages.ts';
import type { ProvisionFacts, Step } from '../wire/provision-status.ts';
import { findingRows } from './finding-rows.ts';
import type { FindingsAnswer } from './finding-rows.ts';
import { handoverSheet, pageHeaders, stepsPage } from './provision-page.ts';

export interface StatusOptions {
  /** Port 0 takes any. */
  readonly listen: { readonly address: string; readonly port: number };
  readonly overview: () => Promise<Overview>;
  /** Those that aren't over, in the order in which they are shown. */
  readonly findings: () => Promise<{ readonly findings: readonly KeptFinding[]; readonly now: number }>;
  readonly log: {
    info(fields: Readonly<Record<string, unknown>>, text: string): void;
    error(fields: Readonly<Record<string, unknown>>, text: string): void;
  };
  /** Folder of the built page. */
  readonly assets?: string;
  /** How the set-up went; undefined where nobody has said. */
  readonly setup?: (
    devicesSeen: number,
  ) => { readonly facts: ProvisionFacts; readonly steps: Step[] } | undefined;
}

export interface StatusPage {
  /** The port, once it listens. */
  readonly port: number | undefined;
  close(): Promise<void>;
}

/** Connections at a time: a page polls on one. */
const MAX_CONNECTIONS = 64;
const REQUEST_MS = 5_000;
/** An address that can't be listened on is tried again: the management interface may come up later. */
const RETRY_MS = 5_000;
const SHARE_MS = 250;

const files = {
  '/': ['index.html', 'text/html; charset=utf-8'],
  '/style.css': ['style.css', 'text/css; charset=utf-8'],
  '/icon.svg': ['icon.svg', 'image/svg+xml'],
  '/main.js': ['main.js', 'text/javascript; charset=utf-8'],
} as const;

const securityHeaders: Readonly<Record<string, string>> = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Permissions-Policy': 'camera=(), microphone=(), geolocation=()',
  'Cache-Control': 'no-store',
};

/** The pages of the set-up bring their own style and policy. */
const setupPages: Readonly<Record<string, (facts: ProvisionFacts, steps: readonly Step[]) => string>> = {
  '/setup': (facts, steps) => stepsPage(facts, steps, false),
  '/handover': handoverSheet,
};

const summaryOf = ({ health, sessions, devices }: Overview): HealthSummary => ({
  health,
  sessions: sessions.filter(({ ended }) => ended === undefined).length,
  devices: devices.filter(({ observation }) => observation !== undefined).length,
});

/** `localhost` or an IP literal, with or without a port: what a rebound name can never be. */
function isLocalName(host: string): boolean {
  const [, bracketed, plain] = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+))(?::\d{1,5})?$/.exec(host) ?? [];
  if (bracketed !== undefined) return isIP(bracketed) === 6;
  return plain?.toLowerCase() === 'localhost' || isIP(plain ?? '') === 4;
}

/** Readers within `SHARE_MS` of each other get the same answer. */
function share<T>(ask: () => Promise<T>): () => Promise<T> {
  let shared: { readonly at: number; readonly answer: Promise<T> } | undefined;
  return () => {
    const now = performance.now();
    if (!shared || now - shared.at > SHARE_MS) shared = { at: now, answer: ask() };
    return shared.answer;
  };
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string | Buffer;
  readonly headers?: Readonly<Record<string, string>>;
}

const text = (status: number, body: string, headers?: Answer['headers']): Answer => ({
  status,
  type: 'text/plain; charset=utf-8',
  body,
  ...(headers ? { headers } : {}),
});
const json = (status: number, value: unknown): Answer => ({
  status,
  type: 'application/json',
  body: JSON.stringify(value),
});
const nothingHere = text(404, 'There is nothing here.\n');

/** What each path answers. */
function statusRoutes(options: StatusOptions): ReadonlyMap<string, () => Answer | Promise<Answer>> {
  const folder = options.assets ?? fileURLToPath(new URL('../../build/status/', import.meta.url));
  const overview = share(options.overview);
  const findings = share(async (): Promise<FindingsAnswer> => {
    const { findings: list, now } = await options.findings();
    return findingRows(list, now);
  });
  const routes = new Map<string, () => Answer | Promise<Answer>>();
  /** One that asks control, which may not be able to say. */
  const asking = (path: string, answer: () => Promise<Answer>): void => {
    routes.set(path, async () => {
      try {
        return await answer();
      } catch (error) {
        if (!isFault(error)) options.log.error({ err: error, path }, 'control could not say how it is');
        return json(503, { code: isFault(error) ? error.code : 'INTERNAL' });
      }
    });
  };
  asking('/api/overview', async () => json(200, await overview()));
  asking('/api/findings', async () => json(200, await findings()));
  asking('/api/health', async () => json(200, summaryOf(await overview())));
  for (const [path, page] of Object.entries(setupPages))
    asking(path, async () => {
      const known = options.setup?.(summaryOf(await overview()).devices);
      if (!known) return nothingHere;
      const body = page(known.facts, known.steps);
      return { status: 200, type: 'text/html; charset=utf-8', body, headers: pageHeaders };
    });
  asking('/healthz', async () => {
    const { health } = await overview();
    const level = (['critical', 'warning'] as const).find((l) => health.some((item) => item.level === l));
    return text(level === 'critical' ? 503 : 200, `${level ?? 'ok'}\n`);
  });
  for (const [path, [name, type]] of Object.entries(files))
    routes.set(path, () => ({ status: 200, type, body: readFileSync(join(folder, name)) }));
  return routes;
}

function refusal({ method, headers }: IncomingMessage): Answer | undefined {
  if (method !== 'GET' && method !== 'HEAD')
    return text(405, 'This page is for reading.\n', { Allow: 'GET, HEAD' });
  if (!isLocalName(headers.host ?? '')) return text(421, 'Use the address, not a name.\n');
  if (headers['sec-fetch-site'] === 'cross-site' && headers['sec-fetch-mode'] !== 'navigate')
    return text(403, 'Not for other sites.\n');
  return undefined;
}

/** Serve the page. Resolves after the first attempt to listen; one that fails is logged and tried again until `close`. */
export async function startStatus(options: StatusOptions): Promise<StatusPage> {
  const { listen, log } = options;
  const routes = statusRoutes(options);
  const answer = async (asked: IncomingMessage): Promise<Answer> => {
    // The path without a query, as it was sent: no two ways to write one.
    const path = (asked.url ?? '').split('?', 1)[0] ?? '';
    try {
      return refusal(asked) ?? (await routes.get(path)?.()) ?? nothingHere;
    } catch (error) {
      log.error({ err: error, path }, 'a request to the status page failed');
      return text(500, 'The page could not be read.\n');
    }
  };
  let server: Server | undefined;
  let retry: NodeJS.Timeout | undefined;

  const attempt = async (): Promise<void> => {
    const next = createServer(
      { requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS, maxHeaderSize: 8192 },
      (asked, response) => {
        void answer(asked).then(({ status, type, body, headers }) => {
          const length = Buffer.byteLength(body);
          response
            .writeHead(status, {
              ...securityHeaders,
              'Content-Type': type,
              'Content-Length': length,
              ...headers,
            })
            .end(body);
        });
      },
    );
    next.maxConnections = MAX_CONNECTIONS;
    try {
      await new Promise<void>((resolve, reject) => {
        next.once('error', reject);
        next.listen(listen.port, listen.address, resolve);
      });
      next.on('error', (err) => log.error({ err }, 'the status page failed'));
      server = next;
      log.info({ ...listen }, 'the status page is served');
    } catch (err) {
      log.error({ err, ...listen }, 'the status page cannot be served; trying again');
      retry = setTimeout(() => void attempt(), RETRY_MS);
      retry.unref();
    }
  };
  await attempt();

  return {
    get port() {
      const address = server?.address();
      return typeof address === 'object' ? address?.port : undefined;
    },
    close: async () => {
      clearTimeout(retry);
      const open = server;
      if (!open) return;
      await new Promise<void>((resolve) => {
        open.close(() => resolve());
        open.closeAllConnections();
      });
    },
  };
}
