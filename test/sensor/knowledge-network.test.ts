/**
 * Equipment of every network by its factory names, and things of homes that no capture here has: what each says while it
 * is set up, as its maker or the publishers of its protocol document it.
 */
import t from 'tap';
import { identify } from '../../src/sensor/identity.ts';
import type { Attribute } from '../../src/sensor/knowledge/rule.ts';

type Is = Partial<Record<Attribute, string>>;

function who(
  words: readonly string[],
  vendor?: string,
  ports: readonly number[] = [],
): Is & { medical: boolean } {
  const evidence = words.map((word) => {
    const [, protocol = '', field = '', value = ''] = /^(\S+) ([^=]+)=(.*)$/.exec(word) ?? [];
    return { protocol, field, value, first: 0, last: 0 };
  });
  const services = ports.map((port) => ({ transport: 'tcp' as const, port }));
  const { attributes, medical } = identify({ evidence, services, vendor });
  const values = Object.entries(attributes).flatMap(([name, { value }]) =>
    value === undefined ? [] : [[name, value]],
  );
  return { ...(Object.fromEntries(values) as Is), medical };
}

/** What is said, the card's maker, who it is. */
const things: readonly (readonly [string, readonly string[], string, Is])[] = [
  [
    'D-Link smart plug',
    ['dhcp hostName=DSP-W215'],
    'D-Link International',
    { vendor: 'D-Link', model: 'DSP-W215', class: 'smart plug' },
  ],
  [
    'the same by its service',
    ['mdns service=D-Link DSP-W215 Configuration Utility._http._tcp.local'],
    'D-Link International',
    { model: 'DSP-W215', class: 'smart plug' },
  ],
  [
    'D-Link motion sensor',
    ['mdns txt.model_number=DCH-S150', 'mdns name=dch.local'],
    'D-Link International',
    { model: 'DCH-S150', class: 'motion sensor' },
  ],
  [
    'D-Link home camera',
    ['dhcp hostName=DCH-935L'],
    'D-Link International',
    { model: 'DCH-935L', class: 'camera' },
  ],
  [
    'D-Link camera',
    ['dhcp hostName=DCS-932LB', 'mdns name=DCS-932LB1_1C7185.local'],
    'D-Link International',
    { model: 'DCS-932LB', class: 'camera' },
  ],
  [
    'a hub that speaks for a door sensor',
    ['dhcp hostName=DCH-G020', 'mdns name=dchgFD4E.local'],
    'D-Link International',
    { model: 'DCH-G020', class: 'home automation gateway' },
  ],
  [
    'Edimax plug of another firmware',
    ['dhcp vendorClass=udhcp 1.12.1', 'dns question=myedimax.com'],
    'Edimax Technology Co. Ltd.',
    { vendor: 'Edimax', class: 'smart plug' },
  ],
  [
    'Edimax camera',
    ['mdns name=localcam.local', 'dns question=myedimax.com'],
    'Edimax Technology Co. Ltd.',
    { vendor: 'Edimax', class: 'camera' },
  ],
  [
    'Hue bridge by discovery',
    ['ssdp server=Linux/3.14.0 UPnP/1.0 IpBridge/1.20.0', 'ssdp bridge=hue'],
    'Philips Lighting BV',
    { vendor: 'Signify', model: 'Hue bridge', class: 'lighting bridge' },
  ],
  [
    'Hue bridge by its name',
    ['dhcp hostName=Philips-hue'],
    'Philips Lighting BV',
    { model: 'Hue bridge', class: 'lighting bridge' },
  ],
  [
    'Hue bridge by multicast',
    ['mdns service=Philips Hue - 2476FF._hue._tcp.local'],
    'Signify B.V.',
    { vendor: 'Signify', class: 'lighting bridge' },
  ],
  [
    'Hue bridge that only asks for time',
    ['ntp client=v4 leap0'],
    'Philips Lighting BV',
    { vendor: 'Signify', class: 'lighting bridge' },
  ],
  [
    'Lightify gateway',
    ['mdns service=Lightify-01A2B3._http._tcp.local'],
    'Osram GmbH',
    { vendor: 'OSRAM', model: 'Lightify gateway', class: 'lighting bridge' },
  ],
  [
    'Lightify gateway by its cloud',
    ['dns question=arrayent.com'],
    'Osram GmbH',
    { model: 'Lightify gateway', class: 'lighting bridge' },
  ],
  [
    'TP-Link plug with a meter',
    ['dhcp hostName=HS110(EU)', 'dns question=tplinkcloud.com'],
    'TP-LINK TECHNOLOGIES CO.,LTD.',
    { vendor: 'TP-Link', model: 'HS110', class: 'smart plug' },
  ],
  [
    'TP-Link thing',
    ['dns question=tplinkcloud.com'],
    'TP-LINK TECHNOLOGIES CO.,LTD.',
    { vendor: 'TP-Link', class: 'smart home device' },
  ],
  [
    'WeMo switch',
    ['ssdp type=urn:Belkin:device:controllee:1'],
    'Belkin International Inc.',
    { vendor: 'Belkin', model: 'WeMo Switch', class: 'smart plug' },
  ],
  [
    'Withings scale',
    ['dhcp vendorClass=Withings00', 'dns question=withings.net'],
    'Withings',
    { vendor: 'Withings', class: 'smart scale' },
  ],
  [
    'Withings scale that says no more',
    ['dhcp vendorClass=Withings00'],
    'Withings',
    { vendor: 'Withings', class: 'smart scale' },
  ],
  [
    'Fitbit scale on a module',
    ['dhcp hostName=GainSpanca9152', 'dns question=fitbit.com'],
    'GainSpan Corp.',
    { vendor: 'Fitbit', model: 'Aria', class: 'smart scale' },
  ],
  ['Ednet thing', [], 'ASSMANN Electronic GmbH', { vendor: 'Ednet', class: 'smart home device' }],
  ['eQ-3 thing', [], 'eQ-3 Entwicklung GmbH', { vendor: 'eQ-3', class: 'home automation gateway' }],
];

void t.test('things of homes', (t) => {
  for (const [name, words, vendor, is] of things) {
    const found = who(words, vendor);
    t.match(found, is, name);
    t.notOk(found.medical, name);
  }
  t.match(who(['dhcp hostName=ESP_06D902'], 'Espressif Inc.', [2081]), {
    vendor: 'Smarter',
    class: 'kitchen appliance',
  });
  t.match(who(['dhcp hostName=ESP_06D902'], 'Espressif Inc.'), { class: 'IoT device' });
  t.equal(
    who(['dhcp hostName=ESP_06D902'], 'Espressif Inc.').vendor,
    undefined,
    'a module’s maker is nobody’s',
  );
  t.end();
});

const equipment: readonly (readonly [readonly string[], Is])[] = [
  [
    ['dhcp vendorClass=Cisco Systems, Inc. IP Phone CP-7945G', 'dhcp hostName=SEP001122334455'],
    { vendor: 'Cisco', model: 'CP-7945G', class: 'IP phone' },
  ],
  [['dhcp hostName=SEP001122334455'], { vendor: 'Cisco', class: 'IP phone' }],
  [['dhcp vendorClass=Polycom-VVX410'], { vendor: 'Polycom', class: 'IP phone' }],
  [['dhcp vendorClass=SIP-T46S'], { vendor: 'Yealink', model: 'SIP-T46S', class: 'IP phone' }],
  [
    ['dhcp vendorClass=Mfg=Xerox;Typ=Printer;Mod=Phaser 6600DN;Ser=X1'],
    { vendor: 'Xerox', model: 'Phaser 6600DN', class: 'printer' },
  ],
  [['dhcp hostName=NPI1A2B3C'], { vendor: 'HP', class: 'printer' }],
  [['dhcp hostName=BRW0080927A1B2C'], { vendor: 'Brother', class: 'printer' }],
  [['mdns name=EPSON1A2B3C.local'], { vendor: 'Epson', class: 'printer' }],
  [
    ['mdns txt.ty=Brother HL-L2350DW series'],
    { vendor: 'Brother', model: 'Brother HL-L2350DW series', class: 'printer' },
  ],
  [
    ['dhcp vendorClass=AXIS,Network Camera,M3045-V,7.10.1'],
    { vendor: 'Axis', model: 'M3045-V', class: 'camera' },
  ],
  [['http server=App-webs/'], { vendor: 'Hikvision', class: 'camera' }],
  [
    ['dhcp hostName=android-0123456789abcdef', 'dhcp vendorClass=android-dhcp-9'],
    { os: 'Android 9', class: 'phone' },
  ],
  [['dhcp hostName=DESKTOP-RB5T12G', 'dhcp vendorClass=MSFT 5.0'], { os: 'Windows', class: 'workstation' }],
  [['nbns name=DESKTOP-RB5T12G'], { os: 'Windows', class: 'workstation' }],
  [
    ['mdns txt.model=MacBookPro14,1'],
    { vendor: 'Apple', model: 'MacBookPro14,1', os: 'macOS', class: 'workstation' },
  ],
  [['mdns txt.model=AppleTV6,2'], { vendor: 'Apple', class: 'media player' }],
  [
    [
      'ssdp type=urn:schemas-upnp-org:device:InternetGatewayDevice:1',
      'ssdp type=urn:schemas-upnp-org:device:WLANAccessPointDevice:1',
    ],
    { class: 'router' },
  ],
  [
    [
      'ssdp type=urn:schemas-upnp-org:device:ZonePlayer:1',
      'ssdp type=urn:schemas-upnp-org:device:MediaRenderer:1',
    ],
    { vendor: 'Sonos', class: 'smart speaker' },
  ],
  [
    ['lldp systemDescription=SMCGS8P-Smart - SMCGS8P-Smart v3.20', 'lldp capabilities=4'],
    { vendor: 'SMC Networks', class: 'network switch' },
  ],
  [['lldp systemName=sw-1', 'lldp capabilities=4'], { class: 'network switch' }],
  [['lldp capabilities=36'], { class: 'IP phone' }],
  [
    ['lldp systemDescription=Siemens, SIMATIC S7, CPU-1200, 6ES7 214-1AG40, HW: 1, FW: V.4.2.1'],
    { vendor: 'Siemens', class: 'industrial controller', software: '4.2.1' },
  ],
  [
    ['snmp sysDescr=Cisco IOS Software, C2960 Software (C2960-LANBASEK9-M), Version 15.0(2)SE4, RELEASE'],
    { vendor: 'Cisco', os: 'Cisco IOS', software: '15.0(2)SE4', class: 'network switch' },
  ],
  [
    ['snmp sysDescr=Cisco IOS Software, C2900 Software (C2900-UNIVERSALK9-M), Version 15.2(4)M6, RELEASE'],
    { vendor: 'Cisco', class: 'router', software: '15.2(4)M6' },
  ],
  [
    ['snmp sysDescr=ProCurve J9085A Switch 2610-24, revision R.11.25, ROM R.10.06'],
    { vendor: 'HP', model: '2610-24', class: 'network switch' },
  ],
  [['snmp sysDescr=RouterOS 6.42.1'], { vendor: 'MikroTik', class: 'router', software: '6.42.1' }],
  [
    ['snmp sysDescr=APC Web/SNMP Management Card (MB:v4.1.0 PF:v6.5.0)'],
    { vendor: 'APC', class: 'power supply' },
  ],
  [['snmp sysDescr=Linux nas 4.4.59 #25426 SMP x86_64'], { os: 'Linux' }],
  [
    ['cdp platform=cisco AIR-AP1242AG-A-K9', 'cdp capabilities=2'],
    { vendor: 'Cisco', class: 'wireless access point' },
  ],
  [['cdp platform=VMware ESX', 'cdp capabilities=8'], { vendor: 'VMware', class: 'server' }],
  [['bacnet vendorId=5', 'bacnet device=1201'], { vendor: 'Johnson Controls', class: 'building controller' }],
  [
    ['http userAgent=Dalvik/2.1.0 (Linux; U; Android 5.1.1; SM-N7505 Build/LMY47X)'],
    { os: 'Android 5.1.1', model: 'SM-N7505', class: 'phone' },
  ],
];

void t.test('equipment of every network', (t) => {
  for (const [words, is] of equipment) {
    const found = who(words);
    t.match(found, is, words.join(', '));
    t.notOk(found.medical, words.join(', '));
  }
  t.end();
});

void t.test('names that people choose are nobody’s factory names', (t) => {
  for (const name of [
    'HP-laptop',
    'BRIGHTON',
    'KMART',
    'NPI',
    'android',
    'DESKTOP-FRONT',
    'LAPTOP-ANNA',
    'ET',
    'SEC-OFFICE',
    'NASTY',
    'radiology-pc',
    'mri-console',
    'ct1',
    'pacs-admin-laptop',
    'icu-desk-3',
  ]) {
    const found = who([`dhcp hostName=${name}`], 'Dell Inc.');
    t.equal(found.class, undefined, name);
    t.equal(found.vendor, 'Dell', name);
    t.notOk(found.medical, name);
  }
  t.end();
});

void t.test('what speaks of medical things without being one', (t) => {
  const no = (name: string, words: readonly string[], vendor = 'Dell Inc.'): void => {
    t.notOk(who(words, vendor).medical, name);
  };
  no(
    'a laptop of a tester',
    ['dhcp hostName=kali', 'dhcp vendorClass=dhcpcd-9.4.1:Linux-6.1:x86_64'],
    'Intel Corporate',
  );
  no('who reads a maker’s pages', [
    'dns question=draeger.com',
    'tls serverName=www.philips.com',
    'dns question=gehealthcare.com',
  ]);
  no('a browser on an archive’s page', ['http userAgent=Mozilla/5.0 (Windows NT 10.0) PACS-Viewer']);
  no('a maker’s office printer', ['snmp sysDescr=Lexmark MX611 version NH6'], 'Lexmark International');
  no('a maker’s switch', ['lldp systemDescription=Siemens AG SIMATIC NET SCALANCE X208'], 'Siemens AG');
  no('a maker’s card and nothing more', [], 'Siemens AG');
  no('a television of a maker of monitors', ['ssdp server=Philips TV UPnP/1.0'], 'Philips');
  no('a host that is called as a monitor of another maker', ['dhcp hostName=MX800'], 'Micro-Star INT');
  no('Hue', ['ssdp server=IpBridge/1.0'], 'Philips Lighting BV');
  t.end();
});
