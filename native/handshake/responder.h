/**
 * Responder: the responding end's computation, for WireGuard's handshake and its hybrid form (the pattern and its
 * surprises stand in src/tunnel/handshake.ts, which decides everything).
 *
 *   read    -> e, es, [e1,] s, ss, timestamp     whom an initiation is from, and when it says it was made
 *   write   <- e, ee, [ekem1,] se, psk, {}       the answer to one that was accepted, and the transport keys
 *
 * `Local` is our static key and the peers' shared secrets. Any number of threads may read and write at once, each its
 * own Exchange; one thread changes the peers. Nothing is allocated for a message.
 */
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <shared_mutex>
#include <unordered_map>

#include "message.h"
#include "noise.h"
#include "x25519.h"

namespace anteroom {

using PublicKeyBytes = std::array<uint8_t, kPublicKeyBytes>;

/** One initiation, from its reading to its answer. */
struct Exchange {
  enum class Claim : uint8_t {
    /** Nobody: the sender doesn't know our key, or the message was changed. */
    kNone,
    /** A key that no peer has. */
    kStranger,
    /** A peer's key, of somebody who doesn't hold it. */
    kFalse,
    kPeer,
  };

  bool hybrid = false;
  uint32_t remote_index = 0;
  /** Whom the initiation says it is from, unless `read` said kNone. */
  PublicKeyBytes claimed{};
  /** The peer's number and the timestamp, when `read` said kPeer. */
  unsigned peer = 0;
  uint8_t timestamp[kTimestampBytes] = {};

  Noise noise;
  uint8_t remote_ephemeral[kPublicKeyBytes] = {};
  uint8_t kem_key[Kem::kEncapsulationKeySize + kTagBytes] = {};
};

/** What an accepted initiation leads to. `message` has its mac1; mac2 is zero. */
struct Answer {
  uint8_t message[kHybridResponseBytes] = {};
  size_t length = 0;
  Key32 send_key;
  Key32 receive_key;
  uint8_t hash[Noise::kHashSize] = {};
  /** The pre-shared key wasn't zeros. */
  bool psk = false;
};

/** For vectors: what is random otherwise. */
struct Chosen {
  const uint8_t* ephemeral = nullptr;
  const uint8_t* kem_randomness = nullptr;
};

class Local {
 public:
  /** False when OpenSSL can't use the key. `prologue`: kIdentifier, but for vectors. */
  bool set(const uint8_t secret[32], const uint8_t* prologue, size_t prologue_length) noexcept;

  /** False for a public key of small order. `psk` null for none. Replaces what the peer of that key was. */
  bool set_peer(unsigned number, const uint8_t public_key[32], const uint8_t* psk);
  /** The pre-shared key of a peer, from the next answer on. False when there is no such peer. */
  bool set_psk(const uint8_t public_key[32], const uint8_t* psk);

  /** `message`: an initiation or a response, whole. */
  bool check_mac1(const uint8_t* message, size_t length) const noexcept;

  Exchange::Claim read(const uint8_t* bytes, size_t length, Exchange& exchange) const noexcept;

  /**
   * After `read` has said kPeer, once. False when a key in the initiation isn't one; nothing of the answer is then of
   * use. Encapsulates, so it has to be decided before that the initiation is answered.
   */
  bool write(Exchange& exchange, uint32_t local_index, Answer& answer, const Chosen& chosen = {}) const noexcept;

 private:
  struct Peer {
    unsigned number = 0;
    Key32 ss;
    Key32 psk;
    uint8_t mac1_key[32] = {};
  };
  struct HashKey {
    size_t operator()(const PublicKeyBytes& key) const noexcept {
      size_t hash;
      std::memcpy(&hash, key.data(), sizeof hash);
      return hash;
    }
  };

  X25519Secret secret_;
  uint8_t mac1_key_[32] = {};
  /** `<- s` done, for both names. */
  Noise classical_;
  Noise hybrid_;
  mutable std::shared_mutex peers_lock_;
  std::unordered_map<PublicKeyBytes, Peer, HashKey> peers_;
};

}  // namespace anteroom
