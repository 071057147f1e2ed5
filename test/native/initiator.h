/**
 * An initiator, for tests of the responder: what RFC and Noise say, with the responder's own building blocks but none
 * of its order. The encapsulation key of a hybrid initiation is any bytes.
 */
#pragma once

#include <cstring>
#include <vector>

#include "handshake/blake2s.h"
#include "handshake/responder.h"

namespace anteroom::test {

struct Initiator {
  X25519Secret identity;
  X25519Secret ephemeral;
  Noise noise;

  /** Secrets of 32 equal bytes. */
  Initiator(uint8_t identity_fill, uint8_t ephemeral_fill) {
    uint8_t secret[32];
    std::memset(secret, identity_fill, sizeof secret);
    identity.set(secret);
    std::memset(secret, ephemeral_fill, sizeof secret);
    ephemeral.set(secret);
  }

  static void dh(Noise& noise, const X25519Secret& secret, const uint8_t* remote) {
    Key32 shared;
    secret.shared(remote, shared);
    noise.mix_key(shared.data(), 32);
  }

  std::vector<uint8_t> initiate(const uint8_t* responder, uint32_t index, const uint8_t timestamp[12],
                                const std::vector<uint8_t>& kem_key = {}) {
    std::vector<uint8_t> message(8);
    const auto add = [&](const uint8_t* bytes, size_t length) { message.insert(message.end(), bytes, bytes + length); };
    const auto seal = [&](const uint8_t* bytes, size_t length) {
      std::vector<uint8_t> sealed(bytes, bytes + length);
      sealed.resize(length + 16);
      noise.seal(sealed.data(), length);
      add(sealed.data(), sealed.size());
    };
    store_le32(message.data(), kem_key.empty() ? 1 : 5);
    store_le32(message.data() + 4, index);
    noise.initialize(kem_key.empty() ? "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"
                                     : "Noise_IKhfspsk2_25519+MLKEM768_ChaChaPoly_BLAKE2s");
    noise.mix_hash(reinterpret_cast<const uint8_t*>("WireGuard v1 zx2c4 Jason@zx2c4.com"), 34);
    noise.mix_hash(responder, 32);
    noise.mix_hash(ephemeral.public_key(), 32);
    noise.mix_key(ephemeral.public_key(), 32);
    add(ephemeral.public_key(), 32);
    dh(noise, ephemeral, responder);
    if (!kem_key.empty()) seal(kem_key.data(), kem_key.size());
    seal(identity.public_key(), 32);
    dh(noise, identity, responder);
    seal(timestamp, 12);
    uint8_t key[32];
    uint8_t mac[16];
    Blake2s::hash(key, reinterpret_cast<const uint8_t*>("mac1----"), 8, responder, 32);
    Blake2s::mac(mac, key, sizeof key, message.data(), message.size());
    add(mac, sizeof mac);
    message.resize(message.size() + 16);
    return message;
  }

  /** The classical response; the keys to send and receive with, when it is authentic. */
  bool finish(const uint8_t* message, size_t length, const uint8_t* psk, uint8_t send[32], uint8_t receive[32]) {
    if (length != 92 || load_le32(message) != 2) return false;
    noise.mix_hash(message + 12, 32);
    noise.mix_key(message + 12, 32);
    dh(noise, ephemeral, message + 12);
    dh(noise, identity, message + 12);
    noise.mix_key_and_hash(psk, 32);
    uint8_t nothing[16];
    if (!noise.open(message + 44, 0, nothing)) return false;
    noise.split(send, receive);
    return true;
  }
};

}  // namespace anteroom::test
