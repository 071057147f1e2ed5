/**
 * Counters of a whole transport since it opened; `TransportCounters` of src/platform/addon.ts.
 *
 * Relaxed atomics: each is exact, and two read together need not be of the same instant.
 */
#pragma once

#include <atomic>
#include <cstdint>

namespace anteroom {

struct Counters {
  using Counter = std::atomic<uint64_t>;

  /** Bumped by the receiving thread. */
  alignas(64) Counter udp_received{0};
  Counter tun_written{0};
  Counter drop_unknown_index{0};
  Counter drop_authentication{0};
  Counter drop_replay{0};
  Counter drop_malformed{0};
  Counter drop_bad_source{0};
  Counter drop_expired{0};
  Counter drop_handshake_ring{0};
  Counter drop_tun{0};
  /** Bumped by the sending thread; udp_sent and drop_queue by the main thread too. */
  alignas(64) Counter udp_sent{0};
  Counter tun_read{0};
  Counter drop_no_route{0};
  Counter drop_queue{0};
};

inline void bump(Counters::Counter& counter, uint64_t amount = 1) noexcept {
  counter.fetch_add(amount, std::memory_order_relaxed);
}

}  // namespace anteroom
