/** EtherNet/IP encapsulation (ODVA, CIP volume 2, chapter 2) and the identity object's numbers (CIP volume 1, chapter 5). */

// ---- specification ----

export const port = 44_818;
/** Command 2 · length 2 · session 4 · status 4 · context 8 · options 4; little-endian (section 2-3). */
export const header = { bytes: 24, lengthAt: 2, statusAt: 8, optionsAt: 20 } as const;
/** Section 2-3.2. */
export const commands = {
  nop: 0x00,
  listServices: 0x04,
  listIdentity: 0x63,
  listInterfaces: 0x64,
  register: 0x65,
  unregister: 0x66,
  sendRequest: 0x6f,
  sendUnit: 0x70,
} as const;
/** Length of the data that each command has: at least and at most. */
export const lengths: Readonly<Record<number, readonly [least: number, most: number]>> = {
  [commands.listServices]: [0, 512],
  [commands.listIdentity]: [0, 512],
  [commands.listInterfaces]: [0, 512],
  [commands.register]: [4, 4],
  [commands.unregister]: [0, 0],
  [commands.sendRequest]: [16, 65_511],
  [commands.sendUnit]: [16, 65_511],
};
/** Section 2-3.4. */
export const statuses: ReadonlySet<number> = new Set([0, 1, 2, 3, 0x64, 0x65, 0x69]);
/** Table 2-4.4: version 2 · socket address 16 · vendor 2 · type 2 · code 2 · revision 1+1 · status 2 · serial 4 · name. */
export const identityItem = {
  type: 0x0c,
  vendorAt: 18,
  typeAt: 20,
  codeAt: 22,
  revisionAt: 24,
  serialAt: 28,
  nameAt: 32,
} as const;

// ---- implementation ----

/** Items of one answer; a device has one identity. */
export const itemLimit = 4;
