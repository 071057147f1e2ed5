/**
 * Peer: a far side of the tunnel, with its three keypairs and the packets that wait for one.
 *
 * Keypairs rotate as the Linux implementation's do (drivers/net/wireguard/noise.c): an initiator's new keypair is
 * current at once; a responder's is next until the first authentic packet on it confirms it; the previous one
 * goes on receiving what was under way. Who may touch what is said in engine.h.
 */
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "../net/address.h"
#include "keypair.h"

namespace anteroom {

/** Inner packets waiting for a keypair: bounded, the oldest dropped first. */
class StagedQueue {
 public:
  /** False when the oldest had to go. */
  bool push(const uint8_t* packet, size_t length) {
    const bool full = packets_.size() >= kStagedPackets;
    if (full) packets_.pop_front();
    packets_.emplace_back(packet, packet + length);
    return !full;
  }

  bool empty() const noexcept { return packets_.empty(); }
  size_t size() const noexcept { return packets_.size(); }
  const std::vector<uint8_t>& front() const noexcept { return packets_.front(); }
  void pop() noexcept { packets_.pop_front(); }
  size_t clear() noexcept {
    const size_t dropped = packets_.size();
    packets_.clear();
    return dropped;
  }

 private:
  std::deque<std::vector<uint8_t>> packets_;
};

struct Peer {
  explicit Peer(uint16_t peer_number) : number(peer_number) {}

  const uint16_t number;
  Endpoint endpoint;
  std::unique_ptr<Keypair> current;
  std::unique_ptr<Keypair> next;
  std::unique_ptr<Keypair> previous;
  StagedQueue staged;

  /** Wanted by the main thread, answered by the sending thread. */
  std::atomic<bool> keepalive{false};
  std::atomic<uint64_t> sent_bytes{0};
  std::atomic<uint64_t> received_bytes{0};
  /** Local index of the keypair that received last. */
  std::atomic<uint32_t> receive_index{0};
};

/** Add to a counter that only the calling thread writes. */
inline void add_relaxed(std::atomic<uint64_t>& counter, uint64_t amount) noexcept {
  counter.store(counter.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
}

}  // namespace anteroom
