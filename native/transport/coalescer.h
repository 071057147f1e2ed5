/**
 * Coalescer: consecutive packets of one flow become one packet of up to 64 KiB for the kernel, which takes it
 * through its stack at the cost of one (the rules of net/ipv4/tcp_offload.c and udp_offload.c, and stricter).
 *
 * TCP joins when addresses, ports, hop limit, TOS or traffic class and flow label, acknowledgement, window, options
 * and flags are the same, the sequence runs on, and every segment but the last has the first one's size; FIN and PSH
 * only on the last. UDP joins when all but length and checksum is the same. IPv4 identifications must count on, DF be
 * the same, no IP options, no fragments. Checksums are verified first: joined packets are declared good. So cutting
 * what was joined gives the same bytes again, and order within a flow is kept.
 *
 * Packets are not copied: they must stay where they are until `flush`.
 */
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "../net/virtio_header.h"

namespace anteroom {

class Coalescer {
 public:
  struct Kinds {
    bool tcp = true;
    bool udp = true;
  };

  /** Segments of one joined packet at most. */
  static constexpr unsigned kMaxSegments = 64;
  /** Joined packets that stand open or wait between two flushes. */
  static constexpr unsigned kMaxItems = 64;

  /** What is to be written in one go: the header, then `vectors[0..count)`. */
  struct Item {
    VirtioHeader virtio;
    /** IP and transport header of the joined packet; a packet alone stands in its own buffer. */
    std::array<uint8_t, 120> header;
    std::array<iovec, kMaxSegments + 2> vectors;
    unsigned count;
    /** The packets as they came, for a kernel that refuses them joined. */
    std::array<iovec, kMaxSegments> packets;
    unsigned segments;

   private:
    friend class Coalescer;
    size_t header_size;
    size_t transport;
    size_t payload;
    uint32_t next_sequence;
    uint8_t flags;
    bool tcp;
    bool open;
  };

  void use(Kinds kinds) noexcept { kinds_ = kinds; }

  /** False when there is no more room: flush first. */
  bool add(const uint8_t* packet, size_t length) noexcept;
  size_t bytes() const noexcept { return bytes_; }

  /** Calls `write(Item&)` for each, in order, and forgets them. */
  template <typename Write>
  void flush(Write write) {
    for (unsigned i = 0; i < count_; i++) {
      finish(items_[i]);
      write(items_[i]);
    }
    count_ = 0;
    bytes_ = 0;
  }

 private:
  struct Parsed {
    /** May join others, or others it. */
    bool candidate = false;
    /** `transport` and `tcp` are known: there are ports to tell the flow by. */
    bool ports = false;
    bool tcp = false;
    size_t transport = 0;
    size_t headers = 0;
    size_t payload = 0;
    uint32_t sequence = 0;
    uint8_t flags = 0;
  };

  Parsed parse(const uint8_t* packet, size_t length) const noexcept;
  Item* flow_of(const Parsed& parsed, const uint8_t* packet) noexcept;
  static bool joins(const Item& item, const Parsed& parsed, const uint8_t* packet) noexcept;
  static void finish(Item& item) noexcept;

  Kinds kinds_;
  std::array<Item, kMaxItems> items_;
  unsigned count_ = 0;
  size_t bytes_ = 0;
};

}  // namespace anteroom
