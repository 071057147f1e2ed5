/**
 * One DICOM association held open by hand, with a C-ECHO whenever the test wants one: what dcmtk's programs, which do
 * one thing and leave, can't do. Written from PS3.8 section 9.3 and PS3.7 section 9.3.5; not the product's codec.
 */
import type { Agent, AgentConnection } from './agent.ts';

const VERIFICATION = '1.2.840.10008.1.1';
const IMPLICIT_LITTLE_ENDIAN = '1.2.840.10008.1.2';
const APPLICATION_CONTEXT = '1.2.840.10008.3.1.1.1';

const item = (type: number, body: Buffer): Buffer => {
  const head = Buffer.alloc(4);
  head.writeUInt8(type, 0);
  head.writeUInt16BE(body.length, 2);
  return Buffer.concat([head, body]);
};
const pdu = (type: number, body: Buffer): Buffer => {
  const head = Buffer.alloc(6);
  head.writeUInt8(type, 0);
  head.writeUInt32BE(body.length, 2);
  return Buffer.concat([head, body]);
};

export function associateRequest(calling: string, called: string): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(16384);
  return pdu(
    0x01,
    Buffer.concat([
      Buffer.from([0, 1, 0, 0]),
      Buffer.from(called.padEnd(16)),
      Buffer.from(calling.padEnd(16)),
      Buffer.alloc(32),
      item(0x10, Buffer.from(APPLICATION_CONTEXT)),
      item(
        0x20,
        Buffer.concat([
          Buffer.from([1, 0, 0, 0]),
          item(0x30, Buffer.from(VERIFICATION)),
          item(0x40, Buffer.from(IMPLICIT_LITTLE_ENDIAN)),
        ]),
      ),
      item(0x50, Buffer.concat([item(0x51, length), item(0x52, Buffer.from('2.25.3381107427116049281'))])),
    ]),
  );
}

/** C-ECHO-RQ, PS3.7 table 9.3-12, in one PDV of context 1. */
export function echoRequest(message: number): Buffer {
  const element = (number: number, value: Buffer): Buffer => {
    const head = Buffer.alloc(8);
    head.writeUInt16LE(0, 0);
    head.writeUInt16LE(number, 2);
    head.writeUInt32LE(value.length, 4);
    return Buffer.concat([head, value]);
  };
  const us = (value: number): Buffer => {
    const bytes = Buffer.alloc(2);
    bytes.writeUInt16LE(value);
    return bytes;
  };
  const fields = Buffer.concat([
    element(0x0002, Buffer.from(`${VERIFICATION}\0`)),
    element(0x0100, us(0x0030)),
    element(0x0110, us(message)),
    element(0x0800, us(0x0101)),
  ]);
  const groupLength = Buffer.alloc(4);
  groupLength.writeUInt32LE(fields.length);
  const command = Buffer.concat([element(0x0000, groupLength), fields]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(command.length + 2);
  return pdu(0x04, Buffer.concat([length, Buffer.from([1, 0x03]), command]));
}

/** Types of the complete PDUs in `bytes`, in order. */
export function pduTypes(bytes: Buffer): number[] {
  const types: number[] = [];
  for (let at = 0; at + 6 <= bytes.length; at += 6 + bytes.readUInt32BE(at + 2)) {
    if (at + 6 + bytes.readUInt32BE(at + 2) <= bytes.length) types.push(bytes.readUInt8(at));
  }
  return types;
}

export class Association {
  readonly connection: AgentConnection;
  #echoes = 0;

  private constructor(connection: AgentConnection) {
    this.connection = connection;
  }

  static async open(
    agent: Agent,
    to: { readonly address: string; readonly port: number },
    calling: string,
    called: string,
  ): Promise<Association> {
    const connection = agent.connect(to.address, to.port);
    await connection.settled();
    connection.send(associateRequest(calling, called));
    await connection.receives('A-ASSOCIATE-AC', (bytes) => pduTypes(bytes)[0] === 0x02);
    return new Association(connection);
  }

  /** One C-ECHO on this association; resolves once its response has come. */
  async echo(deadlineMs?: number): Promise<void> {
    this.#echoes += 1;
    this.connection.send(echoRequest(this.#echoes));
    const wanted = this.#echoes;
    await this.connection.receives(
      `C-ECHO response ${wanted}`,
      (bytes) => pduTypes(bytes).filter((type) => type === 0x04).length >= wanted,
      deadlineMs,
    );
  }
}
