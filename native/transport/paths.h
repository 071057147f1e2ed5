/**
 * Paths: what a far side's address and port don't tell and the main thread doesn't keep: which of our addresses it
 * dialled, and the scope of a link-local address. Learnt from handshake datagrams, asked for when one is answered.
 *
 * A direct-mapped table; a place that another far side has taken is simply not known, and the kernel chooses.
 */
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "../net/address.h"

namespace anteroom {

class Paths {
 public:
  static constexpr size_t kPlaces = 1024;

  Paths() : places_(std::make_unique<Endpoint[]>(kPlaces)) {}

  void remember(const Endpoint& from) noexcept { places_[place_of(from)] = from; }

  /** `to` with what is known of it. */
  Endpoint recall(const Endpoint& to) const noexcept {
    const Endpoint& known = places_[place_of(to)];
    return known.same_place(to) ? known : to;
  }

 private:
  static size_t place_of(const Endpoint& endpoint) noexcept {
    uint32_t hash = endpoint.port();
    for (const uint8_t byte : endpoint.address().bytes) hash = hash * 31 + byte;
    return (hash ^ hash >> 15) % kPlaces;
  }

  std::unique_ptr<Endpoint[]> places_;
};

}  // namespace anteroom
