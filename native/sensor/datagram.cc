/**
 * What to read. See datagram.h.
 */
#include "datagram.h"

#include <algorithm>

#include "hash.h"
#include "tunnel.h"

namespace anteroom::sensor {

namespace {

namespace port {
constexpr uint16_t kDns = 53, kNtp = 123, kNetbiosNames = 137, kNetbios = 138, kSnmp = 161, kSnmpTraps = 162,
                   kDhcpv6Client = 546, kDhcpv6Server = 547, kMulticastDns = 5353, kLlmnr = 5355;
}

bool either(const Frame& frame, uint16_t port) noexcept {
  return frame.source_port == port || frame.destination_port == port;
}

uint64_t print(Padded bytes, uint32_t start, uint32_t end, uint64_t seed) noexcept {
  end = std::min(end, bytes.length);
  return start < end ? hash_bytes(bytes.bytes + start, end - start, seed) | 1 : 1;
}

Telling said(Padded bytes, uint32_t start, uint64_t seed) noexcept {
  return {true, print(bytes, start, bytes.length, seed)};
}

// Header of DNS (RFC 1035 section 4.1.1).
constexpr uint32_t kDnsHeader = 12;
bool is_answer(Padded bytes) noexcept { return (bytes.u8(2) & 0x80) != 0; }

/** Questions alone: which domains a host asks in. What isn't in order is told as it is. */
Telling read_dns(Padded bytes, uint64_t seed) noexcept {
  if (is_answer(bytes) || bytes.u16(4) == 0) return {};
  Telling telling{.own = true};
  const bool read = read_questions(bytes, seed, telling.parts);
  if (!read) return said(bytes, kDnsHeader, seed);
  telling.tells = telling.parts.count > 0;
  return telling;
}

/** Records alone; of a question those with which a host asks whether a name is free. */
Telling read_multicast_dns(Padded bytes, uint64_t seed) noexcept {
  const uint32_t records = is_answer(bytes) ? bytes.u16(6) + bytes.u16(8) + bytes.u16(10) : bytes.u16(8);
  if (records == 0) return {};
  Telling telling{.own = true};
  if (!read_records(bytes, seed, telling.parts)) return said(bytes, 2, seed);
  telling.tells = telling.parts.count > 0;
  return telling;
}

/** A registration carries the name as a record of its own. */
Telling read_netbios_names(Padded bytes, uint64_t seed) noexcept {
  if (bytes.u16(6) == 0 && bytes.u16(8) == 0 && bytes.u16(10) == 0) return {};
  return said(bytes, 2, seed);
}

/** Which fields are filled, not with what (RFC 5905 section 7.3). */
Telling read_ntp(Padded bytes, uint64_t seed) noexcept {
  constexpr uint32_t kLeast = 48, kReference = 12;
  constexpr uint32_t kTimes[] = {4, 8, 12, 16, 24, 32};
  if (bytes.length < kLeast) return {};
  uint64_t mix = uint64_t{bytes.u16(0)} << 16 | bytes.u16(2);
  for (const uint32_t at : kTimes) mix = mix << 1 | (bytes.u16(at) != 0 || bytes.u16(at + 2) != 0 ? 1 : 0);
  if (bytes.u8(1) == 1) mix ^= print(bytes, kReference, kReference + 4, seed);
  return {true, fold(mix ^ seed, 0x9e3779b97f4a7c15) | 1};
}

/** EtherNet/IP: an answer to List Identity, after a header whose options are zero. */
bool is_list_identity(Padded bytes) noexcept {
  constexpr uint32_t kHeader = 24, kLeast = kHeader + 2 + 4 + 33;
  return bytes.u8(0) == 0x63 && bytes.u8(1) == 0 && bytes.length >= kLeast && bytes.u16(20) == 0 && bytes.u16(22) == 0;
}

/** QUIC: an Initial packet of version 1 or 2, which comes in a padded datagram (RFC 9000 section 14.1, RFC 9369). */
bool is_quic_initial(Padded bytes) noexcept {
  constexpr uint32_t kLeast = 1200;
  if (bytes.length < kLeast) return false;
  const uint8_t type = bytes.u8(0) & 0xf0;
  if (type == 0xc0) return bytes.u16(1) == 0 && bytes.u16(3) == 1;
  return type == 0xd0 && bytes.u16(1) == 0x6b33 && bytes.u16(3) == 0x43cf;
}

/** Philips IntelliVue: a nomenclature, a session with a remote operation, an association's version. */
bool is_intellivue(Padded bytes) noexcept {
  if (bytes.length >= 32 && bytes.u16(0) == 0 && bytes.u16(2) == 0x0100 && bytes.u16(4) == 1) return true;
  if (bytes.length >= 8 && bytes.u16(0) == 0xe100 && bytes.u16(2) <= 2) return bytes.u16(4) <= 5;
  const uint8_t first = bytes.u8(0);
  return (first == 0x0d || first == 0x0e) && bytes.length >= 16 && bytes.u16(2) == 0x0508;
}

bool repeats(Padded bytes, uint32_t at, const Address& sender) noexcept {
  return sender.length == 4 && at + 4 <= bytes.length && std::memcmp(bytes.bytes + at, sender.bytes, 4) == 0;
}

/** GE Unity: the sender's address is said again. */
bool is_unity(Padded bytes, const Address& sender) noexcept {
  if (bytes.length == 64 && repeats(bytes, 6, sender)) return true;
  return bytes.length >= 44 && bytes.u16(0) == 0x0104 && repeats(bytes, 4, sender);
}

/**
 * BACnet/IP: I-Am, and answers to ReadProperty about a device (ANSI/ASHRAE 135 annex J, clauses 6.2, 20, 21). What
 * the parts are stands in `src/protocol/bacnet/message.ts`.
 */
Telling read_bacnet(Padded bytes, uint64_t seed) noexcept {
  constexpr uint8_t kForwarded = 4, kNetworkMessage = 0x80, kDestination = 0x20, kSource = 0x08;
  constexpr uint8_t kUnconfirmed = 0x10, kComplexAck = 0x30, kReadProperty = 12, kObject = 0x0c;
  constexpr uint8_t kDevice = 8;
  const uint8_t function = bytes.u8(1);
  if (function > 0x0b || (function != kForwarded && function < 9)) return {};
  uint32_t at = function == kForwarded ? 10 : 4;
  const uint8_t control = bytes.u8(at + 1);
  // What another network says by way of the sender isn't the sender's.
  if (function == kForwarded || (control & (kNetworkMessage | kSource)) != 0) return {};
  at += 2;
  if ((control & kDestination) != 0) at += 4u + bytes.u8(at + 2);
  const uint8_t type = bytes.u8(at) & 0xf0;
  if (type == kUnconfirmed) return bytes.u8(at + 1) == 0 ? said(bytes, at, seed) : Telling{};
  if (type != kComplexAck || bytes.u8(at + 2) != kReadProperty || bytes.u8(at + 3) != kObject) return {};
  if (bytes.u16(at + 4) >> 6 != kDevice) return {};
  // Application software, firmware revision, model and vendor name.
  const uint8_t property = bytes.u8(at + 9);
  if (property != 12 && property != 44 && property != 70 && property != 121) return {};
  return said(bytes, at + 2, seed);
}

}  // namespace

Telling read_datagram(const Frame& frame, uint64_t seed) noexcept {
  const Padded bytes{frame.bytes + frame.payload_start, frame.payload_end - frame.payload_start};
  if (bytes.length < 8) return {};
  // DHCP's cookie, on whatever port; the transaction and the seconds stand before the addresses.
  if (bytes.length > 240 && bytes.u16(236) == 0x6382 && bytes.u16(238) == 0x5363)
    return {true, print(bytes, 12, bytes.length, seed) ^ bytes.u8(0)};
  if (frame.source_port == port::kDhcpv6Client && frame.destination_port == port::kDhcpv6Server)
    return said(bytes, 4, seed);
  if (either(frame, port::kMulticastDns) || either(frame, port::kLlmnr)) return read_multicast_dns(bytes, seed);
  if (either(frame, port::kNetbiosNames)) return read_netbios_names(bytes, seed);
  if (either(frame, port::kDns)) return read_dns(bytes, seed);
  // After the datagram's identifier (RFC 1002 section 4.4.1).
  if (either(frame, port::kNetbios)) return said(bytes, 4, seed);
  if (either(frame, port::kNtp)) return read_ntp(bytes, seed);
  if (either(frame, port::kSnmp) || either(frame, port::kSnmpTraps)) return {bytes.u8(0) == 0x30};
  switch (bytes.u8(0)) {
    case '<':  // WS-Discovery
      return said(bytes, 0, seed);
    case 'N':  // NOTIFY of SSDP
      return bytes.u8(1) == 'O' ? said(bytes, 0, seed) : Telling{};
    case 'H':  // HTTP/1.1 200 of SSDP
      return bytes.u8(1) == 'T' ? said(bytes, 0, seed) : Telling{};
    case 0x81:  // BACnet/IP
      return read_bacnet(bytes, seed);
    default:
      // After the header, in which who asks finds his question again.
      if (is_list_identity(bytes)) return said(bytes, 24, seed);
      return {is_quic_initial(bytes) || is_intellivue(bytes) || is_unity(bytes, frame.source), 0, true};
  }
}

bool is_announcement(const Frame& frame) noexcept {
  constexpr uint16_t kLldp = 0x88cc, kProfinet = 0x8892, kVlan = 0x8100, kFirstType = 1536;
  constexpr uint8_t kCdp[] = {0xaa, 0xaa, 0x03, 0x00, 0x00, 0x0c, 0x20, 0x00};
  const Padded bytes{frame.bytes, frame.length};
  for (const uint32_t at : {12u, 16u}) {
    const uint16_t type = bytes.u16(at);
    if (type == kLldp) return true;
    // Of PROFINET what a station says of itself: Hello, answers.
    if (type == kProfinet) {
      const uint16_t id = bytes.u16(at + 2);
      return id == 0xfefc || id == 0xfeff || (id == 0xfefd && bytes.u8(at + 5) == 1);
    }
    if (type < kFirstType && at + 2 + sizeof kCdp <= bytes.length &&
        std::memcmp(bytes.bytes + at + 2, kCdp, sizeof kCdp) == 0)
      return true;
    if (type != kVlan) return false;
  }
  return false;
}

uint64_t syn_print(const Frame& frame, uint64_t seed) noexcept {
  constexpr uint8_t kTimestamps = 8;
  const Padded bytes{frame.bytes, frame.length};
  const uint32_t ip = frame.network_start, tcp = frame.transport_start;
  const auto filled = [&](uint32_t at) { return bytes.u16(at) != 0 || bytes.u16(at + 2) != 0 ? 1u : 0u; };
  // Lengths, flags, class of service, identification there or not; acknowledgement and sequence there or not; window.
  uint8_t shape[72] = {};
  size_t used = 0;
  const auto put = [&](uint32_t value) { shape[used++] = static_cast<uint8_t>(value); };
  put(bytes.u8(ip));
  put(frame.hop_limit);
  put(bytes.u8(ip + 1) & (frame.network == Network::kIpv4 ? 3u : 0x30u));
  if (frame.network == Network::kIpv4) {
    put(bytes.u8(ip + 6));
    put(bytes.u16(ip + 4) != 0);
  } else {
    put((bytes.u8(ip + 1) & 15) != 0 || bytes.u16(ip + 2) != 0);
    put(tcp - ip);
  }
  put(filled(tcp + 4) | filled(tcp + 8) << 1 | (bytes.u16(tcp + 18) != 0 ? 4u : 0u) |
      (frame.payload_end > frame.payload_start ? 8u : 0u));
  for (uint32_t at = tcp + 12; at < tcp + 16; at++) put(bytes.u8(at));
  const uint32_t end = std::min(bytes.length, tcp + (bytes.u8(tcp + 12) >> 4) * 4u);
  for (uint32_t at = tcp + 20; at < end && used + 12 < sizeof shape;) {
    const uint8_t kind = bytes.u8(at);
    const uint32_t length = kind < 2 ? 1 : std::max<uint32_t>(2, bytes.u8(at + 1));
    put(kind);
    if (kind == kTimestamps && length == 10) {
      put(filled(at + 2) | filled(at + 6) << 1);
    } else {
      for (uint32_t i = at + 1; i < std::min({end, at + length, at + 8}); i++) put(bytes.u8(i));
    }
    at += length;
  }
  return hash_bytes(shape, used, seed);
}

}  // namespace anteroom::sensor
