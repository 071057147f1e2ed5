/**
 * Engine: two of them pass messages by hand; what arrives out of order, twice, cut, forged or late.
 */
#include "transport/engine.h"

#include <algorithm>
#include <cerrno>
#include <random>

#include "pair.h"
#include "tap.h"

using namespace anteroom;
using namespace anteroom::test;

TEST("engine: a packet arrives as it was sent, padded on the way and trimmed again") {
  for (const size_t length : {20u, 21u, 60u, 1409u, 1420u}) {
    Pair pair;
    pair.key(1);
    const auto packet = packet_of(1, 2, length);
    const auto datagram = pair.left.seal(packet);
    CHECK(datagram.size() == kTransportOverhead + padded_length(length, 1420));
    CHECK(load_le32(datagram.data()) == 4);
    CHECK(load_le32(datagram.data() + 4) == 201);
    CHECK(load_le64(datagram.data() + 8) == 0);
    const auto arrival = pair.right.open(datagram);
    CHECK(arrival.what == Engine::Opened::kPacket);
    CHECK(arrival.packet == packet);
    CHECK(pair.right.engine.peer(kPeer)->received_bytes == length);
    CHECK(pair.left.engine.peer(kPeer)->sent_bytes == length);
  }
}

TEST("engine: sealed from elsewhere and opened to elsewhere it is the same, and the neighbours stay as they were") {
  for (const size_t length : {20u, 61u, 1409u, 1420u}) {
    Pair pair;
    pair.key(1);
    const auto packet = packet_of(1, 2, length);
    std::vector<uint8_t> from(8 + Aead::kRoom + length + kPaddingMultiple, 0xee);
    std::copy(packet.begin(), packet.end(), from.begin() + 8 + Aead::kRoom);
    std::vector<uint8_t> message(8 + kRoomBefore + kTransportOverhead + length + 2 * kPaddingMultiple, 0xee);
    std::vector<uint8_t> to(8 + Aead::kRoom + length + kPaddingMultiple, 0xee);
    uint8_t* datagram = message.data() + 8 + kRoomBefore;
    Engine::Sealed sealed;
    {
      Guard::Shared shared(pair.left.engine.guard());
      sealed = pair.left.engine.seal(from.data() + 8 + Aead::kRoom, length, datagram, kStart);
    }
    CHECK(sealed.length == kTransportOverhead + padded_length(length, 1420));
    Engine::OpenResult opened;
    {
      Guard::Shared shared(pair.right.engine.guard());
      opened = pair.right.engine.open(datagram, sealed.length, endpoint_of(9, 9), kStart, to.data() + 8 + Aead::kRoom);
    }
    CHECK(opened.packet == to.data() + 8 + Aead::kRoom && opened.length == length);
    CHECK(std::equal(packet.begin(), packet.end(), opened.packet));
    const auto untouched = [](uint8_t byte) { return byte == 0xee; };
    CHECK(std::all_of(from.end() - kPaddingMultiple, from.end(), untouched));
    for (const auto* bytes : {&from, &message, &to}) CHECK(std::all_of(bytes->begin(), bytes->begin() + 8, untouched));
  }
}

TEST("engine: reordered messages all arrive once; duplicates and replays are refused") {
  Pair pair;
  pair.key(1);
  std::vector<std::vector<uint8_t>> datagrams;
  for (int i = 0; i < 300; i++) datagrams.push_back(pair.left.seal(packet_of(1, 2, 100, static_cast<uint8_t>(i))));
  std::mt19937_64 random(5);
  std::shuffle(datagrams.begin(), datagrams.end(), random);
  int arrived = 0;
  for (const auto& datagram : datagrams) {
    arrived += pair.right.open(datagram).what == Engine::Opened::kPacket;
    arrived += pair.right.open(datagram).what == Engine::Opened::kPacket;
  }
  for (const auto& datagram : datagrams) arrived += pair.right.open(datagram).what == Engine::Opened::kPacket;
  CHECK(arrived == 300);
  CHECK(pair.right.engine.counters.drop_replay == 600);
}

TEST("engine: a forged message doesn't move the replay window") {
  Pair pair;
  pair.key(1);
  auto forged = pair.left.seal(packet_of(1, 2));
  store_le64(forged.data() + 8, 1'000'000);
  CHECK(pair.right.open(forged).what == Engine::Opened::kDropped);
  CHECK(pair.right.engine.counters.drop_authentication == 1);
  CHECK(pair.right.open(pair.left.seal(packet_of(1, 2))).what == Engine::Opened::kPacket);
}

TEST("engine: truncated at every length, any type, any index: dropped and counted") {
  Pair pair;
  pair.key(1);
  const auto datagram = pair.left.seal(packet_of(1, 2));
  for (size_t length = 0; length < datagram.size(); length++) {
    const std::vector<uint8_t> cut(datagram.begin(), datagram.begin() + static_cast<long>(length));
    CHECK(pair.right.open(cut).what == Engine::Opened::kDropped);
  }
  CHECK(pair.right.engine.counters.drop_malformed == kTransportOverhead);
  CHECK(pair.right.engine.counters.drop_authentication == datagram.size() - kTransportOverhead);

  auto wrong = datagram;
  store_le32(wrong.data() + 4, 202);
  CHECK(pair.right.open(wrong).what == Engine::Opened::kDropped);
  CHECK(pair.right.engine.counters.drop_unknown_index == 1);

  auto reserved = datagram;
  reserved[2] = 1;
  CHECK(pair.right.open(reserved).what == Engine::Opened::kDropped);
  auto longer = datagram;
  longer.resize(4000);
  CHECK(pair.right.open(longer).what == Engine::Opened::kDropped);
  CHECK(pair.right.flags() == 0);
  CHECK(pair.right.open(datagram).what == Engine::Opened::kPacket);
}

TEST("engine: an inner source outside the peer's allowed IPs is dropped, and is told") {
  Pair pair;
  pair.key(1);
  CHECK(pair.right.open(pair.left.seal(packet_of(3, 2))).what == Engine::Opened::kDropped);
  CHECK(pair.right.engine.counters.drop_bad_source == 1);
  CHECK((pair.right.flags() & kBadSource) != 0);
}

TEST("engine: an inner packet that lies about its length, or is none, is dropped") {
  Pair pair;
  pair.key(1);
  Keypair* keypair = pair.left.engine.keypair(101);
  const std::vector<std::vector<uint8_t>> inners = {
      {0x45, 0, 0, 200}, std::vector<uint8_t>(20, 0x45), std::vector<uint8_t>(40, 0x60), std::vector<uint8_t>(64, 0),
      {0x60, 0, 0, 0, 0xff, 0xff}};
  uint64_t counter = 50;
  for (const auto& inner : inners) {
    std::vector<uint8_t> message(kTransportOverhead + inner.size());
    store_le32(message.data(), kTransportType);
    store_le32(message.data() + 4, 201);
    store_le64(message.data() + 8, counter);
    std::memcpy(message.data() + kTransportHeader, inner.data(), inner.size());
    CHECK(keypair->sending.aead.seal(counter++, message.data() + kTransportHeader, inner.size()));
    CHECK(pair.right.open(message).what == Engine::Opened::kDropped);
  }
  CHECK(pair.right.engine.counters.drop_malformed == inners.size());
  CHECK(pair.right.engine.counters.drop_authentication == 0);
}

TEST("engine: packets without a keypair wait, oldest dropped past 128, and go when it comes") {
  Pair pair;
  CHECK(!pair.left.engine.activity.take_urgent());
  for (int i = 0; i < 130; i++) CHECK(pair.left.seal(packet_of(1, 2, 60, static_cast<uint8_t>(i))).empty());
  CHECK(pair.left.engine.activity.take_urgent());
  CHECK(pair.left.flags() == kNeedHandshake);
  CHECK(pair.left.engine.counters.drop_queue == 2);
  pair.key(1);
  const auto sent = pair.left.flush();
  CHECK(sent.size() == 128);
  bool in_order = true;
  for (size_t i = 0; i < sent.size(); i++) {
    in_order = in_order && pair.right.open(sent[i]).packet == packet_of(1, 2, 60, static_cast<uint8_t>(i + 2));
  }
  CHECK(in_order);
  CHECK(pair.left.seal(packet_of(1, 9)).empty());
  CHECK(pair.left.engine.counters.drop_no_route == 1);
}

TEST("engine: nothing overtakes what waits") {
  Pair pair;
  pair.left.seal(packet_of(1, 2, 60, 1));
  pair.key(1);
  CHECK(pair.left.seal(packet_of(1, 2, 60, 2)).empty());
  const auto sent = pair.left.flush();
  CHECK(sent.size() == 2);
  CHECK(pair.right.open(sent.at(0)).packet == packet_of(1, 2, 60, 1));
  CHECK(pair.right.open(sent.at(1)).packet == packet_of(1, 2, 60, 2));
}

TEST("engine: a responder sends only after the first authentic packet confirms its keypair") {
  Pair pair;
  pair.key(1);
  CHECK(pair.right.seal(packet_of(2, 1)).empty());
  pair.right.flags();
  pair.left.engine.peer(kPeer)->keepalive = true;
  const auto keepalive = pair.left.flush();
  CHECK(keepalive.size() == 1 && keepalive[0].size() == 32);
  CHECK(pair.right.open(keepalive.at(0)).what == Engine::Opened::kKeepalive);
  CHECK(pair.right.flags() == (kConfirmed | kReceivedAny));
  bool kicked = false;
  pair.right.kicked.take([&](unsigned peer) { kicked = peer == kPeer; });
  CHECK(kicked);
  const auto sent = pair.right.flush();
  CHECK(sent.size() == 1);
  CHECK(pair.left.open(sent.at(0)).packet == packet_of(2, 1));
}

TEST("engine: a keepalive is only sent when nothing waited, and not without a keypair") {
  Pair pair;
  pair.left.engine.peer(kPeer)->keepalive = true;
  CHECK(pair.left.flush().empty());
  pair.left.seal(packet_of(1, 2));
  pair.left.engine.peer(kPeer)->keepalive = true;
  pair.key(1);
  const auto sent = pair.left.flush();
  CHECK(sent.size() == 1 && sent[0].size() > 32);
  CHECK(pair.left.flush().empty());
}

TEST("engine: after a rekey older keypairs still receive, a bounded number of them") {
  Pair pair;
  pair.key(1);
  const auto first = pair.left.seal(packet_of(1, 2, 60, 1));
  const auto first_late = pair.left.seal(packet_of(1, 2, 60, 2));
  CHECK(pair.right.open(first).what == Engine::Opened::kPacket);
  pair.key(2);
  CHECK(pair.right.open(first_late).what == Engine::Opened::kPacket);
  const auto second = pair.left.seal(packet_of(1, 2, 60, 3));
  CHECK(load_le32(second.data() + 4) == 202);
  CHECK(pair.right.open(second).what == Engine::Opened::kPacket);
  for (uint32_t generation = 3; generation <= 1 + kOlderKeypairs; generation++) {
    CHECK(pair.right.engine.keypair(201) != nullptr);
    pair.key(generation);
    CHECK(pair.right.open(pair.left.seal(packet_of(1, 2))).what == Engine::Opened::kPacket);
  }
  CHECK(pair.right.engine.keypair(201) != nullptr && pair.left.engine.keypair(101) != nullptr);
  CHECK(pair.right.engine.keypairs() == 1 + kOlderKeypairs);
  pair.key(99);
  CHECK(pair.right.open(pair.left.seal(packet_of(1, 2))).what == Engine::Opened::kPacket);
  CHECK(pair.right.engine.keypair(201) == nullptr);
  CHECK(pair.left.engine.keypair(101) == nullptr);
  CHECK(pair.right.engine.keypairs() == 1 + kOlderKeypairs);
  CHECK(pair.right.open(first_late).what == Engine::Opened::kDropped);
  CHECK(pair.right.engine.counters.drop_unknown_index == 1);
}

TEST("engine: both ends begin at once: what is under way with any of the three keypairs arrives") {
  Pair pair;
  pair.key(1);
  CHECK(pair.right.open(pair.left.seal(packet_of(1, 2))).what == Engine::Opened::kPacket);
  const auto to_right = pair.left.seal(packet_of(1, 2));
  const auto to_left = pair.right.seal(packet_of(2, 1));
  // Each answers the other's initiation, then has its own answered.
  CHECK(Pair::install(pair.right, 202, 102, false, 2, kStart) == 0);
  CHECK(Pair::install(pair.left, 103, 203, false, 3, kStart) == 0);
  CHECK(Pair::install(pair.left, 102, 202, true, 2, kStart) == 0);
  CHECK(Pair::install(pair.right, 203, 103, true, 3, kStart) == 0);
  CHECK(pair.right.open(to_right).what == Engine::Opened::kPacket);
  CHECK(pair.left.open(to_left).what == Engine::Opened::kPacket);
  CHECK(pair.left.engine.take_rotation(kPeer).confirmed.empty());
  CHECK(pair.right.engine.take_rotation(kPeer).confirmed == std::vector<uint32_t>{201});
  for (int i = 0; i < 2; i++) {
    CHECK(pair.right.open(pair.left.seal(packet_of(1, 2))).what == Engine::Opened::kPacket);
    CHECK(pair.left.open(pair.right.seal(packet_of(2, 1))).what == Engine::Opened::kPacket);
  }
  // Each is told of the other's keypair too, once, and goes on sending with its own.
  const Engine::Rotation left = pair.left.engine.take_rotation(kPeer);
  CHECK(left.confirmed == std::vector<uint32_t>{103} && left.sending == 102);
  const Engine::Rotation right = pair.right.engine.take_rotation(kPeer);
  CHECK(right.confirmed == std::vector<uint32_t>{202} && right.sending == 203);
  CHECK(pair.left.engine.take_rotation(kPeer).confirmed.empty());
  CHECK((pair.left.flags() & kConfirmed) != 0);
  CHECK(pair.left.engine.keypairs() == 3);
  CHECK(pair.left.engine.counters.drop_unknown_index == 0);
}

TEST("engine: an initiator's keypair demotes one that waited to be confirmed") {
  Pair pair;
  CHECK(Pair::install(pair.left, 11, 21, true, 1, kStart) == 0);
  CHECK(Pair::install(pair.left, 12, 22, false, 2, kStart) == 0);
  CHECK(Pair::install(pair.left, 13, 23, true, 3, kStart) == 0);
  Peer& peer = *pair.left.engine.peer(kPeer);
  CHECK(peer.older[0]->local_index == 12);
  CHECK(peer.older[1]->local_index == 11);
  CHECK(peer.current->local_index == 13);
  CHECK(peer.next == nullptr);
  CHECK(Pair::install(pair.left, 13, 24, true, 4, kStart) == EEXIST);
  CHECK(pair.left.engine.keypairs() == 3);
  // One goes by age, and leaves no gap.
  pair.left.engine.remove_keypair(12);
  CHECK(Pair::install(pair.left, 14, 24, true, 4, kStart) == 0);
  CHECK(peer.older[0]->local_index == 13 && peer.older[1]->local_index == 11 && !peer.older[2]);
}

TEST("engine: after 180 s a keypair neither sends nor receives") {
  Pair pair;
  pair.key(1);
  const uint64_t last = kStart + 180 * kSecond - 1;
  const auto in_time = pair.left.seal(packet_of(1, 2), last);
  const auto late = pair.left.seal(packet_of(1, 2), last);
  CHECK(pair.right.open(in_time, last).what == Engine::Opened::kPacket);
  CHECK(pair.right.open(late, last + 1).what == Engine::Opened::kDropped);
  CHECK(pair.right.engine.counters.drop_expired == 1);
  pair.left.flags();
  CHECK(pair.left.seal(packet_of(1, 2), last + 1).empty());
  CHECK(pair.left.flags() == (kExpired | kNeedHandshake));
  pair.left.engine.peer(kPeer)->keepalive = true;
  CHECK(pair.left.flush(last + 1).empty());
  pair.key(2, last + 1);
  CHECK(pair.left.flush(last + 1).size() == 1);
}

TEST("engine: message limits: rekey is due at 2^60, refused at 2^64 - 2^13 - 1, both ways") {
  Pair pair;
  pair.key(1);
  Keypair* sending = pair.left.engine.keypair(101);
  sending->sending.counter = kRekeyAfterMessages - 1;
  CHECK(!pair.left.seal(packet_of(1, 2)).empty());
  CHECK((pair.left.flags() & kRekeyDue) == 0);
  CHECK(!pair.left.seal(packet_of(1, 2)).empty());
  CHECK((pair.left.flags() & kRekeyDue) != 0);
  sending->sending.counter = kRejectAfterMessages - 1;
  const auto last = pair.left.seal(packet_of(1, 2));
  CHECK(pair.right.open(last).what == Engine::Opened::kPacket);
  CHECK(pair.left.seal(packet_of(1, 2)).empty());
  CHECK(pair.left.flags() == (kExpired | kNeedHandshake | kSentAny | kSentData | kRekeyDue));

  std::vector<uint8_t> beyond(kTransportOverhead);
  store_le32(beyond.data(), kTransportType);
  store_le32(beyond.data() + 4, 201);
  store_le64(beyond.data() + 8, kRejectAfterMessages);
  sending->sending.aead.seal(kRejectAfterMessages, beyond.data() + kTransportHeader, 0);
  CHECK(pair.right.open(beyond).what == Engine::Opened::kDropped);
  CHECK(pair.right.engine.counters.drop_expired == 1);
}

TEST("engine: the endpoint follows authentic packets, and only those") {
  Pair pair;
  pair.key(1);
  const Endpoint roamed = endpoint_of(77, 7777);
  auto forged = pair.left.seal(packet_of(1, 2));
  forged.back() ^= 1;
  pair.right.open(forged, kStart, endpoint_of(66, 6666));
  CHECK(pair.right.engine.peer(kPeer)->endpoint == endpoint_of(1, 1000));
  pair.right.open(pair.left.seal(packet_of(1, 2)), kStart, roamed);
  CHECK(pair.right.engine.peer(kPeer)->endpoint == roamed);
}

TEST("engine: a peer that goes takes its keypairs, queue and prefixes along") {
  Pair pair;
  pair.key(1);
  pair.key(2);
  const auto datagram = pair.left.seal(packet_of(1, 2));
  CHECK(pair.right.engine.keypairs() == 1 || pair.right.engine.keypairs() == 2);
  CHECK(pair.right.engine.remove_peer(kPeer) == 0);
  CHECK(pair.right.engine.keypairs() == 0);
  CHECK(pair.right.open(datagram).what == Engine::Opened::kDropped);
  CHECK(pair.right.seal(packet_of(2, 1)).empty());
  CHECK(pair.right.engine.counters.drop_no_route == 1);
  CHECK(pair.right.engine.remove_peer(kPeer) == ENOENT);
  CHECK(Pair::install(pair.right, 5, 6, true, 1, kStart) == ENOENT);
  pair.left.engine.remove_keypair(102);
  pair.left.engine.remove_keypair(102);
  CHECK(pair.left.engine.keypair(102) == nullptr);
  CHECK(pair.left.engine.set_peer(kMaxPeers, {}) == EINVAL);
}
