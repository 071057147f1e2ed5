/**
 * Rows that are allocated once, found by open addressing (linear probing, at most half full), named by their number, and
 * in the order in which they were last used: the oldest gives way when the table is full.
 *
 * A row has `older` and `younger`, which are the table's; `Table` says where a row belongs: `uint64_t hash_of(const Row&)`,
 * keyed by a seed, since strangers choose the keys.
 */
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <utility>

namespace anteroom::sensor {

inline constexpr uint32_t kNoRow = UINT32_MAX;

/** calloc gives pages that are no memory until something is written to them. */
template <typename Item>
struct Zeroed {
  explicit Zeroed(size_t count) : items(static_cast<Item*>(std::calloc(count, sizeof(Item))), &std::free) {
    if (!items) throw std::bad_alloc();
  }
  Item& operator[](size_t at) const noexcept { return items.get()[at]; }
  std::unique_ptr<Item, decltype(&std::free)> items;
};

template <typename Row, typename Table>
class RowTable {
 public:
  uint32_t size() const noexcept { return size_; }
  uint32_t capacity() const noexcept { return capacity_; }
  bool full() const noexcept { return size_ >= capacity_; }
  Row& operator[](uint32_t row) const noexcept { return rows_[row]; }
  uint32_t oldest() const noexcept { return oldest_; }

  void remove(uint32_t row) noexcept {
    uint64_t hole = hash_of(row);
    while (index_[hole & mask_] != row + 1) hole++;
    hole &= mask_;
    // Those that stand further from where they belong than the hole is move into it.
    for (uint64_t at = (hole + 1) & mask_; index_[at] != 0; at = (at + 1) & mask_) {
      const uint64_t home = hash_of(index_[at] - 1) & mask_;
      if (((at - home) & mask_) < ((at - hole) & mask_)) continue;
      index_[hole] = index_[at];
      hole = at;
    }
    index_[hole] = 0;
    unlink(row);
    rows_[row].older = free_;
    free_ = row;
    size_--;
  }

  /** Move to the young end. */
  void touch(uint32_t row) noexcept {
    if (row == youngest_) return;
    unlink(row);
    link(row);
  }

  /** A row with that hash will be looked for: where it is found is brought near meanwhile. */
  void expect(uint64_t hash) const noexcept { __builtin_prefetch(&index_[hash & mask_]); }

 protected:
  explicit RowTable(uint32_t capacity)
      : capacity_(capacity), mask_(std::bit_ceil(2 * capacity) - 1), rows_(capacity), index_(mask_ + 1) {}

  /** The row with that hash that `is` says yes to, or kNoRow. */
  template <typename Is>
  uint32_t find_row(uint64_t hash, Is is) const noexcept {
    for (;; hash++) {
      const uint32_t entry = index_[hash & mask_];
      if (entry == 0) return kNoRow;
      if (is(rows_[entry - 1])) return entry - 1;
    }
  }

  /** A row to be filled in and then `insert_row`ed; it holds what the one before it held. There must be room. */
  uint32_t take_row() noexcept {
    const uint32_t row = free_;
    if (row == kNoRow) return fresh_++;
    free_ = rows_[row].older;
    return row;
  }

  void insert_row(uint32_t row) noexcept {
    uint64_t place = hash_of(row);
    while (index_[place & mask_] != 0) place++;
    index_[place & mask_] = row + 1;
    link(row);
    size_++;
  }

 private:
  uint64_t hash_of(uint32_t row) const noexcept { return static_cast<const Table*>(this)->hash_of(rows_[row]); }

  void unlink(uint32_t row) noexcept {
    const Row& it = rows_[row];
    (it.older == kNoRow ? oldest_ : rows_[it.older].younger) = it.younger;
    (it.younger == kNoRow ? youngest_ : rows_[it.younger].older) = it.older;
  }

  void link(uint32_t row) noexcept {
    Row& it = rows_[row];
    it.older = youngest_;
    it.younger = kNoRow;
    (youngest_ == kNoRow ? oldest_ : rows_[youngest_].younger) = row;
    youngest_ = row;
  }

  const uint32_t capacity_;
  const uint32_t mask_;
  Zeroed<Row> rows_;
  /** Row + 1; 0 is empty. */
  Zeroed<uint32_t> index_;
  uint32_t size_ = 0;
  /** Rows that were never used begin here; those given back are a chain through `older`. */
  uint32_t fresh_ = 0;
  uint32_t free_ = kNoRow;
  uint32_t oldest_ = kNoRow;
  uint32_t youngest_ = kNoRow;
};

}  // namespace anteroom::sensor
