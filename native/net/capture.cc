/**
 * Capture: the thread. See capture.h.
 */
#include "capture.h"

#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <time.h>

#include <cerrno>
#include <csignal>

namespace anteroom {

namespace {

/** While the link is down, how often to see whether the interface still exists. */
constexpr int kDownCheckMillis = 250;

uint64_t monotonic() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace

Capture::Capture(const std::string& interface, uint32_t snap_length, Tell tell)
    : ring_(interface, snap_length), tell_(std::move(tell)) {
  for (Buffer& buffer : buffers_) buffer = std::make_shared<uint8_t[]>(kBatchBytes);
}

Capture::~Capture() { stop(); }

void Capture::start() {
  // Signals are the main thread's business; a new thread inherits this mask.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    thread_ = std::thread([this] { loop(); });
  } catch (...) {
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    throw;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_setname_np(thread_.native_handle(), "anteroom-sense");
}

void Capture::stop() noexcept {
  stopping_ = true;
  stop_.raise();
  if (thread_.joinable()) thread_.join();
}

Capture::Batch Capture::filled() {
  const std::lock_guard locked(lock_);
  return filled_;
}

void Capture::release() {
  {
    const std::lock_guard locked(lock_);
    filled_ = Batch{};
  }
  released_.raise();
}

void Capture::loop() noexcept {
  int buffer = 0;
  while (!stopping_) {
    if (!ring_.ready() && !wait()) return;
    Batch batch{buffer, 0, 0};
    batch.bytes = ring_.pack(buffers_[buffer].get(), kBatchBytes, batch.count);
    if (batch.count == 0) continue;
    const uint64_t handed = monotonic();

    // Hand it over as soon as the one before it has been read.
    for (bool mine = false; !mine;) {
      {
        const std::lock_guard locked(lock_);
        if (filled_.buffer < 0) {
          filled_ = batch;
          mine = true;
        }
      }
      if (mine) break;
      pollfd waits[2] = {{released_.descriptor(), POLLIN, 0}, {stop_.descriptor(), POLLIN, 0}};
      ::poll(waits, 2, -1);
      if (waits[1].revents != 0) return;
      released_.lower();
    }
    tell_(kFrames);
    buffer = 1 - buffer;

    const uint64_t since = monotonic() - handed;
    if (since < kBatchInterval) {
      pollfd stop{stop_.descriptor(), POLLIN, 0};
      ::poll(&stop, 1, static_cast<int>((kBatchInterval - since) / 1'000'000) + 1);
    }
  }
}

/** Wait for a block. False when the capture has stopped or failed. */
bool Capture::wait() noexcept {
  pollfd waits[2] = {{ring_.descriptor(), POLLIN, 0}, {stop_.descriptor(), POLLIN, 0}};
  if (::poll(waits, 2, link_down_ ? kDownCheckMillis : -1) < 0 && errno != EINTR) {
    fail(errno, "poll(packet ring)");
    return false;
  }
  if (waits[1].revents != 0) return false;
  int error = 0;
  if ((waits[0].revents & (POLLERR | POLLNVAL | POLLHUP)) != 0) {
    socklen_t length = sizeof error;
    ::getsockopt(ring_.descriptor(), SOL_SOCKET, SO_ERROR, &error, &length);
  }
  // The link going down is an error reported once, and no reason to stop: it may come up again. But an interface
  // on its way out goes down first and says nothing more when it is gone, so it is looked for.
  if (error == ENETDOWN) link_down_ = true;
  if (link_down_ && interface_gone()) {
    fail(ENODEV, "capture interface is gone");
    return false;
  }
  if ((waits[0].revents & POLLIN) != 0 && ring_.ready()) link_down_ = false;
  if (error == 0 || error == ENETDOWN) return true;
  fail(error, "packet ring");
  return false;
}

bool Capture::interface_gone() const noexcept {
  char name[IF_NAMESIZE];
  return ::if_indextoname(static_cast<unsigned>(ring_.interface_index()), name) == nullptr;
}

void Capture::fail(int number, const char* call) noexcept {
  if (stopping_) return;
  failure_ = {number, call};
  tell_(kFailure);
}

}  // namespace anteroom
