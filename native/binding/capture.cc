/**
 * `openCapture`: options in, batches of frames and failure out. The capture itself is net/capture.h's.
 *
 * The two batch buffers are shown to JavaScript as they are, without a copy; each ArrayBuffer shares ownership
 * of its memory, so a view that somebody kept past the call reads later frames but never freed memory.
 */
#include "capture.h"

#include <memory>

#include "../net/capture.h"
#include "holder.h"
#include "signal.h"
#include "value.h"

namespace anteroom::binding {

namespace {

constexpr double kMaxSnapLength = 65535;

class CaptureBinding {
 public:
  static constexpr napi_type_tag kTag = {0x616e7465726f6f6d, 0x636170747572652e};

  CaptureBinding(napi_env env, napi_value options)
      : env_(env),
        on_frames_(env, read_function(env, property(env, options, "onFrames"), "onFrames")),
        on_failure_(env, read_function(env, property(env, options, "onFailure"), "onFailure")) {
    const std::string name = read_string(env, property(env, options, "interfaceName"), "interfaceName");
    const auto snap_length = static_cast<uint32_t>(
        read_number(env, property(env, options, "snapLength"), "snapLength", 64, kMaxSnapLength));
    capture_ = std::make_unique<Capture>(name, snap_length, [this](Capture::News news) { signal_->raise(news); });
    for (int i = 0; i < 2; i++) expose(env, i);
    signal_ = std::make_unique<Signal>(env, "anteroom capture",
                                       [this](napi_env e, uint32_t news) { hear(e, news); });
    capture_->start();
  }
  ~CaptureBinding() { close(); }

  Capture& capture() noexcept { return *capture_; }

  void close() noexcept {
    if (capture_) capture_->stop();
    if (signal_) signal_->close();
    capture_.reset();
    for (napi_ref& buffer : buffers_) {
      if (buffer != nullptr) napi_delete_reference(env_, buffer);
      buffer = nullptr;
    }
  }

 private:
  void expose(napi_env env, int at) {
    auto owner = std::make_unique<Capture::Buffer>(capture_->buffer(at));
    napi_value array_buffer;
    check(napi_create_external_arraybuffer(
        env, owner->get(), Capture::kBatchBytes,
        [](napi_env, void*, void* hint) { delete static_cast<Capture::Buffer*>(hint); }, owner.get(),
        &array_buffer));
    static_cast<void>(owner.release());
    check(napi_create_reference(env, array_buffer, 1, &buffers_[at]));
  }

  void hear(napi_env env, uint32_t news) {
    if (capture_ && (news & Capture::kFrames) != 0) {
      const Capture::Batch batch = capture_->filled();
      if (batch.buffer >= 0) hand_over(env, batch);
    }
    if (capture_ && (news & Capture::kFailure) != 0) {
      const Capture::Failure failure = capture_->failure();
      const napi_value error = make_error(env, failure.number, failure.call);
      on_failure_(1, &error);
    }
  }

  /** Released whatever the callback did; it may have closed the capture. */
  void hand_over(napi_env env, const Capture::Batch& batch) {
    struct Release {
      CaptureBinding& binding;
      ~Release() {
        if (binding.capture_) binding.capture_->release();
      }
    } release{*this};
    napi_value array_buffer;
    napi_value arguments[2];
    check(napi_get_reference_value(env, buffers_[batch.buffer], &array_buffer));
    check(napi_create_typedarray(env, napi_uint8_array, batch.bytes, array_buffer, 0, &arguments[0]));
    arguments[1] = make_number(env, batch.count);
    on_frames_(2, arguments);
  }

  napi_env env_;
  Callback on_frames_;
  Callback on_failure_;
  napi_ref buffers_[2] = {nullptr, nullptr};
  std::unique_ptr<Signal> signal_;
  std::unique_ptr<Capture> capture_;
};

using CaptureHolder = Holder<CaptureBinding>;

napi_value statistics(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    CaptureBinding* binding = CaptureHolder::of(env, Call(env, info).self()).get();
    if (binding == nullptr) return throw_system(env, EBADF, "capture is closed");
    const PacketRing::Statistics counted = binding->capture().statistics();
    napi_value object;
    check(napi_create_object(env, &object));
    set(env, object, "packets", make_number(env, static_cast<double>(counted.packets)));
    set(env, object, "drops", make_number(env, static_cast<double>(counted.drops)));
    return object;
  });
}

napi_value close_capture(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    CaptureHolder::of(env, Call(env, info).self()).close();
    return nullptr;
  });
}

}  // namespace

napi_value open_capture(napi_env env, napi_callback_info info) {
  return guarded(env, [&] {
    const Call call(env, info);
    auto binding = std::make_unique<CaptureBinding>(env, call[0]);
    napi_value object;
    check(napi_create_object(env, &object));
    method(env, object, "statistics", statistics);
    method(env, object, "close", close_capture);
    CaptureHolder::put(env, object, std::move(binding));
    return object;
  });
}

}  // namespace anteroom::binding
