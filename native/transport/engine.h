/**
 * Engine: the transport's state and its two packet paths, without any I/O (whitepaper sections 5.4.6 and 6).
 *
 * Three threads use it, each its own part:
 *   sending     `seal`, `flush`: may bump sending counters and stage packets;
 *   receiving   `open`: may move replay windows; what it finds to change it collects and applies by `settle`;
 *   main        everything else.
 * `seal`, `flush` and `open` run under the guard shared, once per batch; the methods under "alone" take it for
 * themselves. So peers, keypairs, tables and endpoints never change while a batch is being worked on.
 *
 * `now` is nanoseconds of a clock that runs through suspend (CLOCK_BOOTTIME); tests pass any number.
 */
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "activity.h"
#include "allowed_ips.h"
#include "counters.h"
#include "guard.h"
#include "index_table.h"
#include "peer.h"

namespace anteroom {

class Engine {
 public:
  /** The caller's answers are errno numbers: 0, ENOENT, EEXIST, ENOMEM. */
  using Result = int;

  /** `primitives`: how keypairs made from now on seal and open; null for EVP. */
  explicit Engine(size_t mtu, const ChaChaPrimitives* primitives = nullptr) : mtu_(mtu), primitives_(primitives) {
    confirmations_.reserve(kBatch);
    roams_.reserve(kBatch);
  }

  // --- alone ---------------------------------------------------------------------------------------------------
  Result set_peer(unsigned peer, const std::vector<Prefix>& allowed);
  Result remove_peer(unsigned peer);
  Result set_endpoint(unsigned peer, const Endpoint& endpoint);
  Result set_keypair(unsigned peer, uint32_t local_index, uint32_t remote_index, bool initiator,
                     const uint8_t* send_key, const uint8_t* receive_key, uint64_t now);
  void remove_keypair(uint32_t local_index);
  Result drop_queue(unsigned peer);
  /** A peer's keypairs, by local index: those confirmed since this was last asked, and the one that sends. */
  struct Rotation {
    std::vector<uint32_t> confirmed;
    std::optional<uint32_t> sending;
  };
  Rotation take_rotation(unsigned peer);
  /** Apply what `open` collected. True when a peer's staged packets may go: its number is in `kicked`. */
  bool settle(PeerSet& kicked);

  // --- under the guard, shared ---------------------------------------------------------------------------------

  /** Where a sealed message stands in the caller's buffer. `length` 0: nothing to send. */
  struct Sealed {
    size_t length = 0;
    const Endpoint* to = nullptr;
  };

  /**
   * Encrypt the inner packet at `packet` into a message at `message`, where room for padding and tag must follow. It may
   * stand there already (at `message + kTransportHeader`) or apart; then Aead::kRoom bytes before the packet may be
   * overwritten, and kPaddingMultiple bytes after it must be there but stay as they are. kRoomBefore bytes before
   * `message` may be overwritten.
   */
  Sealed seal(uint8_t* packet, size_t length, uint8_t* message, uint64_t now);

  /**
   * Send what waits for `peer`, and a keepalive if one is wanted and nothing waited. Calls `room()` for a buffer
   * of kTransportOverhead + kMaxInner + kPaddingMultiple bytes, kRoomBefore before it, and `send(length, to)` when it holds a message.
   */
  template <typename Room, typename Send>
  void flush(unsigned peer, uint64_t now, Room room, Send send);

  enum class Opened { kDropped, kKeepalive, kPacket };
  struct OpenResult {
    Opened what = Opened::kDropped;
    /** Inner packet in one of the caller's buffers. */
    const uint8_t* packet = nullptr;
    size_t length = 0;
  };

  /**
   * Take in a type 4 datagram, decrypting it in place; or to `to`, where there must be room for it, when kRoomBefore bytes
   * before the datagram and Aead::kRoom before `to` may be overwritten.
   */
  OpenResult open(uint8_t* datagram, size_t length, const Endpoint& from, uint64_t now, uint8_t* to = nullptr);
  bool unsettled() const noexcept { return !confirmations_.empty() || !roams_.empty(); }

  Guard& guard() noexcept { return guard_; }
  /** Main thread, or under the guard. */
  Peer* peer(unsigned number) noexcept { return number < kMaxPeers ? peers_[number].get() : nullptr; }
  Keypair* keypair(uint32_t local_index) noexcept { return index_.find(local_index); }
  size_t keypairs() const noexcept { return index_.size(); }

  ActivityBoard activity;
  Counters counters;

 private:
  struct Roam {
    uint16_t peer;
    Endpoint endpoint;
  };

  void drop(std::unique_ptr<Keypair> keypair) noexcept;
  void stage(Peer& peer, const uint8_t* packet, size_t length);
  Sealed seal_with(Peer& peer, uint8_t* packet, size_t length, uint8_t* message);
  void note_endpoint(const Peer& peer, const Endpoint& from);

  const size_t mtu_;
  const ChaChaPrimitives* const primitives_;
  Guard guard_;
  std::array<std::unique_ptr<Peer>, kMaxPeers> peers_;
  AllowedIps allowed_;
  IndexTable index_;
  /** Receiving thread's: local indices of keypairs confirmed, and endpoints that moved, in this batch. */
  std::vector<uint32_t> confirmations_;
  std::vector<Roam> roams_;
};

template <typename Room, typename Send>
void Engine::flush(unsigned number, uint64_t now, Room room, Send send) {
  Peer* target = peer(number);
  if (target == nullptr) return;
  bool wanted = target->keepalive.exchange(false, std::memory_order_relaxed);
  const auto usable = [&] { return target->current && target->current->may_send(now); };
  while (!target->staged.empty() && usable()) {
    const std::vector<uint8_t>& packet = target->staged.front();
    uint8_t* message = room();
    std::memcpy(message + kTransportHeader, packet.data(), packet.size());
    const Sealed sealed = seal_with(*target, message + kTransportHeader, packet.size(), message);
    target->staged.pop();
    wanted = false;
    if (sealed.length != 0) send(sealed.length, *sealed.to);
  }
  if (wanted && usable()) {
    uint8_t* message = room();
    const Sealed sealed = seal_with(*target, message + kTransportHeader, 0, message);
    if (sealed.length != 0) send(sealed.length, *sealed.to);
  }
}

}  // namespace anteroom
