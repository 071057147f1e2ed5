/**
 * Address, Prefix and Endpoint: IPv4 and IPv6 addresses as the native half passes them about.
 *
 * An Address keeps its bytes in network order, left aligned; IPv4 uses the first four. An Endpoint is a socket
 * address ready for sendmmsg, so nothing is converted per packet. It carries the address of ours that the far
 * side dialled, so that answers leave from there (sticky source address); that is no part of what it names.
 */
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace anteroom {

struct Address {
  int family = AF_UNSPEC;
  std::array<uint8_t, 16> bytes{};

  size_t size() const noexcept { return family == AF_INET ? 4 : 16; }

  /** 4 or 16 bytes; any other length gives an AF_UNSPEC address. */
  static Address from_bytes(const uint8_t* data, size_t length) noexcept {
    Address address;
    if (length != 4 && length != 16) return address;
    address.family = length == 4 ? AF_INET : AF_INET6;
    std::memcpy(address.bytes.data(), data, length);
    return address;
  }

  bool operator==(const Address& other) const noexcept {
    return family == other.family && std::memcmp(bytes.data(), other.bytes.data(), size()) == 0;
  }
};

struct Prefix {
  Address address;
  uint8_t length = 0;

  bool valid() const noexcept {
    return address.family != AF_UNSPEC && length <= address.size() * 8;
  }
};

struct Endpoint {
  union {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
  } to;

  /** Our own address of its family, or AF_UNSPEC: the kernel chooses. */
  Address source;

  Endpoint() noexcept { std::memset(&to, 0, sizeof to); }

  static Endpoint from(const Address& address, uint16_t port) noexcept {
    Endpoint endpoint;
    if (address.family == AF_INET) {
      endpoint.to.v4.sin_family = AF_INET;
      endpoint.to.v4.sin_port = htons(port);
      std::memcpy(&endpoint.to.v4.sin_addr, address.bytes.data(), 4);
    } else if (address.family == AF_INET6) {
      endpoint.to.v6.sin6_family = AF_INET6;
      endpoint.to.v6.sin6_port = htons(port);
      std::memcpy(&endpoint.to.v6.sin6_addr, address.bytes.data(), 16);
    }
    return endpoint;
  }

  int family() const noexcept { return to.any.sa_family; }
  bool present() const noexcept { return family() == AF_INET || family() == AF_INET6; }
  socklen_t size() const noexcept {
    return family() == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  }
  uint16_t port() const noexcept {
    return ntohs(family() == AF_INET ? to.v4.sin_port : to.v6.sin6_port);
  }
  Address address() const noexcept {
    return family() == AF_INET
               ? Address::from_bytes(reinterpret_cast<const uint8_t*>(&to.v4.sin_addr), 4)
               : Address::from_bytes(reinterpret_cast<const uint8_t*>(&to.v6.sin6_addr), 16);
  }

  /** The same address and port, whatever link-local scope either has. */
  bool same_place(const Endpoint& other) const noexcept {
    return family() == other.family() && port() == other.port() && address() == other.address();
  }
  /** The same far side, reached from the same address of ours. */
  bool same_path(const Endpoint& other) const noexcept { return *this == other && source == other.source; }

  bool operator==(const Endpoint& other) const noexcept {
    if (family() != other.family()) return false;
    if (family() == AF_INET) {
      return to.v4.sin_port == other.to.v4.sin_port &&
             to.v4.sin_addr.s_addr == other.to.v4.sin_addr.s_addr;
    }
    return to.v6.sin6_port == other.to.v6.sin6_port &&
           to.v6.sin6_scope_id == other.to.v6.sin6_scope_id &&
           std::memcmp(&to.v6.sin6_addr, &other.to.v6.sin6_addr, 16) == 0;
  }
};

}  // namespace anteroom
