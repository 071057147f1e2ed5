/**
 * The inner IP packet, as far as the transport must understand it: version, true length, source, destination.
 *
 * IPv4 (RFC 791 section 3.1): total length at byte 2, addresses at 12 and 16. IPv6 (RFC 8200 section 3): payload
 * length at byte 4, addresses at 8 and 24. The length found may be shorter than the buffer: padding follows.
 */
#pragma once

#include <cstddef>
#include <cstdint>

#include "allowed_ips.h"

namespace anteroom {

struct InnerPacket {
  /** 4, 6, or 0 when the bytes are no IP packet. */
  unsigned version = 0;
  size_t length = 0;
  const uint8_t* source = nullptr;
  const uint8_t* destination = nullptr;

  static InnerPacket parse(const uint8_t* bytes, size_t size) noexcept {
    InnerPacket packet;
    if (size >= 20 && bytes[0] >> 4 == 4) {
      const size_t length = static_cast<size_t>(bytes[2]) << 8 | bytes[3];
      if (length < 20 || length > size) return packet;
      packet = InnerPacket{4, length, bytes + 12, bytes + 16};
    } else if (size >= 40 && bytes[0] >> 4 == 6) {
      const size_t length = (static_cast<size_t>(bytes[4]) << 8 | bytes[5]) + 40;
      if (length > size) return packet;
      packet = InnerPacket{6, length, bytes + 8, bytes + 24};
    }
    return packet;
  }

  int source_peer(const AllowedIps& allowed) const noexcept {
    return version == 4 ? allowed.lookup_v4(source) : allowed.lookup_v6(source);
  }
  int destination_peer(const AllowedIps& allowed) const noexcept {
    return version == 4 ? allowed.lookup_v4(destination) : allowed.lookup_v6(destination);
  }
};

}  // namespace anteroom
