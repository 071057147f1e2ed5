/**
 * Keyed hashing of addresses for tables whose keys strangers choose: 64x64 to 128 bit multiplication, folded, with a
 * seed that nobody outside knows.
 */
#pragma once

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

}  // namespace anteroom::sensor
