/**
 * ML-KEM-768 over EVP. See kem.h.
 */
#include "kem.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <cstring>
#include <memory>

namespace anteroom {

namespace {

constexpr char kName[] = "ML-KEM-768";

struct FreeKey {
  void operator()(EVP_PKEY* key) const noexcept { EVP_PKEY_free(key); }
};
struct FreeContext {
  void operator()(EVP_PKEY_CTX* context) const noexcept { EVP_PKEY_CTX_free(context); }
};
using PKey = std::unique_ptr<EVP_PKEY, FreeKey>;
using Context = std::unique_ptr<EVP_PKEY_CTX, FreeContext>;

bool understood() noexcept {
  const Context make(EVP_PKEY_CTX_new_from_name(nullptr, kName, nullptr));
  EVP_PKEY* made = nullptr;
  if (!make || EVP_PKEY_keygen_init(make.get()) != 1 || EVP_PKEY_generate(make.get(), &made) != 1) return false;
  const PKey pair(made);
  uint8_t key[Kem::kEncapsulationKeySize];
  size_t length = sizeof key;
  uint8_t ciphertext[Kem::kCiphertextSize];
  Key32 ours;
  Key32 theirs;
  if (EVP_PKEY_get_raw_public_key(pair.get(), key, &length) != 1 || length != sizeof key) return false;
  if (!Kem::encapsulate(key, nullptr, ciphertext, ours)) return false;
  const Context open(EVP_PKEY_CTX_new(pair.get(), nullptr));
  length = Key32::kSize;
  if (!open || EVP_PKEY_decapsulate_init(open.get(), nullptr) != 1 ||
      EVP_PKEY_decapsulate(open.get(), theirs.data(), &length, ciphertext, sizeof ciphertext) != 1) {
    return false;
  }
  std::memset(key, 0xff, sizeof key);
  Key32 none;
  return equal_bytes(ours.data(), theirs.data(), Key32::kSize) && !Kem::encapsulate(key, nullptr, ciphertext, none);
}

}  // namespace

bool Kem::available() noexcept {
  static const bool found = [] {
    const bool good = understood();
    ERR_clear_error();
    return good;
  }();
  return found;
}

bool Kem::encapsulate(const uint8_t key[kEncapsulationKeySize], const uint8_t* randomness,
                      uint8_t ciphertext[kCiphertextSize], Key32& secret) noexcept {
  const PKey parsed(EVP_PKEY_new_raw_public_key_ex(nullptr, kName, nullptr, key, kEncapsulationKeySize));
  const Context context(parsed ? EVP_PKEY_CTX_new(parsed.get(), nullptr) : nullptr);
  size_t length = kCiphertextSize;
  size_t secret_length = Key32::kSize;
  bool good = context && EVP_PKEY_encapsulate_init(context.get(), nullptr) == 1;
  if (good && randomness != nullptr) {
    // By its name: headers before OpenSSL 3.2 don't have OSSL_KEM_PARAM_IKME.
    Secret<kRandomnessSize> copy;
    copy.set(randomness);
    OSSL_PARAM parameters[2] = {OSSL_PARAM_construct_octet_string("ikme", copy.data(), kRandomnessSize),
                                OSSL_PARAM_construct_end()};
    good = EVP_PKEY_CTX_set_params(context.get(), parameters) == 1;
    good = good && EVP_PKEY_encapsulate(context.get(), ciphertext, &length, secret.data(), &secret_length) == 1;
  } else if (good) {
    good = EVP_PKEY_encapsulate(context.get(), ciphertext, &length, secret.data(), &secret_length) == 1;
  }
  if (good && length == kCiphertextSize && secret_length == Key32::kSize) return true;
  ERR_clear_error();
  secret.wipe();
  return false;
}

}  // namespace anteroom
