/**
 * Holding a native object in a JavaScript one: wrapped, type-tagged, alive while open, closed with the environment.
 *
 * `Held` must have `void close() noexcept`, callable twice and without JavaScript. The JavaScript object can't be
 * collected before it is closed, as an open socket can't. When the environment ends first, a clean-up hook closes
 * it, threads joined, before Node takes the thread-safe function away.
 */
#pragma once

#include <node_api.h>

#include <memory>

#include "value.h"

namespace anteroom::binding {

template <typename Held>
class Holder {
 public:
  /** Puts `held` into `object` and returns its holder. */
  static void put(napi_env env, napi_value object, std::unique_ptr<Held> held) {
    auto holder = std::make_unique<Holder>(env, std::move(held));
    check(napi_type_tag_object(env, object, &Held::kTag));
    check(napi_wrap(env, object, holder.get(), finalize, nullptr, nullptr));
    Holder* kept = holder.release();
    check(napi_create_reference(env, object, 1, &kept->self_));
    check(napi_add_env_cleanup_hook(env, environment_ends, kept));
    kept->hooked_ = true;
  }

  /** The holder in `this`, or ArgumentError when it is another object. */
  static Holder& of(napi_env env, napi_value object) {
    bool ours = false;
    void* found = nullptr;
    if (napi_check_object_type_tag(env, object, &Held::kTag, &ours) != napi_ok || !ours ||
        napi_unwrap(env, object, &found) != napi_ok) {
      throw ArgumentError{"called on another object"};
    }
    return *static_cast<Holder*>(found);
  }

  Held* get() const noexcept { return open_ ? held_.get() : nullptr; }

  void close() {
    if (!open_) return;
    open_ = false;
    held_->close();
    napi_remove_env_cleanup_hook(env_, environment_ends, this);
    hooked_ = false;
    napi_ref self = self_;
    self_ = nullptr;
    check(napi_delete_reference(env_, self));
  }

  Holder(napi_env env, std::unique_ptr<Held> held) : env_(env), held_(std::move(held)) {}

 private:
  static void finalize(napi_env env, void* data, void*) {
    auto* holder = static_cast<Holder*>(data);
    if (holder->hooked_) napi_remove_env_cleanup_hook(env, environment_ends, holder);
    holder->held_->close();
    delete holder;
  }

  static void environment_ends(void* data) {
    auto* holder = static_cast<Holder*>(data);
    holder->open_ = false;
    holder->hooked_ = false;
    holder->held_->close();
  }

  napi_env env_;
  std::unique_ptr<Held> held_;
  napi_ref self_ = nullptr;
  bool open_ = true;
  bool hooked_ = false;
};

/** A callback kept for as long as its holder is open; dies with the environment if that comes first. */
class Callback {
 public:
  Callback(napi_env env, napi_value function) : env_(env) {
    check(napi_create_reference(env, function, 1, &reference_));
  }
  ~Callback() { napi_delete_reference(env_, reference_); }
  Callback(const Callback&) = delete;
  Callback& operator=(const Callback&) = delete;

  void operator()(size_t count, const napi_value* arguments) const {
    napi_value function;
    napi_value nothing;
    check(napi_get_reference_value(env_, reference_, &function));
    check(napi_get_undefined(env_, &nothing));
    check(napi_call_function(env_, nothing, function, count, arguments, nullptr));
  }

 private:
  napi_env env_;
  napi_ref reference_ = nullptr;
};

}  // namespace anteroom::binding
