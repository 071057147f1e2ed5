/**
 * The gate of an MLLP connection that the user opens to a device. Messages are held whole (bounded), decided by
 * MSH-9, and passed in a frame of the gateway's own or answered with a refusing acknowledgement.
 *
 * What surprises:
 * - Answers keep the order of the messages they answer: a refusal waits while earlier messages that went to the
 *   device still await theirs.
 * - What the device sends always passes, readable or not: an alarm is never held back. Only its bytes outside any
 *   frame are dropped.
 * - A user's acknowledgement passes only for a message that the device sent; any other is dropped, not answered.
 * - A user who half-closes after the last message still gets the answers.
 */
import type { Grant } from '../../wire/grant.ts';
import type { Action } from '../../wire/action.ts';
import { awaitsAnswer } from '../../protocol/hl7/acknowledgement.ts';
import type { RefusalWords } from '../../protocol/hl7/acknowledgement.ts';
import { needOf } from '../../protocol/hl7/action.ts';
import { Hl7Analyzer } from '../../protocol/hl7/analyzer.ts';
import type { Hl7Event } from '../../protocol/hl7/analyzer.ts';
import { acknowledgementCodes, limits, msh } from '../../protocol/hl7/constants.ts';
import { headerField, unitOf } from '../../protocol/hl7/message.ts';
import type { Header } from '../../protocol/hl7/message.ts';
import { mllpFrame } from '../../protocol/hl7/mllp.ts';
import { answerTo } from './hl7-refusal.ts';
import type { Effect, Gate, GateContext, GateSources, Side } from './gate.ts';
import { missing, notOffered } from './permission.ts';

/** Ours to change. */
const bounds = {
  /** Messages of the user whose answers are kept in order. */
  awaited: 64,
  /** Messages of either side that may still be acknowledged though nothing waits for it. */
  remembered: 256,
} as const;

/** A message of the user, in order: at the device, or refused with the answer that waits. */
type Awaited = { controlId: string } | { answer: Uint8Array };

/** Adds to a set that forgets its oldest. */
function remember(controlIds: Set<string>, controlId: string): void {
  if (controlIds.size >= bounds.remembered)
    for (const oldest of controlIds) {
      controlIds.delete(oldest);
      break;
    }
  controlIds.add(controlId);
}

class Hl7Gate implements Gate {
  readonly #sources: GateSources;
  readonly #user = new Hl7Analyzer();
  readonly #device = new Hl7Analyzer();
  readonly #awaited: Awaited[] = [];
  readonly #fromDevice = new Set<string>();
  /** Messages that the device may answer though nobody waits: accepted ones, and those that asked for no answer. */
  readonly #answerable = new Set<string>();
  #grant: Grant;
  #userClosed = false;
  #over = false;
  #effects: Effect[] = [];

  constructor(context: GateContext) {
    this.#sources = context;
    this.#grant = context.grant;
  }

  receive(from: Side, bytes: Uint8Array): Effect[] {
    if (this.#over) return [];
    const analyzer = from === 'user' ? this.#user : this.#device;
    for (const event of analyzer.push(bytes)) {
      if (this.#over) break;
      if (event.kind === 'weird') this.#effects.push({ ...event, from });
      else if (from === 'user') this.#fromUser(event);
      else this.#ofDevice(event);
    }
    if (!this.#over && analyzer.outsideBytes > limits.outsideBytes)
      this.#end(`the ${from} sends something that is not MLLP`);
    return this.#drain();
  }

  closed(from: Side): Effect[] {
    if (this.#over) return [];
    const analyzer = from === 'user' ? this.#user : this.#device;
    if (analyzer.partial)
      this.#effects.push({ kind: 'weird', name: 'mllp_unended_frame', from, offset: analyzer.offset });
    if (from === 'user' && this.#awaited.length > 0) this.#userClosed = true;
    else this.#end(`closed by the ${from}`);
    return this.#drain();
  }

  regrant(grant: Grant): void {
    this.#grant = grant;
  }

  revoke(reason: string): Effect[] {
    if (!this.#over) this.#end(reason);
    return this.#drain();
  }

  #fromUser(event: Exclude<Hl7Event, { kind: 'weird' }>): void {
    if (event.kind === 'malformed') {
      this.#effects.push({ kind: 'weird', name: event.name, from: 'user', offset: event.offset });
      return this.#end('the user sent a message without a readable header');
    }
    if (event.kind === 'oversize') {
      const reason = `message is longer than ${limits.messageBytes} bytes`;
      this.#effects.push({ kind: 'weird', name: 'hl7_message_too_long', from: 'user', offset: event.offset });
      if (event.header !== undefined) this.#refuse(event.header, { reason });
      return this.#end(reason);
    }
    const { header } = event;
    const need = needOf('to-device', header.type, header.event);
    if (need === 'acknowledgement') return this.#acknowledge(event);
    if (need === undefined || need === 'duty') return this.#refuse(header, { reason: notOffered });
    const lack = missing(this.#grant, [need]);
    if (lack !== undefined) return this.#refuse(header, lack);
    this.#effects.push({ kind: 'unit', unit: unitOf(header), action: need, from: 'user' });
    this.#send('device', mllpFrame(event.bytes));
    const controlId = headerField(header, msh.controlId);
    if (!awaitsAnswer(header)) return remember(this.#answerable, controlId);
    if (this.#awaited.length >= bounds.awaited) this.#answered(0);
    this.#awaited.push({ controlId });
  }

  #acknowledge(event: Hl7Event & { kind: 'message' }): void {
    const { answers, bytes, offset } = event;
    if (answers === undefined || !this.#fromDevice.has(answers.controlId)) {
      this.#effects.push({ kind: 'weird', name: 'hl7_unexpected_acknowledgement', from: 'user', offset });
      return;
    }
    // After a commit accept the application's own answer is still to come.
    if (answers.code !== acknowledgementCodes.commitAccept) this.#fromDevice.delete(answers.controlId);
    this.#send('device', mllpFrame(bytes));
  }

  #refuse(header: Header, lack: { action?: Action; reason: string }): void {
    this.#effects.push({ kind: 'refused', unit: unitOf(header), ...lack, from: 'user' });
    const words: RefusalWords = {
      code: 'ACTION_REFUSED',
      reason: lack.reason,
      ...(header.type === '' ? { condition: 'requiredFieldMissing' } : {}),
    };
    const answer = answerTo(header, words, this.#sources);
    if (answer === undefined) return;
    if (this.#awaited.length >= bounds.awaited) this.#answered(0);
    this.#awaited.push({ answer });
    this.#sayAnswers();
  }

  #ofDevice(event: Exclude<Hl7Event, { kind: 'weird' }>): void {
    if (event.kind === 'oversize') {
      this.#effects.push({
        kind: 'weird',
        name: 'hl7_message_too_long',
        from: 'device',
        offset: event.offset,
      });
      return this.#end(`the device sent a message longer than ${limits.messageBytes} bytes`);
    }
    if (event.kind === 'malformed') {
      this.#effects.push({ kind: 'weird', name: event.name, from: 'device', offset: event.offset });
      return this.#send('user', mllpFrame(event.bytes));
    }
    const { header, answers, offset } = event;
    const index = this.#awaited.findIndex(
      (each) => 'controlId' in each && each.controlId === answers?.controlId,
    );
    const answering =
      index >= 0 ||
      this.#answerable.has(answers?.controlId ?? '') ||
      (answers !== undefined && needOf('to-device', header.type, header.event) === 'acknowledgement');
    if (!answering) {
      this.#effects.push({ kind: 'unit', unit: unitOf(header), action: 'view', from: 'device' });
      remember(this.#fromDevice, headerField(header, msh.controlId));
    }
    this.#send('user', mllpFrame(event.bytes));
    if (!answering) return;
    const controlId = answers?.controlId ?? '';
    if (index >= 0 && answers?.code === acknowledgementCodes.commitAccept)
      remember(this.#answerable, controlId);
    else if (this.#answerable.delete(controlId) && index < 0) return;
    if (index < 0)
      this.#effects.push({ kind: 'weird', name: 'hl7_unmatched_acknowledgement', from: 'device', offset });
    // An answer that names no message is taken for the oldest one's.
    this.#answered(Math.max(index, 0));
  }

  /** The message at `index` needs no waiting for any more. */
  #answered(index: number): void {
    this.#awaited.splice(index, 1);
    this.#sayAnswers();
    if (this.#userClosed && this.#awaited.length === 0) this.#end('closed by the user');
  }

  /** Refusals that nothing precedes any more. */
  #sayAnswers(): void {
    let [first] = this.#awaited;
    while (first !== undefined && 'answer' in first) {
      this.#send('user', first.answer);
      this.#awaited.shift();
      [first] = this.#awaited;
    }
  }

  #send(to: Side, bytes: Uint8Array): void {
    this.#effects.push({ kind: 'send', to, bytes });
  }

  /** Refusals that still wait are said first. */
  #end(reason: string): void {
    for (const each of this.#awaited.splice(0)) if ('answer' in each) this.#send('user', each.answer);
    this.#over = true;
    this.#effects.push({ kind: 'end', reason });
  }

  #drain(): Effect[] {
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }
}

export const openHl7Gate = (context: GateContext): Gate => new Hl7Gate(context);
