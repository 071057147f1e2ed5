/**
 * The responder's computation: its primitives' own tests, a handshake with a plain initiator, and who is taken for
 * whom. Types 5 and 6 are tested from TypeScript, where the library with ML-KEM is.
 */
#include <algorithm>
#include <set>

#include "handshake/pool.h"
#include "initiator.h"
#include "tap.h"

using namespace anteroom;
using namespace anteroom::test;
using Claim = Exchange::Claim;

namespace {

constexpr uint8_t kTimestamp[12] = {0x40, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8};

/** A responder that has Initiator{1, …} as its peer 7, with a pre-shared key of sixes. */
struct Station {
  Local local;
  uint8_t public_key[32];
  uint8_t psk[32];

  Station() {
    uint8_t secret[32];
    std::memset(secret, 2, sizeof secret);
    std::memset(psk, 6, sizeof psk);
    CHECK(local.set(secret, reinterpret_cast<const uint8_t*>(kIdentifier), sizeof kIdentifier - 1));
    X25519Secret own;
    CHECK(own.set(secret));
    std::memcpy(public_key, own.public_key(), 32);
    CHECK(local.set_peer(7, Initiator(1, 1).identity.public_key(), psk));
  }

  Claim read(const std::vector<uint8_t>& message, Exchange& exchange) const {
    return local.read(message.data(), message.size(), exchange);
  }
};

}  // namespace

TEST("blake2s: RFC 7693 appendices B and E") { CHECK(Blake2s::self_test()); }

TEST("blake2s: any cut of the input gives the same") {
  std::vector<uint8_t> data(300);
  for (size_t i = 0; i < data.size(); i++) data[i] = static_cast<uint8_t>(i * 7);
  for (size_t length = 0; length < data.size(); length += 13) {
    uint8_t whole[32];
    Blake2s::hash(whole, data.data(), length);
    for (size_t cut = 0; cut <= length; cut += 5) {
      uint8_t parts[32];
      Blake2s::hash(parts, data.data(), cut, data.data() + cut, length - cut);
      if (std::memcmp(whole, parts, 32) != 0) CHECK(false);
    }
  }
}

TEST("x25519: RFC 7748 section 6.1, and a point of small order is refused") { CHECK(X25519Secret::self_test()); }

TEST("responder: a handshake comes out the same at both ends") {
  Station station;
  Initiator initiator(1, 4);
  const auto message = initiator.initiate(station.public_key, 0x11223344, kTimestamp);
  CHECK(message.size() == kInitiationBytes);
  CHECK(station.local.check_mac1(message.data(), message.size()));
  Exchange exchange;
  CHECK(station.read(message, exchange) == Claim::kPeer);
  CHECK(exchange.peer == 7 && !exchange.hybrid && exchange.remote_index == 0x11223344);
  CHECK(std::memcmp(exchange.timestamp, kTimestamp, 12) == 0);
  Answer answer;
  CHECK(station.local.write(exchange, 0x55667788, answer));
  CHECK(answer.length == 92 && answer.psk);
  CHECK(load_le32(answer.message + 4) == 0x55667788 && load_le32(answer.message + 8) == 0x11223344);
  uint8_t send[32];
  uint8_t receive[32];
  CHECK(initiator.finish(answer.message, answer.length, station.psk, send, receive));
  CHECK(std::memcmp(send, answer.receive_key.data(), 32) == 0);
  CHECK(std::memcmp(receive, answer.send_key.data(), 32) == 0);
  CHECK(std::memcmp(initiator.noise.hash(), answer.hash, 32) == 0);
  CHECK(std::memcmp(send, receive, 32) != 0);
}

TEST("responder: another pre-shared key ends at the response") {
  Station station;
  Initiator initiator(1, 4);
  Exchange exchange;
  CHECK(station.read(initiator.initiate(station.public_key, 1, kTimestamp), exchange) == Claim::kPeer);
  uint8_t other[32] = {1};
  CHECK(station.local.set_psk(initiator.identity.public_key(), other));
  CHECK(!station.local.set_psk(station.public_key, other));
  Answer answer;
  CHECK(station.local.write(exchange, 2, answer));
  uint8_t keys[2][32];
  CHECK(!initiator.finish(answer.message, answer.length, station.psk, keys[0], keys[1]));
}

TEST("responder: a flipped bit anywhere before the MACs is nobody's or a false claim, and never a peer's") {
  Station station;
  Initiator initiator(1, 4);
  const auto message = initiator.initiate(station.public_key, 1, kTimestamp);
  for (size_t at = 0; at < message.size() - 32; at++) {
    auto changed = message;
    changed[at] ^= 0x10;
    Exchange exchange;
    const Claim claim = station.read(changed, exchange);
    const bool index = at >= 4 && at < 8;  // covered by mac1 alone
    if ((claim == Claim::kPeer) != index) CHECK(false);
    if (claim == Claim::kFalse && at < 88) CHECK(false);
    if (station.local.check_mac1(changed.data(), changed.size())) CHECK(false);
  }
}

TEST("responder: strangers, false claims, small order, other lengths and types") {
  Station station;
  Exchange exchange;
  CHECK(station.read(Initiator(3, 4).initiate(station.public_key, 1, kTimestamp), exchange) == Claim::kStranger);
  CHECK(std::memcmp(exchange.claimed.data(), Initiator(3, 4).identity.public_key(), 32) == 0);

  auto message = Initiator(1, 4).initiate(station.public_key, 1, kTimestamp);
  std::memset(message.data() + 8, 0, 32);
  CHECK(station.read(message, exchange) == Claim::kNone);
  CHECK(station.read(Initiator(1, 4).initiate(Initiator(9, 9).identity.public_key(), 1, kTimestamp), exchange) ==
        Claim::kNone);
  message = Initiator(1, 4).initiate(station.public_key, 1, kTimestamp);
  for (size_t length = 0; length < message.size(); length++) {
    if (station.local.read(message.data(), length, exchange) != Claim::kNone) CHECK(false);
  }
  message.push_back(0);
  CHECK(station.read(message, exchange) == Claim::kNone);
  const uint8_t small_order[32] = {};
  CHECK(!station.local.set_peer(8, small_order, nullptr));
}

TEST("responder: a hybrid initiation is read under its own name, and its key isn't looked at before the answer") {
  Station station;
  std::vector<uint8_t> kem_key(Kem::kEncapsulationKeySize, 0xff);
  const auto message = Initiator(1, 4).initiate(station.public_key, 1, kTimestamp, kem_key);
  CHECK(message.size() == kHybridInitiationBytes);
  Exchange exchange;
  CHECK(station.read(message, exchange) == Claim::kPeer);
  CHECK(exchange.hybrid && std::equal(kem_key.begin(), kem_key.end(), exchange.kem_key));
  Answer answer;
  CHECK(!station.local.write(exchange, 1, answer));
  auto classical = message;
  classical[0] = 1;
  CHECK(station.read(classical, exchange) == Claim::kNone);
}

TEST("pool: jobs are few, done by threads, and decided one by one") {
  Station station;
  const auto message = Initiator(1, 4).initiate(station.public_key, 1, kTimestamp);
  for (const unsigned threads : {0u, 3u}) {
    std::atomic<unsigned> told{0};
    HandshakePool pool(station.local, threads, [&] { told++; });
    std::set<int> numbers;
    for (unsigned i = 0; i < HandshakePool::kJobs; i++) numbers.insert(pool.read(message.data(), message.size()));
    CHECK(numbers.size() == HandshakePool::kJobs && *numbers.begin() == 0);
    CHECK(pool.read(message.data(), message.size()) == -1);
    CHECK(pool.read(message.data(), kHybridInitiationBytes + 1) == -1);
    std::array<uint8_t, HandshakePool::kJobs> taken;
    std::set<unsigned> read;
    const auto take = [&](HandshakePool::Job::State state, size_t wanted) {
      read.clear();
      return tap::eventually([&] {
        const unsigned count = pool.take(taken);
        for (unsigned i = 0; i < count; i++) {
          if (pool.job(taken[i]).state == state) read.insert(taken[i]);
        }
        return read.size() == wanted;
      });
    };
    CHECK(take(HandshakePool::Job::State::kRead, HandshakePool::kJobs));
    CHECK(threads == 0 || tap::eventually([&] { return told >= 1; }));
    // Half of them are answered, once; the others let go.
    for (unsigned i = 0; i < HandshakePool::kJobs; i++) {
      if (i % 2 == 0) {
        CHECK(pool.write(i, i));
        CHECK(!pool.write(i, i));
      } else {
        pool.release(i);
        CHECK(!pool.write(i, i));
      }
    }
    CHECK(take(HandshakePool::Job::State::kWritten, HandshakePool::kJobs / 2));
    for (const unsigned number : read) {
      CHECK(load_le32(pool.job(number).answer.message + 4) == number);
      pool.release(number);
      pool.release(number);
    }
    CHECK(!pool.write(HandshakePool::kJobs, 0));
    // All are free again.
    for (unsigned i = 0; i < HandshakePool::kJobs; i++) CHECK(pool.read(message.data(), message.size()) >= 0);
    pool.stop();
    CHECK(is_zero(pool.job(0).answer.send_key.data(), 32));
  }
}
