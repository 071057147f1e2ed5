/**
 * Fuzzes the sensor's stage with capture files: any bytes as a file, in two pieces, into small tables. Batches must be
 * whole records, tables keep their bounds, and everything is given back at the end.
 */
#include <cstdlib>
#include <vector>

#include "net/little_endian.h"
#include "sensor/capture_file.h"
#include "sensor/stage.h"

using namespace anteroom;
using namespace anteroom::sensor;

namespace {

constexpr uint32_t kRows = 8;

void check(const std::vector<uint8_t>& memory, const Batch& batch, Stage& stage) {
  size_t at = 0;
  while (at < batch.size()) {
    const uint8_t kind = memory[at];
    const uint32_t length = load_le32(memory.data() + at + 4);
    if (kind < 1 || kind > 8 || length < 8 || length > batch.size() - at) std::abort();
    if (kind == static_cast<uint8_t>(Record::kFrame)) {
      const uint8_t* record = memory.data() + at;
      const uint64_t kept = load_le32(record + 132);
      if (Batch::kFixed + kept > length || load_le32(record + 60) > kept) std::abort();
      if (uint64_t{load_le32(record + 128)} + (load_le32(record + 128) > 0 ? load_le32(record + 76) : 0) > kept)
        std::abort();
      if (load_le32(record + 68) != kNoRow && load_le32(record + 68) >= kRows) std::abort();
      // Some directions are done at once.
      if (load_le32(record + 44) % 3 == 0) stage.done(load_le32(record + 68), load_le32(record + 72), record[39] & 1);
    }
    at += length;
  }
  if (at != batch.size() || stage.flows().size() > kRows || stage.sightings().size() > kRows) std::abort();
  if (stage.heads().size() > HeadPool::kHeads) std::abort();
  if (stage.pending().bytes() > PendingPool::kAllBytes) std::abort();
  if (stage.fragments().bytes() > FragmentTable::kBytes) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static std::vector<uint8_t> memory(Stage::kBatchBytes);
  Stage stage({kRows, kRows, 0x5eed});
  CaptureFile file(stage);
  const auto drain = [&] {
    for (bool more = true; more;) {
      Batch batch(memory.data(), memory.size());
      more = file.read(batch);
      stage.finish(batch);
      check(memory, batch, stage);
    }
  };
  const size_t half = size / 2;
  file.push(data, half);
  drain();
  file.push(data + half, size - half);
  drain();
  Batch batch(memory.data(), memory.size());
  file.end(batch);
  stage.tell(batch);
  stage.expire(1e300, batch);
  stage.finish(batch);
  check(memory, batch, stage);
  if (stage.flows().size() != 0 || stage.pending().bytes() != 0) std::abort();
  if (stage.heads().size() != 0) std::abort();
  if (stage.fragments().size() != 0 || stage.fragments().bytes() != 0) std::abort();
  return 0;
}
