/** NetBIOS datagrams (RFC 1002 section 4.4) with the browser's announcements ([MS-BRWS] section 2.2.1). */

// ---- specification ----

export const port = 138;
export const directGroup = 0x11;
export const mailslot = '\\MAILSLOT\\BROWSE';
export const hostAnnouncement = 0x01;
export const localMasterAnnouncement = 0x0f;
export const serverType = {
  domainController: 0x8,
  backupController: 0x10,
  print: 0x200,
  windowsServer: 0x8000,
} as const;
