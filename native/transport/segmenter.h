/**
 * Segmenter: from what one read of the TUN device gave, the packets it stands for.
 *
 * With offloads the kernel hands over TCP and UDP streams in pieces of up to 64 KiB, with one header and a segment
 * size, and leaves checksums to us (virtio 1.2, section 5.1.6.2). Each segment gets the header, its part of the
 * payload, and what the kernel's own segmentation would write (net/ipv4/tcp_offload.c, udp_offload.c): lengths,
 * IPv4 identification counted on, TCP sequence, FIN and PSH on the last alone, CWR on the first alone, checksums.
 *
 * The checksum field of such a packet holds the sum of the pseudo-header with the whole length; the length is
 * exchanged in the sum, which stays right whatever addresses a routing header puts there.
 */
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "../net/virtio_header.h"

namespace anteroom {

class Segmenter {
 public:
  struct Packet {
    uint8_t* bytes;
    /** 0: there are no more. */
    size_t length;
  };

  /** Take in a packet; it must stay where it is until the last segment is out. False when it makes no sense. */
  bool start(const VirtioHeader& header, uint8_t* packet, size_t length) noexcept;

  /**
   * The next packet. It is made in place: its headers stand before its part of the payload, over what came before it,
   * so the packets before it are gone.
   */
  Packet next() noexcept;

  /** The longest packet that `next` will give. */
  size_t largest() const noexcept { return cut_ ? headers_ + size_ : length_; }
  /** Is there more than one packet, or might there be? */
  bool cut() const noexcept { return cut_; }

 private:
  Packet whole() noexcept;

  /** Longest IP and transport header of a packet that is cut: IPv4 with options, or IPv6 with some, and TCP's 60. */
  static constexpr size_t kMaxHeaders = 320;

  uint8_t* packet_ = nullptr;
  std::array<uint8_t, kMaxHeaders> template_;
  size_t length_ = 0;
  /** IP and transport header together; the payload is cut into pieces of `size_`. */
  size_t headers_ = 0;
  size_t transport_ = 0;
  size_t checksum_ = 0;
  size_t size_ = 0;
  size_t at_ = 0;
  uint16_t index_ = 0;
  bool tcp_ = false;
  bool cut_ = false;
  bool complete_ = false;
  bool done_ = true;
};

}  // namespace anteroom
