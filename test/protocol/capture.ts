/**
 * TCP streams of a capture, one direction each, as tshark takes them apart: an independent reader of the shared
 * corpus. A missing corpus is a failure that says so.
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export interface Flow {
  readonly stream: number;
  /** `address:port`. */
  readonly from: string;
  readonly to: string;
  /** Payloads in order, one a segment. */
  readonly segments: Buffer[];
}

/** Path below ../shared, which must be there. */
export function shared(path: string): string {
  const file = fileURLToPath(new URL(`../../../shared/${path}`, import.meta.url));
  if (!existsSync(file)) throw new Error(`shared test data is missing: ../shared/${path}`);
  return file;
}

const tshark = (file: string, ...args: string[]): string =>
  execFileSync('tshark', ['-r', file, ...args], {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    stdio: ['ignore', 'pipe', 'ignore'],
  });

/** Rows of tab-separated fields. */
export const fieldsOf = (
  file: string,
  filter: string,
  fields: readonly string[],
  ...more: string[]
): string[][] =>
  tshark(file, ...more, '-Y', filter, '-T', 'fields', ...fields.flatMap((field) => ['-e', field]))
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split('\t'));

export function flowsOf(file: string): Flow[] {
  const flows = new Map<string, Flow>();
  const names = ['tcp.stream', 'ip.src', 'tcp.srcport', 'ip.dst', 'tcp.dstport', 'tcp.payload'];
  const filter = 'tcp.len > 0 && !tcp.analysis.retransmission';
  for (const [stream = '', source, sourcePort, target, targetPort, payload = ''] of fieldsOf(
    file,
    filter,
    names,
  )) {
    const from = `${source}:${sourcePort}`;
    const key = `${stream} ${from}`;
    const flow = flows.get(key) ?? {
      stream: Number(stream),
      from,
      to: `${target}:${targetPort}`,
      segments: [],
    };
    flows.set(key, flow);
    flow.segments.push(Buffer.from(payload, 'hex'));
  }
  return [...flows.values()];
}
