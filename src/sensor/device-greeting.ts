/**
 * What equipment says first in protocols of its own: B. Braun's pumps, laboratory analysers (ASTM E1394, POCT1-A),
 * printers' raw ports, EtherNet/IP, S7, Modbus. Of each the part that names equipment is read; results, orders, jobs and registers
 * are stepped over.
 */
import { decodeAstm, recognizeAstm } from '../protocol/astm/message.ts';
import { decodeBcc, recognizeBcc } from '../protocol/bcc/message.ts';
import { port as enipPort } from '../protocol/enip/constants.ts';
import { decodeEnip, recognizeEnip } from '../protocol/enip/message.ts';
import type { EnipIdentity } from '../protocol/enip/message.ts';
import { decodeModbus, recognizeModbus } from '../protocol/modbus/message.ts';
import { decodePjl, recognizePjl } from '../protocol/pjl/message.ts';
import { decodePoct1a, recognizePoct1a } from '../protocol/poct1a/message.ts';
import { decodeS7, recognizeS7 } from '../protocol/s7/message.ts';
import type { Side } from './flow.ts';
import { row, serverOf } from './greeting.ts';
import type { ProtocolRow, Speaker } from './identify.ts';
import { medicalVendor } from './knowledge/vendors.ts';

function readBcc(speaker: Speaker, from: Side, head: Uint8Array, at: number, last: boolean): boolean {
  if (!last && !head.includes(0x04)) return false;
  const decoded = decodeBcc(head);
  if (decoded.kind === 'malformed') return true;
  // Values come from the pump system, commands from who reads it.
  if (!decoded.message.values) return true;
  speaker.serves(from);
  speaker.say(from, 'place', decoded.message.place, at);
  for (const serial of decoded.message.serials) speaker.say(from, 'pumpSerial', serial, at);
  return true;
}

/** Results and queries come from an analyser; orders alone come from a laboratory's system. */
function readAstm(speaker: Speaker, from: Side, head: Uint8Array, at: number, last: boolean): boolean {
  // The other side acknowledges with single bytes, unless it has a header to send.
  const decoded = decodeAstm(head);
  if (decoded.kind === 'malformed') return last || head.length > 512;
  const ended = last || head.includes(0x04);
  const { sender, carries } = decoded.message;
  if (!ended && carries === undefined) return false;
  speaker.serves(serverOf(speaker));
  // Some put their maker before their name.
  const made = /[a-z]/i.test(sender[1] ?? '') && medicalVendor(sender[0] ?? '') !== undefined;
  if (made) speaker.say(from, 'maker', sender[0], at);
  const [name, version, serial] = made ? sender.slice(1) : sender;
  speaker.say(from, 'sender', name, at);
  if (carries !== 'orders') {
    speaker.say(from, 'version', version, at);
    speaker.say(from, 'serial', serial, at);
  }
  speaker.say(from, 'sends', carries, at);
  return true;
}

function readPoct1a(speaker: Speaker, from: Side, head: Uint8Array, at: number, last: boolean): boolean {
  const decoded = decodePoct1a(head);
  if (decoded.kind === 'malformed') return true;
  const { kind, device, fields, complete } = decoded.message;
  if (!complete && !last) return false;
  speaker.serves(serverOf(speaker));
  if (!device) return true;
  speaker.say(from, 'message', kind, at);
  for (const [field, value] of fields) speaker.say(from, field, value, at);
  return true;
}

function readPjl(speaker: Speaker, from: Side, head: Uint8Array, at: number, last: boolean): boolean {
  const decoded = decodePjl(head);
  if (decoded.kind === 'malformed') return true;
  // A job is for whoever serves the port.
  const printer = serverOf(speaker);
  if (from !== printer) {
    speaker.serves(printer);
    speaker.say(printer, 'takes', 'jobs', at);
    return true;
  }
  speaker.say(printer, 'model', decoded.message.model, at);
  return last || decoded.message.model !== undefined || head.length > 512;
}

const MODBUS_LIMIT = 2048;

function readModbus(speaker: Speaker, from: Side, head: Uint8Array, at: number): boolean {
  const server = serverOf(speaker);
  speaker.serves(server);
  for (let here = 0; here < head.length;) {
    const decoded = decodeModbus(head, here);
    if (decoded.kind === 'malformed') return decoded.name !== 'modbus_truncated';
    const { identification } = decoded.message;
    if (identification !== undefined && from === server) {
      for (const [field, value] of identification) speaker.say(from, field, value, at);
      if (identification.has('revision')) return true;
    }
    here += decoded.message.length;
  }
  // Who asks for it does so at the beginning.
  return head.length > MODBUS_LIMIT;
}

/** Asked for at the beginning too. */
const ENIP_LIMIT = 2048;

/** An identity as its fields are told. */
export function sayIdentity(say: (field: string, value: string) => void, identity: EnipIdentity): void {
  say('vendorId', String(identity.vendorId));
  say('deviceType', String(identity.deviceType));
  say('revision', identity.revision);
  if (identity.product !== '') say('product', identity.product);
  // A device that has none says zeros.
  if (identity.serial !== '00000000') say('serial', identity.serial);
}

/** In a flow whose start wasn't seen the lower port is often the client's: 44818 is a high one. */
const enipServer = (speaker: Speaker): Side => {
  const known = ([0, 1] as const).find((side) => speaker.port(side) === enipPort);
  return speaker.opened ? 1 : (known ?? serverOf(speaker));
};

function readEnip(speaker: Speaker, from: Side, head: Uint8Array, at: number): boolean {
  const server = enipServer(speaker);
  speaker.serves(server);
  for (let here = 0; here < head.length;) {
    const decoded = decodeEnip(head, here);
    if (decoded.kind === 'malformed')
      return decoded.name !== 'enip_truncated' && decoded.name !== 'enip_header';
    const { length, identity } = decoded.message;
    if (identity !== undefined && from === server) {
      sayIdentity((field, value) => speaker.say(from, field, value, at), identity);
      return true;
    }
    here += length;
  }
  return head.length > ENIP_LIMIT;
}

const S7_LIMIT = 4096;

function readS7(speaker: Speaker, from: Side, head: Uint8Array, at: number): boolean {
  const server = serverOf(speaker);
  speaker.serves(server);
  let known = 0;
  for (let here = 0; here < head.length;) {
    const decoded = decodeS7(head, here);
    if (decoded.kind === 'malformed') return decoded.name !== 's7_truncated' || head.length > S7_LIMIT;
    if (from === server) {
      for (const [field, value] of decoded.message.facts) speaker.say(from, field, value, at);
      if (decoded.message.facts.size > 0) known++;
    }
    here += decoded.message.length;
  }
  // Who reads one of the two lists reads the other.
  return known > 1 || head.length > S7_LIMIT;
}

export const deviceGreetings: readonly ProtocolRow[] = [
  row('bcc', [1], recognizeBcc, readBcc),
  row('astm', [5, 2, 0x48], recognizeAstm, readAstm),
  row('poct1a', '< \r\n\t', recognizePoct1a, readPoct1a),
  row('pjl', [0x1b, 0x40], recognizePjl, readPjl),
  row('enip', [4, 0x63, 0x64, 0x65, 0x66, 0x6f, 0x70], recognizeEnip, readEnip),
  row('s7', [3], recognizeS7, readS7),
  row('modbus', undefined, recognizeModbus, readModbus),
];
