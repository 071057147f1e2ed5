/**
 * Engine: peers and keypairs, sealing, opening. See engine.h.
 */
#include "engine.h"

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

#include "inner_packet.h"

namespace anteroom {

Engine::Result Engine::set_peer(unsigned number, const std::vector<Prefix>& allowed) {
  if (number >= kMaxPeers) return EINVAL;
  Guard::Alone alone(guard_);
  if (!peers_[number]) peers_[number] = std::make_unique<Peer>(static_cast<uint16_t>(number));
  allowed_.remove_peer(static_cast<int>(number));
  for (const Prefix& prefix : allowed) allowed_.insert(prefix, static_cast<int>(number));
  return 0;
}

Engine::Result Engine::remove_peer(unsigned number) {
  Guard::Alone alone(guard_);
  Peer* gone = peer(number);
  if (gone == nullptr) return ENOENT;
  allowed_.remove_peer(static_cast<int>(number));
  gone->each_keypair([&](std::unique_ptr<Keypair>& keypair) { drop(std::move(keypair)); });
  bump(counters.drop_queue, gone->staged.clear());
  peers_[number].reset();
  activity.forget(number);
  return 0;
}

Engine::Result Engine::set_endpoint(unsigned number, const Endpoint& endpoint) {
  Guard::Alone alone(guard_);
  Peer* target = peer(number);
  if (target == nullptr) return ENOENT;
  // The main thread knows the far side alone: what was learnt of the path to it stays.
  if (!target->endpoint.same_place(endpoint) || endpoint.source.family != AF_UNSPEC) target->endpoint = endpoint;
  return 0;
}

Engine::Result Engine::set_keypair(unsigned number, uint32_t local_index, uint32_t remote_index,
                                   bool initiator, const uint8_t* send_key, const uint8_t* receive_key,
                                   uint64_t now) {
  if (number >= kMaxPeers) return ENOENT;
  // Made outside the lock: OpenSSL allocates here.
  std::unique_ptr<Keypair> keypair;
  try {
    keypair = std::make_unique<Keypair>(static_cast<uint16_t>(number), local_index, remote_index, initiator,
                                        now, send_key, receive_key, primitives_);
  } catch (const std::bad_alloc&) {
    return ENOMEM;
  }

  Guard::Alone alone(guard_);
  Peer* owner = peer(number);
  if (owner == nullptr) return ENOENT;
  if (!index_.insert(local_index, keypair.get())) return EEXIST;
  keypair->order = owner->installed++;
  // None that the far side may be sending with goes: neither the current one nor one that waits to be confirmed.
  if (initiator) {
    drop(owner->retire(std::move(owner->current)));
    drop(owner->retire(std::move(owner->next)));
    owner->current = std::move(keypair);
  } else {
    // One that waited has come to nothing: the far side begins again after 5 s without an answer.
    drop(std::move(owner->next));
    owner->next = std::move(keypair);
  }
  return 0;
}

void Engine::remove_keypair(uint32_t local_index) {
  Guard::Alone alone(guard_);
  const Keypair* found = index_.find(local_index);
  if (found == nullptr) return;
  Peer& owner = *peers_[found->peer];
  owner.each_keypair([&](std::unique_ptr<Keypair>& keypair) {
    if (keypair.get() == found) drop(std::move(keypair));
  });
  (void)std::remove(owner.older.begin(), owner.older.end(), nullptr);
}

Engine::Result Engine::drop_queue(unsigned number) {
  Guard::Alone alone(guard_);
  Peer* target = peer(number);
  if (target == nullptr) return ENOENT;
  bump(counters.drop_queue, target->staged.clear());
  return 0;
}

bool Engine::settle(PeerSet& kicked) {
  Guard::Alone alone(guard_);
  bool any = false;
  for (const uint32_t local_index : confirmations_) {
    Keypair* found = index_.find(local_index);
    if (found == nullptr || found->confirmed) continue;
    found->confirmed = true;
    Peer& owner = *peers_[found->peer];
    activity.note_urgent(owner.number, kConfirmed);
    // One that a newer keypair of ours has overtaken goes on receiving.
    if (owner.next.get() != found) continue;
    drop(owner.retire(std::move(owner.current)));
    owner.current = std::move(owner.next);
    kicked.add(owner.number);
    any = true;
  }
  for (const Roam& roam : roams_) {
    if (Peer* moved = peer(roam.peer)) moved->endpoint = roam.endpoint;
  }
  confirmations_.clear();
  roams_.clear();
  return any;
}

Engine::Rotation Engine::take_rotation(unsigned number) {
  Guard::Alone alone(guard_);
  Rotation rotation;
  Peer* owner = peer(number);
  if (owner == nullptr) return rotation;
  if (owner->current) rotation.sending = owner->current->local_index;
  owner->each_keypair([&](const std::unique_ptr<Keypair>& keypair) {
    if (!keypair || !keypair->confirmed || keypair->told) return;
    keypair->told = true;
    rotation.confirmed.push_back(keypair->local_index);
  });
  return rotation;
}

void Engine::drop(std::unique_ptr<Keypair> keypair) noexcept {
  if (keypair) index_.remove(keypair->local_index);
}

void Engine::stage(Peer& peer, const uint8_t* packet, size_t length) {
  const bool first = peer.staged.empty();
  if (!peer.staged.push(packet, length)) bump(counters.drop_queue);
  // The first that waits is told at once; the others repeat it with each report, as long as they come.
  if (first) {
    activity.note_urgent(peer.number, kNeedHandshake);
  } else {
    activity.note(peer.number, kNeedHandshake);
  }
}

Engine::Sealed Engine::seal(uint8_t* packet, size_t length, uint8_t* message, uint64_t now) {
  const InnerPacket inner = InnerPacket::parse(packet, length);
  const int number = inner.version == 0 ? AllowedIps::kNobody : inner.destination_peer(allowed_);
  Peer* target = number == AllowedIps::kNobody ? nullptr : peer(static_cast<unsigned>(number));
  if (target == nullptr) {
    bump(counters.drop_no_route);
    return {};
  }
  if (!target->current || !target->current->may_send(now)) {
    if (target->current) activity.note(target->number, kExpired);
    stage(*target, packet, length);
    return {};
  }
  // Nothing overtakes what waits.
  if (!target->staged.empty()) {
    if (!target->staged.push(packet, length)) bump(counters.drop_queue);
    return {};
  }
  return seal_with(*target, packet, length, message);
}

Engine::Sealed Engine::seal_with(Peer& peer, uint8_t* packet, size_t length, uint8_t* message) {
  Keypair& keypair = *peer.current;
  if (!peer.endpoint.present()) {
    bump(counters.drop_no_route);
    return {};
  }
  const uint64_t counter = keypair.sending.counter++;
  const size_t padded = padded_length(length, mtu_);
  // What stands after the packet may be the next one.
  uint8_t after[kPaddingMultiple];
  std::memcpy(after, packet + length, sizeof after);
  std::memset(packet + length, 0, padded - length);
  const bool sealed = keypair.sending.aead.seal(counter, packet, message + kTransportHeader, padded, true);
  if (packet != message + kTransportHeader) std::memcpy(packet + length, after, sizeof after);
  if (!sealed) return {};
  store_le32(message, kTransportType);
  store_le32(message + 4, keypair.remote_index);
  store_le64(message + 8, counter);

  uint32_t flags = kSentAny;
  if (length != 0) flags |= kSentData;
  if (counter >= kRekeyAfterMessages) flags |= kRekeyDue;
  activity.note(peer.number, flags);
  add_relaxed(peer.sent_bytes, length);
  return {kTransportOverhead + padded, &peer.endpoint};
}

Engine::OpenResult Engine::open(uint8_t* datagram, size_t length, const Endpoint& from, uint64_t now, uint8_t* to) {
  if (length < kTransportOverhead || load_le32(datagram) != kTransportType) {
    bump(counters.drop_malformed);
    return {};
  }
  Keypair* keypair = index_.find(load_le32(datagram + 4));
  if (keypair == nullptr) {
    bump(counters.drop_unknown_index);
    return {};
  }
  const uint64_t counter = load_le64(datagram + 8);
  if (keypair->too_old(now) || counter >= kRejectAfterMessages) {
    bump(counters.drop_expired);
    return {};
  }
  if (!keypair->receiving.window.fresh(counter)) {
    bump(counters.drop_replay);
    return {};
  }
  uint8_t* sealed = datagram + kTransportHeader;
  uint8_t* inner = to == nullptr ? sealed : to;
  const size_t size = length - kTransportOverhead;
  if (!keypair->receiving.aead.open(counter, sealed, inner, size, to != nullptr)) {
    bump(counters.drop_authentication);
    return {};
  }
  keypair->receiving.window.accept(counter);

  // From here on the packet is the peer's.
  Peer& owner = *peers_[keypair->peer];
  if (!keypair->confirmed) confirmations_.push_back(keypair->local_index);
  note_endpoint(owner, from);
  if (size == 0) {
    activity.note(owner.number, kReceivedAny);
    return {Opened::kKeepalive, nullptr, 0};
  }
  uint32_t flags = kReceivedAny | kReceivedData;
  OpenResult result;
  const InnerPacket packet = InnerPacket::parse(inner, size);
  add_relaxed(owner.received_bytes, packet.version == 0 ? size : packet.length);
  if (packet.version == 0) {
    bump(counters.drop_malformed);
  } else if (packet.source_peer(allowed_) != owner.number) {
    bump(counters.drop_bad_source);
    flags |= kBadSource;
  } else {
    result = {Opened::kPacket, inner, packet.length};
  }
  activity.note(owner.number, flags);
  return result;
}

void Engine::note_endpoint(const Peer& peer, const Endpoint& from) {
  for (Roam& roam : roams_) {
    if (roam.peer == peer.number) {
      roam.endpoint = from;
      return;
    }
  }
  if (!peer.endpoint.same_path(from)) roams_.push_back({peer.number, from});
}

}  // namespace anteroom
