/**
 * Tunnels. See tunnel.h.
 */
#include "tunnel.h"

namespace anteroom::sensor {

namespace {

Inner inside(uint32_t link, uint32_t start, uint32_t end) noexcept {
  return start < end ? Inner{link, start, end} : Inner{};
}

Inner gre(Padded bytes, uint32_t at, uint32_t end) noexcept {
  constexpr uint16_t kChecksum = 0x8000, kRouting = 0x4000, kKey = 0x2000, kSequence = 0x1000, kVersion = 7;
  constexpr uint16_t kIpv4 = 0x0800, kIpv6 = 0x86dd, kBridged = 0x6558, kErspan = 0x88be, kErspan3 = 0x22eb;
  const uint16_t flags = bytes.u16(at);
  // Version 1 is PPTP's, which compresses and encrypts.
  if ((flags & (kVersion | kRouting)) != 0) return {};
  uint32_t start = at + 4;
  if ((flags & kChecksum) != 0) start += 4;
  if ((flags & kKey) != 0) start += 4;
  const bool sequenced = (flags & kSequence) != 0;
  if (sequenced) start += 4;
  switch (bytes.u16(at + 2)) {
    case kIpv4:
    case kIpv6:
      return inside(link::kRaw, start, end);
    case kBridged:
      return inside(link::kEthernet, start, end);
    case kErspan:
      return inside(link::kEthernet, start + (sequenced ? 8 : 0), end);
    case kErspan3:
      return inside(link::kEthernet, start + 12 + ((bytes.u8(start + 11) & 1) != 0 ? 8 : 0), end);
    default:
      return {};
  }
}

Inner gtp(Padded bytes, uint32_t at, uint32_t end) noexcept {
  constexpr uint8_t kVersion = 0xf0, kExpected = 0x30, kOptional = 7, kExtension = 4, kUser = 0xff;
  constexpr int kExtensions = 4;
  const uint8_t flags = bytes.u8(at);
  if ((flags & kVersion) != kExpected || bytes.u8(at + 1) != kUser) return {};
  uint32_t start = at + 8;
  if ((flags & kOptional) != 0) {
    start += 4;
    uint8_t next = (flags & kExtension) == 0 ? 0 : bytes.u8(start - 1);
    for (int n = 0; next != 0 && n < kExtensions; n++) {
      const uint32_t length = bytes.u8(start) * 4u;
      if (length == 0 || start + length > end) return {};
      start += length;
      next = bytes.u8(start - 1);
    }
  }
  const int version = bytes.u8(start) >> 4;
  return version == 4 || version == 6 ? inside(link::kRaw, start, end) : Inner{};
}

Inner tzsp(Padded bytes, uint32_t at, uint32_t end) noexcept {
  constexpr uint8_t kPadding = 0, kLast = 1;
  constexpr int kTags = 16;
  if (bytes.u8(at) != 1 || bytes.u8(at + 1) > 1 || bytes.u16(at + 2) != 1) return {};
  uint32_t start = at + 4;
  for (int n = 0; n < kTags && start < end; n++) {
    const uint8_t tag = bytes.u8(start);
    if (tag == kLast) return inside(link::kEthernet, start + 1, end);
    start += tag == kPadding ? 1 : 2u + bytes.u8(start + 1);
  }
  return {};
}

}  // namespace

Inner tunnelled(Padded bytes, uint8_t protocol, uint32_t at, uint32_t end) noexcept {
  constexpr uint8_t kIpv4 = 4, kIpv6 = 41, kGre = 47;
  if (protocol == kIpv4 || protocol == kIpv6) return inside(link::kRaw, at, end);
  return protocol == kGre ? gre(bytes, at, end) : Inner{};
}

Inner tunnelled_datagram(Padded bytes, uint16_t port, uint32_t start, uint32_t end) noexcept {
  constexpr uint16_t kGtp = 2152, kVxlan = 4789, kGeneve = 6081, kTzsp = 37008, kBridged = 0x6558;
  if (end - start < 8) return {};
  switch (port) {
    case kVxlan:
      // The one flag that must be set, and reserved bits that must not.
      return bytes.u8(start) == 0x08 && bytes.u8(start + 7) == 0 ? inside(link::kEthernet, start + 8, end) : Inner{};
    case kGeneve: {
      const uint8_t first = bytes.u8(start);
      if (first >> 6 != 0 || bytes.u16(start + 2) != kBridged) return {};
      return inside(link::kEthernet, start + 8 + (first & 0x3fu) * 4, end);
    }
    case kGtp:
      return gtp(bytes, start, end);
    case kTzsp:
      return tzsp(bytes, start, end);
    default:
      return {};
  }
}

}  // namespace anteroom::sensor
