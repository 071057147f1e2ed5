/**
 * The technician's page on the management port while a gateway is set up: seven steps, the self-test, the hand-over
 * sheet. Plain HTML that loads itself again; no script, so any phone shows it. Once the gateway is enrolled the status
 * page answers at the same address, and there `/setup` is this page.
 *
 *   /, /setup    the steps, and a field for the one-time code while a stick waits for it
 *   /handover    the hand-over sheet, to print or to save as PDF
 *   POST /code   the typed code; nothing else can be sent here
 *
 * There is no login: who can reach the management port stands beside the box. The page shows nothing secret, and the
 * code is worth nothing without the stick. Hostile web pages in the same browser are kept out as on the status page:
 * names in `Host` are refused, and a form of another site is refused by `Sec-Fetch-Site` and `Origin`.
 */
import type { Server } from 'node:http';
import { isIP } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import { Hono } from 'hono';
import type { Context } from 'hono';
import type { ProvisionFacts, Step } from '../wire/provision-status.ts';
import { handoverSheet, pageHeaders, stepsPage } from './provision-page.ts';

export interface ProvisionPageOptions {
  readonly facts: () => ProvisionFacts;
  readonly steps: (facts: ProvisionFacts) => Step[];
  /** What somebody typed. Undefined where no code is taken. */
  readonly onCode?: (code: string) => void;
}

const MAX_CODE = 64;

function isLocalName(host: string): boolean {
  const [, bracketed, plain] = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+))(?::\d{1,5})?$/.exec(host) ?? [];
  if (bracketed !== undefined) return isIP(bracketed) === 6;
  return plain?.toLowerCase() === 'localhost' || isIP(plain ?? '') === 4;
}

function refusal(c: Context): Response | undefined {
  const host = c.req.header('Host') ?? '';
  if (!isLocalName(host)) return c.text('Use the address, not a name.\n', 421);
  const { method, path } = c.req;
  if (method === 'GET' || method === 'HEAD') return undefined;
  if (method !== 'POST' || path !== '/code')
    return c.text('This page is for reading.\n', 405, { Allow: 'GET, HEAD' });
  const site = c.req.header('Sec-Fetch-Site');
  const origin = c.req.header('Origin');
  if ((site !== undefined && site !== 'same-origin') || (origin !== undefined && origin !== `http://${host}`))
    return c.text('Not for other sites.\n', 403);
  return undefined;
}

/** The page's application, without a socket. */
export function provisionApplication({ facts, steps, onCode }: ProvisionPageOptions): Hono {
  const app = new Hono();
  app.use(async (c, next) => {
    const refused = refusal(c);
    if (refused) c.res = refused;
    else await next();
    for (const [name, value] of Object.entries(pageHeaders)) c.res.headers.set(name, value);
  });
  for (const path of ['/', '/setup'])
    app.get(path, (c) => {
      const now = facts();
      return c.html(stepsPage(now, steps(now), onCode !== undefined));
    });
  app.get('/handover', (c) => {
    const now = facts();
    return c.html(handoverSheet(now, steps(now)));
  });
  app.post('/code', async (c) => {
    if (!onCode) return c.text('No code is taken here.\n', 404);
    if (Number(c.req.header('Content-Length') ?? Number.NaN) > 1024 || !c.req.header('Content-Length'))
      return c.text('That is too long.\n', 413);
    const { code } = await c.req.parseBody();
    if (typeof code !== 'string' || code.length > MAX_CODE || !/^[0-9A-Za-z -]+$/.test(code))
      return c.text('That is not a code.\n', 400);
    onCode(code);
    return c.redirect('/', 303);
  });
  app.notFound((c) => c.text('There is nothing here.\n', 404));
  app.onError((_, c) => c.text('The page could not be made.\n', 500));
  return app;
}

const MAX_CONNECTIONS = 32;
const REQUEST_MS = 5_000;

/** Serve the page; port 0 takes any. Rejects where the address can't be listened on. */
export async function startProvisionPage(
  options: ProvisionPageOptions & { readonly listen: { readonly address: string; readonly port: number } },
): Promise<{ readonly port: number; close(): Promise<void> }> {
  const { address: hostname, port } = options.listen;
  const server = createAdaptorServer({
    fetch: provisionApplication(options).fetch,
    hostname,
    serverOptions: { requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS, maxHeaderSize: 8192 },
  }) as Server;
  server.maxConnections = MAX_CONNECTIONS;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, hostname, resolve);
  });
  const bound = server.address();
  return {
    port: typeof bound === 'object' && bound ? bound.port : port,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
