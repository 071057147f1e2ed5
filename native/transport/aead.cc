/**
 * Aead over EVP. See aead.h.
 */
#include "aead.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <cstring>
#include <new>

#include "message.h"

namespace anteroom {

Aead::Aead(Direction direction, const uint8_t* key, const ChaChaPrimitives* primitives) : primitives_(primitives) {
  if (primitives_ != nullptr) {
    std::memcpy(key_, key, kKeySize);
    return;
  }
  context_ = EVP_CIPHER_CTX_new();
  const int sealing = direction == Direction::kSeal ? 1 : 0;
  if (context_ == nullptr ||
      EVP_CipherInit_ex(context_, EVP_chacha20_poly1305(), nullptr, key, nullptr, sealing) != 1) {
    EVP_CIPHER_CTX_free(context_);
    throw std::bad_alloc();
  }
}

Aead::~Aead() {
  EVP_CIPHER_CTX_free(context_);
  OPENSSL_cleanse(key_, sizeof key_);
}

bool Aead::seal(uint64_t counter, uint8_t* from, uint8_t* to, size_t length, bool room) noexcept {
  uint8_t nonce[kNonceSize] = {0, 0, 0, 0};
  store_le64(nonce + 4, counter);
  return seal_with(nonce, nullptr, 0, {from, to, length, room});
}

bool Aead::open(uint64_t counter, uint8_t* from, uint8_t* to, size_t length, bool room) noexcept {
  uint8_t nonce[kNonceSize] = {0, 0, 0, 0};
  store_le64(nonce + 4, counter);
  return open_with(nonce, nullptr, 0, {from, to, length, room});
}

void Aead::tag(const uint8_t* one_time_key, const uint8_t* aad, size_t aad_length, const uint8_t* data,
               size_t length, uint8_t* tag) const noexcept {
  static constexpr uint8_t kZeros[16] = {};
  alignas(64) uint8_t state[ChaChaPrimitives::kMaxPolyState];
  const ChaChaPrimitives& p = *primitives_;
  p.poly_init(state, one_time_key);
  if (aad_length != 0) p.poly_update(state, aad, aad_length);
  if (aad_length % 16 != 0) p.poly_update(state, kZeros, 16 - aad_length % 16);
  const size_t rest = length % 16;
  if (length != rest) p.poly_update(state, data, length - rest);
  // The rest, padded, and the lengths in one go: each call costs as much as several blocks.
  alignas(16) uint8_t last[32] = {};
  if (rest != 0) std::memcpy(last, data + (length - rest), rest);
  store_le64(last + 16, aad_length);
  store_le64(last + 24, length);
  const size_t skip = rest == 0 ? 16 : 0;
  p.poly_update(state, last + skip, sizeof last - skip);
  p.poly_final(state, tag);
}

namespace {

/** RFC 8439 section 2.3: the block counter and the nonce, as the cipher's four words. */
struct CounterBlock {
  uint32_t words[4];
  CounterBlock(uint32_t block, const uint8_t* nonce) noexcept
      : words{block, load_le32(nonce), load_le32(nonce + 4), load_le32(nonce + 8)} {}
};

constexpr size_t kBlock = Aead::kRoom;

}  // namespace

bool Aead::seal_with(const uint8_t* nonce, const uint8_t* aad, size_t aad_length, const Text& text) noexcept {
  const auto& [from, to, length, room] = text;
  if (primitives_ != nullptr) {
    uint8_t apart[kBlock];
    uint8_t* block = apart;
    if (room) {
      // Block 0 of the keystream is the Poly1305 key, and the message begins at block 1.
      block = to - kBlock;
      std::memset(from - kBlock, 0, kBlock);
      primitives_->chacha(block, from - kBlock, kBlock + length, key_, CounterBlock(0, nonce).words);
    } else {
      std::memset(block, 0, kBlock);
      primitives_->chacha(block, block, kBlock, key_, CounterBlock(0, nonce).words);
      if (length != 0) primitives_->chacha(to, from, length, key_, CounterBlock(1, nonce).words);
    }
    tag(block, aad, aad_length, to, length, to + length);
    OPENSSL_cleanse(block, 32);
    return true;
  }
  int written = 0;
  int last = 0;
  if (EVP_EncryptInit_ex(context_, nullptr, nullptr, nullptr, nonce) != 1) return false;
  if (aad_length != 0 &&
      EVP_EncryptUpdate(context_, nullptr, &written, aad, static_cast<int>(aad_length)) != 1) {
    return false;
  }
  written = 0;
  if (length != 0 && EVP_EncryptUpdate(context_, to, &written, from, static_cast<int>(length)) != 1) {
    return false;
  }
  return EVP_EncryptFinal_ex(context_, to + written, &last) == 1 &&
         EVP_CIPHER_CTX_ctrl(context_, EVP_CTRL_AEAD_GET_TAG, kTagSize, to + length) == 1;
}

bool Aead::open_with(const uint8_t* nonce, const uint8_t* aad, size_t aad_length, const Text& text) noexcept {
  const auto& [from, to, length, room] = text;
  if (primitives_ != nullptr) {
    uint8_t expected[kTagSize];
    if (room && from != to) {
      // As in sealing, one run. What it gives is nobody's until the tag was compared.
      uint8_t* block = to - kBlock;
      std::memset(from - kBlock, 0, kBlock);
      primitives_->chacha(block, from - kBlock, kBlock + length, key_, CounterBlock(0, nonce).words);
      tag(block, aad, aad_length, from, length, expected);
      OPENSSL_cleanse(block, 32);
      if (CRYPTO_memcmp(expected, from + length, kTagSize) == 0) return true;
      OPENSSL_cleanse(to, length);
      return false;
    }
    uint8_t block[kBlock] = {};
    primitives_->chacha(block, block, kBlock, key_, CounterBlock(0, nonce).words);
    tag(block, aad, aad_length, from, length, expected);
    OPENSSL_cleanse(block, 32);
    if (CRYPTO_memcmp(expected, from + length, kTagSize) != 0) return false;
    if (length != 0) primitives_->chacha(to, from, length, key_, CounterBlock(1, nonce).words);
    return true;
  }
  int written = 0;
  int last = 0;
  if (EVP_DecryptInit_ex(context_, nullptr, nullptr, nullptr, nonce) != 1) return false;
  if (EVP_CIPHER_CTX_ctrl(context_, EVP_CTRL_AEAD_SET_TAG, kTagSize, from + length) != 1) return false;
  if (aad_length != 0 &&
      EVP_DecryptUpdate(context_, nullptr, &written, aad, static_cast<int>(aad_length)) != 1) {
    return false;
  }
  written = 0;
  if (length != 0 && EVP_DecryptUpdate(context_, to, &written, from, static_cast<int>(length)) != 1) {
    return false;
  }
  if (EVP_DecryptFinal_ex(context_, to + written, &last) == 1) return true;
  if (from != to) OPENSSL_cleanse(to, length);
  return false;
}

namespace {

constexpr char kPlaintext[] =
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen "
    "would be it.";
constexpr size_t kPlaintextSize = sizeof kPlaintext - 1;
constexpr uint8_t kAad[] = {0x50, 0x51, 0x52, 0x53, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7};
constexpr uint8_t kNonce[] = {0x07, 0, 0, 0, 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47};
constexpr uint8_t kFirstBlock[] = {0xd3, 0x1a, 0x8d, 0x34, 0x64, 0x8e, 0x60, 0xdb,
                                   0x7b, 0x86, 0xaf, 0xbc, 0x53, 0xef, 0x7e, 0xc2};
constexpr uint8_t kTag[] = {0x1a, 0xe1, 0x0b, 0x59, 0x4f, 0x09, 0xe2, 0x6a,
                            0x7e, 0x90, 0x2e, 0xcb, 0xd0, 0x60, 0x06, 0x91};

}  // namespace

bool Aead::self_test(const ChaChaPrimitives* primitives) noexcept {
  try {
    uint8_t key[kKeySize];
    for (size_t i = 0; i < kKeySize; i++) key[i] = static_cast<uint8_t>(0x80 + i);
    Aead sealing(Direction::kSeal, key, primitives);
    Aead opening(Direction::kOpen, key, primitives);
    // Twice: a context that has been used must behave like a new one.
    for (int round = 0; round < 2; round++) {
      uint8_t data[kPlaintextSize + kTagSize];
      std::memcpy(data, kPlaintext, kPlaintextSize);
      if (!sealing.seal_with(kNonce, kAad, sizeof kAad, data, kPlaintextSize)) return false;
      if (std::memcmp(data, kFirstBlock, sizeof kFirstBlock) != 0) return false;
      if (std::memcmp(data + kPlaintextSize, kTag, kTagSize) != 0) return false;

      uint8_t flipped[sizeof data];
      std::memcpy(flipped, data, sizeof data);
      flipped[7] ^= 0x10;
      if (opening.open_with(kNonce, kAad, sizeof kAad, flipped, kPlaintextSize)) return false;
      if (!opening.open_with(kNonce, kAad, sizeof kAad, data, kPlaintextSize)) return false;
      if (std::memcmp(data, kPlaintext, kPlaintextSize) != 0) return false;
    }
    return true;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

bool Aead::agree(const ChaChaPrimitives& primitives, uint64_t seed) noexcept {
  constexpr size_t kLongest = 2100;
  uint64_t state = seed;
  const auto random = [&] {  // xorshift64*: only to get about, nothing here is secret
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * 0x2545f4914f6cdd1d;
  };
  try {
    for (unsigned round = 0; round < 64; round++) {
      uint8_t key[kKeySize];
      for (uint8_t& byte : key) byte = static_cast<uint8_t>(random() >> 32);
      // Lengths about the cipher's block and stride boundaries first, then any.
      const size_t length = round < 24 ? round / 2 * 64 + round % 2 * 17 : random() % kLongest;
      const uint64_t counter = random();
      uint8_t one[kBlock + kLongest + kTagSize];
      uint8_t two[kBlock + kLongest + kTagSize];
      uint8_t slow[kLongest + kTagSize];
      for (size_t i = 0; i < length; i++) slow[i] = static_cast<uint8_t>(random() >> 40);
      uint8_t plain[kLongest];
      std::memcpy(plain, slow, length);
      // In place and apart, in one run and in two.
      const bool room = round % 2 == 0;
      uint8_t* const from = one + kBlock;
      uint8_t* const to = round % 4 < 2 ? from : two + kBlock;
      std::memcpy(from, slow, length);
      Aead evp(Direction::kSeal, key);
      Aead ours(Direction::kSeal, key, &primitives);
      if (!evp.seal(counter, slow, length)) return false;
      if (!ours.seal(counter, from, to, length, room)) return false;
      if (std::memcmp(to, slow, length + kTagSize) != 0) return false;
      const size_t flip = random() % (length + kTagSize);
      to[flip] ^= 1;
      if (ours.open(counter, to, from, length, room)) return false;
      to[flip] ^= 1;
      if (!ours.open(counter, to, from, length, room) || std::memcmp(from, plain, length) != 0) return false;
    }
    return true;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

const ChaChaPrimitives* Aead::fast() noexcept {
  static const ChaChaPrimitives* const found = []() -> const ChaChaPrimitives* {
    const ChaChaPrimitives* candidate = ChaChaPrimitives::find();
    if (candidate == nullptr || !self_test(candidate) || !agree(*candidate, 0x9e3779b97f4a7c15)) return nullptr;
    return candidate;
  }();
  return found;
}

}  // namespace anteroom
