/**
 * The answer to a message that doesn't reach its device: HL7 chapter 2 sections 2.9.2 (original mode), 2.9.3
 * (enhanced mode), 2.14.8 (MSA) and 2.14.5 (ERR).
 *
 *   MSH-15 and -16 empty     one answer, AR
 *   MSH-15 AL or ER          CR
 *   MSH-15 NE, -16 AL or ER  AR
 *   otherwise                silence
 *
 * What surprises: after CR no application answer follows, whatever MSH-16 asks: the message was never accepted, so
 * nobody stands in for the application. ERR has a different shape before version 2.5, where MSA-3 carries the words.
 * Never AA or CA: nothing here may look delivered.
 */
import type { EpochMillis } from '../../wire/units.ts';
import {
  acknowledgementCodes,
  acknowledgementConditions,
  errorConditions,
  limits,
  msh,
} from './constants.ts';
import { escapeText, headerCode, headerField, versionOf } from './message.ts';
import type { Header } from './message.ts';

export interface RefusalWords {
  /** A code of the error table, for ERR-5. */
  readonly code: string;
  /** For the user. */
  readonly reason: string;
  /** ERR-3; application internal error unless something truer is known. */
  readonly condition?: keyof typeof errorConditions;
}

/** MSA-1 of the refusal that the sender asked for, undefined when it wants none. */
export function refusalCode(header: Header): 'AR' | 'CR' | undefined {
  const accept = headerCode(header, msh.acceptAcknowledgement);
  const application = headerCode(header, msh.applicationAcknowledgement);
  const wanted = (condition: string): boolean =>
    condition === acknowledgementConditions.always || condition === acknowledgementConditions.error;
  if (accept === '' && application === '') return acknowledgementCodes.applicationReject;
  if (wanted(accept)) return acknowledgementCodes.commitReject;
  return wanted(application) ? acknowledgementCodes.applicationReject : undefined;
}

/** True when the sender waits for an answer however the message fares: always asked for, or original mode. */
export function awaitsAnswer(header: Header): boolean {
  const accept = headerCode(header, msh.acceptAcknowledgement);
  const application = headerCode(header, msh.applicationAcknowledgement);
  if (accept === '' && application === '') return true;
  return accept === acknowledgementConditions.always || application === acknowledgementConditions.always;
}

/** HL7 date and time with zone, in UTC. */
const timestamp = (now: EpochMillis): string => {
  const digits = new Date(now).toISOString().replaceAll(/[-:T]/g, '');
  return `${digits.slice(0, 14)}+0000`;
};

/** The refusing message, unframed; undefined when the sender wants none. `controlId`: a new one, at most 20 characters. */
export function refuse(
  header: Header,
  words: RefusalWords,
  sources: { controlId: string; now: EpochMillis },
): Uint8Array | undefined {
  const code = refusalCode(header);
  if (code === undefined) return undefined;
  const { field: f, component: c } = header.delimiters;
  const [major, minor] = versionOf(header);
  const atLeast = (wanted: number): boolean => major > 2 || (major === 2 && minor >= wanted);
  const longest = atLeast(5) ? limits.userMessageChars : limits.reasonChars;
  const reason = escapeText(words.reason.slice(0, longest), header.delimiters);

  let type = 'ACK';
  if (header.event !== '' && atLeast(2)) type += c + header.event;
  if (header.event !== '' && atLeast(4)) type += `${c}ACK`;
  const out: string[] = ['MSH', header.encodingCharacters];
  const put = (n: number, value: string): void => {
    // out[1] is MSH-2: MSH-1 is the separator itself.
    while (out.length < n - 1) out.push('');
    out[n - 1] = value;
  };
  put(msh.sendingApplication, headerField(header, msh.receivingApplication));
  put(msh.sendingFacility, headerField(header, msh.receivingFacility));
  put(msh.receivingApplication, headerField(header, msh.sendingApplication));
  put(msh.receivingFacility, headerField(header, msh.sendingFacility));
  put(msh.dateTime, timestamp(sources.now));
  put(msh.messageType, type);
  put(msh.controlId, sources.controlId);
  put(msh.processingId, headerField(header, msh.processingId));
  put(msh.version, headerField(header, msh.version));
  const characterSet = headerField(header, msh.characterSet);
  if (characterSet !== '') put(msh.characterSet, characterSet);

  const msa = ['MSA', code, headerField(header, msh.controlId)];
  const segments = [out, msa];
  if (atLeast(5)) {
    const [number, text] = errorConditions[words.condition ?? 'applicationInternalError'];
    const local = [escapeText(words.code, header.delimiters), '', 'L'].join(c);
    segments.push([
      'ERR',
      '',
      ['MSH', '1', '9'].join(c),
      [number, text, 'HL70357'].join(c),
      'E',
      local,
      '',
      '',
      reason,
    ]);
  } else {
    msa.push(reason);
  }
  return Buffer.from(segments.map((segment) => `${segment.join(f)}\r`).join(''), 'latin1');
}
