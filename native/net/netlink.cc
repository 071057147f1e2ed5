/**
 * Netlink requests: build, send, read the acknowledgement. See netlink.h.
 *
 * A request is a fixed buffer with the header, a family header and attributes; every attribute is appended by
 * `add`, which aligns to 4 bytes (NLA_ALIGN). The longest request here is under 128 bytes.
 */
#include "netlink.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include "system_error.h"

namespace anteroom {

struct Netlink::Request {
  alignas(4) char bytes[512];

  Request(uint16_t type, uint16_t flags, size_t family_header) {
    std::memset(bytes, 0, sizeof bytes);
    header()->nlmsg_len = static_cast<uint32_t>(NLMSG_LENGTH(family_header));
    header()->nlmsg_type = type;
    header()->nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
  }

  nlmsghdr* header() { return reinterpret_cast<nlmsghdr*>(bytes); }
  template <typename T>
  T* family() {
    return static_cast<T*>(NLMSG_DATA(header()));
  }

  rtattr* add(uint16_t type, const void* data, size_t length) {
    auto* attribute = reinterpret_cast<rtattr*>(bytes + NLMSG_ALIGN(header()->nlmsg_len));
    attribute->rta_type = type;
    attribute->rta_len = static_cast<uint16_t>(RTA_LENGTH(length));
    if (length != 0) std::memcpy(RTA_DATA(attribute), data, length);
    header()->nlmsg_len = NLMSG_ALIGN(header()->nlmsg_len) + RTA_ALIGN(attribute->rta_len);
    return attribute;
  }

  rtattr* begin(uint16_t type) { return add(type, nullptr, 0); }
  void end(rtattr* nest) {
    nest->rta_len = static_cast<uint16_t>(bytes + header()->nlmsg_len - reinterpret_cast<char*>(nest));
  }
};

Netlink::Netlink() : socket_(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)) {
  if (!socket_.valid()) throw_errno("socket(AF_NETLINK)");
  sockaddr_nl local{};
  local.nl_family = AF_NETLINK;
  if (::bind(socket_.get(), reinterpret_cast<sockaddr*>(&local), sizeof local) != 0) {
    throw_errno("bind(AF_NETLINK)");
  }
}

int Netlink::transact(Request& request) noexcept {
  request.header()->nlmsg_seq = ++sequence_;
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  if (::sendto(socket_.get(), request.bytes, request.header()->nlmsg_len, 0,
               reinterpret_cast<sockaddr*>(&kernel), sizeof kernel) < 0) {
    return errno;
  }
  alignas(4) char answer[8192];
  for (;;) {
    const ssize_t received = ::recv(socket_.get(), answer, sizeof answer, 0);
    if (received < 0) {
      if (errno == EINTR) continue;
      return errno;
    }
    auto remaining = static_cast<uint32_t>(received);
    for (auto* message = reinterpret_cast<nlmsghdr*>(answer); NLMSG_OK(message, remaining);
         message = NLMSG_NEXT(message, remaining)) {
      if (message->nlmsg_seq != sequence_ || message->nlmsg_type != NLMSG_ERROR) continue;
      if (message->nlmsg_len < NLMSG_LENGTH(sizeof(nlmsgerr))) return EBADMSG;
      return -static_cast<nlmsgerr*>(NLMSG_DATA(message))->error;
    }
  }
}

void Netlink::require(Request& request, const char* name) {
  const int error = transact(request);
  if (error != 0) throw SystemError(error, name);
}

void Netlink::configure_link(int ifindex, uint32_t mtu) {
  {
    // Without a link-local address the kernel sends no router solicitations into the tunnel. A kernel
    // without IPv6 refuses this attribute, and then there is nothing to switch off.
    Request request(RTM_SETLINK, 0, sizeof(ifinfomsg));
    request.family<ifinfomsg>()->ifi_family = AF_UNSPEC;
    request.family<ifinfomsg>()->ifi_index = ifindex;
    const uint8_t mode = IN6_ADDR_GEN_MODE_NONE;
    rtattr* families = request.begin(IFLA_AF_SPEC);
    rtattr* inet6 = request.begin(AF_INET6);
    request.add(IFLA_INET6_ADDR_GEN_MODE, &mode, sizeof mode);
    request.end(inet6);
    request.end(families);
    const int error = transact(request);
    if (error != 0 && error != EAFNOSUPPORT && error != EOPNOTSUPP && error != EINVAL) {
      throw SystemError(error, "RTM_SETLINK(addr_gen_mode)");
    }
  }
  Request request(RTM_SETLINK, 0, sizeof(ifinfomsg));
  request.family<ifinfomsg>()->ifi_family = AF_UNSPEC;
  request.family<ifinfomsg>()->ifi_index = ifindex;
  request.family<ifinfomsg>()->ifi_flags = IFF_UP;
  request.family<ifinfomsg>()->ifi_change = IFF_UP;
  request.add(IFLA_MTU, &mtu, sizeof mtu);
  // Room for 20 ms of small packets at 100,000 a second: what the sending thread may wait for a core.
  const uint32_t queue = 2000;
  request.add(IFLA_TXQLEN, &queue, sizeof queue);
  require(request, "RTM_SETLINK(mtu, up)");
}

void Netlink::limit_pieces(int ifindex, uint32_t bytes) noexcept {
  Request request(RTM_SETLINK, 0, sizeof(ifinfomsg));
  request.family<ifinfomsg>()->ifi_family = AF_UNSPEC;
  request.family<ifinfomsg>()->ifi_index = ifindex;
  request.add(IFLA_GSO_MAX_SIZE, &bytes, sizeof bytes);
  transact(request);
}

void Netlink::link_up(int ifindex) {
  Request request(RTM_SETLINK, 0, sizeof(ifinfomsg));
  request.family<ifinfomsg>()->ifi_family = AF_UNSPEC;
  request.family<ifinfomsg>()->ifi_index = ifindex;
  request.family<ifinfomsg>()->ifi_flags = IFF_UP;
  request.family<ifinfomsg>()->ifi_change = IFF_UP;
  require(request, "RTM_SETLINK(up)");
}

void Netlink::add_address(int ifindex, const Prefix& prefix) {
  Request request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, sizeof(ifaddrmsg));
  auto* header = request.family<ifaddrmsg>();
  header->ifa_family = static_cast<uint8_t>(prefix.address.family);
  header->ifa_prefixlen = prefix.length;
  header->ifa_index = static_cast<uint32_t>(ifindex);
  header->ifa_flags = prefix.address.family == AF_INET6 ? IFA_F_NODAD : 0;
  request.add(IFA_LOCAL, prefix.address.bytes.data(), prefix.address.size());
  request.add(IFA_ADDRESS, prefix.address.bytes.data(), prefix.address.size());
  require(request, "RTM_NEWADDR");
}

namespace {

/** rtmsg for a prefix: local routes stand in table local with host scope, others in main with link scope. */
void fill_route(rtmsg* header, const Prefix& prefix, bool local) {
  header->rtm_family = static_cast<uint8_t>(prefix.address.family);
  header->rtm_dst_len = prefix.length;
  header->rtm_table = local ? RT_TABLE_LOCAL : RT_TABLE_MAIN;
  header->rtm_protocol = kRouteProtocol;
  header->rtm_scope = local ? RT_SCOPE_HOST : RT_SCOPE_LINK;
  header->rtm_type = local ? RTN_LOCAL : RTN_UNICAST;
}

}  // namespace

void Netlink::add_route(int ifindex, const Prefix& prefix) {
  Request request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, sizeof(rtmsg));
  fill_route(request.family<rtmsg>(), prefix, false);
  request.add(RTA_DST, prefix.address.bytes.data(), prefix.address.size());
  request.add(RTA_OIF, &ifindex, sizeof ifindex);
  require(request, "RTM_NEWROUTE(unicast)");
}

void Netlink::add_local(int ifindex, const Prefix& prefix) {
  Request request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, sizeof(rtmsg));
  fill_route(request.family<rtmsg>(), prefix, true);
  request.add(RTA_DST, prefix.address.bytes.data(), prefix.address.size());
  request.add(RTA_OIF, &ifindex, sizeof ifindex);
  require(request, "RTM_NEWROUTE(local)");
}

bool Netlink::remove_local(int ifindex, const Prefix& prefix) noexcept {
  Request request(RTM_DELROUTE, 0, sizeof(rtmsg));
  fill_route(request.family<rtmsg>(), prefix, true);
  request.add(RTA_DST, prefix.address.bytes.data(), prefix.address.size());
  request.add(RTA_OIF, &ifindex, sizeof ifindex);
  return transact(request) == 0;
}

}  // namespace anteroom
