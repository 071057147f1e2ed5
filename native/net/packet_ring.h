/**
 * PacketRing: frames of one interface, by AF_PACKET's TPACKET_V3 (packet(7), Documentation/networking/packet_mmap.rst).
 *
 * It listens and can't speak: the socket has no transmit ring, nothing here calls a sending function, and the
 * descriptor never leaves the object. It is opened with protocol 0, which receives nothing, and bound to the
 * interface afterwards, so no frame of another interface is ever in the ring. Promiscuous mode is a membership
 * and ends with the socket.
 *
 * A socket filter of one instruction, "accept snapLength bytes", makes the kernel keep no more of a frame; a filter
 * program that chooses frames would replace it in `attach_filter`.
 *
 * `pack` writes records {u32le bytes kept, u32le bytes on the wire, f64le epoch ms, frame, padding to 8}.
 * A VLAN tag that the kernel took out of the frame (Documentation/networking/packet_mmap.rst) is put back.
 */
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "descriptor.h"

namespace anteroom {

struct PackResult {
  /** Bytes of records written. */
  size_t bytes = 0;
  uint32_t count = 0;
  /** Frames of the block taken so far; all of it when equal to the block's number. */
  uint32_t taken = 0;
  /** Offset in the block at which to go on. */
  uint32_t next = 0;
  bool done = false;
};

/**
 * Write the frames of a TPACKET_V3 block (`size` bytes) as records to `to`, from frame `taken` at offset `next`
 * (0: the block's first) on, for as long as they fit. Offsets inside the block are checked against its size.
 */
PackResult pack_block(const uint8_t* block, size_t size, uint32_t taken, uint32_t next, uint8_t* to, size_t room);

class PacketRing {
 public:
  static constexpr uint32_t kBlockSize = 1 << 18;
  static constexpr uint32_t kBlocks = 32;
  /** A block that isn't full is handed over after this long. */
  static constexpr unsigned kRetireMillis = 20;

  struct Statistics {
    uint64_t packets = 0;
    uint64_t drops = 0;
  };

  /** Throws SystemError: EPERM without CAP_NET_RAW, ENODEV when there is no such interface. */
  PacketRing(const std::string& interface, uint32_t snap_length);
  ~PacketRing();
  PacketRing(const PacketRing&) = delete;
  PacketRing& operator=(const PacketRing&) = delete;

  int descriptor() const noexcept { return socket_.get(); }
  int interface_index() const noexcept { return ifindex_; }

  /** One thread: pack whatever blocks are ready into `to`. */
  size_t pack(uint8_t* to, size_t room, uint32_t& count) noexcept;
  /** True when a block is ready. */
  bool ready() const noexcept;

  /** Any thread; totals. The kernel clears its own counters when read. */
  Statistics statistics();

 private:
  void attach_filter(uint32_t snap_length);
  uint8_t* block(uint32_t at) const noexcept { return ring_ + static_cast<size_t>(at) * kBlockSize; }

  Descriptor socket_;
  int ifindex_ = 0;
  uint8_t* ring_ = nullptr;
  uint32_t current_ = 0;
  uint32_t taken_ = 0;
  uint32_t next_ = 0;
  Statistics statistics_;
};

}  // namespace anteroom
