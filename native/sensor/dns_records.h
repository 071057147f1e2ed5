/**
 * What of a DNS message can tell something of its sender (RFC 1035 section 4.1, RFC 6762): of a question whose domain it
 * asks in, of an answer each record by itself. Whoever is asked twice for names of one domain, or announces the same
 * records in another order or company, says nothing new.
 *
 *   header    identifier 2 · flags 2 · questions 2 · answers 2 · authorities 2 · additional 2
 *   question  name · type 2 · class 2            record  name · type 2 · class 2 · time to live 4 · length 2 · data
 *   name      [length 1 · label]* · 0 or a pointer to where it goes on: 0xc000 + offset, always backwards
 */
#pragma once

#include <cstdint>

#include "tunnel.h"

namespace anteroom::sensor {

/** Fingerprints of the parts of a message. */
struct Prints {
  static constexpr uint32_t kMost = 16;
  uint64_t print[kMost];
  uint32_t count = 0;

  /** Those beyond the last are one with it. */
  void add(uint64_t value) noexcept {
    if (count < kMost) {
      print[count++] = value;
    } else {
      print[kMost - 1] = print[kMost - 1] * 3 + value;
    }
  }
};

/** The domains that are asked for: false when the questions aren't in order. */
bool read_questions(Padded bytes, uint64_t seed, Prints& prints) noexcept;
/** Names, addresses, services and descriptions: false when the records aren't in order. */
bool read_records(Padded bytes, uint64_t seed, Prints& prints) noexcept;

}  // namespace anteroom::sensor
