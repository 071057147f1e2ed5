/**
 * Host announcements of the Windows browser service ([MS-BRWS] section 2.2.1).
 *
 *   command 1 · updates 1 · period 4 · name 16 · OS major 1 · OS minor 1 · server type 4 LE · browser 4 · comment
 *
 * They ride on an SMB transaction in a NetBIOS datagram; the mailslot's name marks where the data follows.
 */
import { malformed, message, text, u8 } from '../parsed.ts';
import type { Parsed } from '../parsed.ts';
import { directGroup, hostAnnouncement, localMasterAnnouncement, mailslot } from './constants.ts';

export interface Announcement {
  readonly name: string;
  readonly os: string;
  readonly serverType: number;
  readonly comment: string;
}

export function decodeAnnouncement(bytes: Uint8Array): Parsed<Announcement> {
  if (bytes.length < 100 || u8(bytes, 0) !== directGroup) return malformed('netbios_datagram', 0);
  const slot = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).indexOf(mailslot, 82, 'latin1');
  const at = slot + mailslot.length + 1;
  if (slot < 0 || at + 32 > bytes.length) return malformed('netbios_no_announcement', 82);
  const command = u8(bytes, at);
  if (command !== hostAnnouncement && command !== localMasterAnnouncement)
    return malformed('netbios_no_announcement', at);
  const serverType =
    u8(bytes, at + 24) |
    (u8(bytes, at + 25) << 8) |
    (u8(bytes, at + 26) << 16) |
    ((u8(bytes, at + 27) & 0x7f) << 24);
  return message({
    name: text(bytes, at + 6, at + 22),
    os: `${u8(bytes, at + 22)}.${u8(bytes, at + 23)}`,
    serverType,
    comment: text(bytes, at + 32, bytes.length, 48),
  });
}
