/**
 * UdpSockets: the tunnel's IPv4 and IPv6 sockets on one port, and the batch that is sent through them.
 *
 * A machine without IPv6 gets the IPv4 socket alone. Datagrams may be fragmented on the way (no DF), as
 * WireGuard's are. UDP_GRO belongs in `open_one`, UDP_SEGMENT in `send_batch`; neither is used yet.
 */
#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>

#include "address.h"
#include "descriptor.h"

namespace anteroom {

class UdpSockets {
 public:
  /** Port 0 takes a free one. Throws SystemError, EADDRINUSE when the port is taken in either family. */
  explicit UdpSockets(uint16_t port);
  /** For tests: sockets made elsewhere; `v6` may be invalid. */
  UdpSockets(Descriptor v4, Descriptor v6);

  uint16_t port() const noexcept { return port_; }
  int v4() const noexcept { return v4_.get(); }
  /** -1 where there is no IPv6. */
  int v6() const noexcept { return v6_.get(); }

  /** One datagram, best effort, from any thread. False when it wasn't taken. */
  bool send(const Endpoint& to, const uint8_t* bytes, size_t length) noexcept;

  /**
   * Send messages of one family, in order. A full socket buffer is waited for until `stop` (an eventfd) becomes
   * readable; a message the kernel refuses is skipped. Returns how many were taken.
   */
  unsigned send_batch(int family, mmsghdr* messages, unsigned count, int stop) noexcept;

 private:
  Descriptor v4_;
  Descriptor v6_;
  uint16_t port_ = 0;
};

}  // namespace anteroom
