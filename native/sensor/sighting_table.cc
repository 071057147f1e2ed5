/**
 * SightingTable. See sighting_table.h.
 */
#include "sighting_table.h"

#include <bit>

#include "hash.h"

namespace anteroom::sensor {

SightingTable::SightingTable(uint32_t capacity, uint64_t seed)
    : capacity_(capacity), seed_(seed), mask_(std::bit_ceil(2 * capacity) - 1), rows_(capacity), index_(mask_ + 1) {}

uint64_t SightingTable::hash(uint64_t mac, const uint8_t* address) const noexcept {
  return hash_address(address, mac, seed_);
}

uint32_t SightingTable::find(uint64_t mac, const Address& address) const noexcept {
  for (uint64_t at = hash(mac, address.bytes);; at++) {
    const uint32_t entry = index_[at & mask_];
    if (entry == 0) return kNoRow;
    const Sighting& row = rows_[entry - 1];
    if (row.mac == mac && row.length == address.length && std::memcmp(row.address, address.bytes, 16) == 0)
      return entry - 1;
  }
}

uint32_t SightingTable::insert(uint64_t mac, const Address& address, double at) noexcept {
  uint32_t row = free_;
  if (row != kNoRow) {
    free_ = rows_[row].older;
  } else {
    row = fresh_++;
  }
  Sighting& sighting = rows_[row];
  sighting = Sighting{};
  std::memcpy(sighting.address, address.bytes, 16);
  sighting.length = address.length;
  sighting.mac = mac;
  sighting.told = sighting.last = at;
  uint64_t place = hash(mac, address.bytes);
  while (index_[place & mask_] != 0) place++;
  index_[place & mask_] = row + 1;
  link(row);
  size_++;
  return row;
}

void SightingTable::remove(uint32_t row) noexcept {
  uint64_t hole = hash(rows_[row].mac, rows_[row].address);
  while (index_[hole & mask_] != row + 1) hole++;
  hole &= mask_;
  for (uint64_t at = (hole + 1) & mask_; index_[at] != 0; at = (at + 1) & mask_) {
    const Sighting& other = rows_[index_[at] - 1];
    const uint64_t home = hash(other.mac, other.address) & mask_;
    if (((at - home) & mask_) < ((at - hole) & mask_)) continue;
    index_[hole] = index_[at];
    hole = at;
  }
  index_[hole] = 0;
  unlink(row);
  rows_[row].packets = 0;
  rows_[row].older = free_;
  free_ = row;
  size_--;
}

void SightingTable::touch(uint32_t row) noexcept {
  if (row == youngest_) return;
  unlink(row);
  link(row);
}

void SightingTable::unlink(uint32_t row) noexcept {
  const Sighting& sighting = rows_[row];
  (sighting.older == kNoRow ? oldest_ : rows_[sighting.older].younger) = sighting.younger;
  (sighting.younger == kNoRow ? youngest_ : rows_[sighting.younger].older) = sighting.older;
}

void SightingTable::link(uint32_t row) noexcept {
  Sighting& sighting = rows_[row];
  sighting.older = youngest_;
  sighting.younger = kNoRow;
  (youngest_ == kNoRow ? oldest_ : rows_[youngest_].younger) = row;
  youngest_ = row;
}

}  // namespace anteroom::sensor
