/**
 * What to read. See datagram.h.
 */
#include "datagram.h"

#include <initializer_list>

#include "tunnel.h"

namespace anteroom::sensor {

namespace {

bool is_telling_port(uint16_t port) noexcept {
  switch (port) {
    case 53:    // DNS
    case 67:    // DHCP
    case 68:
    case 123:   // NTP
    case 137:   // NetBIOS names, datagrams
    case 138:
    case 161:   // SNMP
    case 162:
    case 546:   // DHCPv6
    case 547:
    case 5353:  // Multicast DNS, LLMNR
    case 5355:
      return true;
    default:
      return false;
  }
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

}  // namespace

bool is_telling_datagram(const Frame& frame) noexcept {
  const Padded bytes{frame.bytes + frame.payload_start, frame.payload_end - frame.payload_start};
  if (bytes.length < 8) return false;
  if (is_telling_port(frame.source_port) || is_telling_port(frame.destination_port)) return true;
  // DHCP's cookie, on whatever port.
  if (bytes.length > 240 && bytes.u16(236) == 0x6382 && bytes.u16(238) == 0x5363) return true;
  switch (bytes.u8(0)) {
    case '<':  // WS-Discovery
      return true;
    case 'N':  // NOTIFY of SSDP
      return bytes.u8(1) == 'O';
    case 'H':  // HTTP/1.1 200 of SSDP
      return bytes.u8(1) == 'T';
    case 0x81:  // BACnet/IP
      return bytes.u8(1) <= 0x0c;
    default:
      return is_intellivue(bytes) || is_unity(bytes, frame.source);
  }
}

bool is_announcement(const Frame& frame) noexcept {
  constexpr uint16_t kLldp = 0x88cc, kVlan = 0x8100, kFirstType = 1536;
  constexpr uint8_t kCdp[] = {0xaa, 0xaa, 0x03, 0x00, 0x00, 0x0c, 0x20, 0x00};
  const Padded bytes{frame.bytes, frame.length};
  for (const uint32_t at : {12u, 16u}) {
    const uint16_t type = bytes.u16(at);
    if (type == kLldp) return true;
    if (type < kFirstType && at + 2 + sizeof kCdp <= bytes.length &&
        std::memcmp(bytes.bytes + at + 2, kCdp, sizeof kCdp) == 0)
      return true;
    if (type != kVlan) return false;
  }
  return false;
}

}  // namespace anteroom::sensor
