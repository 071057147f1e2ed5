/**
 * SightingTable. See sighting_table.h.
 */
#include "sighting_table.h"

#include "hash.h"

namespace anteroom::sensor {

uint64_t SightingTable::hash_of(const Sighting& sighting) const noexcept {
  return hash_address(sighting.address, sighting.mac, seed_);
}

uint32_t SightingTable::find(uint64_t mac, const Address& address) const noexcept {
  return find_row(hash_address(address.bytes, mac, seed_), [&](const Sighting& row) {
    return row.mac == mac && row.length == address.length && std::memcmp(row.address, address.bytes, 16) == 0;
  });
}

uint32_t SightingTable::insert(uint64_t mac, const Address& address, double at) noexcept {
  const uint32_t row = take_row();
  Sighting& sighting = (*this)[row];
  sighting = Sighting{};
  std::memcpy(sighting.address, address.bytes, 16);
  sighting.length = address.length;
  sighting.mac = mac;
  sighting.last = at;
  insert_row(row);
  return row;
}

void SightingTable::remove(uint32_t row) noexcept {
  // Nothing of it is left to tell.
  (*this)[row].packets = 0;
  RowTable::remove(row);
}

}  // namespace anteroom::sensor
