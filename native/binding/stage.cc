/**
 * `openStage`: frames and pieces of capture files in, batches out. The stage itself is sensor/stage.h's.
 *
 * The batch is shown to JavaScript as it is, without a copy, and is overwritten by the next call. Unlike a capture a
 * stage holds nothing but memory, so it may be collected.
 */
#include "stage.h"

#include <sys/random.h>

#include <cmath>
#include <memory>

#include "../sensor/capture_file.h"
#include "value.h"

namespace anteroom::binding {

namespace {

constexpr napi_type_tag kTag = {0x616e7465726f6f6d, 0x73746167652e2e2e};
constexpr double kMostRows = 1 << 22;
/** Roughly what a stage takes when it is used: for the collector. */
constexpr int64_t kWeight = 1 << 15;
constexpr size_t kRecordHeader = 16;
using Memory = std::shared_ptr<uint8_t[]>;

struct Held {
  explicit Held(const sensor::Stage::Options& options)
      : stage(options), file(stage), memory(new uint8_t[sensor::Stage::kBatchBytes]) {}
  sensor::Stage stage;
  sensor::CaptureFile file;
  Memory memory;
  bool file_over = false;
  /** The file is over, and not all is told of what it brought. */
  bool telling = false;
  size_t walked = 0;
  sensor::Batch batch() const { return {memory.get(), sensor::Stage::kBatchBytes}; }
};

Held& held(napi_env env, const Call& call) {
  bool ours = false;
  void* found = nullptr;
  if (napi_check_object_type_tag(env, call.self(), &kTag, &ours) != napi_ok || !ours ||
      napi_unwrap(env, call.self(), &found) != napi_ok) {
    throw ArgumentError{"called on another object"};
  }
  return *static_cast<Held*>(found);
}

/** Epoch ms, with a fraction. */
double read_time(napi_env env, napi_value value) {
  double time = 0;
  if (napi_get_value_double(env, value, &time) != napi_ok || !(std::abs(time) <= 1e16)) {
    throw ArgumentError{"at: must be a time"};
  }
  return time;
}

napi_value size_of(napi_env env, const sensor::Batch& batch) {
  return make_number(env, static_cast<double>(batch.size()));
}

/** frame(link, bytes, wireLength, at): length of the batch. */
napi_value frame(napi_env env, napi_callback_info info) {
  return guarded(env, [&] {
    const Call call(env, info);
    Held& it = held(env, call);
    const uint32_t link = read_u32(env, call[0], "link");
    const Bytes bytes = read_bytes(env, call[1], "bytes");
    const auto wire_length = static_cast<uint32_t>(read_number(env, call[2], "wireLength", 0, UINT32_MAX));
    const double at = read_time(env, call[3]);
    if (bytes.length > sensor::Stage::kRoom / 4) throw ArgumentError{"bytes: longer than a captured frame"};
    sensor::Batch batch = it.batch();
    it.stage.take(link, bytes.data, static_cast<uint32_t>(bytes.length), wire_length, at, batch);
    it.stage.finish(batch);
    return size_of(env, batch);
  });
}

/**
 * walk(records, from): take the frames of a capture's batch (net/packet_ring.h) from that offset on; length of the
 * batch. `walked()` is then the offset to go on from, the length of `records` when all were taken.
 */
napi_value walk(napi_env env, napi_callback_info info) {
  return guarded(env, [&] {
    const Call call(env, info);
    Held& it = held(env, call);
    const Bytes records = read_bytes(env, call[0], "records");
    size_t at = read_u32(env, call[1], "from");
    sensor::Batch batch = it.batch();
    while (records.length >= at + kRecordHeader) {
      const uint8_t* record = records.data + at;
      const uint32_t kept = load_le32(record);
      if (kept > records.length - at - kRecordHeader) break;
      double when;
      const uint64_t bits = load_le64(record + 8);
      std::memcpy(&when, &bits, sizeof when);
      if (!it.stage.take(sensor::link::kEthernet, record + kRecordHeader, kept, load_le32(record + 4), when, batch)) {
        it.walked = at;
        it.stage.finish(batch);
        return size_of(env, batch);
      }
      at += kRecordHeader + ((size_t{kept} + 7) & ~size_t{7});
    }
    it.walked = records.length;
    it.stage.finish(batch);
    return size_of(env, batch);
  });
}

napi_value walked(napi_env env, napi_callback_info info) {
  return guarded(env, [&] {
    const Call call(env, info);
    return make_number(env, static_cast<double>(held(env, call).walked));
  });
}

napi_value push(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    const Call call(env, info);
    const Bytes bytes = read_bytes(env, call[0], "bytes");
    held(env, call).file.push(bytes.data, bytes.length);
    return nullptr;
  });
}

/** end(): the file is over; `next` tells the rest. */
napi_value end(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    const Call call(env, info);
    held(env, call).file_over = true;
    return nullptr;
  });
}

/** next(): length of the next batch, 0 when there is none before more is pushed. */
napi_value next(napi_env env, napi_callback_info info) {
  return guarded(env, [&] {
    const Call call(env, info);
    Held& it = held(env, call);
    sensor::Batch batch = it.batch();
    const bool more = it.file.read(batch);
    if (!more && it.file_over) {
      it.file_over = false;
      it.telling = true;
      it.file.end(batch);
    }
    if (!more && it.telling) it.telling = !it.stage.tell(batch);
    if (batch.size() > 0 || more) it.stage.finish(batch);
    return size_of(env, batch);
  });
}

/** expire(at): length of a batch, 0 when there is nothing more to forget. */
napi_value expire(napi_env env, napi_callback_info info) {
  return guarded(env, [&] {
    const Call call(env, info);
    Held& it = held(env, call);
    const double at = read_time(env, call[0]);
    sensor::Batch batch = it.batch();
    it.stage.expire(at, batch);
    if (batch.size() > 0) it.stage.finish(batch);
    return size_of(env, batch);
  });
}

/** tell(): length of a batch of what flows brought and who was seen, 0 when there is nothing more to tell. */
napi_value tell(napi_env env, napi_callback_info info) {
  return guarded(env, [&] {
    const Call call(env, info);
    Held& it = held(env, call);
    sensor::Batch batch = it.batch();
    it.stage.tell(batch);
    if (batch.size() > 0) it.stage.finish(batch);
    return size_of(env, batch);
  });
}

/** done(list): pairs {u32 row, u32 generation * 2 + side} in native byte order. */
napi_value done(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    const Call call(env, info);
    Held& it = held(env, call);
    const Bytes list = read_bytes(env, call[0], "list");
    for (size_t at = 0; at + 8 <= list.length; at += 8) {
      const uint32_t mark = load_le32(list.data + at + 4);
      it.stage.done(load_le32(list.data + at), mark >> 1, mark & 1);
    }
    return nullptr;
  });
}

napi_value expose(napi_env env, const Memory& memory) {
  auto owner = std::make_unique<Memory>(memory);
  napi_value buffer;
  napi_value bytes;
  check(napi_create_external_arraybuffer(
      env, owner->get(), sensor::Stage::kBatchBytes,
      [](napi_env, void*, void* hint) { delete static_cast<Memory*>(hint); }, owner.get(), &buffer));
  static_cast<void>(owner.release());
  check(napi_create_typedarray(env, napi_uint8_array, sensor::Stage::kBatchBytes, buffer, 0, &bytes));
  return bytes;
}

}  // namespace

sensor::Stage::Options read_stage_options(napi_env env, napi_value options) {
  sensor::Stage::Options read;
  const auto rows = [&](const char* name, uint32_t otherwise) {
    const napi_value value = property(env, options, name);
    return is_undefined(env, value) ? otherwise : static_cast<uint32_t>(read_number(env, value, name, 1, kMostRows));
  };
  read.flows = rows("flows", read.flows);
  read.sightings = rows("sightings", read.sightings);
  const napi_value all = property(env, options, "all");
  read.all = !is_undefined(env, all) && read_bool(env, all, "all");
  const napi_value listens = property(env, options, "listens");
  read.listens = is_undefined(env, listens) || read_bool(env, listens, "listens");
  if (::getrandom(&read.seed, sizeof read.seed, 0) != sizeof read.seed) throw ArgumentError{"no randomness"};
  return read;
}

napi_value make_weird_names(napi_env env) {
  napi_value names;
  check(napi_create_array(env, &names));
  for (uint32_t i = 0; i < sensor::kWeirds; i++) {
    napi_value name;
    check(napi_create_string_utf8(env, sensor::kWeirdNames[i], NAPI_AUTO_LENGTH, &name));
    check(napi_set_element(env, names, i, name));
  }
  return names;
}

napi_value open_stage(napi_env env, napi_callback_info info) {
  return guarded(env, [&] {
    const Call call(env, info);
    auto made = std::make_unique<Held>(read_stage_options(env, call[0]));
    napi_value object;
    check(napi_create_object(env, &object));
    method(env, object, "frame", frame);
    method(env, object, "walk", walk);
    method(env, object, "walked", walked);
    method(env, object, "push", push);
    method(env, object, "end", end);
    method(env, object, "next", next);
    method(env, object, "expire", expire);
    method(env, object, "tell", tell);
    method(env, object, "done", done);
    set(env, object, "batch", expose(env, made->memory));
    check(napi_type_tag_object(env, object, &kTag));
    check(napi_wrap(
        env, object, made.get(),
        [](napi_env e, void* data, void*) {
          int64_t now;
          napi_adjust_external_memory(e, -kWeight, &now);
          delete static_cast<Held*>(data);
        },
        nullptr, nullptr));
    static_cast<void>(made.release());
    int64_t now;
    napi_adjust_external_memory(env, kWeight, &now);
    return object;
  });
}

}  // namespace anteroom::binding
