/**
 * The virtio_net_hdr that stands before each packet of a TUN device opened with IFF_VNET_HDR (virtio 1.2, section
 * 5.1.6; Documentation/networking/tuntap.rst): how a packet of up to 64 KiB is to be cut into segments, and where a
 * checksum is still to be completed. Ten bytes, in the machine's byte order. Written out here because the kernel's
 * header (linux/virtio_net.h) is no C++.
 */
#pragma once

#include <cstddef>
#include <cstdint>

namespace anteroom {

struct VirtioHeader {
  uint8_t flags;
  uint8_t gso_type;
  /** Bytes of headers before the payload. */
  uint16_t hdr_len;
  /** Payload bytes of each segment. */
  uint16_t gso_size;
  /** The sum begins at `csum_start` and is stored `csum_offset` bytes further on. */
  uint16_t csum_start;
  uint16_t csum_offset;
};
constexpr size_t kVirtioHeader = sizeof(VirtioHeader);
static_assert(kVirtioHeader == 10);

// `flags`
constexpr uint8_t kNeedsChecksum = 1;
constexpr uint8_t kChecksumGood = 2;
// `gso_type`; kGsoEcn is ored in
constexpr uint8_t kGsoNone = 0;
constexpr uint8_t kGsoTcp4 = 1;
constexpr uint8_t kGsoTcp6 = 4;
constexpr uint8_t kGsoUdp = 5;
constexpr uint8_t kGsoEcn = 0x80;

/** Bits of TUNSETOFFLOAD that are younger than linux/if_tun.h may be. */
constexpr unsigned kTunUso4 = 0x20;
constexpr unsigned kTunUso6 = 0x40;

/** The longest packet that stands behind a header. */
constexpr size_t kMaxSuper = 65535;

}  // namespace anteroom
