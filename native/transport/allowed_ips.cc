/**
 * AllowedIps: the trie. See allowed_ips.h.
 *
 * A node stands for the first `length` bits of `key`, the rest being zero. It either has an owner or is a fork
 * with two children. A child's key begins with its parent's, and the bit after the parent's length tells which
 * child it is; so a lookup compares each node once and goes one way.
 */
#include "allowed_ips.h"

#include <utility>

namespace anteroom {

namespace {

__extension__ typedef unsigned __int128 Key;

Key load_key(const uint8_t* bytes, size_t size) noexcept {
  Key key = 0;
  for (size_t i = 0; i < size; i++) key |= static_cast<Key>(bytes[i]) << (120 - 8 * i);
  return key;
}

Key load_v4(const uint8_t* bytes) noexcept {
  uint32_t word;
  std::memcpy(&word, bytes, sizeof word);
  return static_cast<Key>(ntohl(word)) << 96;
}

Key load_v6(const uint8_t* bytes) noexcept {
  uint64_t words[2];
  std::memcpy(words, bytes, sizeof words);
  return static_cast<Key>(__builtin_bswap64(words[0])) << 64 | __builtin_bswap64(words[1]);
}

Key mask(Key key, unsigned length) noexcept {
  return length == 0 ? 0 : key & (~static_cast<Key>(0) << (128 - length));
}

unsigned bit(Key key, unsigned at) noexcept { return static_cast<unsigned>(key >> (127 - at)) & 1; }

unsigned leading_zeros(Key key) noexcept {
  const auto high = static_cast<uint64_t>(key >> 64);
  if (high != 0) return static_cast<unsigned>(__builtin_clzll(high));
  const auto low = static_cast<uint64_t>(key);
  return low != 0 ? 64 + static_cast<unsigned>(__builtin_clzll(low)) : 128;
}

}  // namespace

struct AllowedIps::Node {
  Key key;
  unsigned length;
  int peer;
  std::unique_ptr<Node> child[2];

  Node(Key k, unsigned l, int p) : key(k), length(l), peer(p) {}

  static void insert(std::unique_ptr<Node>& place, Key key, unsigned length, int peer) {
    if (!place) {
      place = std::make_unique<Node>(key, length, peer);
      return;
    }
    unsigned common = leading_zeros(place->key ^ key);
    if (common > place->length) common = place->length;
    if (common > length) common = length;
    if (common == place->length) {
      if (length == place->length) {
        place->peer = peer;
      } else {
        insert(place->child[bit(key, place->length)], key, length, peer);
      }
      return;
    }
    // The new prefix ends above this node, or turns off before it.
    auto below = std::move(place);
    const unsigned side = bit(below->key, common);
    if (common == length) {
      place = std::make_unique<Node>(key, length, peer);
    } else {
      place = std::make_unique<Node>(mask(key, common), common, kNobody);
      place->child[1 - side] = std::make_unique<Node>(key, length, peer);
    }
    place->child[side] = std::move(below);
  }

  static void remove_peer(std::unique_ptr<Node>& place, int peer) {
    if (!place) return;
    remove_peer(place->child[0], peer);
    remove_peer(place->child[1], peer);
    if (place->peer == peer) place->peer = kNobody;
    if (place->peer != kNobody || (place->child[0] && place->child[1])) return;
    auto rest = std::move(place->child[place->child[0] ? 0 : 1]);
    place = std::move(rest);
  }

  static int lookup(const Node* node, Key key, unsigned bits) noexcept {
    int peer = kNobody;
    while (node != nullptr && mask(key ^ node->key, node->length) == 0) {
      if (node->peer != kNobody) peer = node->peer;
      if (node->length == bits) break;
      node = node->child[bit(key, node->length)].get();
    }
    return peer;
  }
};

AllowedIps::AllowedIps() = default;
AllowedIps::~AllowedIps() = default;

void AllowedIps::insert(const Prefix& prefix, int peer) {
  if (!prefix.valid()) return;
  const Key key = load_key(prefix.address.bytes.data(), prefix.address.size());
  Node::insert(prefix.address.family == AF_INET ? v4_ : v6_, mask(key, prefix.length), prefix.length, peer);
}

void AllowedIps::remove_peer(int peer) {
  Node::remove_peer(v4_, peer);
  Node::remove_peer(v6_, peer);
}

int AllowedIps::lookup_v4(const uint8_t* address) const noexcept {
  return Node::lookup(v4_.get(), load_v4(address), 32);
}

int AllowedIps::lookup_v6(const uint8_t* address) const noexcept {
  return Node::lookup(v6_.get(), load_v6(address), 128);
}

}  // namespace anteroom
