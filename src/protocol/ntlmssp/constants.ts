/** NTLM ([MS-NLMP] sections 2.2.1 and 2.2.2): where its messages name the machine. */

// ---- specification ----

export const signature = Uint8Array.from([0x4e, 0x54, 0x4c, 0x4d, 0x53, 0x53, 0x50, 0]);
export const types = { negotiate: 1, challenge: 2, authenticate: 3 } as const;
/** NTLMSSP_NEGOTIATE_UNICODE and NTLMSSP_NEGOTIATE_VERSION. */
export const flags = { unicode: 0x1, version: 0x0200_0000 } as const;
/**
 * Offsets of what is read. The user's name (36 in an authenticate message) and the responses to the challenge have
 * none here, so they are not read.
 */
export const offsets = {
  type: 8,
  negotiate: { flags: 12, version: 32 },
  challenge: { flags: 20, targetInfo: 40, version: 48 },
  authenticate: { workstation: 44, flags: 60, version: 64 },
} as const;
/** AV_PAIR identifiers (section 2.2.2.1). */
export const pairs = { end: 0, computer: 1, domain: 2, dnsComputer: 3, dnsDomain: 4 } as const;

// ---- implementation ----

export const pairLimit = 16;
