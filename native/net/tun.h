/**
 * Tun: the layer-3 tunnel interface (Documentation/networking/tuntap.rst), created, addressed and routed here.
 *
 * The device is not persistent: closing the descriptor removes it, with its addresses and routes. AnyIP routes
 * stand on lo and don't go with it, so the destructor removes them.
 *
 * IFF_NO_PI: one read or write is one bare IP packet. Segmentation offload (IFF_VNET_HDR + TUNSETOFFLOAD) would
 * be switched on in the constructor and put a virtio_net_hdr before each packet in `worker.cc`'s two loops.
 */
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "address.h"
#include "descriptor.h"

namespace anteroom {

struct TunOptions {
  std::string name;
  uint32_t mtu = 1420;
  std::vector<Prefix> addresses;
  std::vector<Prefix> routes;
  std::vector<Prefix> local;
};

class Tun {
 public:
  /** Throws SystemError: EPERM without CAP_NET_ADMIN, EBUSY when the name is taken. Leaves nothing behind. */
  explicit Tun(const TunOptions& options);
  ~Tun();
  Tun(const Tun&) = delete;
  Tun& operator=(const Tun&) = delete;

  /** Non-blocking. */
  int descriptor() const noexcept { return device_.get(); }

 private:
  void remove_local() noexcept;

  Descriptor device_;
  std::vector<Prefix> local_;
  int loopback_ = 0;
};

}  // namespace anteroom
