/**
 * What a process asks of the system: notification datagrams, credentials, hardening.
 */
#include "os/process.h"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "net/descriptor.h"
#include "net/system_error.h"
#include "receive_datagram.h"
#include "tap.h"

using namespace anteroom;

namespace {

/** What notify threw, or 0. */
int refusal() {
  try {
    notify("READY=1");
    return 0;
  } catch (const SystemError& error) {
    return error.number();
  }
}

}  // namespace

TEST("notify: reaches a socket by path and by abstract name") {
  const std::string unique = "anteroom-notify-" + std::to_string(::getpid());
  for (const std::string& name : {"/tmp/" + unique, "@" + unique}) {
    const Descriptor socket = test::bind_datagram_socket(name);
    ::setenv("NOTIFY_SOCKET", name.c_str(), 1);
    CHECK(notify("READY=1\nSTATUS=running"));
    CHECK(test::receive_datagram(socket) == "READY=1\nSTATUS=running");
    if (name[0] == '/') ::unlink(name.c_str());
  }
  ::unsetenv("NOTIFY_SOCKET");
}

TEST("notify: false without a socket; an error when the socket can't be reached") {
  ::unsetenv("NOTIFY_SOCKET");
  CHECK(!notify("READY=1"));
  ::setenv("NOTIFY_SOCKET", "", 1);
  CHECK(!notify("READY=1"));
  ::setenv("NOTIFY_SOCKET", "/nonexistent/anteroom", 1);
  CHECK(refusal() == ENOENT);
  ::setenv("NOTIFY_SOCKET", "vsock:2:1234", 1);
  CHECK(refusal() == EAFNOSUPPORT);
  ::setenv("NOTIFY_SOCKET", ("/" + std::string(107, 'x')).c_str(), 1);
  CHECK(refusal() == E2BIG);
  ::unsetenv("NOTIFY_SOCKET");
}

TEST("peer credentials: our own over a socketpair; other descriptors are refused") {
  int pair[2];
  CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
  const Descriptor near(pair[0]);
  const Descriptor far(pair[1]);
  const PeerCredentials credentials = peer_credentials(near.get());
  CHECK(credentials.pid == ::getpid());
  CHECK(credentials.uid == ::getuid());
  CHECK(credentials.gid == ::getgid());
  const Descriptor udp(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const auto error_of = [](int fd) {
    try {
      peer_credentials(fd);
      return 0;
    } catch (const SystemError& error) {
      return error.number();
    }
  };
  CHECK(error_of(udp.get()) == EINVAL);
  CHECK(error_of(100'000) == EBADF);
}

TEST("harden: no core file and not dumpable") {
  const pid_t child = ::fork();
  if (child == 0) {
    harden_process();
    rlimit core{1, 1};
    ::getrlimit(RLIMIT_CORE, &core);
    ::_exit(::prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 && core.rlim_cur == 0 && core.rlim_max == 0 ? 0 : 1);
  }
  int status = -1;
  CHECK(::waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
