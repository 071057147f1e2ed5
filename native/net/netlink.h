/**
 * Netlink: one rtnetlink socket and the six requests the gateway makes of it (rtnetlink(7), netlink(7)).
 *
 * Each request waits for the kernel's acknowledgement. Failures throw SystemError with the kernel's errno and
 * the request's name; `remove_local` doesn't throw, because it runs while things are being torn down.
 */
#pragma once

#include <cstdint>

#include "address.h"
#include "descriptor.h"

namespace anteroom {

class Netlink {
 public:
  Netlink();

  /** Set the MTU, switch off IPv6 link-local generation and bring the link up. */
  void configure_link(int ifindex, uint32_t mtu);
  /** Streams are to come in pieces of so many bytes at most. Best effort: longer ones are right too. */
  void limit_pieces(int ifindex, uint32_t bytes) noexcept;
  /** Bring a link up and leave the rest alone. */
  void link_up(int ifindex);
  void add_address(int ifindex, const Prefix& prefix);
  /** A unicast route of the main table into the interface; replaces one of the same prefix. */
  void add_route(int ifindex, const Prefix& prefix);
  /** AnyIP: make a whole prefix local on an interface (normally lo); replaces one of the same prefix. */
  void add_local(int ifindex, const Prefix& prefix);
  bool remove_local(int ifindex, const Prefix& prefix) noexcept;

 private:
  struct Request;
  int transact(Request& request) noexcept;
  void require(Request& request, const char* name);

  Descriptor socket_;
  uint32_t sequence_ = 0;
};

/** rtm_protocol of every route made here, so an operator can list them: `ip route show proto 167`. */
constexpr uint8_t kRouteProtocol = 167;

}  // namespace anteroom
