/**
 * Who was seen: one row a card (MAC) and source address, with what it sent since TypeScript was told. The same card
 * from the same address is news once, and then once a second; everything else is only counted.
 *
 * The host table itself, with names and evidence, is TypeScript's. A row that is forgotten here costs one frame more
 * over there, so the table needs no more room than hosts have addresses at a time. Open addressing, oldest first out.
 */
#pragma once

#include <cstddef>
#include <cstdint>

#include "flow_table.h"
#include "frame.h"

namespace anteroom::sensor {

struct Sighting {
  uint8_t address[16];
  uint64_t mac;
  double told;
  double last;
  uint64_t bytes;
  uint32_t packets;
  uint8_t length;
  /** It came with a hop limit that senders start with. */
  bool near;
  uint32_t older;
  uint32_t younger;
};
static_assert(sizeof(Sighting) <= 72);

class SightingTable {
 public:
  SightingTable(uint32_t capacity, uint64_t seed);

  uint32_t size() const noexcept { return size_; }
  Sighting& operator[](uint32_t row) const noexcept { return rows_[row]; }
  /** Rows ever used are below. */
  uint32_t used() const noexcept { return fresh_; }
  uint32_t find(uint64_t mac, const Address& address) const noexcept;
  bool full() const noexcept { return size_ >= capacity_; }
  uint32_t oldest() const noexcept { return oldest_; }
  uint32_t insert(uint64_t mac, const Address& address, double at) noexcept;
  void remove(uint32_t row) noexcept;
  void touch(uint32_t row) noexcept;

 private:
  uint64_t hash(uint64_t mac, const uint8_t* address) const noexcept;
  void unlink(uint32_t row) noexcept;
  void link(uint32_t row) noexcept;

  const uint32_t capacity_;
  const uint64_t seed_;
  uint32_t mask_;
  Zeroed<Sighting> rows_;
  Zeroed<uint32_t> index_;
  uint32_t size_ = 0;
  uint32_t fresh_ = 0;
  uint32_t free_ = kNoRow;
  uint32_t oldest_ = kNoRow;
  uint32_t youngest_ = kNoRow;
};

}  // namespace anteroom::sensor
