/**
 * PendingPool. See pending_pool.h.
 */
#include "pending_pool.h"

#include <cstring>
#include <new>

namespace anteroom::sensor {

bool PendingPool::add(uint16_t& head, uint32_t next, uint32_t sequence, const uint8_t* bytes, uint32_t length) {
  uint32_t count = 0;
  size_t waiting = 0;
  uint16_t* place = &head;
  const auto early = static_cast<int32_t>(sequence - next);
  bool passed = false;
  for (uint16_t at = head; at != kNone; at = segments_[at].next) {
    count++;
    waiting += segments_[at].length;
    passed = passed || static_cast<int32_t>(segments_[at].sequence - next) > early;
    if (!passed) place = &segments_[at].next;
  }
  if (count >= kSegments || waiting + length > kBytes || bytes_ + length > kAllBytes || used_ >= kAllSegments)
    return false;
  std::unique_ptr<uint8_t[]> copy(new (std::nothrow) uint8_t[length]);
  if (!copy) return false;
  std::memcpy(copy.get(), bytes, length);
  // `place` may point into the vector, which may move.
  uint16_t before = kNone;
  if (place != &head) {
    for (before = head; &segments_[before].next != place;) before = segments_[before].next;
  }
  uint16_t at = free_;
  if (at != kNone) {
    free_ = segments_[at].next;
  } else {
    at = static_cast<uint16_t>(segments_.size());
    segments_.emplace_back();
  }
  uint16_t& from = before == kNone ? head : segments_[before].next;
  segments_[at].sequence = sequence;
  segments_[at].length = length;
  segments_[at].next = from;
  segments_[at].bytes = std::move(copy);
  from = at;
  used_++;
  bytes_ += length;
  return true;
}

uint16_t PendingPool::take(uint16_t& head) noexcept {
  const uint16_t at = head;
  head = segments_[at].next;
  return at;
}

void PendingPool::release(uint16_t at) noexcept {
  Segment& segment = segments_[at];
  bytes_ -= segment.length;
  segment.bytes.reset();
  segment.next = free_;
  free_ = at;
  used_--;
}

void PendingPool::clear(uint16_t& head) noexcept {
  while (head != kNone) release(take(head));
}

}  // namespace anteroom::sensor
