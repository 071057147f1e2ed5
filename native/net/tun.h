/**
 * Tun: the layer-3 tunnel interface (Documentation/networking/tuntap.rst), created, addressed and routed here.
 *
 * The device is not persistent: closing the descriptor removes it, with its addresses and routes. AnyIP routes
 * stand on lo and don't go with it, so the destructor removes them.
 *
 * IFF_NO_PI: one read or write is one IP packet. With segmentation offload (IFF_VNET_HDR, TUNSETOFFLOAD) a
 * virtio_net_hdr stands before it and it may be up to 64 KiB; what the kernel knows of that is found by asking.
 */
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "address.h"
#include "descriptor.h"

namespace anteroom {

/** What a TUN descriptor does; all false: bare packets. */
struct TunOffloads {
  /** A virtio_net_hdr stands before each packet. */
  bool header = false;
  /** TCP and UDP come, and may be written, in pieces of up to 64 KiB. */
  bool tcp = false;
  bool udp = false;
  /** What is written may be joined; without it pieces are only read. */
  bool join = false;
};

struct TunOptions {
  /** What may be used of the offloads. */
  TunOffloads offloads{true, true, true, true};
  std::string name;
  uint32_t mtu = 1420;
  /** The longest piece of a stream that is to be handed over, as the kernel counts it; 0 leaves it to the kernel. */
  uint32_t piece = 0;
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
  const TunOffloads& offloads() const noexcept { return offloads_; }

 private:
  void remove_local() noexcept;

  Descriptor device_;
  TunOffloads offloads_;
  std::vector<Prefix> local_;
  int loopback_ = 0;
};

}  // namespace anteroom
