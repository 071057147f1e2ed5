/**
 * Secret: bytes that are cleansed when they go out of scope or are wiped. Not copied by accident.
 */
#pragma once

#include <openssl/crypto.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace anteroom {

template <size_t N>
class Secret {
 public:
  static constexpr size_t kSize = N;

  Secret() noexcept = default;
  ~Secret() { wipe(); }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;

  uint8_t* data() noexcept { return bytes_; }
  const uint8_t* data() const noexcept { return bytes_; }
  void set(const uint8_t* bytes) noexcept { std::memcpy(bytes_, bytes, N); }
  void wipe() noexcept { OPENSSL_cleanse(bytes_, N); }

 private:
  uint8_t bytes_[N] = {};
};

using Key32 = Secret<32>;

/** In time that depends on the length alone. */
inline bool equal_bytes(const uint8_t* a, const uint8_t* b, size_t length) noexcept {
  return CRYPTO_memcmp(a, b, length) == 0;
}

/** All zeros; in constant time. */
inline bool is_zero(const uint8_t* bytes, size_t length) noexcept {
  uint8_t any = 0;
  for (size_t i = 0; i < length; i++) any = static_cast<uint8_t>(any | bytes[i]);
  return any == 0;
}

}  // namespace anteroom
