/**
 * Capture files read as a stream into the stage: pcap (both byte orders, micro- and nanoseconds) and pcapng (section
 * header, interface description with if_tsresol and if_tsoffset, enhanced and simple packets; other blocks are
 * passed over). draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng.
 *
 *   pcap    magic 4 · version 2+2 · reserved 8 · snap length 4 · link type 4
 *           record: seconds 4 · fraction 4 · captured 4 · on the wire 4 · bytes
 *   pcapng  block: type 4 · length 4 · body, padded to 4 · length 4
 *           SHB body: magic 4 · version 2+2 · section length 8 · options
 *           IDB body: link type 2 · reserved 2 · snap length 4 · options
 *           EPB body: interface 4 · time high 4 · time low 4 · captured 4 · on the wire 4 · bytes · options
 *           SPB body: on the wire 4 · bytes
 *
 * What can't be read is a weird with its file offset. After a bad length there is no way to find the next record, so
 * the reader stops there; packets before it stand. A skipped block is never buffered.
 */
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "batch.h"
#include "stage.h"

namespace anteroom::sensor {

class CaptureFile {
 public:
  explicit CaptureFile(Stage& stage) : stage_(stage) {}

  /** Take the next piece of the file, of any size, after `read` has said that it wants more. */
  void push(const uint8_t* bytes, size_t length);
  /** Read what there is. True when the batch is full and there may be more. */
  bool read(Batch& batch);
  /** The file is over: a record that isn't whole is a weird. The next `push` begins another file. */
  void end(Batch& batch);

 private:
  enum class Format { kUnknown, kPcap, kPcapng, kStopped };
  struct Interface {
    uint32_t link;
    uint32_t snap_length;
    double units_per_milli;
    double offset_millis;
  };
  /** `kFull`: the batch has no room for it. */
  static constexpr size_t kMore = 0, kFull = SIZE_MAX;

  size_t one(size_t at, Batch& batch);
  size_t file_header(size_t at, size_t have, Batch& batch);
  size_t record(size_t at, size_t have, Batch& batch);
  size_t block(size_t at, size_t have, Batch& batch);
  size_t section(size_t at, size_t have, Batch& batch);
  void interface(size_t at, size_t end, Batch& batch);
  bool enhanced(size_t at, size_t end, Batch& batch);
  bool simple(size_t at, size_t end, Batch& batch);
  bool packet(uint32_t link, size_t start, uint32_t length, uint32_t wire_length, double at, Batch& batch);
  size_t stop(Weird what, uint64_t offset, Batch& batch);
  uint16_t u16(size_t at) const noexcept;
  uint32_t u32(size_t at) const noexcept;

  Stage& stage_;
  Format format_ = Format::kUnknown;
  bool little_ = true;
  bool section_little_ = true;
  std::vector<uint8_t> buffer_;
  /** Of the buffer, read; and the file offset of the buffer's first byte. */
  size_t read_ = 0;
  uint64_t offset_ = 0;
  uint64_t skip_ = 0;
  uint32_t link_ = 0;
  double units_per_milli_ = 1000;
  std::vector<Interface> interfaces_;
};

}  // namespace anteroom::sensor
