/**
 * AllowedIps against a list that is searched from one end to the other.
 */
#include "transport/allowed_ips.h"

#include <random>
#include <vector>

#include "tap.h"

using namespace anteroom;

namespace {

struct Model {
  struct Row {
    Prefix prefix;
    int peer;
  };
  std::vector<Row> rows;

  static bool covers(const Prefix& prefix, const Address& address) {
    if (prefix.address.family != address.family) return false;
    for (unsigned bit = 0; bit < prefix.length; bit++) {
      const uint8_t mask = static_cast<uint8_t>(0x80 >> (bit % 8));
      if ((prefix.address.bytes[bit / 8] & mask) != (address.bytes[bit / 8] & mask)) return false;
    }
    return true;
  }
  void insert(const Prefix& prefix, int peer) {
    for (Row& row : rows) {
      if (row.prefix.length == prefix.length && covers(row.prefix, prefix.address)) {
        row.peer = peer;
        return;
      }
    }
    rows.push_back({prefix, peer});
  }
  void remove_peer(int peer) { std::erase_if(rows, [&](const Row& row) { return row.peer == peer; }); }
  int lookup(const Address& address) const {
    int best = -1;
    int peer = AllowedIps::kNobody;
    for (const Row& row : rows) {
      if (row.prefix.length > best && covers(row.prefix, address)) {
        best = row.prefix.length;
        peer = row.peer;
      }
    }
    return peer;
  }
};

/** Few distinct values per byte, so that prefixes nest and collide. */
Address random_address(std::mt19937_64& random, bool v6) {
  uint8_t bytes[16];
  for (uint8_t& byte : bytes) {
    const uint64_t draw = random();
    byte = static_cast<uint8_t>(draw % 3 == 0 ? (draw >> 8) : (draw >> 8) % 2 * 0x80);
  }
  return Address::from_bytes(bytes, v6 ? 16 : 4);
}

int lookup(const AllowedIps& allowed, const Address& address) {
  return address.family == AF_INET ? allowed.lookup_v4(address.bytes.data())
                                   : allowed.lookup_v6(address.bytes.data());
}

Prefix prefix_of(std::initializer_list<uint8_t> bytes, uint8_t length) {
  return {Address::from_bytes(bytes.begin(), bytes.size()), length};
}

}  // namespace

TEST("allowed IPs: random inserts and removals agree with a linear scan") {
  for (uint64_t seed = 1; seed <= 6; seed++) {
    std::mt19937_64 random(seed);
    AllowedIps allowed;
    Model model;
    bool agree = true;
    for (int step = 0; step < 400; step++) {
      const bool v6 = random() % 2 == 0;
      const int peer = static_cast<int>(random() % 12);
      if (random() % 20 == 0) {
        allowed.remove_peer(peer);
        model.remove_peer(peer);
      } else {
        const Prefix prefix{random_address(random, v6), static_cast<uint8_t>(random() % (v6 ? 129 : 33))};
        allowed.insert(prefix, peer);
        model.insert(prefix, peer);
      }
      for (int probe = 0; probe < 20; probe++) {
        Address address = random_address(random, probe % 2 == 0);
        if (!model.rows.empty() && probe % 5 == 0) address = model.rows[random() % model.rows.size()].prefix.address;
        agree = agree && lookup(allowed, address) == model.lookup(address);
      }
    }
    CHECK(agree);
  }
}

TEST("allowed IPs: the longest prefix wins, and a prefix set again moves") {
  AllowedIps allowed;
  allowed.insert(prefix_of({0, 0, 0, 0}, 0), 1);
  allowed.insert(prefix_of({10, 0, 0, 0}, 8), 2);
  allowed.insert(prefix_of({10, 1, 2, 3}, 32), 3);
  const uint8_t host[] = {10, 1, 2, 3};
  const uint8_t net[] = {10, 1, 2, 4};
  const uint8_t other[] = {192, 0, 2, 1};
  CHECK(allowed.lookup_v4(host) == 3);
  CHECK(allowed.lookup_v4(net) == 2);
  CHECK(allowed.lookup_v4(other) == 1);
  allowed.insert(prefix_of({10, 1, 2, 3}, 32), 4);
  CHECK(allowed.lookup_v4(host) == 4);
  allowed.remove_peer(4);
  CHECK(allowed.lookup_v4(host) == 2);
  allowed.remove_peer(1);
  CHECK(allowed.lookup_v4(other) == AllowedIps::kNobody);
}

TEST("allowed IPs: host bits are ignored, impossible prefixes refused, families apart") {
  AllowedIps allowed;
  allowed.insert(prefix_of({10, 9, 8, 7}, 16), 5);
  const uint8_t inside[] = {10, 9, 0, 1};
  CHECK(allowed.lookup_v4(inside) == 5);
  allowed.insert(prefix_of({10, 9, 0, 1}, 33), 6);
  allowed.insert(Prefix{}, 6);
  CHECK(allowed.lookup_v4(inside) == 5);
  uint8_t six[16] = {10, 9, 0, 1};
  CHECK(allowed.lookup_v6(six) == AllowedIps::kNobody);
}
