/**
 * First messages of protocols, put together by hand from their layouts, not with the code under test. Each that can
 * hold a person's name holds `PLANTED`.
 */

export const ascii = (text: string): number[] => [...Buffer.from(text, 'latin1')];
export const wide = (text: string): number[] => [...Buffer.from(text, 'utf16le')];
export const u16 = (n: number): number[] => [(n >> 8) & 255, n & 255];
export const u32 = (n: number): number[] => [...u16(Math.floor(n / 65_536)), ...u16(n % 65_536)];
export const u16le = (n: number): number[] => [n & 255, (n >> 8) & 255];
export const u32le = (n: number): number[] => [...u16le(n % 65_536), ...u16le(Math.floor(n / 65_536))];
const zeros = (n: number): number[] => Array.from({ length: n }, () => 0);

// ---- X.509 and TLS ----

export const der = (tag: number, ...content: number[][]): number[] => {
  const body = content.flat();
  const length =
    body.length < 128 ? [body.length] : body.length < 256 ? [0x81, body.length] : [0x82, ...u16(body.length)];
  return [tag, ...length, ...body];
};

const oid = (text: string): number[] => {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number);
  const base128 = (n: number): number[] =>
    n < 128 ? [n] : [...base128(Math.floor(n / 128)).map((b) => b | 0x80), n % 128];
  return der(6, [40 * first + second, ...rest.flatMap(base128)]);
};

const attribute = (kind: string, value: string): number[] =>
  der(0x31, der(0x30, oid(kind), der(12, ascii(value))));

export interface CertificateFields {
  readonly commonName: string;
  readonly organization: string;
  readonly issuer?: string;
  readonly names?: readonly string[];
  readonly purposes?: readonly string[];
}

export function certificate(fields: CertificateFields): number[] {
  const name = (commonName: string): number[] =>
    der(
      0x30,
      attribute('2.5.4.6', 'DE'),
      attribute('2.5.4.10', fields.organization),
      attribute('2.5.4.3', commonName),
      attribute('1.2.840.113549.1.9.1', 'PLANTED@example.org'),
    );
  const alternatives = (fields.names ?? []).map((text) => der(0x82, ascii(text)));
  const extension = (kind: string, value: number[]): number[] => der(0x30, oid(kind), der(4, value));
  const extensions = [
    ...extension('2.5.29.17', der(0x30, der(0x81, ascii('PLANTED@example.org')), ...alternatives)),
    ...extension('2.5.29.37', der(0x30, ...(fields.purposes ?? ['1.3.6.1.5.5.7.3.1']).map(oid))),
  ];
  const algorithm = der(0x30, oid('1.2.840.10045.4.3.2'));
  const time = der(0x17, ascii('250101000000Z'));
  const key = der(0x30, algorithm, der(3, zeros(66)));
  const body = der(
    0x30,
    der(0xa0, der(2, [2])),
    der(2, [1, 2, 3]),
    algorithm,
    name(fields.issuer ?? fields.commonName),
    der(0x30, time, time),
    name(fields.commonName),
    key,
    der(0xa3, der(0x30, extensions)),
  );
  return der(0x30, body, algorithm, der(3, zeros(70)));
}

const u24 = (n: number): number[] => [n >> 16, ...u16(n & 0xffff)];
export const record = (body: readonly number[], type = 0x16): number[] => [
  type,
  3,
  3,
  ...u16(body.length),
  ...body,
];
export const handshake = (type: number, body: readonly number[]): number[] => [
  type,
  ...u24(body.length),
  ...body,
];

export interface HelloFields {
  readonly ciphers: readonly number[];
  readonly extensions: readonly (readonly [number, readonly number[]])[];
  readonly version?: number;
}

export const clientHello = ({ ciphers, extensions, version = 0x0303 }: HelloFields): number[] => {
  const list = extensions.flatMap(([kind, body]) => [...u16(kind), ...u16(body.length), ...body]);
  return handshake(1, [
    ...u16(version),
    ...zeros(32),
    0,
    ...u16(ciphers.length * 2),
    ...ciphers.flatMap(u16),
    1,
    0,
    ...u16(list.length),
    ...list,
  ]);
};

export const serverHello = (version = 0x0303): number[] =>
  handshake(2, [...u16(version), ...zeros(32), 0, ...u16(0xc02f), 0, ...u16(0)]);

export const certificateMessage = (...chain: number[][]): number[] => {
  const list = chain.flatMap((one) => [...u24(one.length), ...one]);
  return handshake(11, [...u24(list.length), ...list]);
};

export const serverName = (name: string): readonly [number, number[]] => [
  0,
  [...u16(name.length + 3), 0, ...u16(name.length), ...ascii(name)],
];

// ---- SSH ----

export const sshLists = (lists: readonly string[]): number[] => {
  const names = lists.flatMap((list) => [...u32(list.length), ...ascii(list)]);
  const body = [20, ...zeros(16), ...names, 0, ...u32(0)];
  return [...u32(body.length + 5), 4, ...body, ...zeros(4)];
};

// ---- SMB and NTLM ----

export const frame = (body: readonly number[]): number[] => [0, ...u24(body.length), ...body];

const field = (length: number, offset: number): number[] => [
  ...u16le(length),
  ...u16le(length),
  ...u32le(offset),
];
/** Reserved bytes and the revision of NTLM. */
const version = [0, 0, 0, 15];
const ntlmSignature = [...ascii('NTLMSSP'), 0];

export function ntlmChallenge(build: number, names: Readonly<Record<number, string>>): number[] {
  const info = Object.entries(names).flatMap(([kind, name]) => [
    ...u16le(Number(kind)),
    ...u16le(name.length * 2),
    ...wide(name),
  ]);
  const pairs = [...info, ...zeros(4)];
  return [
    ...ntlmSignature,
    ...u32le(2),
    ...field(0, 56),
    ...u32le(0x0200_0001),
    ...zeros(16),
    ...field(pairs.length, 56),
    10,
    0,
    ...u16le(build),
    ...version,
    ...pairs,
  ];
}

export function ntlmAuthenticate(user: string, machine: string): number[] {
  const start = 72;
  const userAt = start;
  const machineAt = start + user.length * 2;
  return [
    ...ntlmSignature,
    ...u32le(3),
    ...field(0, start),
    ...field(0, start),
    ...field(0, start),
    ...field(user.length * 2, userAt),
    ...field(machine.length * 2, machineAt),
    ...field(0, start),
    ...u32le(0x0200_0001),
    6,
    1,
    ...u16le(7601),
    ...version,
    ...wide(user),
    ...wide(machine),
  ];
}

export const smb2 = (command: number, reply: boolean, body: readonly number[]): number[] =>
  frame([
    0xfe,
    ...ascii('SMB'),
    ...u16le(64),
    ...zeros(6),
    ...u16le(command),
    ...u16le(1),
    ...u32le(reply ? 1 : 0),
    ...zeros(44),
    ...body,
  ]);
export const smb2Negotiated = (dialect: number): number[] =>
  smb2(0, true, [...u16le(65), ...u16le(1), ...u16le(dialect), ...zeros(59)]);
export const smb2Setup = (reply: boolean, token: readonly number[]): number[] =>
  reply
    ? smb2(1, true, [...u16le(9), ...u16le(0), ...u16le(72), ...u16le(token.length), ...token])
    : smb2(1, false, [
        ...u16le(25),
        ...zeros(10),
        ...u16le(88),
        ...u16le(token.length),
        ...zeros(8),
        ...token,
      ]);

/** SMB1 session setup without a security token, narrow strings. */
export const smb1Setup = (reply: boolean, strings: readonly string[]): number[] => {
  const words = reply ? 3 : 13;
  const bytes = [...(reply ? [] : ascii('LMPASSNTPASS')), ...strings.flatMap((text) => [...ascii(text), 0])];
  const parameters = reply ? zeros(6) : [...zeros(14), ...u16le(6), ...u16le(6), ...zeros(8)];
  return frame([
    0xff,
    ...ascii('SMB'),
    0x73,
    ...zeros(4),
    reply ? 0x80 : 0,
    ...zeros(22),
    words,
    ...parameters,
    ...u16le(bytes.length),
    ...bytes,
  ]);
};

// ---- Remote Desktop ----

export function x224(type: number, rest: readonly number[]): number[] {
  const length = 11 + rest.length;
  return [3, 0, ...u16(length), length - 5, type, 0, 0, 0, 0, 0, ...rest];
}
export const rdpNegotiation = (type: number, protocols: number): number[] => [
  type,
  0,
  8,
  0,
  ...u32le(protocols),
];

// ---- Modbus ----

export const modbus = (unit: number, body: readonly number[]): number[] => [
  0,
  7,
  0,
  0,
  ...u16(body.length + 1),
  unit,
  ...body,
];
export const modbusIdentity = (unit: number, objects: readonly string[]): number[] =>
  modbus(unit, [
    0x2b,
    0x0e,
    1,
    1,
    0,
    0,
    objects.length,
    ...objects.flatMap((text, i) => [i, text.length, ...ascii(text)]),
  ]);

// ---- IPP ----

export function ipp(groups: readonly (readonly [number, Readonly<Record<string, string>>])[]): number[] {
  return [
    1,
    1,
    0,
    0,
    ...u32(1),
    ...groups.flatMap(([group, values]) => [
      group,
      ...Object.entries(values).flatMap(([name, value]) => [
        0x41,
        ...u16(name.length),
        ...ascii(name),
        ...u16(value.length),
        ...ascii(value),
      ]),
    ]),
    3,
  ];
}

// ---- DHCPv6 ----

export const dhcpv6 = (
  type: number,
  options: readonly (readonly [number, readonly number[]])[],
): number[] => [
  type,
  1,
  2,
  3,
  ...options.flatMap(([kind, value]) => [...u16(kind), ...u16(value.length), ...value]),
];

// ---- Philips IntelliVue and GE CARESCAPE ----

const label = (text: string): number[] => [...u16(text.length), ...ascii(text)];

/** An answer to a poll of objects of a class. */
export function intelliVuePoll(
  objectClass: number,
  attributes: readonly (readonly [number, readonly number[]])[],
  linked = false,
): number[] {
  const list = attributes.flatMap(([kind, value]) => [...u16(kind), ...u16(value.length), ...value]);
  const object = [...u16(1), ...u16(attributes.length), ...u16(list.length), ...list];
  const context = [...u16(0), ...u16(1), ...u16(object.length), ...object];
  const poll = [
    ...u16(1),
    ...zeros(12),
    ...u16(1),
    ...u16(objectClass),
    ...u16(0),
    ...u16(1),
    ...u16(context.length),
    ...context,
  ];
  const action = [...u16(0x21), ...zeros(4), ...u16(0x0c16), ...u16(poll.length), ...poll];
  const result = [...(linked ? [1, 1] : []), ...u16(1), ...u16(7), ...u16(action.length), ...action];
  return [0xe1, 0, 0, 2, ...u16(linked ? 5 : 2), ...u16(result.length), ...result];
}
export const modelAttribute = (maker: string, model: string): readonly [number, number[]] => [
  0x0928,
  [...label(maker), ...label(model)],
];
export const bedAttribute = (bed: string): readonly [number, number[]] => [
  0x091e,
  [...u16(bed.length * 2), ...Buffer.from(bed, 'utf16le').swap16()],
];

export const rwhat = (address: readonly number[], place: string, patient: string): number[] => [
  1,
  4,
  0,
  0,
  ...address,
  ...u32(0x5a40_cdc0),
  ...ascii(place.padEnd(16, '\0')),
  ...ascii(patient.padEnd(28, '\0')),
  ...u16(3),
  ...u16(2000),
];
