/**
 * What the software of a host says of it in protocols that everybody speaks: SMB, SSH, TLS, Telnet, FTP, VNC, the
 * shape of its SYNs, DHCPv6. All of it ranks below what a device declares of itself.
 */
import type { Level, Rule } from './rule.ts';

type Gives = Rule['gives'];

const rule = (on: string, pattern: RegExp, level: Level, source: string, gives: Gives): Rule => ({
  on,
  pattern,
  level,
  gives,
  source,
});

const windows = '[MS-NLMP] 2.2.2.10 and the versions Microsoft publishes';
const native = 'native OS of an SMB session setup';
const pen = 'IANA private enterprise numbers';

/** Version of an NTLM message to the system; a build of zero is Samba's, which pretends. */
const systems: readonly (readonly [RegExp, string, string?])[] = [
  [/^5\.1\.[1-9]/, 'Windows XP', 'workstation'],
  [/^5\.2\.[1-9]/, 'Windows Server 2003'],
  [/^6\.0\.[1-9]/, 'Windows Vista or Server 2008'],
  [/^6\.1\.[1-9]/, 'Windows 7 or Server 2008 R2'],
  [/^6\.2\.[1-9]/, 'Windows 8 or Server 2012'],
  [/^6\.3\.[1-9]/, 'Windows 8.1 or Server 2012 R2'],
  [/^10\.0\.[12]\d{4}$/, 'Windows 10, 11 or Server 2016 and newer'],
];

const ntlmRules = systems.flatMap(([pattern, os, kind]) =>
  ['ntlm version', 'ntlm serverVersion'].map((on) =>
    rule(on, pattern, 'banner', windows, { os, ...(kind === undefined ? {} : { class: kind }) }),
  ),
);

/** Makers of medical equipment among the numbers of enterprises. */
const enterprises: readonly (readonly [number, string])[] = [
  [3592, 'Dr\u00e4ger'],
  [10_096, 'Baxter'],
  [19_816, 'Philips'],
  [20_029, 'Mortara'],
  [22_005, 'GE HealthCare'],
  [22_447, 'B. Braun'],
  [23_670, 'Nihon Kohden'],
  [23_957, 'Spacelabs'],
  [37_718, 'Fresenius'],
];

const stacks: readonly (readonly [RegExp, string])[] = [
  [/^Linux\b/, 'Linux'],
  [/^Windows\b/, 'Windows'],
  [/^Mac ?OS X/, 'macOS'],
  [/^iOS/, 'iOS'],
  [/^FreeBSD/, 'FreeBSD'],
  [/^OpenBSD/, 'OpenBSD'],
  [/^Solaris/, 'Solaris'],
];

/** Names in certificates that are a maker's own when the maker signs for its devices. */
const certificateMakers =
  /\bO=(?:")?(Philips|Siemens Healthineers|GE Health[Cc]are|Dr(?:\u00e4|ae)ger\w*|Mindray|B\.? ?Braun|Baxter|Fresenius|Welch Allyn|Spacelabs|Masimo|Nihon Kohden|Sonos)/;

export const softwareRules: readonly Rule[] = [
  ...ntlmRules,
  rule('ntlm serverVersion', /^6\.1\.0$/, 'banner', 'Samba\u2019s NTLM version', { software: 'Samba' }),
  rule('smb nativeLanManager', /^(Samba [\d.]+)/, 'banner', native, { software: '$1' }),
  rule('smb nativeOs', /^Windows 5\.1$/, 'banner', native, { os: 'Windows XP', class: 'workstation' }),
  rule('smb nativeOs', /^Windows 5\.0$/, 'banner', native, { os: 'Windows 2000' }),
  rule('smb nativeOs', /^(Windows Server \d{4}(?: R2)?)/, 'banner', native, { os: '$1', class: 'server' }),
  rule('smb nativeOs', /^(Windows (?:XP|Vista|7|8|8\.1|10))\b/, 'banner', native, {
    os: '$1',
    class: 'workstation',
  }),
  rule('ssh software', /^Cisco-/, 'banner', 'Cisco\u2019s SSH', { vendor: 'Cisco', os: 'Cisco IOS' }),
  rule('ssh software', /^ROSSSH/, 'banner', 'MikroTik\u2019s SSH', {
    vendor: 'MikroTik',
    os: 'RouterOS',
    class: 'router',
  }),
  rule('ssh software', /^OpenSSH_for_Windows/, 'banner', 'OpenSSH of Windows', { os: 'Windows' }),
  rule('ssh software', /FreeBSD/, 'banner', 'OpenSSH of FreeBSD', { os: 'FreeBSD' }),
  rule('telnet banner', /^(OpenBSD|FreeBSD|NetBSD|SunOS|VxWorks|HP-UX)\b/, 'banner', 'login banners', {
    os: '$1',
  }),
  rule('telnet banner', /\b(?:Ubuntu|Debian|Red Hat|Linux)\b/, 'banner', 'login banners', { os: 'Linux' }),
  rule('telnet banner', /\bLantronix\b/, 'banner', 'login banners', {
    vendor: 'Lantronix',
    class: 'serial server',
  }),
  rule('telnet banner', /\bNPort\b/, 'banner', 'login banners', { vendor: 'Moxa', class: 'serial server' }),
  rule('telnet banner', /\b(?:JetDirect|Print Server)\b/i, 'banner', 'login banners', { class: 'printer' }),
  rule('ftp banner', /Microsoft FTP/, 'banner', 'FTP greetings', { os: 'Windows' }),
  rule('ftp banner', /VxWorks/, 'banner', 'FTP greetings', { os: 'VxWorks' }),
  rule('ftp banner', /JetDirect|Print Server/i, 'banner', 'FTP greetings', { class: 'printer' }),
  rule('ftp banner', /((?:vsFTPd|ProFTPD|Pure-FTPd) ?[\d.]*\d\w*)/, 'banner', 'FTP greetings', {
    software: '$1',
  }),
  rule('ftp system', /^Windows_NT/, 'banner', 'FTP replies', { os: 'Windows' }),
  rule('vnc version', /^3\.889$/, 'banner', 'Apple\u2019s own RFB version', { os: 'macOS' }),
  rule('tls certificate.subject', certificateMakers, 'traffic', 'the maker\u2019s certificate', {
    vendor: '$1',
  }),
  rule('tls certificate.subject', /\bOU=Sonos Devices/, 'traffic', 'the maker\u2019s certificate', {
    class: 'smart speaker',
  }),
  rule('dhcpv6 vendorClass', /^MSFT 5\.0/, 'dhcp', 'RFC 8415 vendor classes', {
    os: 'Windows',
    class: 'workstation',
  }),
  ...enterprises.map(([number, vendor]) =>
    rule('dhcpv6 enterprise', new RegExp(`^${number}$`), 'dhcp', pen, { vendor }),
  ),
  rule('dhcp parameters', /^1,121,3,6,15,119,252,95,44,46$/, 'dhcp', 'seen on a wire', {
    os: 'macOS',
  }),
  // A Wi-Fi module under its maker's default name: a thing, and nothing more is known.
  rule('dhcp hostName', /^ESP_[0-9A-F]{6}$/, 'traffic', 'Espressif\u2019s default name', {
    class: 'IoT device',
  }),
  ...stacks.map(([pattern, os]) => rule('tcp system', pattern, 'traffic', 'p0f\u2019s signatures', { os })),
];
