/**
 * Which datagrams and link-layer announcements TypeScript must read: by port where content alone is weak (DNS and its
 * kin, NetBIOS, NTP, SNMP, DHCP), otherwise by how they begin. A yes for too much costs time, a no for too much
 * costs knowledge, so this is coarser than the decoders that then read them (src/protocol).
 */
#pragma once

#include "frame.h"

namespace anteroom::sensor {

/** The payload of a UDP frame. */
bool is_telling_datagram(const Frame& frame) noexcept;
/** An LLDP or CDP frame. */
bool is_announcement(const Frame& frame) noexcept;

}  // namespace anteroom::sensor
