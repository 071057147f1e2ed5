/**
 * Equipment of every network by its factory names: what printers, phones, cameras, access points, media players and
 * computers put into DHCP requests, multicast names, discovery and system descriptions before anybody changes it.
 *
 * Patterns of factory names are whole names (a prefix and digits of the card's address), so that a name that a person chose
 * doesn't match. Sources: the makers' administrator guides, RFC 6763 service types, UPnP device control protocols,
 * IEEE 802.1AB, the sysDescr that the makers document.
 */
import type { Level, Rule } from './rule.ts';

type Gives = Rule['gives'];
type Row = readonly [RegExp, Gives];

const guides = 'administrator guides of the makers';
const upnp = 'UPnP device control protocols';
const services = 'service types of RFC 6763';

const rows = (on: string | readonly string[], level: Level, source: string, list: readonly Row[]): Rule[] =>
  [on]
    .flat()
    .flatMap((field) => list.map(([pattern, gives]) => ({ on: field, pattern, level, gives, source })));

const printer = (vendor: string): Gives => ({ vendor, class: 'printer' });
const phone = (vendor: string): Gives => ({ vendor, class: 'IP phone' });
const camera = (vendor: string): Gives => ({ vendor, class: 'camera' });
const accessPoint = (vendor: string): Gives => ({ vendor, class: 'wireless access point' });
const player = (vendor: string): Gives => ({ vendor, class: 'media player' });
const nas = (vendor: string): Gives => ({ vendor, class: 'network storage' });
const windows: Gives = { os: 'Windows', class: 'workstation' };

/** DHCP option 60. */
const vendorClasses: readonly Row[] = [
  [/^Cisco Systems,? Inc\.? IP Phone (?:CP-)?(\w+)/, { ...phone('Cisco'), model: 'CP-$1' }],
  [/^Cisco AP (\w+)/, { ...accessPoint('Cisco'), model: '$1' }],
  [/^Polycom/, phone('Polycom')],
  [/^(SIP-T\d\d\w*)/, { ...phone('Yealink'), model: '$1' }],
  [/^yealink/i, phone('Yealink')],
  [/^(snom ?\d{3})/i, { ...phone('Snom'), model: '$1' }],
  [/^Grandstream (\w+)/, { ...phone('Grandstream'), model: '$1' }],
  [/^ccp\.avaya\.com|^avaya/i, phone('Avaya')],
  [/^AastraIPPhone(\w*)/, phone('Aastra')],
  [/^ipphone\.mitel\.com/, phone('Mitel')],
  [/^alcatel\.noe/, phone('Alcatel-Lucent')],
  [/^OptiIpPhone/, phone('Unify')],
  [/^Aruba(?:Instant)?AP/, accessPoint('Aruba')],
  [/^Ruckus CPE/, accessPoint('Ruckus')],
  [/^ubnt/, { vendor: 'Ubiquiti' }],
  [/^MERAKI$/i, { vendor: 'Cisco' }],
  [/^AEROHIVE/i, accessPoint('Aerohive')],
  [/^Hewlett-Packard (?:JetDirect|LaserJet|OfficeJet)/i, printer('HP')],
  [/^Mfg=([^;]+);Typ=(?:Printer|MFP|AIO)/i, { vendor: '$1', class: 'printer' }],
  [/;Typ=(?:Printer|MFP|AIO);Mod=([^;]+)/i, { model: '$1' }],
  [/^(?:Canon|CANON)/, printer('Canon')],
  [/^EPSON/i, printer('Epson')],
  [/^BROTHER/i, printer('Brother')],
  [/^KYOCERA/i, printer('Kyocera')],
  [/^RICOH/i, printer('Ricoh')],
  [/^LEXMARK/i, printer('Lexmark')],
  [/^XEROX/i, printer('Xerox')],
  [/^ZEBRA/i, printer('Zebra')],
  [/^AXIS,[^,]*Camera,([\w-]+)/, { ...camera('Axis'), model: '$1' }],
  [/dslforum\.org/, { class: 'router' }],
  [/^docsis[123]/, { class: 'cable modem' }],
  [/^(?:dhcpcd|Linux ipconfig|Linux \d)/, { os: 'Linux' }],
  [/^FreeBSD/, { os: 'FreeBSD' }],
  [/^AAPLBSDPC/, { os: 'macOS', vendor: 'Apple', class: 'workstation' }],
];

/** Names that devices give themselves. */
const hostNames: readonly Row[] = [
  [/^SEP[0-9A-F]{12}$/i, phone('Cisco')],
  [/^Polycom_[0-9a-f]{12}$/i, phone('Polycom')],
  [/^(SIP-T\d\d\w*)$/, { ...phone('Yealink'), model: '$1' }],
  [/^(snom\d{3})-/i, { ...phone('Snom'), model: '$1' }],
  [/^(GXP\d{4})/, { ...phone('Grandstream'), model: '$1' }],
  [/^(?:NPI|HP)[0-9A-F]{6}$/, printer('HP')],
  [/^BR[NW][0-9A-F]{12}$/, printer('Brother')],
  [/^EPSON[0-9A-F]{6}$/, printer('Epson')],
  [/^KM[0-9A-F]{6}$/, printer('Kyocera')],
  [/^RNP[0-9A-F]{6,12}$/, printer('Ricoh')],
  [/^XRX[0-9A-F]{12}$/, printer('Xerox')],
  [/^ET[0-9A-F]{12}$/, printer('Lexmark')],
  [/^Canon[0-9a-f]{6}$/i, printer('Canon')],
  [/^SEC[0-9A-F]{12}$/i, printer('Samsung')],
  [/^axis-[0-9a-f]{12}$/i, camera('Axis')],
  [/^(DS-2CD\w+)/, { ...camera('Hikvision'), model: '$1' }],
  [/^(IPC-H\w+)/, { ...camera('Dahua'), model: '$1' }],
  [/^android[-_][0-9a-f]{12,16}$/, { os: 'Android', class: 'phone' }],
  [/^Galaxy-/i, { vendor: 'Samsung', os: 'Android', class: 'phone' }],
  [/^(SM-[A-Z]\d{3}\w*)/, { vendor: 'Samsung', model: '$1', os: 'Android', class: 'phone' }],
  [/^(?:HUAWEI|HONOR)[_-]/i, { vendor: 'Huawei', os: 'Android', class: 'phone' }],
  [/^(?:Redmi|POCO)[-_ ]?\w*/, { vendor: 'Xiaomi', os: 'Android', class: 'phone' }],
  [/^(Pixel-\d\w*)/, { vendor: 'Google', model: '$1', os: 'Android', class: 'phone' }],
  [/^OnePlus/i, { vendor: 'OnePlus', os: 'Android', class: 'phone' }],
  [/^BLACKBERRY-[0-9A-F]{4}$/, { vendor: 'BlackBerry', class: 'phone' }],
  [/^Windows-?Phone/i, { os: 'Windows Phone', class: 'phone' }],
  [/^(?:iPod)/, { vendor: 'Apple', os: 'iOS', class: 'phone' }],
  [/^DESKTOP-[0-9A-Z]{7}$/, windows],
  [/^LAPTOP-[0-9A-Z]{8}$/, windows],
  [/^WIN-[0-9A-Z]{11}$/, { os: 'Windows', class: 'server' }],
  [/^kali$/, { os: 'Kali Linux', class: 'workstation' }],
  [/^raspberrypi/, { vendor: 'Raspberry Pi', os: 'Linux' }],
  [/^Chromecast/, player('Google')],
  [/^Google-(?:Home|Nest)/, { vendor: 'Google', class: 'smart speaker' }],
  [/^amazon-[0-9a-f]{9,}$/, { vendor: 'Amazon', class: 'smart home device' }],
  [/^Apple-?TV/i, player('Apple')],
  [/^Roku/i, player('Roku')],
  [/^sonos/i, { vendor: 'Sonos', class: 'smart speaker' }],
  [/^LGwebOSTV$/, { vendor: 'LG', class: 'television' }],
  [/^PS[345]-\d+$|^PlayStation/, { vendor: 'Sony', class: 'game console' }],
  [/^X[Bb][Oo][Xx]/, { vendor: 'Microsoft', class: 'game console' }],
  [/^(?:DiskStation|Synology\w*)/, nas('Synology')],
  [/^NAS[0-9A-F]{6}$/, nas('QNAP')],
  [/^(?:UAP|U6|UniFi-?AP)-?/, accessPoint('Ubiquiti')],
  [/^(?:shelly|tasmota)\w*-/i, { class: 'IoT device' }],
];

/** Names over multicast end in a domain. */
const withDomain = ([pattern, gives]: Row): Row => [
  new RegExp(pattern.source.replaceAll('$', '(?:\\.local)?$'), pattern.flags),
  gives,
];

const multicastServices: readonly Row[] = [
  [/_androidtvremote2?\._tcp/, { os: 'Android', class: 'television' }],
  [/_sonos\._tcp/, { vendor: 'Sonos', class: 'smart speaker' }],
  [/_axis-video\._tcp/, camera('Axis')],
  [/_hue\._tcp/, { vendor: 'Signify', model: 'Hue bridge', class: 'lighting bridge' }],
  [/_(?:scanner|uscan|uscans)\._tcp/, { class: 'printer' }],
  [/_touch-able\._tcp/, player('Apple')],
  [/_apple-mobdev2?\._tcp/, { vendor: 'Apple', os: 'iOS', class: 'phone' }],
  [/_hap\._tcp/, { class: 'smart home device' }],
  [/_esphomelib\._tcp/, { class: 'IoT device' }],
];

/** What Apple's computers and others say in TXT records. */
const multicastModels: readonly Row[] = [
  [/^(?:iMac|MacBook\w*|Macmini|MacPro|Mac)\d/, { vendor: 'Apple', os: 'macOS', class: 'workstation' }],
  [/^(?:iPhone|iPad|iPod)/, { vendor: 'Apple', os: 'iOS', class: 'phone' }],
  [/^AppleTV/, player('Apple')],
  [/^AudioAccessory/, { vendor: 'Apple', class: 'smart speaker' }],
  [/^(?:TimeCapsule|AirPort)/, accessPoint('Apple')],
];

const ssdpTypes: readonly Row[] = [
  [/:device:InternetGatewayDevice/, { class: 'router' }],
  [/:device:ZonePlayer/, { vendor: 'Sonos', class: 'smart speaker' }],
  [/:device:Printer/, { class: 'printer' }],
  [/:device:DigitalSecurityCamera/, { class: 'camera' }],
  [/^urn:samsung\.com:device:RemoteControlReceiver/, { vendor: 'Samsung', class: 'television' }],
  [/^urn:roku-com:device/, player('Roku')],
];

/** What many things are besides. */
const ssdpRoles: readonly Row[] = [
  [/:device:WLANAccessPointDevice/, { class: 'wireless access point' }],
  [/:device:(?:MediaRenderer|dial):/, { class: 'media player' }],
];

const ssdpServers: readonly Row[] = [
  [/Sonos\/[\d.]+/, { vendor: 'Sonos', class: 'smart speaker' }],
  [/^Roku/, player('Roku')],
  [/MiniUPnPd|^ASUSTeK UPnP|\bIGD\b/i, { class: 'router' }],
  [/FRITZ!Box/, { vendor: 'AVM', class: 'router' }],
  [/Microsoft-Windows/, { os: 'Windows' }],
  [/Synology/, nas('Synology')],
  [/SHP, UPnP|SamsungTV/, { vendor: 'Samsung', class: 'television' }],
];

/** sysDescr of SNMP, the same text as LLDP's system description. */
const descriptions: readonly Row[] = [
  [
    /Cisco (?:IOS|Internetwork Operating System) Software.*Version ([\w.()]+)/,
    { vendor: 'Cisco', os: 'Cisco IOS', software: '$1' },
  ],
  [
    /Cisco NX-OS.*Version ([\w.()]+)/,
    { vendor: 'Cisco', os: 'Cisco NX-OS', software: '$1', class: 'network switch' },
  ],
  [
    /Cisco Adaptive Security Appliance Version ([\w.()]+)/,
    { vendor: 'Cisco', software: '$1', class: 'firewall' },
  ],
  [/\b(WS-C\w+(?:-\w+)*)/, { vendor: 'Cisco', class: 'network switch' }],
  [/\(C(?:29[4-7]\d|35[0-9]0|36[58]0|3750|3850|9[2345]\d\d)\w*-/, { class: 'network switch' }],
  [/\(C(?:8\d0|17|18|19|26|28|29|36|37|38|39|72)00\w*-|\(C1841-/, { class: 'router' }],
  [/^(?:HP|ProCurve|Aruba|Hewlett)[^,]*\bSwitch\b/i, { vendor: 'HP', class: 'network switch' }],
  [/\bSwitch (\d{4}\w*(?:-\w+)*)[^,]*, revision ([\w.]+)/, { model: '$1' }],
  [/Juniper Networks.*\b(?:ex|qfx)\d+/i, { vendor: 'Juniper', class: 'network switch' }],
  [/Juniper Networks.*\b(?:mx|ptx|acx)\d+/i, { vendor: 'Juniper', class: 'router' }],
  [/Juniper Networks.*\bsrx\d+/i, { vendor: 'Juniper', class: 'firewall' }],
  [/Arista Networks EOS version ([\w.]+)/, { vendor: 'Arista', software: '$1', class: 'network switch' }],
  [/^(FortiGate-?\w+)/, { vendor: 'Fortinet', model: '$1', class: 'firewall' }],
  [/RouterOS ([\d.]+)/, { vendor: 'MikroTik', os: 'RouterOS', software: '$1', class: 'router' }],
  [/^(SMC\w+)(?:-Smart)?/, { vendor: 'SMC Networks', model: '$1', class: 'network switch' }],
  [/\b(DGS-\d{4}\w*(?:-\w+)*)/, { vendor: 'D-Link', model: '$1', class: 'network switch' }],
  [/^(GS\d{3}\w*)/, { vendor: 'Netgear', model: '$1', class: 'network switch' }],
  [/\b(EDS-[\w-]+)/, { vendor: 'Moxa', model: '$1', class: 'network switch' }],
  [/\bHirschmann\b/i, { vendor: 'Hirschmann', class: 'network switch' }],
  [
    /Siemens.*\bCPU-?(\d{3,4}\w*)/,
    { vendor: 'Siemens', model: 'SIMATIC S7 CPU $1', class: 'industrial controller' },
  ],
  [/SIMATIC[ ,]+S7[ ,]+.*\bFW: ?V?[. ]*([\d.]+)/, { software: '$1' }],
  [/SIMATIC HMI[ ,]*(\w*)/, { vendor: 'Siemens', class: 'operator panel' }],
  [/OptiPlex (\w+)/, { vendor: 'Dell', model: 'OptiPlex $1', class: 'workstation' }],
  [/^(?:HP|Hewlett).*(?:LaserJet|OfficeJet|DesignJet|PageWide)/i, printer('HP')],
  [/^Brother NC-\w+/, printer('Brother')],
  [/^KYOCERA.*(?:Print|ECOSYS|TASKalfa)/i, printer('Kyocera')],
  [/^RICOH (.+?) [\d.]+ \/ /, { ...printer('Ricoh'), model: '$1' }],
  [
    /^Xerox.*?((?:WorkCentre|Phaser|VersaLink|AltaLink|ColorQube) ?\w+)/,
    { ...printer('Xerox'), model: '$1' },
  ],
  [/^Lexmark (\w+)/, { ...printer('Lexmark'), model: '$1' }],
  [/^Canon (.+?) \/P/, { ...printer('Canon'), model: '$1' }],
  [/^EPSON\b.*(?:Print|Network)/i, printer('Epson')],
  [/^KONICA MINOLTA (.+)$/i, { ...printer('Konica Minolta'), model: '$1' }],
  [/^SHARP (MX-\w+)/, { ...printer('Sharp'), model: '$1' }],
  [/^TOSHIBA (e-STUDIO\w+)/i, { ...printer('Toshiba'), model: '$1' }],
  [/^Samsung.*\b(?:ML|SCX|CLX|SL)-\w+/, printer('Samsung')],
  [/^ZebraNet|^Zebra\b/i, printer('Zebra')],
  [/^APC Web\/SNMP Management Card/, { vendor: 'APC', class: 'power supply' }],
  [/^(?:Eaton|Powerware|Liebert)\b/i, { class: 'power supply' }],
  [/^(AXIS \w+).*Camera/i, camera('Axis')],
  [/^Hardware:.*Software: Windows/, { os: 'Windows' }],
  [/^Linux \S+ \d/, { os: 'Linux' }],
  [/^VMware ESXi ([\d.]+)/, { vendor: 'VMware', os: 'VMware ESXi', software: '$1', class: 'server' }],
  [/^Darwin Kernel/, { os: 'macOS' }],
  [/\bSynology\b/, nas('Synology')],
];

const agents: readonly Row[] = [
  [
    /^Microsoft(?:-CryptoAPI| NCSI|-WNS)|^Windows-Update-Agent|^Microsoft BITS/,
    { os: 'Windows', class: 'workstation' },
  ],
  [/\bX11; (?:Ubuntu; )?Linux\b/, { os: 'Linux', class: 'workstation' }],
  [/\bCrOS\b/, { os: 'ChromeOS', class: 'workstation' }],
  [/SMART-TV|SmartTV|Tizen|Web0S|BRAVIA/, { class: 'television' }],
  [/^Roku\//, player('Roku')],
  [/PlayStation/, { vendor: 'Sony', class: 'game console' }],
  [/\bXbox\b/, { vendor: 'Microsoft', class: 'game console' }],
  [/Android [\d.]+; ([\w -]+?) Build\//, { model: '$1' }],
  [/\bDarwin\/[\d.]+/, { vendor: 'Apple' }],
  [/^Debian APT-/, { os: 'Debian' }],
];

const servers: readonly Row[] = [
  [/^HP HTTP Server|^HP-ChaiS/, printer('HP')],
  [/^Virata-EmWeb.*HP/, printer('HP')],
  [/^EPSON[_-]/i, printer('Epson')],
  [/^CANON HTTP Server/i, printer('Canon')],
  [/^debut\/[\d.]+/, printer('Brother')],
  [/^KM-MFP-http/, printer('Kyocera')],
  [/^(?:App-webs|DNVRS-Webs|Hikvision-Webs)/, camera('Hikvision')],
  [/^Microsoft-IIS\//, { os: 'Windows', class: 'server' }],
  [/\((Ubuntu|Debian|CentOS|Fedora|Red Hat)\)/, { os: '$1' }],
];

/** What forwards, by the capabilities that it has enabled: bits of IEEE 802.1AB table 8-4, in decimal. */
const lldpCapabilities: readonly Row[] = [
  [/^(?:4|20)$/, { class: 'network switch' }],
  [/^16$/, { class: 'router' }],
  [/^(?:8|12|24|28)$/, { class: 'wireless access point' }],
  [/^(?:32|36)$/, { class: 'IP phone' }],
];

/** The same of CDP: router 1, bridges 2 and 4, switch 8, host 16, IGMP 32, repeater 64, phone 128. */
const cdpCapabilities: readonly Row[] = [
  [/^(?:8|10|40|42)$/, { class: 'network switch' }],
  [/^(?:1|17|33)$/, { class: 'router' }],
  [/^(?:2|3)$/, { class: 'wireless access point' }],
  [/^(?:128|144|1168)$/, { class: 'IP phone' }],
];

const cdpPlatforms: readonly Row[] = [
  [/^(?:cisco )?(?:AIR-(?:AP|CAP|LAP)|C9\d{3}AX)/i, { class: 'wireless access point' }],
  [/^(?:cisco )?(?:N[3579]K-|Nexus|C9[2-6]\d\d-)/i, { class: 'network switch' }],
  [/^VMware ESX/, { vendor: 'VMware', class: 'server' }],
  [/^Polycom/i, phone('Polycom')],
  [/^(?:HP|Hewlett|ProCurve)/i, { vendor: 'HP', class: 'network switch' }],
  [/^MikroTik/, { vendor: 'MikroTik', class: 'router' }],
];

/** ASHRAE's vendor identifiers of the makers of building controls. */
const bacnetVendors: readonly (readonly [number, string])[] = [
  [2, 'Trane'],
  [5, 'Johnson Controls'],
  [7, 'Siemens'],
  [8, 'Delta Controls'],
  [10, 'Schneider Electric'],
  [17, 'Honeywell'],
  [18, 'Alerton'],
  [24, 'Automated Logic'],
  [35, 'Reliable Controls'],
  [36, 'Tridium'],
  [364, 'Distech Controls'],
];

export const networkRules: readonly Rule[] = [
  ...rows('dhcp vendorClass', 'dhcp', guides, vendorClasses),
  ...rows(['dhcp hostName', 'dhcpv6 hostName'], 'dhcp', guides, hostNames),
  ...rows(['mdns name', 'nbns name', 'browser name'], 'banner', guides, hostNames.map(withDomain)),
  ...rows('mdns service', 'banner', services, multicastServices),
  ...rows(['mdns txt.model', 'mdns txt.am', 'mdns txt.md'], 'banner', services, multicastModels),
  ...rows('mdns txt.model', 'banner', services, [
    [/^((?:iMac|MacBook\w*|Macmini|MacPro|Mac)\d+,\d+)$/, { model: '$1' }],
  ]),
  ...rows('mdns txt.ty', 'self', 'Bonjour printing 1.2', [[/^(.+)$/, { model: '$1', class: 'printer' }]]),
  ...rows('mdns txt.usb_mfg', 'self', 'Bonjour printing 1.2', [[/^(.+)$/, { vendor: '$1' }]]),
  ...rows('mdns txt.ty', 'self', 'Bonjour printing 1.2', [
    [/^(HP|Canon|EPSON|Brother|Lexmark|Xerox|Kyocera|RICOH|Samsung|Zebra)\b/i, { vendor: '$1' }],
  ]),
  ...rows('mdns service', 'traffic', services, [[/_googlecast\._tcp/, player('Google')]]),
  ...rows('ssdp type', 'banner', upnp, ssdpTypes),
  ...rows('ssdp type', 'traffic', upnp, ssdpRoles),
  ...rows('ssdp server', 'banner', upnp, ssdpServers),
  ...rows(['lldp systemDescription', 'snmp sysDescr'], 'banner', guides, descriptions),
  ...rows('lldp capabilities', 'traffic', 'IEEE 802.1AB 8.5.8', lldpCapabilities),
  ...rows('cdp capabilities', 'traffic', 'CDP', cdpCapabilities),
  ...rows('cdp platform', 'self', 'CDP', cdpPlatforms),
  ...rows('http userAgent', 'banner', 'user agents', agents),
  ...rows('http server', 'banner', guides, servers),
  ...bacnetVendors.map(([id, vendor]): Rule => ({
    on: 'bacnet vendorId',
    pattern: new RegExp(`^${id}$`),
    level: 'association',
    gives: { vendor },
    source: 'ASHRAE 135 vendor identifiers',
  })),
];
