/**
 * Frames that bring the first of an HTTP head whose rest is to come, and what follows of it: written as they would have been
 * handed over (batch.h), forgotten when the head says nothing new. Each side of a flow has its place; a head that finds
 * another's there has that one handed over.
 */
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "batch.h"
#include "http_head.h"
#include "row_table.h"

namespace anteroom::sensor {

class HeadPool {
 public:
  static constexpr uint32_t kHeads = 64;
  /** Of a frame up to its payload, and of what is kept of that. */
  static constexpr uint32_t kHeaders = 256;
  static constexpr uint32_t kBytes = kHttpHead;

  struct Head {
    bool live;
    uint8_t side;
    uint32_t row;
    /** When it last went on. */
    double at;
    uint8_t record[Batch::kFixed + kHeaders + kBytes];

    /** Bytes of the frame, and of the head. */
    uint32_t kept() const noexcept { return load_le32(record + 132); }
    uint32_t length() const noexcept { return load_le32(record + 128); }
    const uint8_t* bytes() const noexcept { return record + Batch::kFixed + load_le32(record + 76); }
    /** It goes on. False: there is no room. */
    bool add(const uint8_t* from, uint32_t count) noexcept {
      const uint32_t end = kept();
      if (count > kHeaders + kBytes - end) return false;
      std::memcpy(record + Batch::kFixed + end, from, count);
      resize(end + count);
      return true;
    }
    /** Take back what was added last. */
    void take_back(uint32_t count) noexcept { resize(kept() - count); }
    /** The first of it is of no use. */
    void cut(uint32_t count) noexcept {
      store_le32(record + 76, load_le32(record + 76) + count);
      store_le32(record + 128, length() - count);
    }

   private:
    void resize(uint32_t end) noexcept {
      store_le32(record + 128, length() + end - kept());
      store_le32(record + 60, end);
      store_le32(record + 132, end);
    }
  };

  uint32_t size() const noexcept { return size_; }
  Head& operator[](uint32_t at) const noexcept { return heads_[at]; }
  /** The place of a side of a flow, whosever it is. */
  Head& place(uint32_t row, int side) const noexcept {
    return heads_[(row * 2 + static_cast<uint32_t>(side)) % kHeads];
  }
  /** What is kept of a side. */
  Head* find(uint32_t row, int side) const noexcept {
    if (size_ == 0) return nullptr;
    Head& head = place(row, side);
    return head.live && head.row == row && head.side == side ? &head : nullptr;
  }
  void keep(Head& head, uint32_t row, int side, double at) noexcept {
    head.live = true;
    head.row = row;
    head.side = static_cast<uint8_t>(side);
    head.at = at;
    size_++;
  }
  void forget(Head& head) noexcept {
    head.live = false;
    size_--;
  }

 private:
  Zeroed<Head> heads_{kHeads};
  uint32_t size_ = 0;
};

}  // namespace anteroom::sensor
