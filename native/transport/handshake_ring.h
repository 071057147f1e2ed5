/**
 * HandshakeRing: datagrams that aren't transport data, on their way from the receiving thread to the main thread.
 *
 * Single producer, single consumer, fixed slots: a flood of handshakes costs a copy each and no memory. What
 * doesn't fit is dropped and counted by the caller; WireGuard's peers retry.
 */
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>

#include "../net/address.h"
#include "message.h"

namespace anteroom {

class HandshakeRing {
 public:
  static constexpr size_t kSlots = 256;

  struct Slot {
    Endpoint from;
    uint16_t length = 0;
    std::array<uint8_t, kMaxHandshake> bytes;
  };

  HandshakeRing() : slots_(std::make_unique<Slot[]>(kSlots)) {}

  /** Receiving thread. False when it is full or the datagram is longer than kMaxHandshake. */
  bool push(const Endpoint& from, const uint8_t* bytes, size_t length) noexcept {
    const size_t tail = tail_.load(std::memory_order_relaxed);
    if (length > kMaxHandshake || tail - head_.load(std::memory_order_acquire) == kSlots) return false;
    Slot& slot = slots_[tail % kSlots];
    slot.from = from;
    slot.length = static_cast<uint16_t>(length);
    std::memcpy(slot.bytes.data(), bytes, length);
    tail_.store(tail + 1, std::memory_order_release);
    return true;
  }

  /** Main thread: the oldest, or nullptr; it stays valid until `pop`. */
  const Slot* front() const noexcept {
    const size_t head = head_.load(std::memory_order_relaxed);
    return head == tail_.load(std::memory_order_acquire) ? nullptr : &slots_[head % kSlots];
  }
  /** The one that `ahead` others come before, or nullptr. */
  const Slot* peek(size_t ahead) const noexcept {
    const size_t head = head_.load(std::memory_order_relaxed);
    return tail_.load(std::memory_order_acquire) - head <= ahead ? nullptr : &slots_[(head + ahead) % kSlots];
  }
  void pop() noexcept { head_.store(head_.load(std::memory_order_relaxed) + 1, std::memory_order_release); }

 private:
  std::unique_ptr<Slot[]> slots_;
  alignas(64) std::atomic<size_t> head_{0};
  alignas(64) std::atomic<size_t> tail_{0};
};

}  // namespace anteroom
