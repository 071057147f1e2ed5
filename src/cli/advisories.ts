/** `anteroom advisories`: which vulnerabilities concern which device, and where advisories come in. */
import { writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { loadConfig } from '../platform/config.ts';
import { readSigners } from '../policy/bundle-verify.ts';
import type { Signers } from '../policy/bundle-verify.ts';
import { readAdvisoryFile } from '../sensor/advisory/document.ts';
import { advisoryStatuses } from '../wire/advisory.ts';
import type { Advisory, DeviceAdvisory, ExploitedCatalogue } from '../wire/advisory.ts';
import { Fault, exitCodes } from '../wire/errors.ts';
import type { advisoryVerbs } from '../wire/messages.ts';
import type { z } from 'zod';
import { filesUnder, isBundle, makeBundle, openBundle, readFile } from './advisory-source.ts';
import type { SourceFile } from './advisory-source.ts';
import { paragraph, plain, plural, printJson, table, withControl } from './console.ts';
import { readSignerText, readSigningKey } from './policy-signer.ts';

const TIMEOUT_MS = 30_000;
/** What one call of control carries. */
const AT_ONCE = 64;
const AT_ONCE_BYTES = 2 * 1024 * 1024;
/** Complaints that are shown one by one. */
const SHOWN = 20;

export type AdvisoryList = z.output<(typeof advisoryVerbs)['operator.advisories.list']['answer']>;

export const fetchAdvisories = (device: string | undefined, all: boolean): Promise<AdvisoryList> =>
  withControl((control) =>
    control.call(
      'operator.advisories.list',
      { ...(device === undefined ? {} : { device }), all },
      { timeoutMs: TIMEOUT_MS },
    ),
  );

const scored = ({ severity, score, exploited }: DeviceAdvisory): string =>
  `${severity}${score === undefined ? '' : ` ${score.toFixed(1)}`}${exploited ? ' EXPLOITED' : ''}`;

export function matchesTable(matches: readonly DeviceAdvisory[], withDevice: boolean): string {
  return table(
    [...(withDevice ? ['DEVICE'] : []), 'STATUS', 'CVE', 'SEVERITY', 'ADVISORY', 'BECAUSE'],
    matches.map((match) => [
      ...(withDevice ? [match.device] : []),
      match.status,
      match.cve ?? '-',
      scored(match),
      match.advisory,
      match.component === undefined ? match.why : `${match.component}: ${match.why}`,
    ]),
  );
}

/** The remedies of one device, advisory by advisory, each sentence once. */
export function remediesText(matches: readonly DeviceAdvisory[]): string {
  let text = '';
  for (const id of new Set(matches.map(({ advisory }) => advisory))) {
    const own = matches.filter(({ advisory }) => advisory === id);
    const due = own.find((each) => each.due !== undefined)?.due;
    text += `\n${plain(`${id}: ${own[0]?.title ?? ''}${due === undefined ? '' : ` (remedy due ${due})`}`)}\n`;
    const remedies = new Set(own.flatMap((each) => each.remedies));
    for (const remedy of remedies) text += paragraph(remedy, 4, '  -');
  }
  return text;
}

function listText(list: AdvisoryList, device: string | undefined): string {
  const { matches, beyond, pending, advisories, catalogue } = list;
  if (advisories === 0) return 'No advisories were imported: anteroom advisories import.\n';
  const counts = advisoryStatuses
    .map((status) => [matches.filter((match) => match.status === status).length, status] as const)
    .filter(([count]) => count > 0)
    .map(([count, status]) => `${count} ${status}`);
  const known = catalogue ? `, known exploited of ${catalogue.version}` : '';
  let text = matches.length === 0 ? '' : matchesTable(matches, device === undefined);
  text += `${plural(advisories, 'advisory', 'advisories')} held${known}: ${counts.join(', ') || 'none concerns a device'}.\n`;
  if (beyond > 0) text += `${plural(beyond, 'row')} more have no room here: ask for one device.\n`;
  if (pending > 0) text += `${plural(pending, 'device')} were not looked at yet.\n`;
  return device === undefined ? text : text + remediesText(matches);
}

function signersOf(keys: readonly string[] | undefined): Signers {
  const files = keys ?? loadConfig().policy.keys;
  return readSigners(files.map((from) => ({ text: readSignerText(from), from })));
}

/** The files themselves, those of signed bundles verified and apart. */
function* sourceFiles(paths: readonly string[], keys: readonly string[] | undefined): Generator<SourceFile> {
  for (const name of filesUnder(paths)) {
    const bytes = readFile(name);
    if (!isBundle(bytes)) yield { name, bytes };
    else
      for (const file of openBundle(bytes, signersOf(keys)))
        yield { name: `${name}: ${file.name}`, bytes: file.bytes };
  }
}

interface Tally {
  stored: number;
  unchanged: number;
  older: number;
  catalogue?: string;
}

async function importAll(
  paths: readonly string[],
  { key, json }: { key?: string[]; json?: boolean },
): Promise<void> {
  const tally: Tally = { stored: 0, unchanged: 0, older: 0 };
  const complaints: string[] = [];
  const from = paths.join(' ').slice(0, 300);
  await withControl(async (control) => {
    let batch: Advisory[] = [];
    let bytes = 0;
    const send = async (catalogue?: ExploitedCatalogue): Promise<void> => {
      if (batch.length === 0 && !catalogue) return;
      const body = { advisories: batch, from, ...(catalogue ? { catalogue } : {}) };
      const done = await control.call('operator.advisories.import', body, { timeoutMs: TIMEOUT_MS });
      tally.stored += done.stored;
      tally.unchanged += done.unchanged;
      tally.older += done.older;
      if (done.catalogue !== undefined) tally.catalogue = `${catalogue?.version ?? ''} ${done.catalogue}`;
      batch = [];
      bytes = 0;
    };
    for (const file of sourceFiles(paths, key)) {
      const read = readAdvisoryFile(file.bytes);
      if (read.kind === 'malformed') complaints.push(`${file.name}: ${read.place}: ${read.detail}`);
      else if ('catalogue' in read) {
        await send();
        await send(read.catalogue);
      } else {
        const size = JSON.stringify(read.advisory).length;
        if (batch.length === AT_ONCE || bytes + size > AT_ONCE_BYTES) await send();
        batch.push(read.advisory);
        bytes += size;
      }
    }
    await send();
  });
  if (json === true) printJson({ ...tally, refused: complaints });
  else {
    const { stored, unchanged, older, catalogue } = tally;
    process.stdout.write(
      `${stored} stored, ${unchanged} unchanged, ${older} older than what is held.${catalogue === undefined ? '' : ` Known exploited: ${catalogue}.`}\n`,
    );
  }
  for (const complaint of complaints.slice(0, SHOWN)) process.stderr.write(`${plain(complaint)}\n`);
  if (complaints.length > SHOWN) process.stderr.write(`and ${complaints.length - SHOWN} more\n`);
  if (complaints.length > 0) process.exitCode = exitCodes.dataErr;
}

function sign(paths: readonly string[], { key, output }: { key: string[]; output: string }): void {
  const keys = key.map(readSigningKey);
  try {
    const files = filesUnder(paths).map((name) => ({ name, bytes: readFile(name) }));
    for (const { name, bytes } of files) {
      const read = readAdvisoryFile(bytes);
      if (read.kind === 'malformed')
        throw new Fault('ADVISORY_INVALID', `${name}: ${read.place}: ${read.detail}`);
    }
    const bytes = makeBundle(files, keys);
    try {
      writeFileSync(output, bytes, { flag: 'wx', mode: 0o644 });
    } catch (cause) {
      throw new Fault('ADVISORY_UNREADABLE', cause instanceof Error ? cause.message : String(cause), {
        cause,
      });
    }
    process.stdout.write(`${output}  ${plural(files.length, 'file')}  ${bytes.length} bytes\n`);
  } finally {
    for (const each of keys) each.wipe();
  }
}

const several = (text: string, before: unknown): string[] => [
  ...((before as string[] | undefined) ?? []),
  text,
];

export function register(program: Command): void {
  const advisories = program
    .command('advisories')
    .description('vulnerabilities of devices, from makers and from CISA')
    .option('--device <device>', 'of one device, with what to do: its id, MAC, address or name')
    .option('--all', 'also what is fixed or does not concern the device')
    .option('--json', 'as JSON')
    .action(async ({ device, all, json }: { device?: string; all?: boolean; json?: boolean }) => {
      const list = await fetchAdvisories(device, all === true);
      if (json === true) printJson(list);
      else process.stdout.write(listText(list, device));
    });
  advisories
    .command('import')
    .description('take CSAF 2.0 documents and the KEV catalogue: files, folders, signed bundles')
    .argument('<path...>')
    .option('--key <file>', 'a .pub that may sign bundles, in place of policy.keys; again for more', several)
    .option('--json', 'as JSON')
    .action((paths: string[], options: { key?: string[]; json?: boolean }, command: Command) =>
      importAll(paths, {
        ...options,
        json: options.json === true || command.parent?.opts<{ json?: boolean }>().json === true,
      }),
    );
  advisories
    .command('sign')
    .description('make one signed bundle of files and folders')
    .argument('<path...>')
    .requiredOption('--key <file>', 'a .key that signs; again for more', several)
    .requiredOption('-o, --output <file>', 'the bundle')
    .action(sign);
}
