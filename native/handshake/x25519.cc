/**
 * X25519 over EVP. See x25519.h.
 */
#include "x25519.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#include <cstring>
#include <memory>

namespace anteroom {

namespace {

struct FreeKey {
  void operator()(EVP_PKEY* key) const noexcept { EVP_PKEY_free(key); }
};
struct FreeContext {
  void operator()(EVP_PKEY_CTX* context) const noexcept { EVP_PKEY_CTX_free(context); }
};

}  // namespace

X25519Secret::~X25519Secret() { EVP_PKEY_free(key_); }

bool X25519Secret::set(const uint8_t secret[kKeySize]) noexcept {
  EVP_PKEY_free(key_);
  size_t length = kKeySize;
  key_ = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, nullptr, secret, kKeySize);
  if (key_ != nullptr && EVP_PKEY_get_raw_public_key(key_, public_, &length) == 1) return true;
  ERR_clear_error();
  return false;
}

bool X25519Secret::shared(const uint8_t remote[kKeySize], Key32& out) const noexcept {
  const std::unique_ptr<EVP_PKEY, FreeKey> peer(
      EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, nullptr, remote, kKeySize));
  const std::unique_ptr<EVP_PKEY_CTX, FreeContext> context(key_ == nullptr ? nullptr : EVP_PKEY_CTX_new(key_, nullptr));
  size_t length = kKeySize;
  if (peer && context && EVP_PKEY_derive_init(context.get()) == 1 &&
      EVP_PKEY_derive_set_peer(context.get(), peer.get()) == 1 &&
      EVP_PKEY_derive(context.get(), out.data(), &length) == 1 && length == kKeySize &&
      !is_zero(out.data(), kKeySize)) {
    return true;
  }
  // The queue of errors is the thread's, and node reads the main thread's.
  ERR_clear_error();
  out.wipe();
  return false;
}

namespace {

/** RFC 7748 section 6.1. */
constexpr uint8_t kAlice[32] = {0x77, 0x07, 0x6d, 0x0a, 0x73, 0x18, 0xa5, 0x7d, 0x3c, 0x16, 0xc1,
                                0x72, 0x51, 0xb2, 0x66, 0x45, 0xdf, 0x4c, 0x2f, 0x87, 0xeb, 0xc0,
                                0x99, 0x2a, 0xb1, 0x77, 0xfb, 0xa5, 0x1d, 0xb9, 0x2c, 0x2a};
constexpr uint8_t kAlicePublic[32] = {0x85, 0x20, 0xf0, 0x09, 0x89, 0x30, 0xa7, 0x54, 0x74, 0x8b, 0x7d,
                                      0xdc, 0xb4, 0x3e, 0xf7, 0x5a, 0x0d, 0xbf, 0x3a, 0x0d, 0x26, 0x38,
                                      0x1a, 0xf4, 0xeb, 0xa4, 0xa9, 0x8e, 0xaa, 0x9b, 0x4e, 0x6a};
constexpr uint8_t kBobPublic[32] = {0xde, 0x9e, 0xdb, 0x7d, 0x7b, 0x7d, 0xc1, 0xb4, 0xd3, 0x5b, 0x61,
                                    0xc2, 0xec, 0xe4, 0x35, 0x37, 0x3f, 0x83, 0x43, 0xc8, 0x5b, 0x78,
                                    0x67, 0x4d, 0xad, 0xfc, 0x7e, 0x14, 0x6f, 0x88, 0x2b, 0x4f};
constexpr uint8_t kShared[32] = {0x4a, 0x5d, 0x9d, 0x5b, 0xa4, 0xce, 0x2d, 0xe1, 0x72, 0x8e, 0x3b,
                                 0xf4, 0x80, 0x35, 0x0f, 0x25, 0xe0, 0x7e, 0x21, 0xc9, 0x47, 0xd1,
                                 0x9e, 0x33, 0x76, 0xf0, 0x9b, 0x3c, 0x1e, 0x16, 0x17, 0x42};

}  // namespace

bool X25519Secret::self_test() noexcept {
  X25519Secret alice;
  Key32 shared;
  constexpr uint8_t kSmallOrder[32] = {};
  return alice.set(kAlice) && std::memcmp(alice.public_key(), kAlicePublic, 32) == 0 &&
         alice.shared(kBobPublic, shared) && std::memcmp(shared.data(), kShared, 32) == 0 &&
         !alice.shared(kSmallOrder, shared);
}

}  // namespace anteroom
