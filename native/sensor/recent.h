/**
 * What was told lately, by a fingerprint: the same again within a while is no news. Two places a fingerprint, the older
 * gives way: what was forgotten is told once more, which costs a little and changes nothing.
 */
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "row_table.h"

namespace anteroom::sensor {

class Recent {
 public:
  explicit Recent(uint32_t least) : mask_(std::bit_ceil(std::max(2u, least)) - 1), places_(mask_ + 1) {}

  /** True, and remembered, when that wasn't told within `millis` before `at`. */
  bool news(uint64_t fingerprint, double at, double millis) noexcept {
    Place* place = &places_[fingerprint & mask_];
    Place* other = &places_[(fingerprint & mask_) ^ 1];
    if (other->print == fingerprint) std::swap(place, other);
    if (place->print == fingerprint) {
      if (at >= place->at && at - place->at < millis) return false;
    } else if (other->at < place->at) {
      place = other;
    }
    *place = {fingerprint, at};
    return true;
  }

 private:
  struct Place {
    uint64_t print;
    double at;
  };
  const uint32_t mask_;
  Zeroed<Place> places_;
};

/** The last that was said of each of many things: news is what differs from it. */
class Latest {
 public:
  explicit Latest(uint32_t least) : mask_(std::bit_ceil(least) - 1), places_(mask_ + 1) {}

  /** That was the last that was said of it. */
  bool is(uint64_t thing, uint64_t said) const noexcept { return places_[thing & mask_] == said; }

  bool news(uint64_t thing, uint64_t said) noexcept {
    uint64_t& place = places_[thing & mask_];
    if (place == said) return false;
    place = said;
    return true;
  }

 private:
  const uint32_t mask_;
  Zeroed<uint64_t> places_;
};

}  // namespace anteroom::sensor
