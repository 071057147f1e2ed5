/**
 * UdpSockets: the tunnel's IPv4 and IPv6 sockets on one port, and the batches that go through them.
 *
 * A machine without IPv6 gets the IPv4 socket alone. Datagrams may be fragmented on the way (no DF), as
 * WireGuard's are.
 *
 * UDP_SEGMENT (udp(7)): equal datagrams to one place, the last perhaps shorter, go to the kernel as one message. A
 * device or path that can't take that (EIO, EINVAL, EMSGSIZE) gets them one by one; EIO is for good. UDP_GRO: the
 * kernel hands over such a series as one message too, with the segment size in a control message. IP_PKTINFO and
 * IPV6_PKTINFO: which of our addresses was dialled, and which to answer from; an address that is gone is left to
 * the kernel to replace.
 */
#pragma once

#include <sys/socket.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "address.h"
#include "descriptor.h"

namespace anteroom {

/** Room for a message's control data, either way. */
struct alignas(cmsghdr) ControlRoom {
  std::array<uint8_t, 128> bytes;
};

class UdpSockets {
 public:
  struct Offloads {
    bool send = true;
    bool receive = true;
  };

  /** Datagrams of one message: older kernels take no more (UDP_MAX_SEGMENTS). */
  static constexpr unsigned kMaxSegments = 64;
  /** Bytes of one message: with its headers it must stay below a device's gso_max_size, 65,536. */
  static constexpr size_t kMaxMessage = 65'400;

  /** Port 0 takes a free one. Throws SystemError, EADDRINUSE when the port is taken in either family. */
  explicit UdpSockets(uint16_t port, Offloads wanted);
  explicit UdpSockets(uint16_t port) : UdpSockets(port, Offloads()) {}
  /** For tests: sockets made elsewhere; `v6` may be invalid. */
  UdpSockets(Descriptor v4, Descriptor v6, Offloads wanted);
  UdpSockets(UdpSockets&& other) noexcept;

  uint16_t port() const noexcept { return port_; }
  int v4() const noexcept { return v4_.get(); }
  /** -1 where there is no IPv6. */
  int v6() const noexcept { return v6_.get(); }
  /** Is a series sent as one message? May turn false while running. */
  bool segments() const noexcept { return send_segments_.load(std::memory_order_relaxed); }
  bool receives_series() const noexcept { return receive_series_; }

  /** One datagram, best effort, from any thread. False when it wasn't taken. */
  bool send(const Endpoint& to, const uint8_t* bytes, size_t length) noexcept;

  /** Control data for a message of `count` datagrams of `size` bytes that leaves from `source`. */
  static void prepare(msghdr& message, ControlRoom& room, const Address& source, unsigned count,
                      size_t size) noexcept;

  /** Read off a received message: the segment size, 0 when it is one datagram, and the address it came to. */
  static size_t received(const msghdr& message, Address& source) noexcept;

  /**
   * Send messages of one family, in order; each vector of a message is one datagram. A full socket buffer is
   * waited for until `stop` (an eventfd) becomes readable; a datagram the kernel refuses is skipped. Returns how
   * many datagrams were taken.
   */
  unsigned send_batch(int family, mmsghdr* messages, unsigned count, int stop) noexcept;

 private:
  unsigned send_apart(int fd, const msghdr& message, int stop) noexcept;
  static bool wait(int fd, int stop) noexcept;
  void ask_for_series(bool wanted) noexcept;

  Descriptor v4_;
  Descriptor v6_;
  uint16_t port_ = 0;
  std::atomic<bool> send_segments_{false};
  bool receive_series_ = false;
};

}  // namespace anteroom
