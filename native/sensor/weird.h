/**
 * What captured bytes can have wrong with them, by number; `kWeirdNames` has the words, in the same order.
 */
#pragma once

#include <cstddef>
#include <cstdint>

namespace anteroom::sensor {

enum class Weird : uint8_t {
  kNone,
  kLinkTypeUnknown,
  kEthernetTruncated,
  kVlanStackDeep,
  kVlanTruncated,
  kPppoeTruncated,
  kMplsStackDeep,
  kMplsTruncated,
  kCookedTruncated,
  kLoopbackTruncated,
  kIpTruncated,
  kArpTruncated,
  kArpNotIpv4,
  kArpSenderMismatch,
  kIpv4Truncated,
  kIpv4HeaderBad,
  kIpv4LengthBad,
  kIpv6Truncated,
  kIpv6HeaderBad,
  kIpv6ExtensionsMany,
  kIpv6ExtensionTruncated,
  kTcpTruncated,
  kTcpHeaderBad,
  kUdpTruncated,
  kUdpLengthBad,
  // Of capture files.
  kCaptureTruncated,
  kCaptureEmpty,
  kCaptureFormatUnknown,
  kPacketLengthBad,
  kPacketTruncated,
  kBlockLengthBad,
  kBlockTooLong,
  kBlockLengthDiffers,
  kSectionMagicBad,
  kInterfaceTruncated,
  kInterfacesMany,
  kInterfaceUnknown,
  kOptionTruncated,
};

inline constexpr const char* kWeirdNames[] = {
    "",
    "link_type_unknown",
    "ethernet_truncated",
    "vlan_stack_deep",
    "vlan_truncated",
    "pppoe_truncated",
    "mpls_stack_deep",
    "mpls_truncated",
    "cooked_truncated",
    "loopback_truncated",
    "ip_truncated",
    "arp_truncated",
    "arp_not_ipv4",
    "arp_sender_mismatch",
    "ipv4_truncated",
    "ipv4_header_bad",
    "ipv4_length_bad",
    "ipv6_truncated",
    "ipv6_header_bad",
    "ipv6_extensions_many",
    "ipv6_extension_truncated",
    "tcp_truncated",
    "tcp_header_bad",
    "udp_truncated",
    "udp_length_bad",
    "capture_truncated",
    "capture_empty",
    "capture_format_unknown",
    "packet_length_bad",
    "packet_truncated",
    "block_length_bad",
    "block_too_long",
    "block_length_differs",
    "section_magic_bad",
    "interface_truncated",
    "interfaces_many",
    "interface_unknown",
    "option_truncated",
};

inline constexpr size_t kWeirds = sizeof kWeirdNames / sizeof kWeirdNames[0];
static_assert(kWeirds == static_cast<size_t>(Weird::kOptionTruncated) + 1);

}  // namespace anteroom::sensor
