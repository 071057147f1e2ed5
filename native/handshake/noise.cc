/**
 * Noise's SymmetricState. See noise.h.
 */
#include "noise.h"

#include <cstring>
#include <new>

#include "../net/little_endian.h"
#include "../transport/aead.h"
#include "blake2s.h"

namespace anteroom {

void Noise::initialize(const char* protocol_name) noexcept {
  const size_t length = std::strlen(protocol_name);
  wipe();
  if (length <= kHashSize) {
    std::memcpy(h_.data(), protocol_name, length);
  } else {
    Blake2s::hash(h_.data(), reinterpret_cast<const uint8_t*>(protocol_name), length);
  }
  ck_.set(h_.data());
}

void Noise::copy(const Noise& other) noexcept {
  ck_.set(other.ck_.data());
  h_.set(other.h_.data());
  k_.set(other.k_.data());
  n_ = other.n_;
}

void Noise::wipe() noexcept {
  ck_.wipe();
  h_.wipe();
  k_.wipe();
  n_ = 0;
}

void Noise::mix_hash(const uint8_t* data, size_t length) noexcept {
  Blake2s::hash(h_.data(), h_.data(), kHashSize, data, length);
}

void Noise::mix_key(const uint8_t* material, size_t length) noexcept {
  hkdf(ck_.data(), material, length, ck_.data(), k_.data());
  n_ = 0;
}

void Noise::mix_key_and_hash(const uint8_t* material, size_t length) noexcept {
  Key32 temporary;
  hkdf(ck_.data(), material, length, ck_.data(), temporary.data(), k_.data());
  mix_hash(temporary.data(), Key32::kSize);
  n_ = 0;
}

namespace {

/** Section 12.3: 32 zero bits, then the counter, little-endian. */
struct Nonce {
  uint8_t bytes[Aead::kNonceSize] = {};
  explicit Nonce(uint64_t counter) noexcept { store_le64(bytes + 4, counter); }
};

}  // namespace

bool Noise::seal(uint8_t* data, size_t length) noexcept {
  try {
    Aead aead(Aead::Direction::kSeal, k_.data(), Aead::fast());
    if (!aead.seal_with(Nonce(n_++).bytes, h_.data(), kHashSize, data, length)) return false;
  } catch (const std::bad_alloc&) {
    return false;
  }
  mix_hash(data, length + kTagSize);
  return true;
}

bool Noise::open(const uint8_t* sealed, size_t length, uint8_t* out) noexcept {
  try {
    Aead aead(Aead::Direction::kOpen, k_.data(), Aead::fast());
    std::memcpy(out, sealed, length + kTagSize);
    if (!aead.open_with(Nonce(n_++).bytes, h_.data(), kHashSize, out, length)) return false;
  } catch (const std::bad_alloc&) {
    return false;
  }
  mix_hash(sealed, length + kTagSize);
  return true;
}

void Noise::split(uint8_t first[32], uint8_t second[32]) const noexcept {
  hkdf(ck_.data(), nullptr, 0, first, second);
}

}  // namespace anteroom
