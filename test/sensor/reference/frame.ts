/**
 * The reference that the native stage's decoder is compared with. One captured frame, decoded from the link layer to the transport payload: Ethernet with 802.1Q/802.1ad tags,
 * Linux cooked (v1, v2), null/loopback and raw IP; ARP (RFC 826); IPv4 (RFC 791); IPv6 (RFC 8200);
 * neighbour discovery (RFC 4861); TCP (RFC 9293); UDP (RFC 768); PPPoE sessions (RFC 2516) and MPLS (RFC 3032),
 * looked through; tunnels (see `tunnel.ts`), of which `inner` tells where the frame inside begins.
 *
 *   Ethernet  destination 6 · source 6 · [tag 0x8100|0x88a8 · TCI 2]* · EtherType 2 · payload
 *   SLL       type 2 · ARPHRD 2 · length 2 · source 8 · protocol 2 · payload
 *   SLL2      protocol 2 · reserved 2 · interface 4 · ARPHRD 2 · type 1 · length 1 · source 8 · payload
 *
 * `Frame` is one object that every frame is decoded into: the path is taken once a packet, so it allocates
 * only the two address strings. Addresses are packed two bytes a UTF-16 unit (2 units IPv4, 8 units IPv6) and
 * MAC addresses are numbers, so both are cheap map keys; `addressOf` and `macText` print them.
 *
 * Nothing is trusted: lengths are clamped to what was captured, what contradicts itself is a named `weird`.
 * A fragment is told as one; `fragment.ts` puts them together.
 */
import { NO_MAC, Frame as HandedOver, isUnicast } from '../../../src/sensor/frame.ts';
import { etherType, ipProtocol, limits, linkType, neighbour } from './constants.ts';
import { tunnelled, tunnelledDatagram } from './tunnel.ts';
import type { Inner } from './tunnel.ts';

const ARPHRD_ETHERNET = 1;
const SLL_HEADER = 16;
const SLL2_HEADER = 20;

export class Frame extends HandedOver {
  /** The frame or packet that this one carries for others. */
  inner: Inner | undefined;
  weird: string | undefined;
  weirdOffset = 0;

  /** Decode `bytes` in place of what was here. Keeps no copy: valid as long as `bytes` is. */
  decode(link: number, bytes: Uint8Array): void {
    this.place(bytes, 0, bytes.length);
    this.sourceMac = NO_MAC;
    this.destinationMac = NO_MAC;
    this.vlan = 0;
    this.network = 'none';
    this.source = '';
    this.destination = '';
    this.hopLimit = 0;
    this.transport = 'none';
    this.sourcePort = 0;
    this.destinationPort = 0;
    this.tcpFlags = 0;
    this.sequence = 0;
    this.networkStart = 0;
    this.transportStart = 0;
    this.payloadStart = bytes.length;
    this.payloadEnd = bytes.length;
    this.payloadMissing = 0;
    this.claim = '';
    this.arp = 'none';
    this.inner = undefined;
    this.weird = undefined;
    this.weirdOffset = 0;
    switch (link) {
      case linkType.ETHERNET:
        return this.#ethernet();
      case linkType.LINUX_SLL:
        return this.#cooked(SLL_HEADER, 14, 2, 4, 6);
      case linkType.LINUX_SLL2:
        return this.#cooked(SLL2_HEADER, 0, 8, 10, 12);
      case linkType.NULL:
      case linkType.LOOP:
        return this.#loopback();
      case linkType.RAW:
      case linkType.RAW_BSD:
      case linkType.RAW_OPENBSD:
      case linkType.IPV4:
      case linkType.IPV6:
        return this.#raw(0);
      default:
        return this.#weird('link_type_unknown', 0);
    }
  }

  #weird(name: string, offset: number): void {
    this.weird ??= name;
    if (this.weird === name) this.weirdOffset = offset;
  }

  #u16(at: number): number {
    return ((this.bytes[at] as number) << 8) | (this.bytes[at + 1] as number);
  }

  #u32(at: number): number {
    return this.#u16(at) * 65536 + this.#u16(at + 2);
  }

  #mac(at: number): number {
    return this.#u16(at) * 4294967296 + this.#u32(at + 2);
  }

  #address4(at: number): string {
    return String.fromCharCode(this.#u16(at), this.#u16(at + 2));
  }

  #address6(at: number): string {
    return String.fromCharCode(
      this.#u16(at),
      this.#u16(at + 2),
      this.#u16(at + 4),
      this.#u16(at + 6),
      this.#u16(at + 8),
      this.#u16(at + 10),
      this.#u16(at + 12),
      this.#u16(at + 14),
    );
  }

  #ethernet(): void {
    if (this.bytes.length < 14) return this.#weird('ethernet_truncated', 0);
    this.destinationMac = this.#mac(0);
    this.sourceMac = this.#mac(6);
    this.#tagged(12);
  }

  /** `at`: offset of an EtherType, VLAN tags before the last one. */
  #tagged(at: number): void {
    let type = this.#u16(at);
    for (
      let tags = 0;
      type === etherType.VLAN || type === etherType.QINQ || type === etherType.QINQ_OLD;
      tags++
    ) {
      if (tags === limits.VLAN_TAGS) return this.#weird('vlan_stack_deep', at);
      if (at + 6 > this.bytes.length) return this.#weird('vlan_truncated', at);
      this.vlan = this.#u16(at + 2) & 0xfff;
      at += 4;
      type = this.#u16(at);
    }
    this.#payload(type, at + 2);
  }

  #payload(type: number, at: number): void {
    if (type === etherType.IPV4) return this.#ipv4(at);
    if (type === etherType.IPV6) return this.#ipv6(at);
    if (type === etherType.ARP) return this.#arp(at);
    if (type === etherType.PPPOE) return this.#pppoe(at);
    if (type === etherType.MPLS) return this.#labelled(at);
    this.network = 'other';
  }

  /** Version and type 1 · code 1 · session 2 · length 2 · PPP protocol 2. */
  #pppoe(at: number): void {
    if (at + 8 > this.bytes.length) return this.#weird('pppoe_truncated', at);
    const protocol = this.#u16(at + 6);
    if (protocol === etherType.PPP_IPV4 || protocol === etherType.PPP_IPV6) return this.#raw(at + 8);
    this.network = 'other';
  }

  /** Label 20 bits · class 3 · bottom 1 · TTL 8, down to the bottom; what follows tells itself only by its version. */
  #labelled(at: number): void {
    for (let labels = 0; at + 4 <= this.bytes.length; labels++) {
      if (labels === limits.LABELS) return this.#weird('mpls_stack_deep', at);
      const bottom = ((this.bytes[at + 2] as number) & 1) !== 0;
      at += 4;
      if (bottom) return this.#raw(at);
    }
    this.#weird('mpls_truncated', at);
  }

  #cooked(header: number, protocolAt: number, hardwareAt: number, lengthAt: number, sourceAt: number): void {
    if (this.bytes.length < header) return this.#weird('cooked_truncated', 0);
    const length = header === SLL_HEADER ? this.#u16(lengthAt) : (this.bytes[lengthAt + 1] as number);
    if (this.#u16(hardwareAt) === ARPHRD_ETHERNET && length === 6) this.sourceMac = this.#mac(sourceAt);
    const type = this.#u16(protocolAt);
    const tagged = type === etherType.VLAN || type === etherType.QINQ || type === etherType.QINQ_OLD;
    if (!tagged) return this.#payload(type, header);
    // The cooked protocol is the tag's; TCI and the next EtherType follow the header.
    if (this.bytes.length < header + 4) return this.#weird('vlan_truncated', header);
    this.vlan = this.#u16(header) & 0xfff;
    this.#tagged(header + 2);
  }

  /** The family is in the capturing machine's byte order and IPv6 has a different number on each system. */
  #loopback(): void {
    if (this.bytes.length < 4) return this.#weird('loopback_truncated', 0);
    this.#raw(4);
  }

  #raw(at: number): void {
    if (at >= this.bytes.length) return this.#weird('ip_truncated', at);
    const version = (this.bytes[at] as number) >> 4;
    if (version === 4) return this.#ipv4(at);
    if (version === 6) return this.#ipv6(at);
    this.network = 'other';
  }

  /** Hardware 2 · protocol 2 · lengths 1+1 · operation 2 · sender MAC 6 · sender IP 4 · target MAC 6 · target IP 4. */
  #arp(at: number): void {
    this.network = 'arp';
    if (at + 28 > this.bytes.length) return this.#weird('arp_truncated', at);
    const ethernetIpv4 =
      this.#u16(at) === ARPHRD_ETHERNET &&
      this.#u16(at + 2) === etherType.IPV4 &&
      this.#u16(at + 4) === 0x0604;
    if (!ethernetIpv4) return this.#weird('arp_not_ipv4', at);
    if (this.#mac(at + 8) !== this.sourceMac) return this.#weird('arp_sender_mismatch', at + 8);
    const sender = this.#address4(at + 14);
    if (isUnicast(sender)) this.claim = sender;
    this.arp = this.#u16(at + 6) === 1 ? 'request' : 'reply';
    this.destination = this.#address4(at + 24);
  }

  #ipv4(at: number): void {
    this.network = 'ipv4';
    this.networkStart = at;
    const captured = this.bytes.length - at;
    if (captured < 20) return this.#weird('ipv4_truncated', at);
    const first = this.bytes[at] as number;
    const header = (first & 15) * 4;
    if (first >> 4 !== 4 || header < 20) return this.#weird('ipv4_header_bad', at);
    // 0 is what a capture on the sending machine shows when the card cuts segments.
    const total = this.#u16(at + 2) || captured;
    if (total < header) return this.#weird('ipv4_length_bad', at + 2);
    if (captured < header) return this.#weird('ipv4_truncated', at);
    this.hopLimit = this.bytes[at + 8] as number;
    this.source = this.#address4(at + 12);
    this.destination = this.#address4(at + 16);
    if ((this.#u16(at + 6) & 0x3fff) !== 0) {
      this.transport = 'fragment';
      return;
    }
    this.#transport(this.bytes[at + 9] as number, at + header, at + total);
  }

  #ipv6(at: number): void {
    this.network = 'ipv6';
    this.networkStart = at;
    if (at + 40 > this.bytes.length) return this.#weird('ipv6_truncated', at);
    if ((this.bytes[at] as number) >> 4 !== 6) return this.#weird('ipv6_header_bad', at);
    const length = this.#u16(at + 4);
    const end = length === 0 ? this.bytes.length : at + 40 + length;
    this.hopLimit = this.bytes[at + 7] as number;
    this.source = this.#address6(at + 8);
    this.destination = this.#address6(at + 24);
    let next = this.bytes[at + 6] as number;
    let here = at + 40;
    for (let headers = 0; isExtension(next); headers++) {
      if (headers === limits.EXTENSION_HEADERS) return this.#weird('ipv6_extensions_many', here);
      if (here + 8 > Math.min(end, this.bytes.length)) return this.#weird('ipv6_extension_truncated', here);
      // A fragment header that covers the whole packet (RFC 6946) is passed over.
      if (next === ipProtocol.FRAGMENT && (this.#u16(here + 2) & 0xfff9) !== 0) {
        this.transport = 'fragment';
        return;
      }
      const units = this.bytes[here + 1] as number;
      const size =
        next === ipProtocol.FRAGMENT
          ? 8
          : next === ipProtocol.AUTHENTICATION
            ? (units + 2) * 4
            : (units + 1) * 8;
      next = this.bytes[here] as number;
      here += size;
    }
    this.#transport(next, here, end);
  }

  /** `end`: where the datagram ends by its own account, perhaps past what was captured. */
  #transport(protocol: number, at: number, end: number): void {
    const captured = Math.min(end, this.bytes.length);
    if (protocol === ipProtocol.TCP) return this.#tcp(at, end, captured);
    if (protocol === ipProtocol.UDP) return this.#udp(at, end, captured);
    this.transport = 'other';
    if (protocol === ipProtocol.ICMPV6 && this.network === 'ipv6') this.#neighbour(at, captured);
    else if (at < captured) this.inner = tunnelled(this.bytes, protocol, at, captured);
  }

  #tcp(at: number, end: number, captured: number): void {
    if (at + 20 > captured) return this.#weird('tcp_truncated', at);
    const header = ((this.bytes[at + 12] as number) >> 4) * 4;
    if (header < 20 || at + header > end) return this.#weird('tcp_header_bad', at + 12);
    this.transport = 'tcp';
    this.transportStart = at;
    this.sourcePort = this.#u16(at);
    this.destinationPort = this.#u16(at + 2);
    this.sequence = this.#u32(at + 4);
    this.tcpFlags = this.bytes[at + 13] as number;
    this.#extent(at + header, end, captured);
  }

  #udp(at: number, end: number, captured: number): void {
    if (at + 8 > captured) return this.#weird('udp_truncated', at);
    const length = this.#u16(at + 4) || end - at;
    if (length < 8 || at + length > end) return this.#weird('udp_length_bad', at + 4);
    this.transport = 'udp';
    this.sourcePort = this.#u16(at);
    this.destinationPort = this.#u16(at + 2);
    this.#extent(at + 8, at + length, Math.min(captured, at + length));
    this.inner = tunnelledDatagram(this.bytes, this.destinationPort, this.payloadStart, this.payloadEnd);
  }

  #extent(start: number, end: number, captured: number): void {
    this.payloadStart = Math.min(start, captured);
    this.payloadEnd = captured;
    this.payloadMissing = end - Math.max(start, captured);
  }

  /** Type 1 · code 1 · checksum 2 · reserved or flags 4 · target 16. */
  #neighbour(at: number, captured: number): void {
    if (this.hopLimit !== neighbour.HOP_LIMIT || at + 8 > captured) return;
    const type = this.bytes[at] as number;
    if (type < neighbour.ROUTER_SOLICITATION || type > neighbour.ADVERTISEMENT) return;
    const claimed =
      type === neighbour.ADVERTISEMENT && at + 24 <= captured ? this.#address6(at + 8) : this.source;
    if (isUnicast(claimed)) this.claim = claimed;
  }
}

function isExtension(protocol: number): boolean {
  switch (protocol) {
    case ipProtocol.HOP_BY_HOP:
    case ipProtocol.ROUTING:
    case ipProtocol.FRAGMENT:
    case ipProtocol.AUTHENTICATION:
    case ipProtocol.DESTINATION:
    case ipProtocol.MOBILITY:
      return true;
    default:
      return false;
  }
}
