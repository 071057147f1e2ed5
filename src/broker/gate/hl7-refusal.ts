/**
 * A refusing acknowledgement in its frame, and the gate of a session that was refused before any device was dialled:
 * it waits for one message and answers it.
 *
 * What surprises: bytes outside frames and a header that can't be read have no answer in HL7; the connection ends.
 */
import { errorTable } from '../../wire/errors.ts';
import type { ErrorCode } from '../../wire/errors.ts';
import { refuse } from '../../protocol/hl7/acknowledgement.ts';
import type { RefusalWords } from '../../protocol/hl7/acknowledgement.ts';
import { Hl7Analyzer } from '../../protocol/hl7/analyzer.ts';
import type { Hl7Event } from '../../protocol/hl7/analyzer.ts';
import { limits } from '../../protocol/hl7/constants.ts';
import { unitOf } from '../../protocol/hl7/message.ts';
import type { Header } from '../../protocol/hl7/message.ts';
import { mllpFrame } from '../../protocol/hl7/mllp.ts';
import type { Effect, Gate, GateSources, Side } from './gate.ts';
import { RefusalGate } from './refusal.ts';

const newControlId = (sources: GateSources): string => Buffer.from(sources.random(10)).toString('hex');

/** Undefined when the sender wants no answer. */
export const answerTo = (
  header: Header,
  words: RefusalWords,
  sources: GateSources,
): Uint8Array | undefined => {
  const message = refuse(header, words, { controlId: newControlId(sources), now: sources.now() });
  return message === undefined ? undefined : mllpFrame(message);
};

/** Waits for one message and refuses it. */
class Hl7Refusal extends RefusalGate {
  readonly #analyzer = new Hl7Analyzer();
  readonly #sources: GateSources;
  readonly #reason: string;
  readonly #code: ErrorCode;

  constructor(reason: string, code: ErrorCode, sources: GateSources) {
    super();
    this.#sources = sources;
    this.#reason = reason;
    this.#code = code;
  }

  receive(from: Side, bytes: Uint8Array): Effect[] {
    if (this.over || from === 'device') return [];
    const effects: Effect[] = [];
    for (const event of this.#analyzer.push(bytes)) {
      if (event.kind === 'weird') {
        effects.push({ ...event, from });
        continue;
      }
      this.#refuse(event, effects);
      return effects;
    }
    if (this.#analyzer.outsideBytes > limits.outsideBytes) effects.push(...this.revoke(this.#reason));
    return effects;
  }

  #refuse(event: Exclude<Hl7Event, { kind: 'weird' }>, effects: Effect[]): void {
    if (event.kind === 'malformed' || event.header === undefined) {
      const name = event.kind === 'malformed' ? event.name : 'hl7_message_too_long';
      effects.push({ kind: 'weird', name, from: 'user', offset: event.offset });
    } else {
      const { header } = event;
      effects.push({ kind: 'refused', unit: unitOf(header), reason: this.#reason, from: 'user' });
      const reason = this.#reason === '' ? errorTable[this.#code].text : this.#reason;
      const answer = answerTo(header, { code: this.#code, reason }, this.#sources);
      if (answer !== undefined) effects.push({ kind: 'send', to: 'user', bytes: answer });
    }
    effects.push(...this.revoke(this.#reason));
  }
}

export const openHl7Refusal = (reason: string, code: ErrorCode, sources: GateSources): Gate =>
  new Hl7Refusal(reason, code, sources);
