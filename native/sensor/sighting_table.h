/**
 * Who was seen: one row a card (MAC) and source address, with what it sent since TypeScript was told. The same card
 * from the same address is news once; everything else is only counted (row_table.h).
 *
 * The host table itself, with names and evidence, is TypeScript's. A row that is forgotten here costs one frame more
 * over there, so the table needs no more room than hosts have addresses at a time.
 */
#pragma once

#include <cstddef>
#include <cstdint>

#include "frame.h"
#include "row_table.h"

namespace anteroom::sensor {

struct Sighting {
  uint8_t address[16];
  uint64_t mac;
  double last;
  uint64_t bytes;
  uint32_t packets;
  uint8_t length;
  /** It came with a hop limit that senders start with; the card claimed the address. */
  bool near;
  bool claimed;
  /** TypeScript hasn't been told: more cards appear than are believed. It was answered: its next frame tells. */
  bool held;
  bool due;
  uint32_t older;
  uint32_t younger;
};
static_assert(sizeof(Sighting) <= 72);

class SightingTable : public RowTable<Sighting, SightingTable> {
 public:
  SightingTable(uint32_t capacity, uint64_t seed) : RowTable(capacity), seed_(seed) {}

  uint32_t find(uint64_t mac, const Address& address) const noexcept;
  uint32_t insert(uint64_t mac, const Address& address, double at) noexcept;
  void remove(uint32_t row) noexcept;

  uint64_t hash_of(const Sighting& sighting) const noexcept;

 private:
  const uint64_t seed_;
};

}  // namespace anteroom::sensor
