/**
 * PacketArena: the fixed buffers a thread works through its batches with, and the mmsghdrs that point into them.
 *
 * Slots are a little more than a power of two apart, so the same offset of every slot doesn't fall into the same
 * cache set. Pages that small packets never reach are never touched. With segmentation offload a slot would have
 * to hold 64 KiB.
 */
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "../net/address.h"
#include "message.h"

namespace anteroom {

class PacketArena {
 public:
  static constexpr size_t kSlotSize = kTransportOverhead + kMaxInner + kPaddingMultiple + 64;

  PacketArena() : bytes_(std::make_unique<uint8_t[]>(kSlotSize * kBatch)) {
    for (unsigned i = 0; i < kBatch; i++) {
      vectors_[i] = {slot(i), kSlotSize};
      messages_[i] = {};
      messages_[i].msg_hdr.msg_iov = &vectors_[i];
      messages_[i].msg_hdr.msg_iovlen = 1;
      messages_[i].msg_hdr.msg_name = &endpoints_[i].to;
    }
  }

  uint8_t* slot(unsigned at) noexcept { return bytes_.get() + at * kSlotSize; }
  Endpoint& endpoint(unsigned at) noexcept { return endpoints_[at]; }
  mmsghdr* messages() noexcept { return messages_.data(); }

  /** Ready every slot to receive one datagram. */
  void expect() noexcept {
    for (unsigned i = 0; i < kBatch; i++) {
      vectors_[i].iov_base = slot(i);
      vectors_[i].iov_len = kSlotSize;
      messages_[i].msg_hdr.msg_namelen = sizeof endpoints_[i].to;
      messages_[i].msg_hdr.msg_flags = 0;
    }
  }

  /** Message `at` is to send `length` bytes of slot `from` to `to`. */
  void address(unsigned at, unsigned from, size_t length, const Endpoint& to) noexcept {
    vectors_[at] = {slot(from), length};
    endpoints_[at] = to;
    messages_[at].msg_hdr.msg_namelen = to.size();
  }

 private:
  std::unique_ptr<uint8_t[]> bytes_;
  std::array<iovec, kBatch> vectors_;
  std::array<Endpoint, kBatch> endpoints_;
  std::array<mmsghdr, kBatch> messages_;
};

}  // namespace anteroom
