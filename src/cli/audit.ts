/**
 * `anteroom audit …`: tail, head and checkpoint ask the audit process; verify reads the store's file itself, offline
 * or next to the running process, and needs nothing but that file.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';
import { parseVerifierKey } from '../audit/note.ts';
import type { VerifierKey } from '../audit/note.ts';
import { auditSchema } from '../audit/schema.ts';
import { verifyStore } from '../audit/verify.ts';
import type { Verification } from '../audit/verify.ts';
import { connect } from '../ipc/client.ts';
import type { Client } from '../ipc/client.ts';
import { loadConfig, socketPath } from '../platform/config.ts';
import { silentLog } from '../platform/log.ts';
import { openStore } from '../store/store.ts';
import type { AuditEvent, AuditRecord } from '../wire/audit-event.ts';
import { Fault } from '../wire/errors.ts';
import type { Subject, Target } from '../wire/grant.ts';
import { auditPushes, auditVerbs } from '../wire/messages.ts';

/** Records asked for at a time, and how often `--follow` asks. */
const READ_LIMIT = 500;
const FOLLOW_MS = 250;

const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

type AuditClient = Client<typeof auditVerbs>;

async function withAudit(work: (audit: AuditClient) => Promise<void>): Promise<void> {
  const audit = connect({
    path: socketPath(loadConfig(), 'audit'),
    verbs: auditVerbs,
    pushes: auditPushes,
    log: silentLog,
  });
  try {
    await work(audit);
  } finally {
    audit.close();
  }
}

/** What a line of `tail` says of an event. */
interface Line {
  readonly subject?: Subject | undefined;
  readonly target?: Target | undefined;
  readonly action?: string | undefined;
  readonly decision?: string;
  readonly rule?: string;
  readonly session?: string;
  readonly detail?: string;
}

function lineOf(event: AuditEvent): Line {
  switch (event.kind) {
    case 'session.start': {
      const { subject, target, actions, rules, denials, session } = event.body.grant;
      return {
        subject,
        target,
        session,
        action: actions.join(','),
        decision: 'permit',
        rule: rules.join(','),
        detail: denials.map((each) => `no ${each.actions.join(', ')}: ${each.reason}`).join(' '),
      };
    }
    case 'session.refused': {
      const { subject, target, rules, reasons, session, code } = event.body.refusal;
      return {
        subject,
        target,
        session,
        decision: 'deny',
        rule: rules.join(',') || 'default',
        detail: `${code}: ${reasons.join('; ')}`,
      };
    }
    case 'session.unit':
      return { ...event.body, decision: 'permit', rule: event.body.rules.join(','), detail: event.body.unit };
    case 'session.unit.refused':
      return {
        ...event.body,
        decision: 'deny',
        rule: event.body.rules.join(',') || 'default',
        detail: `${event.body.unit}: ${event.body.reason}`,
      };
    case 'session.end': {
      const { subject, target, session, reason, durationMs, bytesToDevice, bytesToUser } = event.body;
      const detail = `${reason}, ${durationMs} ms, ${bytesToDevice} bytes to the device, ${bytesToUser} to the user`;
      return { subject, target, session, detail };
    }
    default:
      return { detail: flatten(event.body) };
  }
}

/** `name=value` for what a body holds, nested things as JSON. */
const flatten = (body: object): string =>
  Object.entries(body)
    .map(([name, value]) => `${name}=${typeof value === 'object' ? JSON.stringify(value) : String(value)}`)
    .join(' ');

/** One line, nothing in it that a terminal would obey: what a device said of itself may be in an event. */
const printable = (text: string): string => text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '�');

function localTime(ms: number): string {
  const d = new Date(ms);
  const two = (n: number): string => String(n).padStart(2, '0');
  const date = `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}`;
  const time = `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
  return `${date} ${time}.${String(d.getMilliseconds()).padStart(3, '0')}`;
}

/** time, seq, kind, user, device, action, decision, rule, kex, session, and what else there is to say. */
export function formatRecord({ seq, time, event }: AuditRecord): string {
  const { subject, target, action, decision, rule, session, detail } = lineOf(event);
  const columns = [
    localTime(time),
    String(seq).padStart(6),
    event.kind.padEnd(20),
    (subject?.user ?? '-').padEnd(12),
    (target?.device ?? '-').padEnd(10),
    (action ?? '-').padEnd(12),
    (decision ?? '-').padEnd(6),
    (rule ?? '-').padEnd(20),
    (subject?.kex ?? '-').padEnd(13),
    (session ?? '-').padEnd(10),
    detail ?? '',
  ];
  return printable(columns.join(' ').trimEnd());
}

async function tail(options: { lines: number; follow?: boolean; json?: boolean }): Promise<void> {
  await withAudit(async (audit) => {
    const print = (record: AuditRecord): void =>
      say(options.json ? JSON.stringify(record) : formatRecord(record));
    let { size } = await audit.call('audit.head', {});
    let next = Math.max(0, size - options.lines);
    for (;;) {
      while (next < size) {
        const { records } = await audit.call('audit.read', {
          from: next,
          limit: Math.min(READ_LIMIT, size - next),
        });
        if (records.length === 0) break;
        records.forEach(print);
        next += records.length;
      }
      if (!options.follow) return;
      await pause(FOLLOW_MS);
      ({ size } = await audit.call('audit.head', {}));
    }
  });
}

interface VerifyCommand {
  readonly store?: string;
  readonly checkpoint?: string;
  readonly key?: string;
  readonly json?: boolean;
}

/** Reads what the options name; what can't be read or isn't what it should be is a command used wrongly. */
function verify(options: VerifyCommand, command: Command): void {
  const readText = (file: string): string => {
    try {
      return readFileSync(file, 'utf8');
    } catch (e) {
      return command.error(`error: ${e instanceof Error ? e.message : String(e)}`);
    }
  };
  const readKey = (text: string): VerifierKey =>
    parseVerifierKey(text) ??
    parseVerifierKey(readText(text)) ??
    command.error(`error: ${text} is not a verifier key, nor a file of one`);
  const file = options.store ?? join(loadConfig().stateDir, 'audit', 'audit.db');
  const key = options.key === undefined ? undefined : readKey(options.key);
  const checkpoint = options.checkpoint === undefined ? undefined : readText(options.checkpoint);
  const store = openStore({ file, schema: auditSchema, access: 'read' });
  try {
    const result = verifyStore(store, {
      ...(key && { key }),
      ...(checkpoint !== undefined && { checkpoint }),
    });
    say(options.json ? JSON.stringify(result) : describe(result, key !== undefined));
    const { fault } = result;
    if (fault) throw new Fault('AUDIT_CORRUPT', `${fault.kind} at record ${fault.seq}: ${fault.text}`);
  } finally {
    store.close();
  }
}

function describe(result: Verification, haveKey: boolean): string {
  const { size, root, checkpoint, fault } = result;
  const lines = [`records     ${size}`, `root        ${root}`];
  if (checkpoint) {
    const signature = checkpoint.signed
      ? 'signature verified'
      : `signature ${haveKey ? 'not of this key' : 'not checked: no --key'}`;
    lines.push(`checkpoint  ${checkpoint.size} records, ${checkpoint.origin}, ${signature}`);
  }
  if (fault) {
    const range = fault.through === undefined ? '' : ` to ${fault.through}`;
    lines.push(`fault       ${fault.kind}, record ${fault.seq}${range}: ${fault.text}`);
  } else {
    lines.push('verified    every record, the tree and its head belong together');
  }
  return printableLines(lines);
}

const printableLines = (lines: readonly string[]): string => lines.map((line) => printable(line)).join('\n');

function count(text: string): number {
  const n = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(n)) throw new InvalidArgumentError('a number of lines');
  return n;
}

export function register(program: Command): void {
  const audit = program
    .command('audit')
    .description('The audit log: look at it, and check that it is whole.');
  audit
    .command('tail')
    .description('The last records: time, number, kind, user, device, action, decision, rule, kex, session')
    .option('-n, --lines <count>', 'how many records', count, 20)
    .option('-f, --follow', 'go on with records as they are appended')
    .option('--json', 'one record a line, as JSON')
    .action(tail);
  audit
    .command('head')
    .description('Size and root of the tree')
    .option('--json', 'as JSON')
    .action(async ({ json }: { json?: boolean }) => {
      await withAudit(async (client) => {
        const head = await client.call('audit.head', {});
        say(json ? JSON.stringify(head) : `${head.size} ${head.root} ${localTime(head.time)}`);
      });
    });
  audit
    .command('checkpoint')
    .description('The latest signed checkpoint; keep it elsewhere, and verify against it later')
    .option('--key', 'print the key to verify it with instead')
    .action(async (options: { key?: boolean }) => {
      await withAudit(async (client) => {
        const { note, key } = await client.call('audit.checkpoint', {});
        if (options.key) say(key);
        else if (note === undefined)
          throw new Fault('AUDIT_UNAVAILABLE', 'no checkpoint has been signed yet');
        else process.stdout.write(note);
      });
    });
  audit
    .command('verify')
    .description(
      'Compute everything again from the records; exit 65 and the first fault when something is wrong',
    )
    .option('--store <file>', "the store or a copy of it (default: this gateway's)")
    .option('--checkpoint <file>', 'a checkpoint kept elsewhere')
    .option('--key <key>', "the log's verifier key, or a file of it")
    .option('--json', 'as JSON')
    .action(verify);
}
