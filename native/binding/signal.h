/**
 * Signal: a native thread's way to have the main thread look at something.
 *
 * News is bits; bits that are already waiting aren't sent again, so the queue behind it never holds more than one
 * call. `raise` is for any thread; everything else is for the main thread. While it is open it keeps the process
 * alive, as a socket would.
 */
#pragma once

#include <node_api.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <utility>

#include "value.h"

namespace anteroom::binding {

class Signal {
 public:
  /** `hear` runs on the main thread, inside a handle scope, with the bits raised since it last ran. */
  using Hear = std::function<void(napi_env, uint32_t)>;

  Signal(napi_env env, const char* name, Hear hear) : shared_(new Shared) {
    shared_->hear = std::move(hear);
    napi_value text;
    napi_status status = napi_create_string_utf8(env, name, NAPI_AUTO_LENGTH, &text);
    if (status == napi_ok) {
      status = napi_create_threadsafe_function(env, nullptr, nullptr, text, 0, 1, shared_, finalize, shared_,
                                               deliver, &function_);
    }
    if (status != napi_ok) {
      delete shared_;
      throw PendingException{};
    }
  }
  ~Signal() { close(); }
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;

  void raise(uint32_t bits) noexcept {
    if (shared_->raised.fetch_or(bits, std::memory_order_acq_rel) == 0) {
      napi_call_threadsafe_function(function_, nullptr, napi_tsfn_nonblocking);
    }
  }

  /** No `hear` runs after this. The raising threads must have been joined. */
  void close() noexcept {
    if (function_ == nullptr) return;
    shared_->hear = nullptr;
    napi_release_threadsafe_function(function_, napi_tsfn_abort);
    function_ = nullptr;
  }

 private:
  /** Outlives the Signal until Node has let go of the function. */
  struct Shared {
    Hear hear;
    std::atomic<uint32_t> raised{0};
  };

  static void finalize(napi_env, void* data, void*) { delete static_cast<Shared*>(data); }

  static void deliver(napi_env env, napi_value, void* context, void*) {
    auto* shared = static_cast<Shared*>(context);
    const uint32_t bits = shared->raised.exchange(0, std::memory_order_acq_rel);
    if (env == nullptr || bits == 0 || !shared->hear) return;
    // A copy: hearing may close the signal.
    const Hear hear = shared->hear;
    guarded(env, [&]() -> napi_value {
      hear(env, bits);
      return nullptr;
    });
  }

  Shared* shared_;
  napi_threadsafe_function function_ = nullptr;
};

}  // namespace anteroom::binding
