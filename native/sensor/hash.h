/**
 * Keyed hashing of addresses and messages for tables whose keys strangers choose: 64x64 to 128 bit multiplication,
 * folded, with a seed that nobody outside knows.
 */
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "frame.h"

namespace anteroom::sensor {

inline uint64_t fold(uint64_t a, uint64_t b) noexcept {
  const unsigned __int128 product = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

inline uint64_t hash_address(const uint8_t* bytes16, uint64_t with, uint64_t seed) noexcept {
  uint64_t low;
  uint64_t high;
  std::memcpy(&low, bytes16, sizeof low);
  std::memcpy(&high, bytes16 + 8, sizeof high);
  return fold(fold(low ^ seed, high ^ 0x9e3779b97f4a7c15) ^ with, seed ^ 0xd6e8feb86659fd93);
}

inline uint64_t hash_bytes(const uint8_t* bytes, size_t length, uint64_t seed) noexcept {
  uint64_t hash = fold(seed ^ 0x9e3779b97f4a7c15, length + 0xd6e8feb86659fd93);
  uint64_t word = 0;
  for (; length >= sizeof word; bytes += sizeof word, length -= sizeof word) {
    std::memcpy(&word, bytes, sizeof word);
    hash = fold(hash ^ word, seed | 1) + word;
  }
  word = 0;
  if (length > 0) std::memcpy(&word, bytes, length);
  return fold(hash ^ word, 0xa0761d6478bd642f);
}

}  // namespace anteroom::sensor
