/**
 * The PDU that opens an association, A-ASSOCIATE-RQ or -AC (PS3.8 section 9.3), as the sensor reads it: what is in it, and
 * for each presentation context what it is for and its transfer syntax.
 *
 * A device proposes the same each time, of a hundred contexts: what was read of a PDU is kept by a digest of its bytes. The
 * bytes, in which a user's identity may be, are not.
 */
import { hash } from 'node:crypto';
import { sopClassOf } from '../protocol/dicom/constants.ts';
import { decodeAssociate } from '../protocol/dicom/message.ts';
import type { Association, Decoded } from '../protocol/dicom/message.ts';

export interface Opening {
  readonly association: Association;
  /** What each presentation context was proposed for. */
  readonly services: ReadonlyMap<number, string>;
  /** Transfer syntax by presentation context: what was accepted, or what alone was offered. */
  readonly syntaxes: ReadonlyMap<number, string>;
}

const STANDARD = '1.2.840.10008.';
const WORKLIST = '1.2.840.10008.5.1.4.31';
const QUERY_RETRIEVE = '1.2.840.10008.5.1.4.1.2.';

/** The service that an abstract syntax is of, as far as it tells what an end is; private classes are objects. */
function serviceOf(uid: string): string | undefined {
  if (uid === WORKLIST) return 'worklist';
  if (uid.startsWith(QUERY_RETRIEVE)) return uid.endsWith('.1') ? 'query' : 'retrieve';
  const service = sopClassOf(uid)?.service;
  if (service === undefined) return uid.startsWith(STANDARD) ? undefined : 'storage';
  const telling = ['verification', 'storage', 'procedure-step', 'print', 'commitment'];
  return telling.includes(service) ? service : undefined;
}

function opening(association: Association): Opening {
  const services = new Map<number, string>();
  const syntaxes = new Map<number, string>();
  for (const { id, abstractSyntax, transferSyntaxes, result } of association.contexts) {
    const [syntax] = transferSyntaxes;
    if (syntax !== undefined && (result !== undefined || transferSyntaxes.length === 1))
      syntaxes.set(id, syntax);
    const service = abstractSyntax === undefined ? undefined : serviceOf(abstractSyntax);
    if (service !== undefined) services.set(id, service);
  }
  return { association, services, syntaxes };
}

/** Those met lately. */
const OPENINGS = 64;
const openings = new Map<string, Decoded<Opening>>();

export function readOpening(pdu: Uint8Array): Decoded<Opening> {
  const key = hash('sha256', pdu, 'base64');
  const known = openings.get(key);
  if (known !== undefined) return known;
  if (openings.size >= OPENINGS) openings.clear();
  const decoded = decodeAssociate(pdu);
  const read: Decoded<Opening> =
    decoded.kind === 'malformed' ? decoded : { kind: 'message', message: opening(decoded.message) };
  openings.set(key, read);
  return read;
}
