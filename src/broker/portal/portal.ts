/**
 * The portal: HTTP requests of peers, each translated into one typed question to control. It holds nothing, decides
 * nothing and knows nobody: who asks is the source address of the connection, which the tunnel has checked.
 *
 * A page of somebody else's in the user's browser could send forms here in her name. So a request has to name the
 * gateway's own address as its host (against names that are made to point here), and a POST has to come from the portal's own
 * page where the browser says where it comes from (`Origin`, `Sec-Fetch-Site`); JSON has to be declared as JSON.
 */
import * as z from 'zod';
import type { Endpoint } from '../../wire/address.ts';
import { errorTable, isFault } from '../../wire/errors.ts';
import type { ErrorCode, Fault } from '../../wire/errors.ts';
import { portalRequests } from '../../wire/portal.ts';
import type { PortalAccess } from '../../wire/portal.ts';
import type { Log } from '../surroundings.ts';
import type { Status } from './constants.ts';
import { accessPage, refusalPage, style } from './page.ts';
import { formOf, jsonOf } from './request.ts';
import type { HttpRequest } from './request.ts';
import { json } from './response.ts';
import type { Response } from './response.ts';

type Verb = keyof typeof portalRequests;
type Question<V extends Verb> = z.output<(typeof portalRequests)[V]>;

/** The verbs of control, as the portal uses them; rejections are Faults. */
export interface PortalControl {
  access(question: Question<'portal.access'>): Promise<PortalAccess>;
  breakGlass(question: Question<'portal.breakGlass'>): Promise<unknown>;
  request(question: Question<'portal.request'>): Promise<unknown>;
  decide(question: Question<'portal.decide'>): Promise<unknown>;
  posture(question: Question<'portal.posture'>): Promise<unknown>;
}

export interface PortalOptions {
  readonly control: PortalControl;
  /** The gateway's own addresses in the tunnel, as a browser writes them, and the portal's port. */
  readonly addresses: readonly string[];
  readonly port: number;
  readonly log: Log;
}

interface Action {
  readonly schema: z.ZodType;
  readonly ask: (question: never) => Promise<unknown>;
  /** From a form's fields to the question. */
  readonly form?: (form: URLSearchParams) => Record<string, unknown>;
  /** The word for what was done, in the page's address. */
  readonly done?: string;
}

const statusOf: Partial<Record<ErrorCode, Status>> = {
  UNKNOWN_PEER: 403,
  NO_TUNNEL_SESSION: 403,
  GLASS_REFUSED: 403,
  REQUEST_REFUSED: 403,
  APPROVAL_REFUSED: 403,
  REQUEST_UNKNOWN: 404,
  UNKNOWN_RESOURCE: 404,
  FACT_INVALID: 422,
};

const optional = (name: string, value: string | null): Record<string, string> =>
  value === null || value.trim() === '' ? {} : { [name]: value.trim() };

export class Portal {
  readonly #options: PortalOptions;
  readonly #hosts: ReadonlySet<string>;
  readonly #actions: ReadonlyMap<string, Action>;

  constructor(options: PortalOptions) {
    this.#options = options;
    const { control, addresses, port } = options;
    const named = addresses.map((address) => (address.includes(':') ? `[${address}]` : address));
    this.#hosts = new Set(named.flatMap((name) => [`${name}:${port}`, ...(port === 80 ? [name] : [])]));
    const glass: Action = {
      schema: portalRequests['portal.breakGlass'],
      ask: (question) => control.breakGlass(question),
      done: 'glass',
      form: (form) => ({
        scenario: form.get('scenario'),
        reason: form.get('reason')?.trim(),
        ...optional('resource', form.get('resource')),
      }),
    };
    const ask: Action = {
      schema: portalRequests['portal.request'],
      ask: (question) => control.request(question),
      done: 'request',
      form: (form) => ({
        resource: form.get('resource'),
        actions: form.getAll('actions'),
        hours: Number(form.get('hours')),
        reason: form.get('reason')?.trim(),
        ...optional('ticket', form.get('ticket')),
      }),
    };
    const decide: Action = {
      schema: portalRequests['portal.decide'],
      ask: (question) => control.decide(question),
      done: 'decided',
      form: (form) => ({
        request: form.get('request'),
        approve: form.get('approve') === 'yes' ? true : form.get('approve') === 'no' ? false : undefined,
        note: form.get('note') ?? '',
      }),
    };
    const posture: Action = {
      schema: portalRequests['portal.posture'],
      ask: (question) => control.posture(question),
    };
    this.#actions = new Map([
      ['/break-glass', glass],
      ['/requests', ask],
      ['/requests/decide', decide],
      ['/api/break-glass', glass],
      ['/api/requests', ask],
      ['/api/requests/decide', decide],
      ['/api/posture', posture],
    ]);
  }

  /** Never rejects: what goes wrong is an answer. */
  async answer(request: HttpRequest, source: Endpoint): Promise<Response> {
    const asJson = request.path.startsWith('/api/');
    try {
      return await this.#route(request, source, asJson);
    } catch (error) {
      if (isFault(error)) return refuse(error, asJson);
      this.#options.log.error({ err: error, path: request.path }, 'the portal failed to answer');
      return problem(500, 'INTERNAL', errorTable.INTERNAL.text, asJson);
    }
  }

  async #route(request: HttpRequest, source: Endpoint, asJson: boolean): Promise<Response> {
    const { method, path, query, fields } = request;
    if (!this.#hosts.has((fields.get('host') ?? '').toLowerCase()))
      return problem(421, 'host', 'This is not the name of this gateway.', asJson);
    const action = this.#actions.get(path);
    if (action) {
      if (method !== 'POST') return notAllowed('POST', asJson);
      return this.#act(request, source, action, asJson);
    }
    if (path !== '/' && path !== '/api/access' && path !== '/style.css')
      return problem(404, 'path', 'There is nothing here.', asJson);
    if (method !== 'GET' && method !== 'HEAD') return notAllowed('GET, HEAD', asJson);
    if (path === '/style.css') return { status: 200, type: 'text/css', body: style };
    const access = await this.#options.control.access({ source });
    if (asJson) return json(200, access);
    return { status: 200, type: 'text/html', body: accessPage(access, query.get('done')) };
  }

  async #act(
    { fields, body }: HttpRequest,
    source: Endpoint,
    action: Action,
    asJson: boolean,
  ): Promise<Response> {
    const origin = fields.get('origin');
    const site = fields.get('sec-fetch-site');
    const own = origin === undefined || origin === `http://${(fields.get('host') ?? '').toLowerCase()}`;
    if (!own || (site !== undefined && site !== 'same-origin' && site !== 'none'))
      return problem(403, 'origin', 'This was sent by another page.', asJson);
    const type = (fields.get('content-type') ?? '').split(';', 1)[0]?.trim().toLowerCase();
    const wanted = asJson ? 'application/json' : 'application/x-www-form-urlencoded';
    if (type !== wanted) return problem(415, 'type', `The body has to be ${wanted}.`, asJson);
    const form = asJson ? undefined : formOf(body);
    const said = asJson ? jsonOf(body) : form && action.form?.(form);
    if (typeof said !== 'object' || said === null || Array.isArray(said))
      return problem(400, 'body', 'The body could not be read.', asJson);
    // Who asks is never the body's to say.
    const parsed = action.schema.safeParse({ ...said, source });
    if (!parsed.success || 'source' in said) {
      const { path = [], message = 'source is not for you to say' } = parsed.error?.issues[0] ?? {};
      return problem(422, 'fields', `${path.map(String).join('.')}: ${message}`, asJson);
    }
    const answer = await action.ask(parsed.data as never);
    if (asJson) return json(200, answer);
    return { status: 303, type: 'text/plain', body: 'Done.\n', location: `/?done=${action.done ?? ''}` };
  }
}

function refuse(fault: Fault, asJson: boolean): Response {
  const status = statusOf[fault.code] ?? (fault.retry ? 503 : 500);
  return problem(status, fault.code, fault.message, asJson);
}

/** A refusal that people can read and programs too: `{"error": {"code", "text"}}`. */
export function problem(status: Status, code: string, text: string, asJson: boolean): Response {
  if (asJson) return json(status, { error: { code, text } });
  return { status, type: 'text/html', body: refusalPage('That did not work', text) };
}

const notAllowed = (allow: string, asJson: boolean): Response => ({
  ...problem(405, 'method', `Only ${allow} works here.`, asJson),
  allow,
});
