/**
 * The responder's computation. See responder.h.
 */
#include "responder.h"

#include <openssl/rand.h>

#include <mutex>

#include "blake2s.h"

namespace anteroom {

namespace {

constexpr size_t kLabelLength = sizeof kLabelMac1 - 1;

void make_mac1_key(uint8_t out[32], const uint8_t public_key[32]) noexcept {
  Blake2s::hash(out, reinterpret_cast<const uint8_t*>(kLabelMac1), kLabelLength, public_key, kPublicKeyBytes);
}

/** Token `e` of a pattern with a pre-shared key (Noise section 9.2). */
void mix_ephemeral(Noise& noise, const uint8_t* ephemeral) noexcept {
  noise.mix_hash(ephemeral, kPublicKeyBytes);
  noise.mix_key(ephemeral, kPublicKeyBytes);
}

/** A token that is a Diffie-Hellman result; false for zeros. */
bool mix_shared(Noise& noise, const X25519Secret& secret, const uint8_t* remote) noexcept {
  Key32 shared;
  if (!secret.shared(remote, shared)) return false;
  noise.mix_key(shared.data(), Key32::kSize);
  return true;
}

PublicKeyBytes key_of(const uint8_t* bytes) noexcept {
  PublicKeyBytes key;
  std::memcpy(key.data(), bytes, key.size());
  return key;
}

}  // namespace

bool Local::set(const uint8_t secret[32], const uint8_t* prologue, size_t prologue_length) noexcept {
  if (!secret_.set(secret)) return false;
  make_mac1_key(mac1_key_, secret_.public_key());
  classical_.initialize(kConstruction);
  hybrid_.initialize(kHybridConstruction);
  for (Noise* noise : {&classical_, &hybrid_}) {
    noise->mix_hash(prologue, prologue_length);
    noise->mix_hash(secret_.public_key(), kPublicKeyBytes);
  }
  return true;
}

bool Local::set_peer(unsigned number, const uint8_t public_key[32], const uint8_t* psk) {
  Key32 ss;
  if (!secret_.shared(public_key, ss)) return false;
  const std::unique_lock lock(peers_lock_);
  Peer& peer = peers_[key_of(public_key)];
  peer.number = number;
  peer.ss.set(ss.data());
  peer.psk.wipe();
  if (psk != nullptr) peer.psk.set(psk);
  make_mac1_key(peer.mac1_key, public_key);
  return true;
}

bool Local::set_psk(const uint8_t public_key[32], const uint8_t* psk) {
  const std::unique_lock lock(peers_lock_);
  const auto found = peers_.find(key_of(public_key));
  if (found == peers_.end()) return false;
  found->second.psk.set(psk);
  return true;
}

bool Local::check_mac1(const uint8_t* message, size_t length) const noexcept {
  if (length < kMacsBytes) return false;
  uint8_t mac[Blake2s::kMacSize];
  Blake2s::mac(mac, mac1_key_, sizeof mac1_key_, message, length - kMacsBytes);
  return equal_bytes(mac, message + length - kMacsBytes, sizeof mac);
}

Exchange::Claim Local::read(const uint8_t* bytes, size_t length, Exchange& exchange) const noexcept {
  InitiationView view;
  if (!InitiationView::read(bytes, length, view)) return Exchange::Claim::kNone;
  exchange.hybrid = view.hybrid;
  exchange.remote_index = view.sender();
  std::memcpy(exchange.remote_ephemeral, view.ephemeral(), kPublicKeyBytes);
  Noise& noise = exchange.noise;
  noise.copy(view.hybrid ? hybrid_ : classical_);
  mix_ephemeral(noise, view.ephemeral());                                                    // e
  if (!mix_shared(noise, secret_, view.ephemeral())) return Exchange::Claim::kNone;          // es
  if (view.hybrid && !noise.open(view.sealed_kem_key(), Kem::kEncapsulationKeySize, exchange.kem_key)) {
    return Exchange::Claim::kNone;                                                           // e1
  }
  uint8_t claimed[kPublicKeyBytes + kTagBytes];
  if (!noise.open(view.sealed_static(), kPublicKeyBytes, claimed)) return Exchange::Claim::kNone;  // s
  exchange.claimed = key_of(claimed);
  {
    const std::shared_lock lock(peers_lock_);
    const auto found = peers_.find(exchange.claimed);
    if (found == peers_.end()) return Exchange::Claim::kStranger;
    exchange.peer = found->second.number;
    noise.mix_key(found->second.ss.data(), Key32::kSize);                                    // ss
  }
  uint8_t timestamp[kTimestampBytes + kTagBytes];
  if (!noise.open(view.sealed_timestamp(), kTimestampBytes, timestamp)) return Exchange::Claim::kFalse;
  std::memcpy(exchange.timestamp, timestamp, kTimestampBytes);
  return Exchange::Claim::kPeer;
}

bool Local::write(Exchange& exchange, uint32_t local_index, Answer& answer, const Chosen& chosen) const noexcept {
  Noise& noise = exchange.noise;
  X25519Secret ephemeral;
  {
    Key32 fresh;
    if (chosen.ephemeral != nullptr) {
      fresh.set(chosen.ephemeral);
    } else if (RAND_priv_bytes(fresh.data(), Key32::kSize) != 1) {
      return false;
    }
    if (!ephemeral.set(fresh.data())) return false;
  }
  uint8_t* message = answer.message;
  answer.length = exchange.hybrid ? kHybridResponseBytes : kResponseBytes;
  store_le32(message, exchange.hybrid ? kTypeHybridResponse : kTypeResponse);
  store_le32(message + 4, local_index);
  store_le32(message + 8, exchange.remote_index);
  std::memcpy(message + 12, ephemeral.public_key(), kPublicKeyBytes);
  mix_ephemeral(noise, ephemeral.public_key());                                              // e
  if (!mix_shared(noise, ephemeral, exchange.remote_ephemeral)) return false;                // ee
  uint8_t* at = message + 44;
  if (exchange.hybrid) {                                                                     // ekem1
    Key32 secret;
    if (!Kem::encapsulate(exchange.kem_key, chosen.kem_randomness, at, secret)) return false;
    if (!noise.seal(at, Kem::kCiphertextSize)) return false;
    noise.mix_key(secret.data(), Key32::kSize);
    at += kSealedCiphertextBytes;
  }
  if (!mix_shared(noise, ephemeral, exchange.claimed.data())) return false;                  // se
  uint8_t mac1_key[32];
  {
    const std::shared_lock lock(peers_lock_);
    const auto found = peers_.find(exchange.claimed);
    if (found == peers_.end()) return false;
    const Peer& peer = found->second;
    answer.psk = !is_zero(peer.psk.data(), Key32::kSize);
    noise.mix_key_and_hash(peer.psk.data(), Key32::kSize);                                   // psk
    std::memcpy(mac1_key, peer.mac1_key, sizeof mac1_key);
  }
  if (!noise.seal(at, 0)) return false;
  noise.split(answer.receive_key.data(), answer.send_key.data());
  std::memcpy(answer.hash, noise.hash(), sizeof answer.hash);
  noise.wipe();
  at += kTagBytes;
  Blake2s::mac(at, mac1_key, sizeof mac1_key, message, static_cast<size_t>(at - message));
  std::memset(at + Blake2s::kMacSize, 0, Blake2s::kMacSize);
  return true;
}

}  // namespace anteroom
