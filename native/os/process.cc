/**
 * Notification, peer credentials, hardening. See process.h.
 */
#include "process.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "../net/descriptor.h"
#include "../net/system_error.h"

namespace anteroom {

bool notify(std::string_view state) {
  const char* name = std::getenv("NOTIFY_SOCKET");
  if (name == nullptr || name[0] == '\0') return false;
  const size_t length = std::strlen(name);
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  // vsock: and relative names aren't local sockets systemd would pass to a service of this machine.
  if (name[0] != '/' && name[0] != '@') throw SystemError(EAFNOSUPPORT, "NOTIFY_SOCKET");
  if (length >= sizeof to.sun_path) throw SystemError(E2BIG, "NOTIFY_SOCKET");
  std::memcpy(to.sun_path, name, length);
  if (name[0] == '@') to.sun_path[0] = '\0';
  // An abstract name is as long as it says; a path ends with its NUL.
  const auto size =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length + (name[0] == '/' ? 1 : 0));

  const Descriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) throw_errno("socket(AF_UNIX)");
  if (::sendto(socket.get(), state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&to),
               size) < 0) {
    throw_errno("sendto(NOTIFY_SOCKET)");
  }
  return true;
}

PeerCredentials peer_credentials(int fd) {
  int domain = 0;
  socklen_t length = sizeof domain;
  if (::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) != 0) throw_errno("getsockopt(SO_DOMAIN)");
  if (domain != AF_UNIX) throw SystemError(EINVAL, "getsockopt(SO_PEERCRED)");
  ucred credentials{};
  length = sizeof credentials;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) {
    throw_errno("getsockopt(SO_PEERCRED)");
  }
  return {credentials.pid, credentials.uid, credentials.gid};
}

void harden_process() {
  const rlimit none{0, 0};
  if (::setrlimit(RLIMIT_CORE, &none) != 0) throw_errno("setrlimit(RLIMIT_CORE)");
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) throw_errno("prctl(PR_SET_DUMPABLE)");
}

}  // namespace anteroom
