/**
 * A Unix datagram socket as systemd would hold it for notifications; Node has none.
 */
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>
#include <string>

#include "net/descriptor.h"
#include "net/system_error.h"

namespace anteroom::test {

/** `name`: a path or, after '@', an abstract name. */
inline Descriptor bind_datagram_socket(const std::string& name) {
  Descriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (name.size() >= sizeof address.sun_path) throw SystemError(E2BIG, name);
  std::memcpy(address.sun_path, name.data(), name.size());
  if (name[0] == '@') address.sun_path[0] = '\0';
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), size) != 0) throw_errno("bind(" + name + ")");
  return socket;
}

/** The next datagram, or an empty string after five seconds. */
inline std::string receive_datagram(const Descriptor& socket) {
  pollfd wait{socket.get(), POLLIN, 0};
  if (::poll(&wait, 1, 5000) != 1) return {};
  char bytes[4096];
  const ssize_t length = ::recv(socket.get(), bytes, sizeof bytes, 0);
  return length > 0 ? std::string(bytes, static_cast<size_t>(length)) : std::string();
}

}  // namespace anteroom::test
