/**
 * Frame: the layers. See frame.h.
 */
#include "frame.h"

#include <algorithm>

#include "tunnel.h"

namespace anteroom::sensor {

namespace {

// ---- specification ----

constexpr uint16_t kIpv4 = 0x0800, kArp = 0x0806, kIpv6 = 0x86dd, kVlan = 0x8100, kQinq = 0x88a8, kQinqOld = 0x9100,
                   kMpls = 0x8847, kPppoe = 0x8864, kPppIpv4 = 0x0021, kPppIpv6 = 0x0057;
constexpr uint8_t kHopByHop = 0, kTcp = 6, kUdp = 17, kRouting = 43, kFragment = 44, kAuthentication = 51,
                  kIcmpv6 = 58, kDestination = 60, kMobility = 135;
constexpr uint16_t kArphrdEthernet = 1;
constexpr uint8_t kRouterSolicitation = 133, kAdvertisement = 136, kNeighbourHopLimit = 255;
constexpr uint32_t kSllHeader = 16, kSll2Header = 20;

// ---- implementation ----

constexpr int kVlanTags = 4, kLabels = 8, kExtensionHeaders = 8;

bool is_tag(uint16_t type) noexcept { return type == kVlan || type == kQinq || type == kQinqOld; }

bool is_extension(uint8_t protocol) noexcept {
  switch (protocol) {
    case kHopByHop:
    case kRouting:
    case kFragment:
    case kAuthentication:
    case kDestination:
    case kMobility:
      return true;
    default:
      return false;
  }
}

bool is_loopback6(const Address& address) noexcept {
  for (int i = 0; i < 15; i++) {
    if (address.bytes[i] != 0) return false;
  }
  return address.length == 16 && address.bytes[15] == 1;
}

}  // namespace

bool is_private(const Address& address) noexcept {
  const uint8_t* b = address.bytes;
  if (address.length == 4)
    return b[0] == 10 || (b[0] == 172 && (b[1] & 0xf0) == 16) || (b[0] == 192 && b[1] == 168) ||
           (b[0] == 169 && b[1] == 254);
  return (b[0] == 0xfe && (b[1] & 0xc0) == 0x80) || (b[0] & 0xfe) == 0xfc;
}

bool is_unicast(const Address& address) noexcept {
  const uint8_t first = address.bytes[0];
  if (address.length == 4) return first != 0 && first != 127 && first < 224;
  if (address.length != 16 || first == 0xff) return false;
  for (int i = 0; i < 14; i++) {
    if (address.bytes[i] != 0) return true;
  }
  return (address.bytes[14] << 8 | address.bytes[15]) > 1;
}

bool is_host_address(const Address& address) noexcept {
  return (address.length == 4 && address.bytes[0] == 127) || is_unicast(address) || is_loopback6(address);
}

void Frame::decode(uint32_t link_type, const uint8_t* data, uint32_t size) noexcept {
  *this = Frame{};
  bytes = data;
  length = size;
  link = link_type;
  payload_start = payload_end = size;
  switch (link_type) {
    case link::kEthernet:
      return ethernet();
    case link::kSll:
      return cooked(kSllHeader, 14, 2, 4, 6);
    case link::kSll2:
      return cooked(kSll2Header, 0, 8, 10, 12);
    case link::kNull:
    case link::kLoop:
      // The family is in the capturing machine's byte order and IPv6 has a different number on each system.
      return length < 4 ? wrong(Weird::kLoopbackTruncated) : raw(4);
    case link::kRaw:
    case link::kRawBsd:
    case link::kRawOpenBsd:
    case link::kIpv4:
    case link::kIpv6:
      return raw(0);
    default:
      return wrong(Weird::kLinkTypeUnknown);
  }
}

void Frame::ethernet() noexcept {
  if (length < 14) return wrong(Weird::kEthernetTruncated);
  destination_mac = mac(0);
  source_mac = mac(6);
  tagged(12);
}

/** `at`: offset of an EtherType, VLAN tags before the last one. */
void Frame::tagged(uint32_t at) noexcept {
  uint16_t type = u16(at);
  for (int tags = 0; is_tag(type); tags++) {
    if (tags == kVlanTags) return wrong(Weird::kVlanStackDeep);
    if (at + 6 > length) return wrong(Weird::kVlanTruncated);
    vlan = u16(at + 2) & 0xfff;
    at += 4;
    type = u16(at);
  }
  payload(type, at + 2);
}

void Frame::payload(uint16_t type, uint32_t at) noexcept {
  switch (type) {
    case kIpv4:
      return ipv4(at);
    case kIpv6:
      return ipv6(at);
    case kArp:
      return read_arp(at);
    case kPppoe:
      return pppoe(at);
    case kMpls:
      return labelled(at);
    default:
      network = Network::kOther;
  }
}

/** Version and type 1 · code 1 · session 2 · length 2 · PPP protocol 2. */
void Frame::pppoe(uint32_t at) noexcept {
  if (at + 8 > length) return wrong(Weird::kPppoeTruncated);
  const uint16_t protocol = u16(at + 6);
  if (protocol == kPppIpv4 || protocol == kPppIpv6) return raw(at + 8);
  network = Network::kOther;
}

/** Label 20 bits · class 3 · bottom 1 · TTL 8, down to the bottom; what follows tells itself only by its version. */
void Frame::labelled(uint32_t at) noexcept {
  for (int labels = 0; at + 4 <= length; labels++) {
    if (labels == kLabels) return wrong(Weird::kMplsStackDeep);
    const bool bottom = (bytes[at + 2] & 1) != 0;
    at += 4;
    if (bottom) return raw(at);
  }
  wrong(Weird::kMplsTruncated);
}

void Frame::cooked(uint32_t header, uint32_t protocol_at, uint32_t hardware_at, uint32_t length_at,
                   uint32_t source_at) noexcept {
  if (length < header) return wrong(Weird::kCookedTruncated);
  const uint32_t size = header == kSllHeader ? u16(length_at) : bytes[length_at + 1];
  if (u16(hardware_at) == kArphrdEthernet && size == 6) source_mac = mac(source_at);
  const uint16_t type = u16(protocol_at);
  if (!is_tag(type)) return payload(type, header);
  // The cooked protocol is the tag's; TCI and the next EtherType follow the header.
  if (length < header + 4) return wrong(Weird::kVlanTruncated);
  vlan = u16(header) & 0xfff;
  tagged(header + 2);
}

void Frame::raw(uint32_t at) noexcept {
  if (at >= length) return wrong(Weird::kIpTruncated);
  const int version = bytes[at] >> 4;
  if (version == 4) return ipv4(at);
  if (version == 6) return ipv6(at);
  network = Network::kOther;
}

/** Hardware 2 · protocol 2 · lengths 1+1 · operation 2 · sender MAC 6 · sender IP 4 · target MAC 6 · target IP 4. */
void Frame::read_arp(uint32_t at) noexcept {
  network = Network::kArp;
  if (at + 28 > length) return wrong(Weird::kArpTruncated);
  if (u16(at) != kArphrdEthernet || u16(at + 2) != kIpv4 || u16(at + 4) != 0x0604) return wrong(Weird::kArpNotIpv4);
  if (mac(at + 8) != source_mac) return wrong(Weird::kArpSenderMismatch);
  Address sender;
  sender.set(bytes + at + 14, 4);
  if (is_unicast(sender)) claim = sender;
  arp = u16(at + 6) == 1 ? Arp::kRequest : Arp::kReply;
  destination.set(bytes + at + 24, 4);
}

void Frame::ipv4(uint32_t at) noexcept {
  network = Network::kIpv4;
  network_start = at;
  if (at > length || length - at < 20) return wrong(Weird::kIpv4Truncated);
  const uint32_t captured = length - at;
  const uint32_t header = (bytes[at] & 15u) * 4;
  if (bytes[at] >> 4 != 4 || header < 20) return wrong(Weird::kIpv4HeaderBad);
  // 0 is what a capture on the sending machine shows when the card cuts segments.
  const uint32_t total = u16(at + 2) != 0 ? u16(at + 2) : captured;
  if (total < header) return wrong(Weird::kIpv4LengthBad);
  if (captured < header) return wrong(Weird::kIpv4Truncated);
  hop_limit = bytes[at + 8];
  source.set(bytes + at + 12, 4);
  destination.set(bytes + at + 16, 4);
  if ((u16(at + 6) & 0x3fff) != 0) {
    transport = Transport::kFragment;
    return;
  }
  read_transport(bytes[at + 9], at + header, at + total);
}

void Frame::ipv6(uint32_t at) noexcept {
  network = Network::kIpv6;
  network_start = at;
  if (at + 40 > length) return wrong(Weird::kIpv6Truncated);
  if (bytes[at] >> 4 != 6) return wrong(Weird::kIpv6HeaderBad);
  const uint32_t size = u16(at + 4);
  const uint32_t end = size == 0 ? length : at + 40 + size;
  hop_limit = bytes[at + 7];
  source.set(bytes + at + 8, 16);
  destination.set(bytes + at + 24, 16);
  uint8_t next = bytes[at + 6];
  uint32_t here = at + 40;
  for (int headers = 0; is_extension(next); headers++) {
    if (headers == kExtensionHeaders) return wrong(Weird::kIpv6ExtensionsMany);
    if (here + 8 > std::min(end, length)) return wrong(Weird::kIpv6ExtensionTruncated);
    // A fragment header that covers the whole packet (RFC 6946) is passed over.
    if (next == kFragment && (u16(here + 2) & 0xfff9) != 0) {
      transport = Transport::kFragment;
      return;
    }
    const uint32_t units = bytes[here + 1];
    const uint32_t skip = next == kFragment ? 8 : next == kAuthentication ? (units + 2) * 4 : (units + 1) * 8;
    next = bytes[here];
    here += skip;
  }
  read_transport(next, here, end);
}

/** `end`: where the datagram ends by its own account, perhaps past what was captured. */
void Frame::read_transport(uint8_t protocol, uint32_t at, uint32_t end) noexcept {
  const uint32_t captured = std::min(end, length);
  if (protocol == kTcp) return tcp(at, end, captured);
  if (protocol == kUdp) return udp(at, end, captured);
  transport = Transport::kOther;
  if (protocol == kIcmpv6 && network == Network::kIpv6) {
    neighbour(at, captured);
  } else if (at < captured) {
    inner = tunnelled({bytes, length}, protocol, at, captured);
  }
}

void Frame::tcp(uint32_t at, uint32_t end, uint32_t captured) noexcept {
  if (at + 20 > captured) return wrong(Weird::kTcpTruncated);
  const uint32_t header = (bytes[at + 12] >> 4) * 4u;
  if (header < 20 || at + header > end) return wrong(Weird::kTcpHeaderBad);
  transport = Transport::kTcp;
  transport_start = at;
  source_port = u16(at);
  destination_port = u16(at + 2);
  sequence = u32(at + 4);
  flags = bytes[at + 13];
  extent(at + header, end, captured);
}

void Frame::udp(uint32_t at, uint32_t end, uint32_t captured) noexcept {
  if (at + 8 > captured) return wrong(Weird::kUdpTruncated);
  const uint32_t size = u16(at + 4) != 0 ? u16(at + 4) : end - at;
  if (size < 8 || at + size > end) return wrong(Weird::kUdpLengthBad);
  transport = Transport::kUdp;
  source_port = u16(at);
  destination_port = u16(at + 2);
  extent(at + 8, at + size, std::min(captured, at + size));
  inner = tunnelled_datagram({bytes, length}, destination_port, payload_start, payload_end);
}

void Frame::extent(uint32_t start, uint32_t end, uint32_t captured) noexcept {
  payload_start = std::min(start, captured);
  payload_end = captured;
  payload_missing = end - std::max(start, captured);
}

/** Type 1 · code 1 · checksum 2 · reserved or flags 4 · target 16. */
void Frame::neighbour(uint32_t at, uint32_t captured) noexcept {
  if (hop_limit != kNeighbourHopLimit || at + 8 > captured) return;
  const uint8_t type = bytes[at];
  if (type < kRouterSolicitation || type > kAdvertisement) return;
  Address claimed = source;
  if (type == kAdvertisement && at + 24 <= captured) claimed.set(bytes + at + 8, 16);
  if (is_unicast(claimed)) claim = claimed;
}

}  // namespace anteroom::sensor
