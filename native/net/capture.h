/**
 * Capture: a thread that empties a PacketRing into batches, at most one every kBatchInterval.
 *
 * Two buffers take turns: one is being filled while the main thread reads the other. When the main thread is late
 * the thread waits and the ring takes the load; when the ring is full the kernel drops and counts.
 */
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "event.h"
#include "packet_ring.h"

namespace anteroom {

class Capture {
 public:
  static constexpr size_t kBatchBytes = 1 << 20;
  static constexpr uint64_t kBatchInterval = 20'000'000;

  enum News : uint32_t { kFrames = 1, kFailure = 2 };
  using Tell = std::function<void(News)>;

  struct Failure {
    int number = 0;
    const char* call = "";
  };
  /** A batch that has been filled; `buffer` is 0 or 1. */
  struct Batch {
    int buffer = -1;
    size_t bytes = 0;
    uint32_t count = 0;
  };
  using Buffer = std::shared_ptr<uint8_t[]>;

  Capture(const std::string& interface, uint32_t snap_length, Tell tell);
  ~Capture();
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

  void start();
  /** Idempotent; joins the thread. */
  void stop() noexcept;

  /** Main thread: the batch that waits, if any; it stays as it is until `release`. */
  Batch filled();
  void release();
  const Buffer& buffer(int at) const noexcept { return buffers_[at]; }
  PacketRing::Statistics statistics() { return ring_.statistics(); }
  Failure failure() const noexcept { return failure_; }

 private:
  void loop() noexcept;
  bool wait() noexcept;
  bool interface_gone() const noexcept;
  void fail(int number, const char* call) noexcept;

  PacketRing ring_;
  const Tell tell_;
  Buffer buffers_[2];
  std::mutex lock_;
  Batch filled_;
  Failure failure_;
  Event stop_;
  Event released_;
  std::atomic<bool> stopping_{false};
  /** The capturing thread's: the link was seen to go down and no frame has come since. */
  bool link_down_ = false;
  std::thread thread_;
};

}  // namespace anteroom
