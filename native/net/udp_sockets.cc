/**
 * UdpSockets: opening, options, batched sending. See udp_sockets.h.
 */
#include "udp_sockets.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>

#include <utility>

#include "system_error.h"

namespace anteroom {

namespace {

/**
 * Asked for either way; the kernel doubles it for its own bookkeeping. What stands in these queues is what a small packet
 * waits behind: 1 MiB is what 100,000 small datagrams a second fill in over 20 ms, and a stream at 1 Gbit/s in 16 ms.
 */
constexpr int kSocketBuffer = 1 << 20;
/** Tries to find a port that is free in both families when the caller named none. */
constexpr int kPortTries = 16;

/** SO_*BUFFORCE passes the sysctl limit and needs CAP_NET_ADMIN; without it the plain option must do. */
void set_buffer(int fd, int force, int plain) noexcept {
  if (::setsockopt(fd, SOL_SOCKET, force, &kSocketBuffer, sizeof kSocketBuffer) != 0) {
    ::setsockopt(fd, SOL_SOCKET, plain, &kSocketBuffer, sizeof kSocketBuffer);
  }
}

/** Best effort: without it the kernel chooses the source address, as it does for everybody. */
void ask_for_source(int fd, int family) noexcept {
  const int on = 1;
  if (family == AF_INET) {
    ::setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
  } else {
    ::setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
  }
}

/** Append a control message; there is room for all that we ever append. */
void* append(msghdr& message, ControlRoom& room, int level, int type, size_t size) noexcept {
  auto* header = reinterpret_cast<cmsghdr*>(room.bytes.data() + message.msg_controllen);
  header->cmsg_level = level;
  header->cmsg_type = type;
  header->cmsg_len = CMSG_LEN(size);
  message.msg_controllen += CMSG_SPACE(size);
  std::memset(CMSG_DATA(header), 0, CMSG_SPACE(size) - CMSG_LEN(0));
  return CMSG_DATA(header);
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
  ask_for_source(socket.get(), family);
  Address any;
  any.family = family;
  const Endpoint local = Endpoint::from(any, port);
  if (::bind(socket.get(), &local.to.any, local.size()) != 0) throw_errno("bind(udp)");
  return socket;
}

/** Setting the default segment size to "none" is how to ask whether there is such a thing. */
bool knows_segments(int fd) noexcept {
  const int none = 0;
  return ::setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &none, sizeof none) == 0;
}

uint16_t bound_port(int fd) {
  Endpoint local;
  socklen_t length = sizeof local.to;
  if (::getsockname(fd, &local.to.any, &length) != 0) throw_errno("getsockname");
  return local.port();
}

}  // namespace

UdpSockets::UdpSockets(uint16_t port, Offloads wanted) {
  for (int attempt = 1;; attempt++) {
    v4_ = open_one(AF_INET, port);
    port_ = bound_port(v4_.get());
    try {
      v6_ = open_one(AF_INET6, port_);
      break;
    } catch (const SystemError& error) {
      v6_.reset();
      if (error.number() == EAFNOSUPPORT || error.number() == EADDRNOTAVAIL) break;
      if (error.number() != EADDRINUSE || port != 0 || attempt == kPortTries) throw;
    }
  }
  send_segments_ = wanted.send && knows_segments(v4_.get());
  ask_for_series(wanted.receive);
}

UdpSockets::UdpSockets(Descriptor v4, Descriptor v6, Offloads wanted)
    : v4_(std::move(v4)), v6_(std::move(v6)), port_(bound_port(v4_.get())) {
  send_segments_ = wanted.send && knows_segments(v4_.get());
  ask_for_series(wanted.receive);
}

UdpSockets::UdpSockets(UdpSockets&& other) noexcept
    : v4_(std::move(other.v4_)),
      v6_(std::move(other.v6_)),
      port_(other.port_),
      send_segments_(other.segments()),
      receive_series_(other.receive_series_) {}

void UdpSockets::ask_for_series(bool wanted) noexcept {
  if (!wanted) return;
  const int on = 1;
  receive_series_ = ::setsockopt(v4_.get(), IPPROTO_UDP, UDP_GRO, &on, sizeof on) == 0;
  if (v6_.valid()) ::setsockopt(v6_.get(), IPPROTO_UDP, UDP_GRO, &on, sizeof on);
}

bool UdpSockets::send(const Endpoint& to, const uint8_t* bytes, size_t length) noexcept {
  const int fd = to.family() == AF_INET ? v4_.get() : v6_.get();
  if (fd < 0 || !to.present()) return false;
  Endpoint name = to;
  iovec vector = {const_cast<uint8_t*>(bytes), length};
  ControlRoom room;
  msghdr message{};
  message.msg_name = &name.to;
  message.msg_namelen = to.size();
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  prepare(message, room, to.source, 1, length);
  if (::sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return true;
  if (message.msg_controllen == 0 || errno == EAGAIN) return false;
  return ::sendto(fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL, &to.to.any, to.size()) >= 0;
}

void UdpSockets::prepare(msghdr& message, ControlRoom& room, const Address& source, unsigned count,
                         size_t size) noexcept {
  message.msg_control = room.bytes.data();
  message.msg_controllen = 0;
  if (source.family == AF_INET) {
    in_pktinfo info{};
    std::memcpy(&info.ipi_spec_dst, source.bytes.data(), 4);
    std::memcpy(append(message, room, IPPROTO_IP, IP_PKTINFO, sizeof info), &info, sizeof info);
  } else if (source.family == AF_INET6) {
    // No interface: routes may change. A link-local far side has its scope in its address.
    in6_pktinfo info{};
    std::memcpy(&info.ipi6_addr, source.bytes.data(), 16);
    std::memcpy(append(message, room, IPPROTO_IPV6, IPV6_PKTINFO, sizeof info), &info, sizeof info);
  }
  if (count > 1) {
    const auto segment = static_cast<uint16_t>(size);
    std::memcpy(append(message, room, IPPROTO_UDP, UDP_SEGMENT, sizeof segment), &segment, sizeof segment);
  }
  if (message.msg_controllen == 0) message.msg_control = nullptr;
}

size_t UdpSockets::received(const msghdr& message, Address& source) noexcept {
  size_t segment = 0;
  source = Address();
  auto& mutable_message = const_cast<msghdr&>(message);
  for (cmsghdr* header = CMSG_FIRSTHDR(&mutable_message); header != nullptr;
       header = CMSG_NXTHDR(&mutable_message, header)) {
    const uint8_t* data = CMSG_DATA(header);
    const size_t size = header->cmsg_len - CMSG_LEN(0);
    if (header->cmsg_level == IPPROTO_UDP && header->cmsg_type == UDP_GRO && size >= sizeof(int)) {
      int value;
      std::memcpy(&value, data, sizeof value);
      if (value > 0) segment = static_cast<size_t>(value);
    } else if (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_PKTINFO && size >= sizeof(in_pktinfo)) {
      in_pktinfo info;
      std::memcpy(&info, data, sizeof info);
      source = Address::from_bytes(reinterpret_cast<const uint8_t*>(&info.ipi_spec_dst), 4);
    } else if (header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_PKTINFO &&
               size >= sizeof(in6_pktinfo)) {
      in6_pktinfo info;
      std::memcpy(&info, data, sizeof info);
      source = Address::from_bytes(reinterpret_cast<const uint8_t*>(&info.ipi6_addr), 16);
    }
  }
  return segment;
}

/** A full socket buffer. False when it is time to stop. */
bool UdpSockets::wait(int fd, int stop) noexcept {
  pollfd waits[2] = {{fd, POLLOUT, 0}, {stop, POLLIN, 0}};
  ::poll(waits, 2, 100);
  return (waits[1].revents & POLLIN) == 0;
}

/** One message's datagrams one by one, and once more without a source address that the kernel doesn't like. */
unsigned UdpSockets::send_apart(int fd, const msghdr& message, int stop) noexcept {
  unsigned taken = 0;
  Address source;
  received(message, source);
  msghdr one = message;
  one.msg_iovlen = 1;
  ControlRoom room;
  prepare(one, room, source, 1, 0);
  for (size_t i = 0; i < message.msg_iovlen;) {
    one.msg_iov = message.msg_iov + i;
    if (::sendmsg(fd, &one, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) {
      taken++;
    } else if (errno == EINTR) {
      continue;
    } else if (errno == EAGAIN) {
      if (!wait(fd, stop)) return taken;
      continue;
    } else if (one.msg_controllen != 0) {
      one.msg_control = nullptr;
      one.msg_controllen = 0;
      continue;
    }
    i++;  // sent; or unreachable, filtered, too long: this one is lost, as UDP may lose it
  }
  return taken;
}

unsigned UdpSockets::send_batch(int family, mmsghdr* messages, unsigned count, int stop) noexcept {
  const int fd = family == AF_INET ? v4_.get() : v6_.get();
  if (fd < 0) return 0;
  unsigned taken = 0;
  for (unsigned at = 0; at < count;) {
    const int sent = ::sendmmsg(fd, messages + at, count - at, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent > 0) {
      for (const unsigned end = at + static_cast<unsigned>(sent); at < end; at++) {
        taken += static_cast<unsigned>(messages[at].msg_hdr.msg_iovlen);
      }
      continue;
    }
    if (errno == EINTR) continue;
    if (errno == EAGAIN) {
      if (!wait(fd, stop)) return taken;
      continue;
    }
    const msghdr& refused = messages[at++].msg_hdr;
    if (errno == EIO && refused.msg_iovlen > 1) send_segments_.store(false, std::memory_order_relaxed);
    taken += send_apart(fd, refused, stop);
  }
  return taken;
}

}  // namespace anteroom
