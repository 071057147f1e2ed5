/**
 * Segments that came early and wait for an earlier one, of all flows: a bounded number of them with a bounded number
 * of bytes. A chain is in the order of its sequence numbers.
 */
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace anteroom::sensor {

class PendingPool {
 public:
  /** Of one direction. */
  static constexpr uint32_t kSegments = 32;
  static constexpr size_t kBytes = 16 * 1024;
  /** Of all. */
  static constexpr size_t kAllBytes = 8 * 1024 * 1024;
  /** The last number is none's. */
  static constexpr uint16_t kNone = UINT16_MAX;
  static constexpr uint32_t kAllSegments = kNone;

  struct Segment {
    uint32_t sequence = 0;
    uint32_t length = 0;
    uint16_t next = kNone;
    std::unique_ptr<uint8_t[]> bytes;
  };

  size_t bytes() const noexcept { return bytes_; }
  const Segment& operator[](uint16_t at) const noexcept { return segments_[at]; }

  /** Put a copy into the chain at `head`, in its place; `next`: number of the byte that is wanted. False: no room. */
  bool add(uint16_t& head, uint32_t next, uint32_t sequence, const uint8_t* bytes, uint32_t length);
  /** Take the first of the chain; it is `release`d by the caller. */
  uint16_t take(uint16_t& head) noexcept;
  void release(uint16_t segment) noexcept;
  void clear(uint16_t& head) noexcept;

 private:
  std::vector<Segment> segments_;
  uint16_t free_ = kNone;
  uint32_t used_ = 0;
  size_t bytes_ = 0;
};

}  // namespace anteroom::sensor
