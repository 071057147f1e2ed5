/**
 * ASTM E1394/LIS02: the header record that each message of an analyser begins with.
 *
 *   ENQ · STX · frame 1 digit · "H|\^&|id|password|name^version^serial|…" CR · ETX|ETB · check 2 · CR LF · … · EOT
 *
 * Of the header the sender's name is read, not the password. Of later records only the letter of their type:
 * they are of patients.
 */
import { malformed, message, text, u8 } from '../parsed.ts';
import type { Parsed } from '../parsed.ts';
import { fields, header, marks, recordLimit, recordTypes, separators, textLimit } from './constants.ts';

export interface AstmHead {
  /** `cobas-e411`, `1`: components of the sender's field. */
  readonly sender: readonly string[];
  /** What the message carries, once a record told. */
  readonly carries?: 'results' | 'queries' | 'orders';
}

/** STX and frame number, or nothing: some send records bare. */
const opening = (bytes: Uint8Array): number => {
  let at = u8(bytes, 0) === marks.enquiry ? 1 : 0;
  if (u8(bytes, at) === marks.start) at++;
  if (at > 0 && u8(bytes, at) >= 0x30 && u8(bytes, at) <= 0x37) at++;
  return at;
};

export function recognizeAstm(bytes: Uint8Array): 'yes' | 'no' | 'more' {
  const first = u8(bytes, 0);
  if (first !== marks.enquiry && first !== marks.start && first !== 0x48) return 'no';
  if (first === marks.enquiry && bytes.length > 1 && u8(bytes, 1) !== marks.start) return 'no';
  const at = opening(bytes);
  const head = text(bytes, at, bytes.length, 5);
  if (head.length < 5) return 'H|\\^&'.startsWith(head) ? 'more' : 'no';
  // Two delimiters are the usual ones in any case; the escape may differ.
  return head.startsWith('H|\\^') ? 'yes' : 'no';
}

/** Records, one each, without the marks and numbers of frames. */
function records(bytes: Uint8Array): string[] {
  let all = text(bytes, 0, bytes.length, textLimit);
  for (const mark of separators) all = all.replaceAll(mark, '\n');
  return all.split('\n', recordLimit).map((line) => line.replace(/^[0-7](?=[A-Z]\|)/, ''));
}

export function decodeAstm(bytes: Uint8Array): Parsed<AstmHead> {
  const lines = records(bytes);
  const at = lines.findIndex((line) => line.startsWith('H|') && line.length > header.shortest);
  const line = lines[at];
  if (line === undefined) return malformed('astm_no_header', 0);
  const component = line.charAt(header.component);
  const sender = (line.split('|', fields.sender + 1)[fields.sender] ?? '')
    .split(component, 4)
    .map((part) => part.trim());
  const kinds = new Set(
    lines.slice(at + 1).map((record) => (record.charAt(1) === '|' ? record.charAt(0) : '')),
  );
  const carries = kinds.has(recordTypes.result)
    ? 'results'
    : kinds.has(recordTypes.query)
      ? 'queries'
      : kinds.has(recordTypes.order) && kinds.has(recordTypes.end)
        ? 'orders'
        : undefined;
  return message({ sender, ...(carries === undefined ? {} : { carries }) });
}
