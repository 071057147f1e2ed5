/**
 * The initiations and responses, byte for byte: WireGuard's (whitepaper sections 5.4.2 and 5.4.3) and those of the
 * hybrid exchange (docs/PROTOCOL.md). Integers are little-endian; a message has its exact length or isn't one.
 *
 *   initiation, type 1: 148, type 5: 1348       response, type 2: 92, type 6: 1196
 *     0   4  type, three zero bytes               0   4  type, three zero bytes
 *     4   4  sender index                         4   4  sender index
 *     8  32  ephemeral public key                 8   4  receiver index
 *    40 1200 encapsulation key, sealed (5)       12  32  ephemeral public key
 *     …  48  static public key, sealed           44 1104 ciphertext, sealed (6)
 *     …  28  timestamp, sealed                    …  16  nothing, sealed
 *     …  16  mac1                                 …  16  mac1
 *     …  16  mac2                                 …  16  mac2
 */
#pragma once

#include <cstddef>
#include <cstdint>

#include "../net/little_endian.h"
#include "kem.h"

namespace anteroom {

// --- specification -------------------------------------------------------------------------------------------

constexpr char kConstruction[] = "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s";
constexpr char kHybridConstruction[] = "Noise_IKhfspsk2_25519+MLKEM768_ChaChaPoly_BLAKE2s";
constexpr char kIdentifier[] = "WireGuard v1 zx2c4 Jason@zx2c4.com";
constexpr char kLabelMac1[] = "mac1----";

constexpr uint32_t kTypeInitiation = 1;
constexpr uint32_t kTypeResponse = 2;
constexpr uint32_t kTypeHybridInitiation = 5;
constexpr uint32_t kTypeHybridResponse = 6;

constexpr size_t kTagBytes = 16;
constexpr size_t kPublicKeyBytes = 32;
constexpr size_t kTimestampBytes = 12;
constexpr size_t kMacsBytes = 32;
constexpr size_t kSealedKemKeyBytes = Kem::kEncapsulationKeySize + kTagBytes;
constexpr size_t kSealedCiphertextBytes = Kem::kCiphertextSize + kTagBytes;
constexpr size_t kInitiationBytes = 148;
constexpr size_t kResponseBytes = 92;
constexpr size_t kHybridInitiationBytes = kInitiationBytes + kSealedKemKeyBytes;
constexpr size_t kHybridResponseBytes = kResponseBytes + kSealedCiphertextBytes;

/** Where the fields of an initiation stand. */
struct InitiationView {
  const uint8_t* bytes;
  size_t length;
  bool hybrid;

  /** False when `bytes` aren't an initiation. */
  static bool read(const uint8_t* bytes, size_t length, InitiationView& view) noexcept {
    if (length < 4) return false;
    const uint32_t type = load_le32(bytes);
    view = {bytes, length, type == kTypeHybridInitiation};
    return (type == kTypeInitiation && length == kInitiationBytes) ||
           (type == kTypeHybridInitiation && length == kHybridInitiationBytes);
  }

  uint32_t sender() const noexcept { return load_le32(bytes + 4); }
  const uint8_t* ephemeral() const noexcept { return bytes + 8; }
  const uint8_t* sealed_kem_key() const noexcept { return bytes + 40; }
  const uint8_t* sealed_static() const noexcept { return bytes + 40 + (hybrid ? kSealedKemKeyBytes : 0); }
  const uint8_t* sealed_timestamp() const noexcept { return sealed_static() + kPublicKeyBytes + kTagBytes; }
};

}  // namespace anteroom
