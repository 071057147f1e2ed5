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
#include <vector>

namespace anteroom {

/** Adds up `blocks` times kChecksumBlock bytes; a million of them at most. */
using ChecksumBlocks = uint64_t (*)(const uint8_t* data, size_t blocks) noexcept;
constexpr size_t kChecksumBlock = 128;

/** All that this processor can do, the best last; and that one. */
std::vector<ChecksumBlocks> checksum_variants();
extern const ChecksumBlocks checksum_blocks;

/** `sum` with `length` bytes added; to be folded. */
inline uint64_t checksum_add(uint64_t sum, const uint8_t* data, size_t length) noexcept {
  if (length >= kChecksumBlock) {
    const size_t blocks = length / kChecksumBlock;
    sum += checksum_blocks(data, blocks);
    data += blocks * kChecksumBlock;
    length -= blocks * kChecksumBlock;
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
