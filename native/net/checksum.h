/**
 * The Internet checksum (RFC 1071): one's complement sum of 16-bit words.
 *
 * The sum does not care for byte order, so words are taken as the machine has them and the result is stored the
 * same way. A sum may be built of pieces; all but the last must have an even length.
 */
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace anteroom {

/** `sum` with `length` bytes added; to be folded. */
inline uint64_t checksum_add(uint64_t sum, const uint8_t* data, size_t length) noexcept {
  // 32-bit halves in 64-bit lanes: no carry can be lost below 2^32 words, and the lanes are independent. Vectors of
  // the compiler's own, so that every machine adds as many at once as it can.
  using Lanes = uint64_t __attribute__((vector_size(16)));
  Lanes lanes[4] = {};
  while (length >= 64) {
    for (int i = 0; i < 4; i++) {
      Lanes words;
      std::memcpy(&words, data + 16 * i, sizeof words);
      lanes[i] += (words & 0xffffffff) + (words >> 32);
    }
    data += 64;
    length -= 64;
  }
  for (const Lanes& lane : lanes) {
    for (int i = 0; i < 2; i++) sum += (lane[i] & 0xffffffff) + (lane[i] >> 32);
  }
  while (length >= 4) {
    uint32_t word;
    std::memcpy(&word, data, sizeof word);
    sum += word;
    data += 4;
    length -= 4;
  }
  while (length >= 2) {
    uint16_t word;
    std::memcpy(&word, data, sizeof word);
    sum += word;
    data += 2;
    length -= 2;
  }
  if (length != 0) {
    uint16_t word = 0;
    std::memcpy(&word, data, 1);
    sum += word;
  }
  return sum;
}

/** Folded to 16 bits, not complemented. */
inline uint16_t checksum_fold(uint64_t sum) noexcept {
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

inline uint16_t load_word(const uint8_t* from) noexcept {
  uint16_t word;
  std::memcpy(&word, from, sizeof word);
  return word;
}
inline void store_word(uint8_t* to, uint16_t word) noexcept { std::memcpy(to, &word, sizeof word); }

inline uint16_t load_be16(const uint8_t* from) noexcept {
  return static_cast<uint16_t>(from[0] << 8 | from[1]);
}
inline void store_be16(uint8_t* to, size_t value) noexcept {
  to[0] = static_cast<uint8_t>(value >> 8);
  to[1] = static_cast<uint8_t>(value);
}
inline uint32_t load_be32(const uint8_t* from) noexcept {
  return static_cast<uint32_t>(load_be16(from)) << 16 | load_be16(from + 2);
}
inline void store_be32(uint8_t* to, uint32_t value) noexcept {
  store_be16(to, value >> 16);
  store_be16(to + 2, value & 0xffff);
}

/** A 16-bit number as the word that stands for it in a sum. */
inline uint16_t word_of(size_t value) noexcept {
  uint8_t bytes[2];
  store_be16(bytes, value);
  return load_word(bytes);
}

}  // namespace anteroom
