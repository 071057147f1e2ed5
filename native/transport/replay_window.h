/**
 * ReplayWindow: which of a sender's counters have been seen (RFC 6479, as WireGuard sizes it: 8,192 bits).
 *
 * The bitmap is a ring of 64-bit words indexed by the counter, so moving the window forward clears whole words
 * and never shifts. One word is always being reused, which leaves 8,128 counters behind the highest one.
 *
 * Only the receiving thread uses it. `accept` must be called only for authentic messages.
 */
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace anteroom {

class ReplayWindow {
 public:
  static constexpr uint64_t kBits = 8192;
  static constexpr uint64_t kWordBits = 64;
  static constexpr uint64_t kWords = kBits / kWordBits;
  static constexpr uint64_t kWindow = kBits - kWordBits;

  /** Would `counter` be accepted? Cheap enough to ask before decrypting. */
  bool fresh(uint64_t counter) const noexcept {
    if (empty_ || counter > highest_) return true;
    if (highest_ - counter >= kWindow) return false;
    return (words_[word_of(counter)] & bit_of(counter)) == 0;
  }

  /** Take note of `counter`; false when it was seen before or is too old. */
  bool accept(uint64_t counter) noexcept {
    if (!fresh(counter)) return false;
    if (empty_ || counter > highest_) {
      const uint64_t from = empty_ ? 0 : highest_ / kWordBits;
      uint64_t steps = counter / kWordBits - from;
      if (steps > kWords) steps = kWords;
      for (uint64_t i = 1; i <= steps; i++) words_[(from + i) % kWords] = 0;
      highest_ = counter;
      empty_ = false;
    }
    words_[word_of(counter)] |= bit_of(counter);
    return true;
  }

 private:
  static size_t word_of(uint64_t counter) noexcept { return (counter / kWordBits) % kWords; }
  static uint64_t bit_of(uint64_t counter) noexcept { return uint64_t{1} << (counter % kWordBits); }

  std::array<uint64_t, kWords> words_{};
  uint64_t highest_ = 0;
  bool empty_ = true;
};

}  // namespace anteroom
