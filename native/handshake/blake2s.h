/**
 * BLAKE2s (RFC 7693) in the uses of the handshake: HASH, the keyed 16-byte MAC of mac1, and HMAC (RFC 2104) under the
 * Noise HKDF (Noise Protocol Framework, revision 34, section 4.3).
 *
 * A handshake compresses some 130 blocks, most of them alone in their hash: OpenSSL's digest is as fast a block, but
 * has no keyed mode in a digest and its contexts cost more than they carry. Nothing is allocated here.
 */
#pragma once

#include <cstddef>
#include <cstdint>

#include "secret.h"

namespace anteroom {

class Blake2s {
 public:
  static constexpr size_t kHashSize = 32;
  static constexpr size_t kMacSize = 16;
  static constexpr size_t kBlockSize = 64;

  /** `size` of the result, 1 to 32; with a key, `key_length` of it, at most 32. */
  explicit Blake2s(size_t size = kHashSize, const uint8_t* key = nullptr, size_t key_length = 0) noexcept;
  ~Blake2s();
  Blake2s(const Blake2s&) noexcept = default;
  Blake2s& operator=(const Blake2s&) noexcept = default;

  Blake2s& update(const uint8_t* data, size_t length) noexcept;
  /** Writes the result; the state is of no use afterwards. */
  void finish(uint8_t* out) noexcept;

  /** HASH(a || b). */
  static void hash(uint8_t out[kHashSize], const uint8_t* a, size_t a_length, const uint8_t* b = nullptr,
                   size_t b_length = 0) noexcept;
  /** MAC(key, data), keys of 16 or 32 bytes. */
  static void mac(uint8_t out[kMacSize], const uint8_t* key, size_t key_length, const uint8_t* data,
                  size_t length) noexcept;

  /** RFC 7693 appendices B and E: plain and keyed, every length about a block. */
  static bool self_test() noexcept;

 private:
  void compress(const uint8_t* block, bool last) noexcept;

  uint32_t h_[8];
  uint64_t count_ = 0;
  size_t held_ = 0;
  size_t size_;
  uint8_t block_[kBlockSize] = {};
};

/** HKDF(ck, material, 2 or 3). `ck` may be the first output. A null third output isn't computed. */
void hkdf(const uint8_t* ck, const uint8_t* material, size_t length, uint8_t* first, uint8_t* second,
          uint8_t* third = nullptr) noexcept;

}  // namespace anteroom
