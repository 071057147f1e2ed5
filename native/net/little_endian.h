/**
 * Little-endian numbers in byte strings: WireGuard's wire format and the records handed to JavaScript.
 */
#pragma once

#include <cstdint>
#include <cstring>

namespace anteroom {

inline uint32_t load_le32(const uint8_t* from) noexcept {
  return static_cast<uint32_t>(from[0]) | static_cast<uint32_t>(from[1]) << 8 |
         static_cast<uint32_t>(from[2]) << 16 | static_cast<uint32_t>(from[3]) << 24;
}

inline uint64_t load_le64(const uint8_t* from) noexcept {
  return static_cast<uint64_t>(load_le32(from)) | static_cast<uint64_t>(load_le32(from + 4)) << 32;
}

inline void store_le32(uint8_t* to, uint32_t value) noexcept {
  for (int i = 0; i < 4; i++) to[i] = static_cast<uint8_t>(value >> (8 * i));
}

inline void store_le64(uint8_t* to, uint64_t value) noexcept {
  for (int i = 0; i < 8; i++) to[i] = static_cast<uint8_t>(value >> (8 * i));
}

/** An IEEE 754 double, as DataView.getFloat64 reads it. */
inline void store_le_f64(uint8_t* to, double value) noexcept {
  uint64_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  store_le64(to, bits);
}

}  // namespace anteroom
