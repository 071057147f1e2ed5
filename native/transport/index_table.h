/**
 * IndexTable: from the receiver index of a transport message to the keypair it names.
 *
 * Open addressing with linear probing; at most half full; removal shifts the run back, so there are no
 * tombstones. Indices are drawn at random by our own side, which makes the index its own hash: nobody else
 * chooses what stands here. Readers and writers are kept apart by the caller's lock.
 */
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace anteroom {

struct Keypair;

class IndexTable {
 public:
  IndexTable() : slots_(64) {}

  Keypair* find(uint32_t index) const noexcept {
    const size_t mask = slots_.size() - 1;
    for (size_t at = index & mask; slots_[at].keypair != nullptr; at = (at + 1) & mask) {
      if (slots_[at].index == index) return slots_[at].keypair;
    }
    return nullptr;
  }

  /** False when the index is taken. */
  bool insert(uint32_t index, Keypair* keypair) {
    if (find(index) != nullptr) return false;
    if ((count_ + 1) * 2 > slots_.size()) grow();
    place(index, keypair);
    count_++;
    return true;
  }

  bool remove(uint32_t index) noexcept {
    const size_t mask = slots_.size() - 1;
    size_t hole = index & mask;
    while (slots_[hole].keypair != nullptr && slots_[hole].index != index) hole = (hole + 1) & mask;
    if (slots_[hole].keypair == nullptr) return false;
    // Move back each later entry of the run whose home isn't between the hole and itself.
    for (size_t at = (hole + 1) & mask; slots_[at].keypair != nullptr; at = (at + 1) & mask) {
      const size_t home = slots_[at].index & mask;
      if (((at - home) & mask) >= ((at - hole) & mask)) {
        slots_[hole] = slots_[at];
        hole = at;
      }
    }
    slots_[hole] = Slot{};
    count_--;
    return true;
  }

  size_t size() const noexcept { return count_; }

 private:
  struct Slot {
    uint32_t index = 0;
    Keypair* keypair = nullptr;
  };

  void place(uint32_t index, Keypair* keypair) noexcept {
    const size_t mask = slots_.size() - 1;
    size_t at = index & mask;
    while (slots_[at].keypair != nullptr) at = (at + 1) & mask;
    slots_[at] = Slot{index, keypair};
  }

  void grow() {
    std::vector<Slot> old(slots_.size() * 2);
    old.swap(slots_);
    for (const Slot& slot : old) {
      if (slot.keypair != nullptr) place(slot.index, slot.keypair);
    }
  }

  std::vector<Slot> slots_;
  size_t count_ = 0;
};

}  // namespace anteroom
