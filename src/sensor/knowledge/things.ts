/**
 * Things of homes that also stand in clinics: cameras, plugs, bridges, sensors, scales. By what they announce and call
 * themselves; where they say nothing, by whose cloud they ask for and who made their card.
 */
import type { Rule } from './rule.ts';

const maker = 'maker\u2019s product names';
const wire = 'seen on a wire';

/** D-Link's smart home line by its model numbers, wherever a device says its own. */
const dlink: readonly (readonly [string, string])[] = [
  ['DCS-\\d{3,4}L?[AB]?', 'camera'],
  ['DCH-9\\d\\dL', 'camera'],
  ['DSP-W\\d{3}', 'smart plug'],
  ['DCH-S150', 'motion sensor'],
  ['DCH-S16\\d', 'water sensor'],
  ['DCH-S220', 'siren'],
  ['DCH-Z110', 'door sensor'],
  ['DCH-Z120', 'motion sensor'],
  ['DCH-G0\\d\\d', 'home automation gateway'],
];

const dlinkRules: readonly Rule[] = dlink.flatMap(([model, kind]): Rule[] => {
  const gives = { vendor: 'D-Link', model: '$1', class: kind };
  return [
    { on: 'dhcp hostName', pattern: new RegExp(`^(${model})`), level: 'dhcp', gives, source: maker },
    {
      on: 'mdns service',
      pattern: new RegExp(`^(?:D-Link )?(${model})`),
      level: 'self',
      gives,
      source: maker,
    },
    { on: 'mdns txt.model_number', pattern: new RegExp(`^(${model})`), level: 'self', gives, source: maker },
    // The name of a host may be another product's platform: the class counts.
    {
      on: 'mdns name',
      pattern: new RegExp(`^(${model})`, 'i'),
      level: 'dhcp',
      gives: { vendor: 'D-Link', class: kind },
      source: maker,
    },
  ];
});

export const thingRules: readonly Rule[] = [
  {
    on: 'upnp manufacturer',
    pattern: /^(.+)$/,
    level: 'self',
    gives: { vendor: '$1' },
    source: 'UPnP device description',
  },
  {
    on: 'upnp modelName',
    pattern: /^(.+)$/,
    level: 'self',
    gives: { model: '$1' },
    source: 'UPnP device description',
  },
  {
    on: 'upnp modelName',
    pattern: /^(?:Socket|Insight|LightSwitch)$/i,
    level: 'self',
    gives: { class: 'smart plug' },
    source: 'UPnP device description',
  },
  {
    on: 'ssdp server',
    pattern: /IpBridge/,
    level: 'self',
    gives: { vendor: 'Signify', model: 'Hue bridge', class: 'lighting bridge' },
    source: 'Hue bridge\u2019s SSDP',
  },
  {
    on: 'ssdp type',
    pattern: /urn:Belkin:device:(?:insight)/i,
    level: 'self',
    gives: { vendor: 'Belkin', model: 'WeMo Insight', class: 'smart plug' },
    source: 'WeMo\u2019s SSDP',
  },
  {
    on: 'ssdp type',
    pattern: /urn:Belkin:device:(?:controllee|lightswitch)/i,
    level: 'self',
    gives: { vendor: 'Belkin', model: 'WeMo Switch', class: 'smart plug' },
    source: 'WeMo\u2019s SSDP',
  },
  {
    on: 'ssdp type',
    pattern: /urn:Belkin:device:bridge/i,
    level: 'self',
    gives: { vendor: 'Belkin', model: 'WeMo Link', class: 'lighting bridge' },
    source: 'WeMo\u2019s SSDP',
  },
  {
    on: 'dns question',
    pattern: /^xbcs\.net$/,
    level: 'traffic',
    also: { on: 'oui vendor', pattern: /belkin/i },
    gives: { vendor: 'Belkin', class: 'smart home device' },
    source: wire,
  },
  ...dlinkRules,
  {
    on: 'mdns name',
    pattern: /^dchg\w*\.local$/,
    level: 'self',
    gives: { vendor: 'D-Link', model: 'DCH-G020', class: 'home automation gateway' },
    source: maker,
  },
  {
    on: 'mdns name',
    pattern: /^localcam\d*\.local$/,
    level: 'self',
    also: { on: 'oui vendor', pattern: /edimax/i },
    gives: { class: 'camera', vendor: 'Edimax' },
    source: wire,
  },
  {
    on: 'dns question',
    pattern: /^myedimax\.com$/,
    level: 'traffic',
    also: { on: 'oui vendor', pattern: /edimax/i },
    gives: { vendor: 'Edimax', class: 'smart plug' },
    source: wire,
  },
  {
    on: 'ssdp server',
    pattern: /^Embedded UPnP\//,
    level: 'banner',
    also: { on: 'oui vendor', pattern: /edimax/i },
    gives: { vendor: 'Edimax', class: 'camera' },
    source: wire,
  },
  {
    on: 'dhcp hostName',
    pattern: /^(HS1\d\d)\(/,
    level: 'dhcp',
    gives: { vendor: 'TP-Link', model: '$1', class: 'smart plug' },
    source: maker,
  },
  {
    on: 'dhcp hostName',
    pattern: /^KEQ\d{7}$/,
    level: 'dhcp',
    gives: { vendor: 'eQ-3', model: 'MAX! Cube', class: 'home automation gateway' },
    source: 'serial numbers of the maker',
  },
  {
    on: 'dns question',
    pattern: /^fitbit\.com$/,
    level: 'traffic',
    also: { on: 'dhcp hostName', pattern: /^GainSpan/ },
    gives: { vendor: 'Fitbit', model: 'Aria', class: 'smart scale' },
    source: 'the maker\u2019s cloud, and the default name of the module in its product with Wi-Fi',
  },
  {
    on: 'oui vendor',
    pattern: /assmann/i,
    level: 'traffic',
    also: { on: 'dhcp vendorClass', pattern: /^udhcp 1\.12/ },
    gives: { vendor: 'Ednet', class: 'camera' },
    source: wire,
  },
  {
    on: 'tcp remotePort',
    pattern: /^9292$/,
    level: 'traffic',
    also: { on: 'oui vendor', pattern: /eq-3/i },
    gives: { vendor: 'eQ-3', model: 'Homematic IP access point', class: 'home automation gateway' },
    source: wire,
  },
  {
    on: 'dhcp hostName',
    pattern: /^Lightify-/i,
    level: 'dhcp',
    gives: { vendor: 'OSRAM', model: 'Lightify gateway', class: 'lighting bridge' },
    source: maker,
  },
  {
    on: 'dns question',
    pattern: /^withings\.(?:net|com)$/,
    level: 'traffic',
    also: { on: 'oui vendor', pattern: /withings/i },
    gives: { vendor: 'Withings', class: 'smart scale' },
    source: wire,
  },
  {
    on: 'mdns name',
    pattern: /^Lightify-/i,
    level: 'self',
    gives: { vendor: 'OSRAM', model: 'Lightify gateway', class: 'lighting bridge' },
    source: maker,
  },
  {
    on: 'mdns service',
    pattern: /^Lightify-/i,
    level: 'self',
    gives: { vendor: 'OSRAM', model: 'Lightify gateway', class: 'lighting bridge' },
    source: 'names under which controllers look for the gateway',
  },
  {
    on: 'dns question',
    pattern: /^(?:arrayent\.com|lightify-api\.(?:org|com))$/,
    level: 'traffic',
    also: { on: 'oui vendor', pattern: /osram/i },
    gives: { vendor: 'OSRAM', model: 'Lightify gateway', class: 'lighting bridge' },
    source: 'cloud of the gateway\u2019s maker',
  },
  {
    on: 'service',
    pattern: /^tcp\/4000$/,
    level: 'traffic',
    also: { on: 'oui vendor', pattern: /osram/i },
    gives: { vendor: 'OSRAM', model: 'Lightify gateway', class: 'lighting bridge' },
    source: 'published descriptions of the gateway\u2019s protocol',
  },
  // Makers of whom one line of products has a network card of its own prefix.
  {
    on: 'oui vendor',
    pattern: /^osram/i,
    level: 'oui',
    gives: { class: 'lighting bridge', model: 'Lightify gateway' },
    source: maker,
  },
  {
    on: 'oui vendor',
    pattern: /^philips lighting|^signify/i,
    level: 'oui',
    gives: { class: 'lighting bridge', model: 'Hue bridge' },
    source: maker,
  },
  {
    on: 'oui vendor',
    pattern: /^eq-3/i,
    level: 'oui',
    gives: { class: 'home automation gateway' },
    source: maker,
  },
  {
    on: 'oui vendor',
    pattern: /^assmann/i,
    level: 'oui',
    gives: { class: 'smart home device' },
    source: maker,
  },
  {
    on: 'dhcp hostName',
    pattern: /^Philips-hue/i,
    level: 'dhcp',
    gives: { vendor: 'Signify', model: 'Hue bridge', class: 'lighting bridge' },
    source: 'the bridge\u2019s default name',
  },
  {
    on: 'dns question',
    pattern: /^(?:meethue|philips-hue)\.com$/,
    level: 'traffic',
    also: { on: 'oui vendor', pattern: /philips lighting|signify/i },
    gives: { vendor: 'Signify', model: 'Hue bridge', class: 'lighting bridge' },
    source: 'cloud of the maker',
  },
  {
    on: 'upnp modelName',
    pattern: /^Philips hue bridge/i,
    level: 'self',
    gives: { class: 'lighting bridge' },
    source: 'UPnP device description',
  },
  {
    on: 'dns question',
    pattern: /^(?:tplinkcloud|tplinkra)\.com$/,
    level: 'traffic',
    also: { on: 'oui vendor', pattern: /tp-?link/i },
    gives: { vendor: 'TP-Link', class: 'smart home device' },
    source: 'cloud of the maker',
  },
  {
    on: 'dhcp hostName',
    pattern: /^(HS2\d\d|KP\d{3}|EP\d{2})(?:\(|$)/,
    level: 'dhcp',
    gives: { vendor: 'TP-Link', model: '$1', class: 'smart plug' },
    source: maker,
  },
  {
    on: 'dhcp hostName',
    pattern: /^(LB\d{3}|KL\d{3})(?:\(|$)/,
    level: 'dhcp',
    gives: { vendor: 'TP-Link', model: '$1', class: 'smart light' },
    source: maker,
  },
  // Scales are what Withings puts on Wi-Fi most of all; a name of another product says otherwise.
  {
    on: 'dhcp vendorClass',
    pattern: /^Withings/i,
    level: 'oui',
    gives: { class: 'smart scale' },
    source: maker,
  },
  {
    on: 'oui vendor',
    pattern: /withings/i,
    level: 'oui',
    gives: { class: 'smart scale' },
    source: maker,
  },
  ...['dhcp hostName', 'mdns name', 'http userAgent'].map((on): Rule => ({
    on,
    pattern: /\bWS-?(30|40|45|50)\b/,
    level: 'dhcp',
    also: { on: 'oui vendor', pattern: /withings/i },
    gives: { vendor: 'Withings', model: 'WS-$1', class: 'smart scale' },
    source: maker,
  })),
  // Kettles and coffee machines of one maker, on a module of another, serve this port.
  {
    on: 'service',
    pattern: /^tcp\/2081$/,
    level: 'traffic',
    also: { on: 'oui vendor', pattern: /espressif/i },
    gives: { vendor: 'Smarter', class: 'kitchen appliance' },
    source: 'published descriptions of the maker\u2019s protocol',
  },
];
