/**
 * Where the frame inside a tunnel begins: IP in IP (RFC 2003, RFC 4213), GRE (RFC 2784, RFC 2890) with bridged
 * frames and ERSPAN, VXLAN (RFC 7348), GENEVE (RFC 8926), GTP-U (3GPP TS 29.281), TZSP. Mirror ports far away
 * arrive in such wrappings, and who is inside is not who sent them.
 *
 *   GRE     flags and version 2 · protocol 2 · [checksum 4] · [key 4] · [sequence 4]
 *   ERSPAN  II: 8 bytes, when GRE has a sequence number; III: 12, and 8 more when the last bit says so
 *   VXLAN   flags 1 · 3 · network 3 · 1                       GENEVE  version and options 1 · 1 · protocol 2 · network 3 · 1
 *   GTP-U   flags 1 · type 1 · length 2 · tunnel 4 · [4] · [extension headers]
 *   TZSP    1 · type 1 · encapsulated 2 · [tag 1 · length 1 · value]* · end tag 1
 */
#pragma once

#include "frame.h"

namespace anteroom::sensor {

/** Bytes of which those past the end read as 0. */
struct Padded {
  const uint8_t* bytes;
  uint32_t length;
  uint8_t u8(uint32_t at) const noexcept { return at < length ? bytes[at] : 0; }
  uint16_t u16(uint32_t at) const noexcept { return static_cast<uint16_t>(u8(at) << 8 | u8(at + 1)); }
};

/** A packet whose protocol is a tunnel; `at`: after the IP header. */
Inner tunnelled(Padded bytes, uint8_t protocol, uint32_t at, uint32_t end) noexcept;
/** A datagram to a tunnel's port that is built like one. */
Inner tunnelled_datagram(Padded bytes, uint16_t port, uint32_t start, uint32_t end) noexcept;

}  // namespace anteroom::sensor
