/**
 * The fixed buffers that each thread works through its batches with, and the mmsghdrs that point into them.
 *
 * IncomingArena: a message may be a whole series of datagrams (UDP_GRO), 64 KiB. Pages that nothing reached were
 * never touched, so small datagrams don't cost the memory of big ones. OpenedArena: what was in them. OutgoingArena: one
 * slot is one datagram, and a message is a run of slots of equal length (UDP_SEGMENT). Both of these are filled from
 * the beginning again and again, as close as can be, so that what is worked on stays in the cache.
 */
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "../net/address.h"
#include "../net/udp_sockets.h"
#include "aead.h"
#include "message.h"

namespace anteroom {

/** A datagram longer than this isn't ours. */
constexpr size_t kMaxDatagram = kTransportOverhead + kMaxInner + kPaddingMultiple + 64;
/** Bytes of a message that is a series of datagrams. */
constexpr size_t kMaxSeries = 65536;

/** Bytes that begin on a cache line: whole lines are written at a time. */
class LineBuffer {
 public:
  static constexpr size_t kLine = 64;

  explicit LineBuffer(size_t size) : bytes_(new uint8_t[size + kLine - 1]) {
    const auto address = reinterpret_cast<uintptr_t>(bytes_.get());
    begin_ = bytes_.get() + (kLine - address % kLine) % kLine;
  }

  uint8_t* begin() const noexcept { return begin_; }
  /** `size` in whole lines. */
  static constexpr size_t lines(size_t size) noexcept { return (size + kLine - 1) / kLine * kLine; }

 private:
  std::unique_ptr<uint8_t[]> bytes_;
  uint8_t* begin_;
};

class IncomingArena {
 public:
  static constexpr unsigned kMessages = 32;
  static constexpr size_t kSlotSize = kRoomBefore + kMaxSeries;

  IncomingArena() : bytes_(new uint8_t[kSlotSize * kMessages]) {
    for (unsigned i = 0; i < kMessages; i++) {
      vectors_[i] = {slot(i), kMaxSeries};
      messages_[i] = {};
      messages_[i].msg_hdr.msg_iov = &vectors_[i];
      messages_[i].msg_hdr.msg_iovlen = 1;
      messages_[i].msg_hdr.msg_name = &endpoints_[i].to;
      messages_[i].msg_hdr.msg_control = controls_[i].bytes.data();
    }
  }

  /** Where a message begins; kRoomBefore bytes stand before it. */
  uint8_t* slot(unsigned at) noexcept { return bytes_.get() + at * kSlotSize + kRoomBefore; }
  Endpoint& endpoint(unsigned at) noexcept { return endpoints_[at]; }
  mmsghdr* messages() noexcept { return messages_.data(); }

  /** Ready every slot to receive one message. */
  void expect() noexcept {
    for (unsigned i = 0; i < kMessages; i++) {
      messages_[i].msg_hdr.msg_namelen = sizeof endpoints_[i].to;
      messages_[i].msg_hdr.msg_controllen = controls_[i].bytes.size();
      messages_[i].msg_hdr.msg_flags = 0;
    }
  }

 private:
  std::unique_ptr<uint8_t[]> bytes_;
  std::array<iovec, kMessages> vectors_;
  std::array<Endpoint, kMessages> endpoints_;
  std::array<ControlRoom, kMessages> controls_;
  std::array<mmsghdr, kMessages> messages_;
};

/** Packets that were opened stand here until they are written. */
class OpenedArena {
 public:
  OpenedArena() : buffer_(kSize) {}

  void clear() noexcept { used_ = 0; }
  /** Is there room for another batch, of one series? */
  bool fits() const noexcept { return used_ + kMaxSeries + kBatch * 2 * Aead::kRoom <= kSize; }
  /** Where a packet of a datagram of `length` bytes may go, with Aead::kRoom before it. */
  uint8_t* place(size_t length) noexcept {
    uint8_t* to = buffer_.begin() + used_ + Aead::kRoom;
    used_ += Aead::kRoom + LineBuffer::lines(length);
    return to;
  }

 private:
  static constexpr size_t kSize = 4 * kMaxSeries;
  static_assert(Aead::kRoom % LineBuffer::kLine == 0);

  LineBuffer buffer_;
  size_t used_ = 0;
};

class OutgoingArena {
 public:
  static constexpr unsigned kSlots = 128;

  /**
   * The piece of a stream that becomes one message and not one and a bit, as IFLA_GSO_MAX_SIZE counts: TCP takes room for
   * its longest headers off it (MAX_TCP_HEADER, 160 to 320) and fills the rest with whole segments.
   */
  static constexpr uint32_t piece(size_t mtu) noexcept {
    constexpr size_t kInnerHeaders = 52;  // IPv4 and TCP with timestamps; the other kinds come to the same number
    const size_t fit = UdpSockets::kMaxMessage / (mtu + kTransportOverhead);
    const size_t segments = fit < UdpSockets::kMaxSegments ? fit : UdpSockets::kMaxSegments;
    return static_cast<uint32_t>(segments * (mtu - kInnerHeaders) + 512);
  }

  OutgoingArena() : buffer_(kSlots * size_of(kMaxInner)) {}

  /** Forget all places. */
  void restart() noexcept {
    placed_ = 0;
    filled_ = 0;
  }
  /** The next of kSlots places for a message that carries `length` bytes; kRoomBefore bytes stand before it. */
  uint8_t* place(size_t length) noexcept {
    uint8_t* to = buffer_.begin() + filled_ + kRoomBefore;
    slots_[placed_++] = to;
    filled_ += size_of(length);
    return to;
  }
  uint8_t* slot(unsigned at) noexcept { return slots_[at]; }
  unsigned placed() const noexcept { return placed_; }
  mmsghdr* messages() noexcept { return messages_.data(); }
  unsigned count() const noexcept { return count_; }

  void clear() noexcept {
    count_ = 0;
    used_ = 0;
    open_ = false;
  }
  /** What comes next doesn't join what is there. */
  void close() noexcept {
    if (open_) finish();
  }

  /** Append `length` bytes of slot `from`, to be sent to `to`; to the message before, if `series` and it fits. */
  void add(unsigned from, size_t length, const Endpoint& to, bool series) noexcept {
    if (open_ && (&to != to_ || length > size_ || segments_ == UdpSockets::kMaxSegments ||
                  segments_ * size_ + length > UdpSockets::kMaxMessage)) {
      finish();
    }
    vectors_[used_] = {slot(from), length};
    if (!open_) {
      messages_[count_] = {};
      msghdr& header = messages_[count_].msg_hdr;
      endpoints_[count_] = to;
      header.msg_name = &endpoints_[count_].to;
      header.msg_namelen = to.size();
      header.msg_iov = &vectors_[used_];
      count_++;
      open_ = true;
      segments_ = 0;
      size_ = length;
      to_ = &to;
    }
    used_++;
    segments_++;
    if (!series || length < size_) finish();
  }

 private:
  void finish() noexcept {
    msghdr& header = messages_[count_ - 1].msg_hdr;
    header.msg_iovlen = segments_;
    UdpSockets::prepare(header, controls_[count_ - 1], endpoints_[count_ - 1].source, segments_, size_);
    open_ = false;
  }

  /** Sealing reads and writes a little past what it makes. */
  static constexpr size_t size_of(size_t length) noexcept {
    return LineBuffer::lines(kRoomBefore + kTransportOverhead + length + 2 * kPaddingMultiple);
  }
  static_assert((kRoomBefore + kTransportHeader) % LineBuffer::kLine == 0);

  LineBuffer buffer_;
  size_t filled_ = 0;
  unsigned placed_ = 0;
  std::array<uint8_t*, kSlots> slots_;
  std::array<iovec, kSlots> vectors_;
  std::array<Endpoint, kSlots> endpoints_;
  std::array<ControlRoom, kSlots> controls_;
  std::array<mmsghdr, kSlots> messages_;
  unsigned count_ = 0;
  unsigned used_ = 0;
  bool open_ = false;
  unsigned segments_ = 0;
  size_t size_ = 0;
  const Endpoint* to_ = nullptr;
};

}  // namespace anteroom
