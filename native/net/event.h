/**
 * Event: an eventfd that wakes a thread out of poll (eventfd(2)).
 */
#pragma once

#include <sys/eventfd.h>

#include <cstddef>
#include <cstdint>

#include "descriptor.h"
#include "system_error.h"

namespace anteroom {

class Event {
 public:
  Event() : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (!event_.valid()) throw_errno("eventfd");
  }

  int descriptor() const noexcept { return event_.get(); }

  /** Any thread. Only a full counter refuses the write, and then the event is raised already. */
  void raise() const noexcept {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(event_.get(), &one, sizeof one);
  }

  void lower() const noexcept {
    uint64_t count;
    [[maybe_unused]] const ssize_t taken = ::read(event_.get(), &count, sizeof count);
  }

 private:
  Descriptor event_;
};

}  // namespace anteroom
