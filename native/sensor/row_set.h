/**
 * Rows of a table that something is to be told of, by a bit each: they are found without a look at the others.
 */
#pragma once

#include <bit>
#include <cstdint>

#include "row_table.h"

namespace anteroom::sensor {

class RowSet {
 public:
  explicit RowSet(uint32_t rows) : count_((rows + 63) / 64), words_(count_) {}

  void add(uint32_t row) noexcept { words_[row / 64] |= uint64_t{1} << row % 64; }
  void remove(uint32_t row) noexcept { words_[row / 64] &= ~(uint64_t{1} << row % 64); }

  /** The first row from `row` on, or kNoRow. */
  uint32_t next(uint32_t row) const noexcept {
    uint32_t at = row / 64;
    if (at >= count_) return kNoRow;
    for (uint64_t word = words_[at] & ~uint64_t{0} << row % 64;; word = words_[at]) {
      if (word != 0) return at * 64 + static_cast<uint32_t>(std::countr_zero(word));
      if (++at == count_) return kNoRow;
    }
  }

 private:
  const uint32_t count_;
  Zeroed<uint64_t> words_;
};

}  // namespace anteroom::sensor
