/**
 * What hosts say unasked, or in one datagram: link-layer announcements (LLDP, CDP, PROFINET), DHCP requests of both kinds, names
 * (DNS questions, multicast DNS, LLMNR, NetBIOS), SSDP, WS-Discovery, SNMP answers, NTP, BACnet, EtherNet/IP, Philips IntelliVue,
 * GE Unity, the first packet of QUIC. Each is known by its content; a port narrows what is tried only where content alone is weak.
 *
 * The word of a datagram is its sender's, and only when the sending card owns the address (`HostTable.at`);
 * what isn't forwarded (DHCP, LLDP, CDP) is its card's.
 */
import { decodeBacnet } from '../protocol/bacnet/message.ts';
import { snap, types as cdpTypes } from '../protocol/cdp/constants.ts';
import { decodeCdp } from '../protocol/cdp/message.ts';
import { decodeDhcp, isDhcp } from '../protocol/dhcp/message.ts';
import { ports as dhcpv6Ports } from '../protocol/dhcpv6/constants.ts';
import { decodeDhcpv6 } from '../protocol/dhcpv6/message.ts';
import { decodeDiscovery } from '../protocol/discovery/message.ts';
import { ports as dnsPorts, types as dnsTypes } from '../protocol/dns/constants.ts';
import { decodeDns, netbiosName } from '../protocol/dns/message.ts';
import { recognizeEnip, decodeEnip } from '../protocol/enip/message.ts';
import { decodeHttp } from '../protocol/http/message.ts';
import { decodeIntelliVue, recognizeIntelliVue } from '../protocol/intellivue/message.ts';
import { etherType as lldpEtherType } from '../protocol/lldp/constants.ts';
import { decodeLldp } from '../protocol/lldp/message.ts';
import { port as netbiosPort, serverType } from '../protocol/netbios/constants.ts';
import { decodeAnnouncement } from '../protocol/netbios/message.ts';
import { port as ntpPort } from '../protocol/ntp/constants.ts';
import { decodeNtp } from '../protocol/ntp/message.ts';
import { etherType as profinetEtherType } from '../protocol/profinet/constants.ts';
import { decodeProfinet } from '../protocol/profinet/message.ts';
import { decodeSnmp } from '../protocol/snmp/message.ts';
import { decodeUnity } from '../protocol/unity/message.ts';
import { etherType } from './constants.ts';
import { sayIdentity } from './device-greeting.ts';
import type { Frame } from './frame.ts';
import { addressOf } from './frame.ts';
import type { HostTable } from './host-table.ts';
import type { Host } from './host.ts';
import { QuicGreetings } from './quic-greeting.ts';

type Say = (field: string, value: string | undefined) => void;

const serverRoles = serverType.domainController | serverType.backupController | serverType.windowsServer;
const SNMP_PORTS = new Set([161, 162]);
/** Pairs of a TXT record that tell of a device (RFC 6763 section 6, Bonjour printing). */
const telling = /^(model|md|ty|product|usb_MFG|usb_MDL|am|vendor|manufacturer|fw|fv|version)=(.+)$/i;
const multicastNames = new Set<number>([dnsPorts.multicast, dnsPorts.llmnr]);

export class Announcements {
  readonly #hosts: HostTable;
  readonly #weird: (name: string) => void;
  readonly #quic: QuicGreetings;

  constructor(hosts: HostTable, weird: (name: string) => void) {
    this.#hosts = hosts;
    this.#weird = weird;
    this.#quic = new QuicGreetings(hosts, weird);
  }

  /** Take a decoded frame. */
  take(frame: Frame, at: number): void {
    if (frame.network === 'other') return this.#link(frame, at);
    if (frame.transport !== 'udp' || frame.payloadEnd - frame.payloadStart < 8) return;
    this.#datagram(frame, frame.payload, at);
  }

  #sayer(host: Host, protocol: string, at: number): Say {
    return (field, value) => {
      if (value !== undefined) this.#hosts.say(host, protocol, field, value, at);
    };
  }

  #link(frame: Frame, at: number): void {
    const host = this.#hosts.card(frame.sourceMac);
    if (host === undefined) return;
    const { bytes } = frame;
    // The frame is untagged or singly tagged: the type stands at 12 or 16.
    for (const offset of [12, 16]) {
      const type = ((bytes[offset] ?? 0) << 8) | (bytes[offset + 1] ?? 0);
      if (type === lldpEtherType) return this.#lldp(host, bytes.subarray(offset + 2), at);
      if (type === profinetEtherType) return this.#profinet(host, bytes.subarray(offset + 2), at);
      if (type < etherType.FIRST && snap.every((b, i) => bytes[offset + 2 + i] === b)) {
        // The 802.3 length counts from after itself; what follows is padding.
        const end = Math.min(bytes.length, offset + 2 + type);
        return this.#cdp(host, bytes.subarray(offset + 2 + snap.length, end), at);
      }
      if (type !== etherType.VLAN) return;
    }
  }

  #lldp(host: Host, bytes: Uint8Array, at: number): void {
    const decoded = decodeLldp(bytes);
    if (decoded.kind === 'malformed') return this.#weird(decoded.name);
    const say = this.#sayer(host, 'lldp', at);
    for (const [field, value] of decoded.message.fields) say(field, value);
    if (decoded.message.capabilities > 0) say('capabilities', String(decoded.message.capabilities));
  }

  #profinet(host: Host, bytes: Uint8Array, at: number): void {
    const decoded = decodeProfinet(bytes);
    if (decoded.kind === 'malformed') return this.#weird(decoded.name);
    if (decoded.message === undefined) return;
    const { stationType, stationName, vendorId, deviceId, role } = decoded.message;
    const say = this.#sayer(host, 'profinet', at);
    say('stationType', stationType);
    say('stationName', stationName);
    if (vendorId !== undefined) say('vendorId', String(vendorId));
    if (deviceId !== undefined) say('deviceId', String(deviceId));
    say('role', role);
  }

  #cdp(host: Host, bytes: Uint8Array, at: number): void {
    const decoded = decodeCdp(bytes);
    if (decoded.kind === 'malformed') return this.#weird(decoded.name);
    const say = this.#sayer(host, 'cdp', at);
    const { deviceId, platform, version, capabilities } = decoded.message;
    say(nameOf(cdpTypes.deviceId), deviceId);
    say(nameOf(cdpTypes.platform), platform);
    say(nameOf(cdpTypes.version), version);
    if (capabilities > 0) say('capabilities', String(capabilities));
  }

  #datagram(frame: Frame, bytes: Uint8Array, at: number): void {
    const { sourcePort, destinationPort } = frame;
    if (isDhcp(bytes)) return this.#dhcp(frame, bytes, at);
    if (sourcePort === dhcpv6Ports.client && destinationPort === dhcpv6Ports.server)
      return this.#dhcpv6(frame, bytes, at);
    const host = this.#hosts.at(frame.sourceMac, frame.source);
    if (host === undefined) return;
    const either = (port: number): boolean => sourcePort === port || destinationPort === port;
    if (
      either(dnsPorts.multicast) ||
      either(dnsPorts.llmnr) ||
      either(dnsPorts.dns) ||
      either(dnsPorts.netbios)
    )
      return this.#names(host, frame, bytes, at);
    if (either(netbiosPort)) return this.#browser(host, bytes, at);
    if (either(ntpPort)) return this.#ntp(host, sourcePort, bytes, at);
    switch (bytes[0]) {
      case 0x30:
        if (SNMP_PORTS.has(sourcePort) || SNMP_PORTS.has(destinationPort))
          this.#snmp(host, sourcePort, bytes, at);
        return;
      case 0x3c:
        return this.#discovery(host, bytes, at);
      case 0x4e: // NOTIFY
      case 0x48: // HTTP/1.1 200
        return this.#ssdp(host, bytes, at);
      case 0x81:
        return this.#bacnet(host, sourcePort, bytes, at);
      case 0x63:
        if (recognizeEnip(bytes) === 'yes') return this.#enip(host, sourcePort, bytes, at);
        return this.#medical(host, frame, bytes, at);
      default:
        if (this.#quic.take(host, frame, bytes, at)) return;
        return this.#medical(host, frame, bytes, at);
    }
  }

  #dhcp(frame: Frame, bytes: Uint8Array, at: number): void {
    const decoded = decodeDhcp(bytes);
    if (decoded.kind === 'malformed') return this.#weird(decoded.name);
    const request = decoded.message;
    // A relay forwards what others ask: only the client's own frame speaks for it.
    if (request === undefined || request.client !== frame.sourceMac) return;
    const host = this.#hosts.card(frame.sourceMac);
    if (host === undefined) return;
    const say = this.#sayer(host, 'dhcp', at);
    say('hostName', request.hostName);
    say('vendorClass', request.vendorClass);
    say('parameters', request.parameters);
    say('clientId', request.clientId);
  }

  #dhcpv6(frame: Frame, bytes: Uint8Array, at: number): void {
    const decoded = decodeDhcpv6(bytes);
    if (decoded.kind === 'malformed') return this.#weird(decoded.name);
    const host = decoded.message === undefined ? undefined : this.#hosts.card(frame.sourceMac);
    if (decoded.message === undefined || host === undefined) return;
    const { hostName, vendorClass, enterprise, parameters, client } = decoded.message;
    const say = this.#sayer(host, 'dhcpv6', at);
    say('hostName', hostName);
    say('vendorClass', vendorClass);
    if (enterprise !== undefined) say('enterprise', String(enterprise));
    say('parameters', parameters);
    say('duid', client);
  }

  #ntp(host: Host, port: number, bytes: Uint8Array, at: number): void {
    const decoded = decodeNtp(bytes);
    if (decoded.kind === 'malformed' || decoded.message === undefined) return;
    const { server, version, stratum, reference, habits } = decoded.message;
    const say = this.#sayer(host, 'ntp', at);
    if (!server) return say('client', habits);
    this.#hosts.service(host, 'udp', port, 'ntp');
    say('server', `v${version} stratum ${stratum}`);
    say('reference', reference);
  }

  #names(host: Host, frame: Frame, bytes: Uint8Array, at: number): void {
    const decoded = decodeDns(bytes);
    if (decoded.kind === 'malformed') return this.#weird(decoded.name);
    const { response, questions, records } = decoded.message;
    const multicast = multicastNames.has(frame.sourcePort) || multicastNames.has(frame.destinationPort);
    if (!multicast && frame.sourcePort !== dnsPorts.netbios && frame.destinationPort !== dnsPorts.netbios) {
      if (response) return;
      const say = this.#sayer(host, 'dns', at);
      for (const { name } of questions) say('question', domainOf(name));
      return;
    }
    if (!multicast) {
      // A registration carries the name as a record of its own.
      for (const record of records) {
        const own = record.type === dnsTypes.netbios ? netbiosName(record.name) : undefined;
        if (own !== undefined && (own.suffix === 0 || own.suffix === 0x20))
          this.#hosts.say(host, 'nbns', own.suffix === 0 ? 'name' : 'server', own.name, at);
      }
      return;
    }
    // Answers, and the records with which a host asks whether a name is free.
    const say = this.#sayer(host, 'mdns', at);
    for (const record of records) {
      if (!response && record.type === dnsTypes.ptr) continue;
      if (record.type === dnsTypes.a || record.type === dnsTypes.aaaa) {
        // A proxy answers for hosts that sleep: a name is the sender's own when the address is.
        if (host.addresses.has(record.values[0] ?? '')) say('name', record.name);
      } else if (record.type === dnsTypes.ptr) {
        if (/^_.*\.local$/.test(record.name)) say('service', record.values[0]);
      } else if (record.type === dnsTypes.hinfo) say('hinfo', record.values.join(' '));
      else if (record.type === dnsTypes.txt) {
        for (const value of record.values) {
          const pair = telling.exec(value);
          if (pair !== null) say(`txt.${(pair[1] ?? '').toLowerCase()}`, pair[2]);
          // Some put all pairs in one string.
          if (value.includes('model_number='))
            say('txt.model_number', /(?:^|,)model_number=([^,]{1,64})/.exec(value)?.[1]);
        }
      }
    }
  }

  #browser(host: Host, bytes: Uint8Array, at: number): void {
    const decoded = decodeAnnouncement(bytes);
    if (decoded.kind === 'malformed') return;
    const say = this.#sayer(host, 'browser', at);
    say('name', decoded.message.name);
    say('os', decoded.message.os);
    say('serverType', `0x${decoded.message.serverType.toString(16)}`);
    say('comment', decoded.message.comment);
    if ((decoded.message.serverType & serverRoles) !== 0) say('role', 'server');
  }

  #snmp(host: Host, port: number, bytes: Uint8Array, at: number): void {
    const decoded = decodeSnmp(bytes);
    if (decoded.kind === 'malformed' || decoded.message === undefined) return;
    this.#hosts.service(host, 'udp', port, 'snmp');
    const say = this.#sayer(host, 'snmp', at);
    say('sysDescr', decoded.message.description);
    say('sysName', decoded.message.name);
  }

  #discovery(host: Host, bytes: Uint8Array, at: number): void {
    const decoded = decodeDiscovery(bytes);
    if (decoded.kind === 'malformed') return;
    const found = decoded.message;
    // Who probes looks for others: types in a probe are not its own.
    if (found.action === 'Probe' || found.action === 'Resolve') return;
    const say = this.#sayer(host, found.medical ? 'sdc' : 'wsd', at);
    if (found.medical) for (const port of found.ports) this.#hosts.service(host, 'tcp', port, 'sdc');
    say('types', found.types);
    say('location', found.location);
    for (const scope of found.scopes.filter((s) => !s.startsWith('sdc.ctxt.'))) say('scope', scope);
  }

  #ssdp(host: Host, bytes: Uint8Array, at: number): void {
    const decoded = decodeHttp(bytes, true);
    if (decoded.kind === 'malformed') return;
    const { headers, method } = decoded.message;
    if (method !== 'NOTIFY' && !headers.has('st')) return;
    const say = this.#sayer(host, 'ssdp', at);
    say('server', headers.get('server'));
    const type = headers.get('nt') ?? headers.get('st') ?? '';
    if (/:device:|^hue-/.test(type)) say('type', type);
    if (headers.has('hue-bridgeid')) say('bridge', 'hue');
  }

  #bacnet(host: Host, port: number, bytes: Uint8Array, at: number): void {
    const decoded = decodeBacnet(bytes);
    if (decoded.kind === 'malformed' || decoded.message.routed) return;
    const { device, vendor, field } = decoded.message;
    if (device === undefined && field === undefined) return;
    this.#hosts.service(host, 'udp', port, 'bacnet');
    const say = this.#sayer(host, 'bacnet', at);
    if (device !== undefined) say('device', String(device));
    if (vendor !== undefined) say('vendorId', String(vendor));
    if (field !== undefined) say(field.name, field.value);
  }

  #enip(host: Host, port: number, bytes: Uint8Array, at: number): void {
    const decoded = decodeEnip(bytes);
    if (decoded.kind === 'malformed') return this.#weird(decoded.name);
    const { identity } = decoded.message;
    if (identity === undefined) return;
    this.#hosts.service(host, 'udp', port, 'enip');
    sayIdentity(this.#sayer(host, 'enip', at), identity);
  }

  #medical(host: Host, frame: Frame, bytes: Uint8Array, at: number): void {
    if (recognizeIntelliVue(bytes) !== undefined) {
      const decoded = decodeIntelliVue(bytes);
      if (decoded.kind === 'malformed') return this.#weird(decoded.name);
      const { unit, monitor, manufacturer, model, bed, serial, software, systemId } = decoded.message;
      // Requests and polls come from who reads the monitor.
      if (!monitor) return;
      const say = this.#sayer(host, 'intellivue', at);
      this.#hosts.service(host, 'udp', frame.sourcePort, 'intellivue');
      say('unit', unit);
      say('manufacturer', manufacturer);
      say('model', model);
      say('bed', bed);
      say('serial', serial);
      say('software', software);
      say('systemId', systemId);
      return;
    }
    const unity = decodeUnity(bytes, addressOf(frame.source));
    if (unity.kind === 'malformed') return;
    const say = this.#sayer(host, 'unity', at);
    // Each node sends to the port that it listens on itself.
    this.#hosts.service(host, 'udp', frame.destinationPort, 'unity');
    say('unit', unity.message.kind);
    say('place', unity.message.place);
  }
}

const nameOf = (type: number): string =>
  Object.entries(cdpTypes).find(([, value]) => value === type)?.[0] ?? String(type);

/** The registrable part of a name, nearly: its last two labels, three where the second is short. */
function domainOf(name: string): string | undefined {
  const labels = name.toLowerCase().split('.');
  if (labels.length < 2 || labels.at(-1) === 'arpa' || labels.at(-1) === 'local') return undefined;
  const count = (labels.at(-2) ?? '').length <= 3 && labels.length > 2 ? 3 : 2;
  return labels.slice(-count).join('.');
}
