/**
 * Keypair: one session's two directions, as the handshake left them (whitepaper section 5.4.5).
 *
 * What belongs to the sending thread and what to the receiving thread stand on separate cache lines; what isn't
 * said to change is constant from the moment the keypair is installed. Raw key bytes aren't kept: each Aead took its own.
 */
#pragma once

#include <cstdint>

#include "aead.h"
#include "message.h"
#include "replay_window.h"

namespace anteroom {

struct Keypair {
  const uint16_t peer;
  const uint32_t local_index;
  const uint32_t remote_index;
  const bool initiator;
  /** Nanoseconds of the transport's clock. */
  const uint64_t born;
  /** Among the peer's, in the order of installation. */
  uint64_t order = 0;
  /** The far side is known to have it: an initiator's from the beginning. Changed alone. */
  bool confirmed;
  /** The main thread has been told that. */
  bool told;

  struct alignas(64) Sending {
    Aead aead;
    uint64_t counter = 0;
  } sending;

  struct alignas(64) Receiving {
    Aead aead;
    ReplayWindow window{};
  } receiving;

  Keypair(uint16_t peer_number, uint32_t local, uint32_t remote, bool is_initiator, uint64_t now,
          const uint8_t* send_key, const uint8_t* receive_key, const ChaChaPrimitives* primitives = nullptr)
      : peer(peer_number),
        local_index(local),
        remote_index(remote),
        initiator(is_initiator),
        born(now),
        confirmed(is_initiator),
        told(is_initiator),
        sending{Aead(Aead::Direction::kSeal, send_key, primitives)},
        receiving{Aead(Aead::Direction::kOpen, receive_key, primitives)} {}

  /** Neither sends nor receives after REJECT_AFTER_TIME. */
  bool too_old(uint64_t now) const noexcept { return now - born >= kRejectAfterTime; }
  bool may_send(uint64_t now) const noexcept {
    return !too_old(now) && sending.counter < kRejectAfterMessages;
  }
};

}  // namespace anteroom
