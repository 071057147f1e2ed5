/**
 * ActivityBoard: what the two threads have to tell the main thread about peers, coalesced per peer.
 *
 * A thread ors bits into a peer's word and marks the peer in a bitmap; the main thread takes both away. Setting a
 * bit that already stands costs one load.
 */
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "message.h"

namespace anteroom {

/** The same bits as `activity` in src/platform/addon.ts. */
enum Activity : uint32_t {
  kSentData = 1,
  kSentAny = 2,
  kReceivedData = 4,
  kReceivedAny = 8,
  kConfirmed = 16,
  kNeedHandshake = 32,
  kExpired = 64,
  kBadSource = 128,
  kRekeyDue = 256,
};

/** A set of peer numbers that any thread may add to and one thread at a time takes from. */
class PeerSet {
 public:
  void add(unsigned peer) noexcept {
    words_[peer / 64].fetch_or(uint64_t{1} << (peer % 64), std::memory_order_release);
  }

  /** Calls `visit(peer)` for each member and leaves the set empty. */
  template <typename Visit>
  void take(Visit visit) noexcept(noexcept(visit(0u))) {
    for (unsigned at = 0; at < words_.size(); at++) {
      if (words_[at].load(std::memory_order_relaxed) == 0) continue;
      uint64_t word = words_[at].exchange(0, std::memory_order_acquire);
      while (word != 0) {
        const auto low = static_cast<unsigned>(__builtin_ctzll(word));
        word &= word - 1;
        visit(at * 64 + low);
      }
    }
  }

 private:
  std::array<std::atomic<uint64_t>, kMaxPeers / 64> words_{};
};

class ActivityBoard {
 public:
  void note(unsigned peer, uint32_t bits) noexcept {
    std::atomic<uint32_t>& word = flags_[peer];
    if ((word.load(std::memory_order_relaxed) & bits) == bits) return;
    word.fetch_or(bits, std::memory_order_release);
    marked_.add(peer);
    dirty_.store(true);
  }

  /** As `note`, for what can't wait for the next report. */
  void note_urgent(unsigned peer, uint32_t bits) noexcept {
    note(peer, bits);
    urgent_.store(true, std::memory_order_release);
  }

  /** Has something urgent been noted since this was last asked? */
  bool take_urgent() noexcept {
    return urgent_.load(std::memory_order_relaxed) && urgent_.exchange(false, std::memory_order_acquire);
  }

  bool dirty() const noexcept { return dirty_.load(); }

  /** Calls `visit(peer, bits)` for each peer with news and leaves the board clean. */
  template <typename Visit>
  void take(Visit visit) {
    // The board is called clean before it is looked at, so what comes meanwhile makes it dirty again.
    dirty_.store(false);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    marked_.take([&](unsigned peer) {
      const uint32_t bits = flags_[peer].exchange(0, std::memory_order_acquire);
      if (bits != 0) visit(peer, bits);
    });
  }

  void forget(unsigned peer) noexcept { flags_[peer].store(0, std::memory_order_relaxed); }

 private:
  std::array<std::atomic<uint32_t>, kMaxPeers> flags_{};
  PeerSet marked_;
  std::atomic<bool> dirty_{false};
  std::atomic<bool> urgent_{false};
};

}  // namespace anteroom
