/** QUIC's Initial packets: version 1 (RFC 9000, RFC 9001) and version 2 (RFC 9369). */

// ---- specification ----

/** RFC 9000 section 17.2: long header, fixed bit; the two bits after them are the type. */
export const header = { mask: 0xf0, version1: 0xc0, version2: 0xd0 } as const;
/** RFC 9000 sections 7.2, 14.1, 17.2: connection ids; a datagram that carries a client's Initial is padded. */
export const connectionId = { first: 8, longest: 20 } as const;
export const leastDatagram = 1200;

export interface Version {
  readonly number: number;
  /** Of an Initial packet. */
  readonly type: number;
  readonly salt: string;
  readonly labels: { readonly key: string; readonly iv: string; readonly protection: string };
}

/** RFC 9001 sections 5.1 and 5.2, RFC 9369 section 3.3. */
export const versions: readonly Version[] = [
  {
    number: 0x0000_0001,
    type: header.version1,
    salt: '38762cf7f55934b34d179ae6a4c80cadccbb7f0a',
    labels: { key: 'quic key', iv: 'quic iv', protection: 'quic hp' },
  },
  {
    number: 0x6b33_43cf,
    type: header.version2,
    salt: '0dede3def700a6db819381be6e269dcbf9bd2ed9',
    labels: { key: 'quicv2 key', iv: 'quicv2 iv', protection: 'quicv2 hp' },
  },
];
export const clientLabel = 'client in';
/** RFC 9001 section 5.4.2: a sample of 16 bytes, four after the packet number begins. */
export const sample = { offset: 4, length: 16 } as const;
export const tagLength = 16;

/** RFC 9000 section 19; no others are in an Initial packet (section 17.2.2). */
export const frames = { padding: 0, ping: 1, ack: 2, ackEcn: 3, crypto: 6, close: 0x1c } as const;

// ---- implementation ----

/** Frames of one packet that are read: clients cut their hello into a dozen or two. */
export const frameLimit = 128;
/** Ranges of an acknowledgement. */
export const rangeLimit = 64;
/** Bytes of the client's first flight that are put together. */
export const helloLimit = 8192;
