/**
 * Which datagrams may tell something of their sender, by what is in them, and which announcements of the link layer:
 * LLDP, CDP, PROFINET's DCP. The protocols themselves are read in TypeScript (`src/sensor/announcement.ts`); here is only whether it is
 * worth their while.
 *
 * What can't tell stays here: DNS answers, questions of multicast DNS, what BACnet says of anything but a device. So does
 * what was said before: `print` leaves out what differs each time (identifiers, times).
 */
#pragma once

#include "dns_records.h"
#include "frame.h"

namespace anteroom::sensor {

struct Telling {
  bool tells = false;
  /** Equal for what says the same; 0: nothing does. */
  uint64_t print = 0;
  /** It goes on for as long as a device is watched: some of it is enough. */
  bool stream = false;
  /** Of nobody but its sender, and of that only where the address is its own. */
  bool own = false;
  /** Of what says several things: it is news when one of them is. */
  Prints parts = {};
};

Telling read_datagram(const Frame& frame, uint64_t seed) noexcept;
bool is_announcement(const Frame& frame) noexcept;
/** Of a SYN: what its sender's system gives it, without what is the connection's. */
uint64_t syn_print(const Frame& frame, uint64_t seed) noexcept;

}  // namespace anteroom::sensor
