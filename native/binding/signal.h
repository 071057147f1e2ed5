/**
 * Signal: a native thread's way to have the main thread look at something.
 *
 * News is bits; bits that are already waiting aren't sent again, so the queue behind it never holds more than one
 * call. `raise` is for any thread; everything else is for the main thread. While it is open it keeps the process
 * alive, as a socket would.
 *
 * It hears once per turn of the event loop. Node empties a thread-safe function's queue up to a thousand calls at
 * a time, so under a flood of datagrams timers and sockets would starve; therefore after hearing the signal is
 * armed again only by a setImmediate.
 */
#pragma once

#include <node_api.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "value.h"

namespace anteroom::binding {

class Signal {
 public:
  /** `hear` runs on the main thread, inside a handle scope, with the bits raised since it last ran. */
  using Hear = std::function<void(napi_env, uint32_t)>;

  Signal(napi_env env, const char* name, Hear hear) : state_(std::make_shared<State>()) {
    state_->hear = std::move(hear);
    napi_value text;
    check(napi_create_string_utf8(env, name, NAPI_AUTO_LENGTH, &text));
    auto context = std::make_unique<std::shared_ptr<State>>(state_);
    check(napi_create_threadsafe_function(env, nullptr, nullptr, text, 0, 1, context.get(), forget, context.get(),
                                          deliver, &state_->function));
    static_cast<void>(context.release());
  }
  ~Signal() { close(); }
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;

  void raise(uint32_t bits) noexcept {
    state_->raised.fetch_or(bits);
    state_->call();
  }

  /** No `hear` runs after this. The raising threads must have been joined. */
  void close() noexcept {
    if (state_->function == nullptr) return;
    napi_release_threadsafe_function(std::exchange(state_->function, nullptr), napi_tsfn_abort);
  }

 private:
  /**
   * Outlives the Signal until Node has let go of the function and of the last setImmediate. `raised` and `armed` are
   * written by one side and then read by the other in opposite orders, so both are sequentially consistent.
   */
  struct State {
    Hear hear;
    std::atomic<uint32_t> raised{0};
    std::atomic<bool> armed{true};
    napi_threadsafe_function function = nullptr;

    void call() noexcept {
      if (armed.exchange(false)) {
        napi_call_threadsafe_function(function, nullptr, napi_tsfn_nonblocking);
      }
    }
  };

  static void forget(napi_env, void* data, void*) { delete static_cast<std::shared_ptr<State>*>(data); }

  static void deliver(napi_env env, napi_value, void* context, void*) {
    // A copy: hearing may close the signal.
    const std::shared_ptr<State> state = *static_cast<std::shared_ptr<State>*>(context);
    if (env == nullptr || state->function == nullptr) return;
    guarded(env, [&]() -> napi_value {
      arm_next_turn(env, state);
      const uint32_t bits = state->raised.exchange(0);
      if (bits != 0) state->hear(env, bits);
      return nullptr;
    });
  }

  static void arm_next_turn(napi_env env, const std::shared_ptr<State>& state) {
    auto context = std::make_unique<std::shared_ptr<State>>(state);
    napi_value global;
    napi_value set_immediate;
    napi_value callback;
    check(napi_get_global(env, &global));
    check(napi_get_named_property(env, global, "setImmediate", &set_immediate));
    check(napi_create_function(env, "arm", NAPI_AUTO_LENGTH, arm, context.get(), &callback));
    check(napi_add_finalizer(env, callback, context.get(), forget, nullptr, nullptr));
    static_cast<void>(context.release());
    check(napi_call_function(env, global, set_immediate, 1, &callback, nullptr));
  }

  static napi_value arm(napi_env env, napi_callback_info info) {
    return guarded(env, [&]() -> napi_value {
      void* context = nullptr;
      check(napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &context));
      State& state = **static_cast<std::shared_ptr<State>*>(context);
      if (state.function == nullptr) return nullptr;
      state.armed.store(true);
      if (state.raised.load() != 0) state.call();
      return nullptr;
    });
  }

  std::shared_ptr<State> state_;
};

}  // namespace anteroom::binding
