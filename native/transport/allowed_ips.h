/**
 * AllowedIps: cryptokey routing (whitepaper section 2), longest prefix match from an address to a peer's number.
 *
 * Two path-compressed binary tries, IPv4 and IPv6, over addresses held as left-aligned 128-bit numbers. A prefix
 * has one owner: setting it again moves it, as WireGuard's does. Readers and writers are kept apart by the
 * caller's lock.
 */
#pragma once

#include <cstdint>
#include <memory>

#include "../net/address.h"

namespace anteroom {

class AllowedIps {
 public:
  static constexpr int kNobody = -1;

  AllowedIps();
  ~AllowedIps();
  AllowedIps(const AllowedIps&) = delete;
  AllowedIps& operator=(const AllowedIps&) = delete;

  /** Host bits of the prefix are ignored. Invalid prefixes are ignored. */
  void insert(const Prefix& prefix, int peer);
  void remove_peer(int peer);

  /** Addresses in network order. */
  int lookup_v4(const uint8_t* address) const noexcept;
  int lookup_v6(const uint8_t* address) const noexcept;

 private:
  struct Node;
  std::unique_ptr<Node> v4_;
  std::unique_ptr<Node> v6_;
};

}  // namespace anteroom
