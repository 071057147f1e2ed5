/**
 * Peer: a far side of the tunnel, with its keypairs and the packets that wait for one.
 *
 * Keypairs rotate as the Linux implementation's do (drivers/net/wireguard/noise.c): an initiator's new keypair is
 * current at once; a responder's is next until the first authentic packet on it confirms it; older ones go on
 * receiving what was under way. Of those Linux keeps one. When both ends begin a handshake at once, two keypairs come
 * within a round trip, and the far side still sends with the one before both: so here a few are kept, until
 * they are too old or newer ones push them out. Who may touch what is said in engine.h.
 */
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <utility>
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
  /** The newest first, no gaps. */
  std::array<std::unique_ptr<Keypair>, kOlderKeypairs> older;
  /** Keypairs that were installed so far. */
  uint64_t installed = 0;
  StagedQueue staged;

  /** Wanted by the main thread, answered by the sending thread. */
  std::atomic<bool> keepalive{false};
  std::atomic<uint64_t> sent_bytes{0};
  std::atomic<uint64_t> received_bytes{0};

  /** Calls `visit(std::unique_ptr<Keypair>&)` for each place there is. */
  template <typename Visit>
  void each_keypair(Visit visit) {
    visit(current);
    visit(next);
    for (std::unique_ptr<Keypair>& place : older) visit(place);
  }

  /**
   * `keypair` only receives from now on, if it is one. What has to go for it: the one that was installed first, or
   * none.
   */
  std::unique_ptr<Keypair> retire(std::unique_ptr<Keypair> keypair) noexcept {
    for (std::unique_ptr<Keypair>& place : older) {
      if (!keypair) break;
      if (!place || keypair->order > place->order) std::swap(place, keypair);
    }
    return keypair;
  }
};

/** Add to a counter that only the calling thread writes. */
inline void add_relaxed(std::atomic<uint64_t>& counter, uint64_t amount) noexcept {
  counter.store(counter.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
}

}  // namespace anteroom
