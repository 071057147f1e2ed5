/**
 * UdpSockets: opening, options, batched sending. See udp_sockets.h.
 */
#include "udp_sockets.h"

#include <poll.h>

#include <utility>

#include "system_error.h"

namespace anteroom {

namespace {

constexpr int kSocketBuffer = 4 << 20;
/** Tries to find a port that is free in both families when the caller named none. */
constexpr int kPortTries = 16;

/** SO_*BUFFORCE passes the sysctl limit and needs CAP_NET_ADMIN; without it the plain option must do. */
void set_buffer(int fd, int force, int plain) noexcept {
  if (::setsockopt(fd, SOL_SOCKET, force, &kSocketBuffer, sizeof kSocketBuffer) != 0) {
    ::setsockopt(fd, SOL_SOCKET, plain, &kSocketBuffer, sizeof kSocketBuffer);
  }
}

Descriptor open_one(int family, uint16_t port) {
  Descriptor socket(::socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.valid()) throw_errno("socket(SOCK_DGRAM)");
  set_buffer(socket.get(), SO_RCVBUFFORCE, SO_RCVBUF);
  set_buffer(socket.get(), SO_SNDBUFFORCE, SO_SNDBUF);
  if (family == AF_INET) {
    const int discover = IP_PMTUDISC_DONT;
    ::setsockopt(socket.get(), IPPROTO_IP, IP_MTU_DISCOVER, &discover, sizeof discover);
  } else {
    const int discover = IPV6_PMTUDISC_DONT;
    ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_MTU_DISCOVER, &discover, sizeof discover);
    const int only = 1;
    if (::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only) != 0) {
      throw_errno("setsockopt(IPV6_V6ONLY)");
    }
  }
  Address any;
  any.family = family;
  const Endpoint local = Endpoint::from(any, port);
  if (::bind(socket.get(), &local.to.any, local.size()) != 0) throw_errno("bind(udp)");
  return socket;
}

uint16_t bound_port(int fd) {
  Endpoint local;
  socklen_t length = sizeof local.to;
  if (::getsockname(fd, &local.to.any, &length) != 0) throw_errno("getsockname");
  return local.port();
}

}  // namespace

UdpSockets::UdpSockets(uint16_t port) {
  for (int attempt = 1;; attempt++) {
    v4_ = open_one(AF_INET, port);
    port_ = bound_port(v4_.get());
    try {
      v6_ = open_one(AF_INET6, port_);
      return;
    } catch (const SystemError& error) {
      v6_.reset();
      if (error.number() == EAFNOSUPPORT || error.number() == EADDRNOTAVAIL) return;
      if (error.number() != EADDRINUSE || port != 0 || attempt == kPortTries) throw;
    }
  }
}

UdpSockets::UdpSockets(Descriptor v4, Descriptor v6)
    : v4_(std::move(v4)), v6_(std::move(v6)), port_(bound_port(v4_.get())) {}

bool UdpSockets::send(const Endpoint& to, const uint8_t* bytes, size_t length) noexcept {
  const int fd = to.family() == AF_INET ? v4_.get() : v6_.get();
  if (fd < 0 || !to.present()) return false;
  return ::sendto(fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL, &to.to.any, to.size()) >= 0;
}

unsigned UdpSockets::send_batch(int family, mmsghdr* messages, unsigned count, int stop) noexcept {
  const int fd = family == AF_INET ? v4_.get() : v6_.get();
  if (fd < 0) return 0;
  unsigned taken = 0;
  for (unsigned at = 0; at < count;) {
    const int sent = ::sendmmsg(fd, messages + at, count - at, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent > 0) {
      at += static_cast<unsigned>(sent);
      taken += static_cast<unsigned>(sent);
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) {
      at++;  // unreachable, filtered, too long: this one is lost, as UDP may lose it
      continue;
    }
    pollfd waits[2] = {{fd, POLLOUT, 0}, {stop, POLLIN, 0}};
    ::poll(waits, 2, 100);
    if ((waits[1].revents & POLLIN) != 0) return taken;
  }
  return taken;
}

}  // namespace anteroom
