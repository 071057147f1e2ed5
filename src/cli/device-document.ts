/** `anteroom devices document`: MDS2 forms and bills of materials of a device; and what `devices show` says of both. */
import { basename } from 'node:path';
import type { Command } from 'commander';
import { readDeviceFile } from '../sensor/advisory/document.ts';
import { documentKinds } from '../wire/advisory.ts';
import type { DocumentKind, KeptDocument } from '../wire/advisory.ts';
import { Fault, isFault } from '../wire/errors.ts';
import { fetchAdvisories, matchesTable } from './advisories.ts';
import { readFile } from './advisory-source.ts';
import { plain, plural, printJson, table, withControl } from './console.ts';

const TIMEOUT_MS = 10_000;
/** Advisories that `devices show` lists. */
const SHOWN = 15;

const fetchDocuments = (device: string): Promise<KeptDocument[]> =>
  withControl(
    async (control) =>
      (await control.call('operator.device.documents', { device }, { timeoutMs: TIMEOUT_MS })).documents,
  );

function summary({ document, at, by }: KeptDocument): string {
  const when = `${new Date(at).toISOString().slice(0, 10)} by ${by}`;
  if (document.kind === 'mds2') {
    const of = [document.manufacturer, document.model].filter((part) => part !== undefined).join(' ');
    return plain(
      `MDS2 of ${of || 'no named device'}, ${plural(document.answers.length, 'answer')}: ${document.name}, ${when}`,
    );
  }
  const { subject, components, format } = document;
  const of = subject === undefined ? '' : ` of ${subject.name} ${subject.version ?? ''}`.trimEnd();
  return plain(
    `${format} bill of materials${of}, ${plural(components.length, 'component')}: ${document.name}, ${when}`,
  );
}

function documentText(kept: KeptDocument): string {
  const { document } = kept;
  const head = `${summary(kept)}\n`;
  if (document.kind === 'mds2')
    return `${head}\n${table(
      ['ID', 'ANSWER', 'NOTE', 'QUESTION'],
      document.answers.map(({ id, answer, note, question }) => [id, answer || '-', note || '-', question]),
    )}`;
  return `${head}\n${table(
    ['COMPONENT', 'VERSION', 'SUPPLIER', 'IDENTIFIER'],
    document.components.map((c) => [c.name, c.version ?? '-', c.supplier ?? '-', c.purl ?? c.cpe ?? '-']),
  )}`;
}

/** The part of `devices show` about documents and advisories; '' where there is neither, or no store for them. */
export async function deviceKnowledge(device: string): Promise<string> {
  try {
    const documents = await fetchDocuments(device);
    const { matches } = await fetchAdvisories(device, false);
    let text = documents.length === 0 ? '' : `\n${documents.map((each) => `${summary(each)}\n`).join('')}`;
    if (matches.length > 0) text += `\n${matchesTable(matches.slice(0, SHOWN), false)}`;
    if (matches.length > SHOWN)
      text += `${plural(matches.length - SHOWN, 'row')} more: anteroom advisories --device ${plain(device)}\n`;
    return text;
  } catch (error) {
    if (isFault(error, 'STORE_UNAVAILABLE')) return '\nAdvisories and documents cannot be looked up.\n';
    throw error;
  }
}

async function take(device: string, file: string): Promise<void> {
  const read = readDeviceFile(readFile(file), basename(file));
  if (read.kind === 'malformed')
    throw new Fault('ADVISORY_INVALID', `${file}: ${read.place}: ${read.detail}`);
  const { document } = read;
  const body = { device, document };
  const answer = await withControl((control) =>
    control.call('operator.device.document', body, { timeoutMs: TIMEOUT_MS }),
  );
  const what =
    document.kind === 'mds2'
      ? plural(document.answers.length, 'answer')
      : plural(document.components.length, 'component');
  process.stdout.write(`${plain(answer.device)}: ${document.kind}, ${what}.\n`);
}

async function remove(device: string, kind: string): Promise<void> {
  const known = documentKinds.find((each) => each === kind) satisfies DocumentKind | undefined;
  if (known === undefined)
    throw new Fault('ADVISORY_INVALID', `${kind}: is none of ${documentKinds.join(', ')}`);
  const { removed } = await withControl((control) =>
    control.call('operator.device.documentRemove', { device, kind: known }, { timeoutMs: TIMEOUT_MS }),
  );
  process.stdout.write(removed ? `${kind} removed.\n` : `There is no ${kind}.\n`);
}

export function registerDocument(devices: Command): void {
  devices
    .command('document')
    .description('take an MDS2 form or a bill of materials of a device; without a file, show what is there')
    .argument('<device>', 'its id, MAC, address or name')
    .argument('[file]', 'MDS2 as .xlsx; CycloneDX as JSON or XML; SPDX 2 as JSON or tag-value, 3 as JSON-LD')
    .option('--remove <kind>', documentKinds.join(' or '))
    .option('--json', 'as JSON')
    .action(
      async (
        device: string,
        file: string | undefined,
        { remove: kind, json }: { remove?: string; json?: boolean },
        command: Command,
      ) => {
        if (kind !== undefined) return remove(device, kind);
        if (file !== undefined) return take(device, file);
        const documents = await fetchDocuments(device);
        if (json === true || command.parent?.opts<{ json?: boolean }>().json === true) printJson(documents);
        else if (documents.length === 0) process.stdout.write('No documents.\n');
        else process.stdout.write(documents.map(documentText).join('\n'));
      },
    );
}
