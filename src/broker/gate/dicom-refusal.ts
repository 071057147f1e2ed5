/**
 * How a DICOM association is refused or aborted as a whole: PS3.8 sections 9.3.4 (A-ASSOCIATE-RJ) and 9.3.8 (A-ABORT).
 *
 * What surprises: "try later" is result 2 with a source of its own; many modalities retry only then.
 */
import { errorTable } from '../../wire/errors.ts';
import type { ErrorCode } from '../../wire/errors.ts';
import { DicomAnalyzer } from '../../protocol/dicom/analyzer.ts';
import { abortReasons, rejectReasons, rejectResults, rejectSources } from '../../protocol/dicom/constants.ts';
import { abort, associateReject } from '../../protocol/dicom/message.ts';
import type { Effect, Gate, Side } from './gate.ts';
import { RefusalGate } from './refusal.ts';

/** The reason of an A-ABORT, from the name of what was wrong. */
export const abortReasonOf = (name: string): number => {
  if (name === 'dicom_unknown_pdu') return abortReasons.unrecognizedPdu;
  return name === 'dicom_unexpected_pdu' ? abortReasons.unexpectedPdu : abortReasons.invalidParameter;
};

/** Waits for A-ASSOCIATE-RQ and rejects it. */
class DicomRefusal extends RefusalGate {
  readonly #analyzer = new DicomAnalyzer();
  readonly #reason: string;
  readonly #code: ErrorCode;

  constructor(reason: string, code: ErrorCode) {
    super();
    this.#reason = reason;
    this.#code = code;
  }

  receive(from: Side, bytes: Uint8Array): Effect[] {
    if (this.over || from === 'device') return [];
    const [event] = this.#analyzer.push(bytes);
    if (event === undefined) return [];
    this.over = true;
    if (event.kind === 'associate' && event.request) {
      return [
        { kind: 'send', to: 'user', bytes: rejectionOf(this.#code) },
        { kind: 'refused', unit: 'A-ASSOCIATE', reason: this.#reason, from },
        { kind: 'end', reason: this.#reason },
      ];
    }
    const name = event.kind === 'weird' ? event.name : 'dicom_unexpected_pdu';
    return [
      { kind: 'weird', name, from, offset: event.offset },
      { kind: 'send', to: 'user', bytes: abort(abortReasonOf(name)) },
      { kind: 'end', reason: this.#reason },
    ];
  }
}

/** The rejection that says what a code means: try later when trying later can help, else never. */
function rejectionOf(code: ErrorCode): Uint8Array {
  if (code === 'SESSION_LIMIT') {
    const { transient } = rejectResults;
    return associateReject(transient, rejectSources.providerPresentation, rejectReasons.localLimitExceeded);
  }
  if (errorTable[code].retry) {
    const { transient } = rejectResults;
    return associateReject(transient, rejectSources.providerPresentation, rejectReasons.temporaryCongestion);
  }
  const reason =
    code === 'UNKNOWN_RESOURCE'
      ? rejectReasons.calledAeTitleNotRecognized
      : rejectReasons.callingAeTitleNotRecognized;
  return associateReject(rejectResults.permanent, rejectSources.user, reason);
}

export const openDicomRefusal = (reason: string, code: ErrorCode): Gate => new DicomRefusal(reason, code);
