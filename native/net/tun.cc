/**
 * Tun: TUNSETIFF, then rtnetlink for MTU, addresses, link state and routes. See tun.h.
 */
#include "tun.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include "netlink.h"
#include "system_error.h"
#include "virtio_header.h"

namespace anteroom {

namespace {

/** Ask for less until the kernel agrees: UDP since Linux 6.2; checksums alone are of no use to us. */
TunOffloads set_offloads(int fd, const TunOffloads& wanted) noexcept {
  const unsigned tcp = wanted.tcp ? TUN_F_TSO4 | TUN_F_TSO6 : 0;
  const unsigned udp = wanted.udp ? kTunUso4 | kTunUso6 : 0;
  if (udp != 0 && ::ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | tcp | udp) == 0) return {true, tcp != 0, true, wanted.join};
  if (tcp != 0 && ::ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | tcp) == 0) return {true, true, false, wanted.join};
  return {true, false, false, wanted.join};
}

}  // namespace

Tun::Tun(const TunOptions& options) {
  if (options.name.empty() || options.name.size() >= IFNAMSIZ) {
    throw SystemError(EINVAL, "interface name");
  }
  device_ = Descriptor(::open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK));
  if (!device_.valid()) throw_errno("open(/dev/net/tun)");

  // IFF_TUN_EXCL: never adopt a device somebody else made.
  ifreq request{};
  std::memcpy(request.ifr_name, options.name.c_str(), options.name.size());
  const TunOffloads& wanted = options.offloads;
  const int header = wanted.header && (wanted.tcp || wanted.udp || wanted.join) ? IFF_VNET_HDR : 0;
  request.ifr_flags = static_cast<short>(IFF_TUN | IFF_NO_PI | IFF_TUN_EXCL | header);
  if (::ioctl(device_.get(), TUNSETIFF, &request) != 0) throw_errno("ioctl(TUNSETIFF)");
  if (header != 0) offloads_ = set_offloads(device_.get(), wanted);

  Netlink netlink;
  const int ifindex = static_cast<int>(::if_nametoindex(options.name.c_str()));
  if (ifindex == 0) throw_errno("if_nametoindex(" + options.name + ")");
  netlink.configure_link(ifindex, options.mtu);
  if (options.piece != 0) netlink.limit_pieces(ifindex, options.piece);
  for (const Prefix& prefix : options.addresses) netlink.add_address(ifindex, prefix);
  for (const Prefix& prefix : options.routes) netlink.add_route(ifindex, prefix);

  if (options.local.empty()) return;
  loopback_ = static_cast<int>(::if_nametoindex("lo"));
  if (loopback_ == 0) throw_errno("if_nametoindex(lo)");
  netlink.link_up(loopback_);
  try {
    for (const Prefix& prefix : options.local) {
      netlink.add_local(loopback_, prefix);
      local_.push_back(prefix);
    }
  } catch (...) {
    remove_local();
    throw;
  }
}

Tun::~Tun() { remove_local(); }

void Tun::remove_local() noexcept {
  if (local_.empty()) return;
  try {
    Netlink netlink;
    for (const Prefix& prefix : local_) netlink.remove_local(loopback_, prefix);
  } catch (const SystemError&) {
    // No netlink socket to be had: the routes stay, and the next open replaces them.
  }
  local_.clear();
}

}  // namespace anteroom
