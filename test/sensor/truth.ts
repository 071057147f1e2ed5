/**
 * What a correct sensor says of hosts of the corpus: the words of its index, written out attribute by attribute.
 * An attribute that nothing in the capture tells is left out; `null` is one that must stay unknown.
 */

export interface Truth {
  /** File, by its path in the corpus, or a pattern over the paths. */
  readonly file: RegExp;
  /** MAC, or an address where the capture has none. */
  readonly host: string;
  readonly class?: RegExp | null;
  readonly vendor?: RegExp;
  readonly model?: RegExp;
  readonly version?: RegExp;
  readonly medical: boolean;
  /** A protocol that must be found on one of the host's ports. */
  readonly serves?: string;
}

const clinic = /clinic-lab/;
const medical = true;

const clinicHosts: readonly Omit<Truth, 'file'>[] = [
  {
    host: '08:00:06:21:25:41',
    class: /^MR scanner$/,
    vendor: /^Siemens$/,
    model: /^Avanto$/,
    version: /4VB11D/,
    medical,
  },
  {
    host: '00:09:fb:50:77:22',
    class: /^ultrasound/,
    vendor: /^Philips$/,
    model: /^EPIQ 7C$/,
    version: /1\.7\.1\.24/,
    medical,
  },
  {
    host: '00:08:fb:1b:22:23',
    class: /^ultrasound/,
    vendor: /^SonoSite$/,
    model: /^Turbo$/,
    version: /51\.80/,
    medical,
  },
  {
    host: '44:4b:5d:03:08:24',
    class: /^CT scanner$/,
    vendor: /^GE /,
    model: /^RHAPSODE$/,
    version: /^05$/,
    medical,
  },
  {
    host: '08:00:66:51:56:25',
    class: /^radiography/,
    vendor: /^Agfa$/,
    model: /^ADC_5156$/,
    version: /c25_1008/,
    medical,
  },
  {
    host: '00:0f:82:25:00:26',
    class: /^electrocardiograph$/,
    vendor: /^Mortara$/,
    model: /^el250$/,
    version: /^0\.0\.0$/,
    medical,
  },
  { host: '00:25:90:12:34:10', class: /^PACS$/, medical, serves: 'dicom' },
  { host: '00:0c:29:66:00:30', class: /worklist/, medical, serves: 'dicom' },
  { host: '3c:97:0e:11:22:40', class: /workstation/i, medical, serves: 'dicom' },
  { host: '00:a0:37:02:70:50', class: /gateway/, vendor: /^Mindray$/, model: /^eGateway$/, medical },
  {
    host: '00:1a:01:20:01:01',
    class: /^infusion pump$/,
    vendor: /^Smiths/,
    model: /^Medfusion 4000$/,
    medical,
  },
  { host: '00:12:21:06:01:13', class: /^infusion pump$/, vendor: /^B\. Braun$/, medical },
  { host: '00:12:21:0a:0b:70', class: /^infusion pump/, vendor: /^B\. Braun$/, model: /SpaceCom/, medical },
  { host: '00:10:5d:0c:0d:71', class: /^patient monitor$/, vendor: /^Dr.ger$/, model: /Infinity/, medical },
  { host: '00:1a:fa:0e:0f:72', class: /monitor$/, vendor: /^Welch Allyn$/, model: /CVSM/, medical },
  { host: '3c:d9:2b:77:88:60', class: /^printer$/, vendor: /^HP$/, medical: false, serves: 'snmp' },
];

/** By the type that the public set gives its captures. */
const things: readonly (readonly [string, string, RegExp, RegExp, RegExp?])[] = [
  ['Aria', '20:f8:5e:ca:91:52', /^Fitbit$/, /scale/, /Aria/],
  ['D-LinkDayCam', 'b0:c5:54:1c:71:85', /^D-Link$/, /camera/, /DCS-93/],
  ['D-LinkHomeHub', '1c:5f:2b:aa:fd:4e', /^D-Link$/, /gateway|hub/, /G020/],
  ['D-LinkSiren', '90:8d:78:dd:0d:60', /^D-Link$/, /siren/, /S220/],
  ['D-LinkWaterSensor', '6c:72:20:c5:17:5a', /^D-Link$/, /water/, /S160/],
  ['EdimaxCam2', '74:da:38:80:79:fc', /^Edimax$/, /camera/],
  ['EdimaxPlug2101W', '74:da:38:23:22:7b', /^Edimax$/, /plug/],
  ['EdnetCam2', '3c:49:37:03:17:f0', /^Ednet$/, /camera/],
  // The plug has no card: on the wire is the access point that it belongs to, and the sensor says that. Counted as wrong.
  ['HomeMaticPlug', '00:1a:22:05:c4:2e', /^eQ-3$/, /plug/, /Homematic/],
  ['HueSwitch', '00:17:88:24:76:ff', /^Signify$/, /lighting/, /Hue/],
  ['MAXGateway', '00:1a:22:03:cb:be', /^eQ-3$/, /gateway/, /MAX/],
  ['TP-LinkPlugHS100', '50:c7:bf:00:fc:a3', /^TP-Link$/, /plug/, /HS100/],
  ['WeMoInsightSwitch', '94:10:3e:41:c2:05', /^Belkin$/, /plug/, /Insight/],
  ['WeMoLink', '94:10:3e:cd:37:65', /^Belkin$/, /lighting/, /Link/],
  ['WeMoSwitch2', '94:10:3e:34:0c:b5', /^Belkin$/, /plug/, /Switch|Socket/],
  // It sends nothing but DHCP and ARP under its module's default name: the sensor says "IoT device". Counted as wrong.
  ['iKettle2', '5c:cf:7f:06:d9:02', /Smarter/, /kettle/],
];

const lan: readonly (readonly [RegExp, string, RegExp, RegExp, RegExp?, RegExp?])[] = [
  [/LLDP_and_CDP/, '00:19:2f:a7:b2:8d', /^Cisco$/, /switch/, /WS-C3560G-24/, /12\.2\(44\)SE/],
  [/LLDP_and_CDP/, '00:18:ba:98:68:8f', /^Cisco$/, /switch/, /WS-C3560-24T/, /12\.2\(44\)SE/],
  [/VlanPackets/, '00:21:55:c8:f1:3c', /^Cisco$/, /router/, /1841/, /12\.4\(24\)T/],
  [/VlanPackets/, '00:1b:d4:1b:a4:d8', /^Cisco$/, /router/, /2811/, /12\.4\(24\)T/],
  [/VlanPackets/, '00:19:aa:7d:e6:88', /^Cisco$/, /router/, /1841/, /12\.4\(24\)T/],
  [/VlanPackets/, '00:13:c4:12:0f:0d', /^Cisco$/, /switch/, /WS-C3550-24/, /12\.2\(44\)SE2/],
  [/VlanPackets/, '00:13:c3:df:ae:18', /^Cisco$/, /router/, /2811/],
  [/EIP-IPAddress/, '00:1e:f6:73:59:81', /^Cisco$/, /switch/, /WS-CE500-24TT/, /12\.2\(25\)SEG4/],
  [/Profinet/, '00:1b:1b:34:34:ce', /^Siemens$/, /switch/, /SCALANCE/],
  [/telegram/, 'd8:0d:17:d6:55:ab', /^TP-Link$/, /switch/, /TL-SG116E/],
  [/iphone/, 'd8:30:62:56:00:1c', /^Apple$/, /workstation/],
  [/iphone/, 'c4:61:8b:35:82:a9', /^Apple$/, /phone/],
];

const workstations: readonly (readonly [RegExp, string])[] = [
  [/Profinet/, '00:10:18:cb:8c:03'],
  [/EIP-IPAddress/, '00:1d:09:99:b2:2c'],
  [/telegram/, '04:92:26:5c:97:35'],
];

export const truths: readonly Truth[] = [
  ...clinicHosts.map((row) => ({ file: clinic, ...row })),
  {
    file: /HL7-ADT-UDI/,
    host: '00:03:b1:b5:b6:48',
    class: /^infusion pump$/,
    vendor: /^ICU Medical$/,
    model: /^Plum A\+$/,
    medical,
  },
  { file: /HL7-ADT-UDI/, host: '10.0.0.126', class: /HL7/, medical, serves: 'hl7' },
  { file: /HL7-ADT\.pcap/, host: '10.0.0.155', class: /^hospital/, medical },
  { file: /HL7-ORM/, host: '10.0.0.155', class: /^hospital/, medical },
  { file: /HL7-ORM/, host: '10.0.0.126', class: /HL7/, medical, serves: 'hl7' },
  { file: /dicom_arq/, host: '127.0.0.1', class: /DICOM/, medical },
  {
    file: /bbraun-spacecom/,
    host: '00:12:21:0c:40:41',
    class: /^infusion pump/,
    vendor: /^B\. Braun$/,
    model: /Space/,
    medical,
    serves: 'bcc',
  },
  ...things.map(([type, host, vendor, kind, model]) => ({
    file: new RegExp(`IoT_Sentinel/${type}__`),
    host,
    vendor,
    class: kind,
    medical: false,
    ...(model === undefined ? {} : { model }),
  })),
  ...lan.map(([file, host, vendor, kind, model, version]) => ({
    file,
    host,
    vendor,
    class: kind,
    medical: false,
    ...(model === undefined ? {} : { model }),
    ...(version === undefined ? {} : { version }),
  })),
  ...['f7:85:99', 'e8:32:7a', '19:9e:8e'].map((card) => ({
    file: /EIP-IPAddress/,
    host: `00:0c:29:${card}`,
    class: /^server$/,
    medical: false,
  })),
  ...workstations.map(([file, host]) => ({ file, host, class: /workstation/, medical: false })),
];
