/** HL7 messages and MLLP blocks written by hand. */

export interface MessageWish {
  type?: string;
  id?: string;
  version?: string;
  accept?: string;
  application?: string;
  charset?: string;
  segments?: string[];
}

/** A message of a console to a pump. */
export function message(wish: MessageWish = {}): Buffer {
  const msh = [
    'MSH',
    '^~\\&',
    'CONSOLE^1^ISO',
    'ICU',
    'PUMP',
    'BED&7',
    '20260101120000',
    '',
    wish.type ?? 'ORU^R01^ORU_R01',
    wish.id ?? 'M1',
    'P',
    wish.version ?? '2.6',
    '',
    '',
    wish.accept ?? '',
    wish.application ?? '',
    '',
    wish.charset ?? '',
  ].join('|');
  return Buffer.from(
    [msh, ...(wish.segments ?? ['PID|1||SYN0001'])].map((line) => `${line}\r`).join(''),
    'latin1',
  );
}

/** An acknowledgement of `id`, by a pump. */
export const acknowledgement = (id: string, code = 'AA', type = 'ACK'): Buffer =>
  Buffer.from(
    `MSH|^~\\&|PUMP|BED|CONSOLE|ICU|20260101120001||${type}|A-${id}|P|2.6\rMSA|${code}|${id}\r`,
    'latin1',
  );

export const block = (content: Uint8Array): Buffer =>
  Buffer.concat([Buffer.of(0x0b), content, Buffer.of(0x1c, 0x0d)]);

/** Messages of a stream of blocks, as text. */
export const unblock = (bytes: Uint8Array): string[] =>
  Buffer.from(bytes)
    .toString('latin1')
    .split('\x1c\r')
    .filter((text) => text !== '')
    .map((text) => {
      if (!text.startsWith('\x0b')) throw new Error('not an MLLP block');
      return text.slice(1);
    });
