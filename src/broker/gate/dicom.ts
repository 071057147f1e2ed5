/**
 * The gate of a DICOM association that the user opens: PS3.8 for the association, PS3.7 for the messages.
 *
 * The two directions are one `Lane` each. A lane's stream is taken apart to whole command sets and pieces of data
 * sets; what passes is framed anew, piece by piece, so that every send ends on a PDU boundary. An answer of the
 * gateway's own or an A-ABORT can therefore be said at any moment without landing inside a PDU; answers also wait
 * for the end of a message that is passing the same way (PS3.7 annex F: messages aren't interleaved).
 *
 * What surprises:
 * - Not a byte of a command passes before its whole command set is decided. The data set of a refused command is
 *   swallowed, up to a limit, and then answered 0x0124 (Refused: Not Authorized).
 * - The Asynchronous Operations Window is taken out of both association PDUs, so the standard allows one operation
 *   at a time; a user who sends more anyway is held to a small number.
 * - The device may send C-STORE-RQ only for a C-GET that is under way. If `download` is lost on the way, its
 *   sub-operations are refused to the device and the C-GET is cancelled.
 * - Presentation contexts and AE titles pass as they are: the commands are what is decided.
 */
import type { Action } from '../../wire/action.ts';
import type { Grant } from '../../wire/grant.ts';
import { actionsOf, headAction } from '../../protocol/dicom/action.ts';
import type { DicomEvent } from '../../protocol/dicom/analyzer.ts';
import { abortReasons, pduTypes, statuses } from '../../protocol/dicom/constants.ts';
import { cancelOf, isPending, responseTo } from '../../protocol/dicom/dimse.ts';
import {
  abort,
  associateReject,
  fragmentLimit,
  frameFragments,
  withoutAsynchronousOperations,
} from '../../protocol/dicom/message.ts';
import { Lane } from './dicom-lane.ts';
import { abortReasonOf } from './dicom-refusal.ts';
import type { Effect, Gate, GateContext, Side } from './gate.ts';
import { missing, notOffered } from './permission.ts';

/** Ours to change. */
const bounds = {
  /** Data of one refused command that is swallowed before the association is aborted instead. */
  swallowedBytes: 64 * 1024 * 1024,
  /** Requests of one side that wait for their last response. */
  outstanding: 16,
  /** Answers of the gateway that wait for a message to end. */
  waiting: 16,
  /** Sends to one side are joined up to this size. */
  joinedBytes: 4096,
} as const;

type Phase = 'idle' | 'requested' | 'open' | 'over';

class DicomGate implements Gate {
  #grant: Grant;
  #phase: Phase = 'idle';
  readonly #lanes = { user: new Lane('user'), device: new Lane('device') };
  /** Abstract syntax by context id: proposed, then accepted. */
  #contexts = new Map<number, string>();
  #effects: Effect[] = [];

  constructor(context: GateContext) {
    this.#grant = context.grant;
  }

  receive(from: Side, bytes: Uint8Array): Effect[] {
    if (this.#phase === 'over') return [];
    const lane = this.#lanes[from];
    for (const event of lane.analyzer.push(bytes)) {
      if ((this.#phase as Phase) === 'over') break;
      this.#handle(lane, event);
    }
    return this.#drain();
  }

  closed(from: Side): Effect[] {
    if (this.#phase === 'over') return [];
    const { between, offset } = this.#lanes[from].analyzer;
    if (!between) this.#effects.push({ kind: 'weird', name: 'dicom_truncated', from, offset });
    const far = from === 'user' ? 'device' : 'user';
    if (this.#phase !== 'idle') this.#send(far, abort(abortReasons.notSpecified));
    this.#end(`closed by the ${from}`);
    return this.#drain();
  }

  regrant(grant: Grant): void {
    this.#grant = grant;
  }

  revoke(reason: string): Effect[] {
    if (this.#phase === 'over') return [];
    if (this.#phase !== 'idle') {
      this.#send('user', abort(abortReasons.notSpecified));
      this.#send('device', abort(abortReasons.notSpecified));
    }
    this.#end(reason);
    return this.#drain();
  }

  #handle(lane: Lane, event: DicomEvent): void {
    switch (event.kind) {
      case 'associate':
        return this.#associate(lane, event);
      case 'reject':
        if (lane.side === 'user' || this.#phase !== 'requested') return this.#unexpected(lane, event.offset);
        this.#send('user', associateReject(event.result, event.source, event.reason));
        return this.#end('association rejected by the device');
      case 'command':
        return this.#command(lane, event);
      case 'data':
        return this.#data(lane, event);
      case 'release':
        return this.#release(lane, event);
      case 'abort':
        if (this.#phase !== 'idle') this.#send(this.#far(lane).side, abort(event.reason, event.source));
        return this.#end(`association aborted by the ${lane.side}`);
      case 'weird':
        return this.#fail(lane, event.name, event.offset, event.detail);
    }
  }

  #associate(lane: Lane, event: DicomEvent & { kind: 'associate' }): void {
    const { association, request } = event;
    if (request !== (lane.side === 'user') || this.#phase !== (request ? 'idle' : 'requested'))
      return this.#unexpected(lane, event.offset);
    // What this side takes bounds what the other side's lane sends.
    this.#far(lane).limit = fragmentLimit(association.maximumLength);
    if (request) {
      for (const { id, abstractSyntax } of association.contexts)
        if (abstractSyntax !== undefined) this.#contexts.set(id, abstractSyntax);
      this.#phase = 'requested';
    } else {
      const accepted = association.contexts.filter((context) => context.result === 0).map(({ id }) => id);
      this.#contexts = new Map([...this.#contexts].filter(([id]) => accepted.includes(id)));
      this.#phase = 'open';
    }
    this.#send(this.#far(lane).side, withoutAsynchronousOperations(event.pdu));
  }

  #release(lane: Lane, event: DicomEvent & { kind: 'release' }): void {
    const far = this.#far(lane);
    const fits = event.request ? !lane.releasing : far.releasing;
    if (this.#phase !== 'open' || lane.passing !== undefined || !fits)
      return this.#unexpected(lane, event.offset);
    const type = event.request ? pduTypes.releaseRequest : pduTypes.releaseResponse;
    this.#send(far.side, Uint8Array.of(type, 0, 0, 0, 0, 4, 0, 0, 0, 0));
    if (event.request) lane.releasing = true;
    else this.#end('association released');
  }

  #command(lane: Lane, event: DicomEvent & { kind: 'command' }): void {
    const { command, context, offset } = event;
    if (this.#phase !== 'open' || lane.releasing) return this.#unexpected(lane, offset);
    if (lane.passing !== undefined) return this.#fail(lane, 'dicom_unended_message', offset);
    if (!this.#contexts.has(context)) return this.#fail(lane, 'dicom_unknown_context', offset, `${context}`);

    if (command.response) return this.#response(lane, event);
    if (command.name === 'C-CANCEL') {
      // The operation may have been refused or be over: then there is nothing to cancel.
      if (lane.operations.has(command.respondedTo)) return this.#forward(lane, event);
      if (command.hasDataSet) lane.passing = { context, swallow: { bytes: 0 } };
      return;
    }
    if (lane.operations.has(command.messageId)) return this.#fail(lane, 'dicom_message_id_in_use', offset);
    if (lane.operations.size >= bounds.outstanding)
      return this.#fail(lane, 'dicom_too_many_operations', offset);
    if (lane.side === 'user') this.#userRequest(lane, event);
    else this.#deviceRequest(lane, event);
  }

  #userRequest(lane: Lane, event: DicomEvent & { kind: 'command' }): void {
    const { command, context } = event;
    const actions = actionsOf(command.name, [command.sopClassUid, this.#contexts.get(context)]);
    const lack = actions === undefined ? { reason: notOffered } : missing(this.#grant, actions);
    if (lack !== undefined) return this.#refuse(lane, event, command.name, lack);
    this.#pass(lane, event, command.name, headAction(actions ?? []));
  }

  /** The device is the user's server here; few requests of its own make sense on this association. */
  #deviceRequest(lane: Lane, event: DicomEvent & { kind: 'command' }): void {
    const { command } = event;
    switch (command.name) {
      case 'C-ECHO':
      case 'N-EVENT-REPORT':
        return this.#pass(lane, event, command.name, 'view');
      case 'C-STORE': {
        const [get] = [...this.#lanes.user.operations.values()].filter((op) => op.command.name === 'C-GET');
        if (get === undefined)
          return this.#refuse(lane, event, command.name, { reason: 'no C-GET is under way' });
        const lack = missing(this.#grant, ['download']);
        if (lack === undefined) return this.#pass(lane, event, 'C-GET/C-STORE', 'download');
        if (!get.cancelled) {
          get.cancelled = true;
          this.#say(this.#lanes.user, get.context, cancelOf(get.command.messageId));
        }
        return this.#refuse(lane, event, 'C-GET/C-STORE', lack);
      }
      default:
        return this.#refuse(lane, event, command.name, { reason: notOffered });
    }
  }

  #response(lane: Lane, event: DicomEvent & { kind: 'command' }): void {
    const { command, offset } = event;
    const { operations } = this.#far(lane);
    const operation = operations.get(command.respondedTo);
    if (operation?.command.name !== command.name || operation.context !== event.context) {
      if (lane.side === 'user') return this.#fail(lane, 'dicom_unexpected_response', offset, command.name);
      // Devices get their answers wrong in many ways; the user's own software is the judge of that.
      this.#effects.push({
        kind: 'weird',
        name: 'dicom_unexpected_response',
        from: lane.side,
        offset,
        detail: command.name,
      });
    } else if (!isPending(command.status)) {
      operations.delete(command.respondedTo);
    }
    this.#forward(lane, event);
  }

  #pass(lane: Lane, event: DicomEvent & { kind: 'command' }, unit: string, action: Action): void {
    const { command, context } = event;
    lane.operations.set(command.messageId, { command, context, cancelled: false });
    this.#effects.push({ kind: 'unit', unit, action, from: lane.side });
    this.#forward(lane, event);
  }

  #forward(lane: Lane, event: DicomEvent & { kind: 'command' }): void {
    const { side } = this.#far(lane);
    for (const frame of frameFragments(event.context, 'command', event.bytes, true, lane.limit))
      this.#send(side, frame);
    if (event.command.hasDataSet) lane.passing = { context: event.context };
  }

  #refuse(
    lane: Lane,
    event: DicomEvent & { kind: 'command' },
    unit: string,
    lack: { action?: Action; reason: string },
  ): void {
    const { command, context } = event;
    this.#effects.push({ kind: 'refused', unit, ...lack, from: lane.side });
    const answer = responseTo(command, statuses.notAuthorized, lack.reason);
    if (command.hasDataSet) lane.passing = { context, swallow: { answer, bytes: 0 } };
    else this.#say(this.#far(lane), context, answer);
  }

  #data(lane: Lane, event: DicomEvent & { kind: 'data' }): void {
    const { passing } = lane;
    if (this.#phase !== 'open' || passing === undefined || passing.context !== event.context)
      return this.#fail(lane, 'dicom_unexpected_data', event.offset);
    const { swallow } = passing;
    if (swallow === undefined) {
      for (const frame of lane.frameData(passing, event.bytes, event.last))
        this.#send(this.#far(lane).side, frame);
    } else {
      swallow.bytes += event.bytes.length;
      if (swallow.bytes > bounds.swallowedBytes)
        return this.#fail(lane, 'dicom_refused_data_too_long', event.offset);
    }
    if (!event.last) return;
    lane.passing = undefined;
    if (swallow?.answer !== undefined) this.#say(this.#far(lane), passing.context, swallow.answer);
    for (const words of lane.waiting.splice(0)) this.#send(this.#far(lane).side, words);
  }

  /** The gateway's own command set, towards the far end of `lane`, between messages. */
  #say(lane: Lane, context: number, commandSet: Uint8Array): void {
    const frames = frameFragments(context, 'command', commandSet, true, lane.limit);
    if (lane.passing === undefined || lane.passing.swallow !== undefined) {
      for (const frame of frames) this.#send(this.#far(lane).side, frame);
    } else if (lane.waiting.length >= bounds.waiting) {
      this.#fail(this.#far(lane), 'dicom_too_many_operations', this.#far(lane).analyzer.offset);
    } else {
      lane.waiting.push(Buffer.concat(frames));
    }
  }

  #unexpected(lane: Lane, offset: number): void {
    this.#fail(lane, 'dicom_unexpected_pdu', offset);
  }

  /** What can't be followed can't be decided: both ends hear A-ABORT, the device only if it heard anything before. */
  #fail(lane: Lane, name: string, offset: number, detail?: string): void {
    this.#effects.push({
      kind: 'weird',
      name,
      from: lane.side,
      offset,
      ...(detail === undefined ? {} : { detail }),
    });
    this.#send('user', abort(abortReasonOf(name)));
    if (this.#phase !== 'idle') this.#send('device', abort(abortReasonOf(name)));
    this.#end(`the ${lane.side} broke the protocol: ${name}`);
  }

  #far(lane: Lane): Lane {
    return lane.side === 'user' ? this.#lanes.device : this.#lanes.user;
  }

  #send(to: Side, bytes: Uint8Array): void {
    if (this.#phase === 'over') return;
    this.#effects.push({ kind: 'send', to, bytes });
  }

  #end(reason: string): void {
    this.#phase = 'over';
    this.#effects.push({ kind: 'end', reason });
  }

  #drain(): Effect[] {
    const effects = joinSends(this.#effects);
    this.#effects = [];
    return effects;
  }
}

/** Small neighbouring sends to one side become one. */
function joinSends(effects: readonly Effect[]): Effect[] {
  const joined: Effect[] = [];
  let small: Uint8Array[] = [];
  let size = 0;
  let to: Side = 'user';
  const flush = (): void => {
    if (small.length > 0)
      joined.push({
        kind: 'send',
        to,
        bytes: small.length === 1 ? (small[0] as Uint8Array) : Buffer.concat(small),
      });
    small = [];
    size = 0;
  };
  for (const effect of effects) {
    if (effect.kind !== 'send') {
      flush();
      joined.push(effect);
      continue;
    }
    if (effect.to !== to || size + effect.bytes.length > bounds.joinedBytes) flush();
    to = effect.to;
    small.push(effect.bytes);
    size += effect.bytes.length;
  }
  flush();
  return joined;
}

export const openDicomGate = (context: GateContext): Gate => new DicomGate(context);
