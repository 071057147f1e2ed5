/**
 * What a process asks of the system about itself and its neighbours: sd_notify(3) without libsystemd, the
 * credentials of a Unix socket's far end (SO_PEERCRED, unix(7)), and its own hardening.
 */
#pragma once

#include <sys/types.h>

#include <string_view>

namespace anteroom {

/**
 * Send `state` ("READY=1\nSTATUS=…") to the socket $NOTIFY_SOCKET names: a path or, after '@', an abstract name.
 * False when the variable isn't set. Throws SystemError when it is set and can't be reached.
 */
bool notify(std::string_view state);

struct PeerCredentials {
  pid_t pid;
  uid_t uid;
  gid_t gid;
};

/** Throws SystemError: EBADF, ENOTSOCK, or EINVAL for a socket that isn't a Unix one. */
PeerCredentials peer_credentials(int fd);

/** No core dumps, and no ptrace by other processes of the same user: PR_SET_DUMPABLE 0, RLIMIT_CORE 0. */
void harden_process();

}  // namespace anteroom
