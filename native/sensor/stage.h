/**
 * The native stage of the sensor: captured frames in, a batch of what TypeScript must see out. Live captures and
 * capture files take the same way.
 *
 *   frame → decode → sightings → flows → reassembly → batch
 *     ↑        └─ what a tunnel carries, again, up to kTunnels deep
 *
 * Handed over are: the first frame of a card from an address, of a flow, and one a second of each; claims of
 * addresses; SYNs and RSTs; TCP payload in order until TypeScript says that a direction is done, or kInspected bytes;
 * the first datagrams of each side of a flow and every one that may tell something; link-layer announcements. All
 * else is counted, and the counts travel with the next record of the flow or host.
 *
 * The client of a flow is who sent the SYN; where the start was not seen, who spoke first. A port has answered when
 * a SYN-ACK came from it or, over UDP, when it replied; a UDP reply from a higher port than the question's is taken for
 * the question. Segments without data open no flow. The first copy of a byte wins.
 *
 * It can't send: it is given bytes and gives bytes. One thread at a time; every table is bounded.
 */
#pragma once

#include <cstddef>
#include <cstdint>

#include "batch.h"
#include "flow_table.h"
#include "frame.h"
#include "pending_pool.h"
#include "sighting_table.h"

namespace anteroom::sensor {

class Stage {
 public:
  /** Bytes of one direction that are looked at. Real association requests reach 16.5 KB. */
  static constexpr uint32_t kInspected = 32 * 1024;
  static constexpr double kFlowIdleMillis = 300'000;
  /** How often a flow or a sighting that goes on is told. */
  static constexpr double kTellMillis = 1000;
  static constexpr int kTunnels = 3;
  /** What one frame may add to a batch at most: see `take`. */
  static constexpr size_t kRoom = 1 << 20;
  /** A batch: some frames at their longest, and the tail. */
  static constexpr size_t kBatchBytes = 4 << 20;

  struct Options {
    uint32_t flows = 65'536;
    uint32_t sightings = 32'768;
    /** From a good source of randomness: who knows it can make tables slow. */
    uint64_t seed = 0;
  };
  explicit Stage(const Options& options);

  /** Take a captured frame; `at` is epoch ms. False, and nothing was done, when `batch` has less than kRoom left. */
  bool take(uint32_t link, const uint8_t* bytes, uint32_t length, uint32_t wire_length, double at, Batch& batch);
  /** TypeScript wants no more of a direction. Unknown rows and old generations are passed over. */
  void done(uint32_t row, uint32_t generation, int side) noexcept;
  /** Forget flows silent since `at` minus kFlowIdleMillis. False: more are left, and there was no room. */
  bool expire(double at, Batch& batch);
  /** Tell counts of who was seen. False: more are left. */
  bool tell_sightings(Batch& batch);
  /** Weirds and totals since the last time, at the end of a batch that has room for them (kTail). */
  void finish(Batch& batch) noexcept;
  static constexpr size_t kTail = 16 * 1024;
  /** Of a capture file. */
  void weird_at(Weird what, uint64_t offset, Batch& batch) noexcept;

  const FlowTable& flows() const noexcept { return flows_; }
  const SightingTable& sightings() const noexcept { return sightings_; }
  const PendingPool& pending() const noexcept { return pending_; }

 private:
  struct Part;
  void observe(const Frame& frame, uint32_t wire_length, double at, Batch& batch);
  bool see(const Frame& frame, uint32_t wire_length, double at, Batch& batch);
  void flow(const Frame& frame, double at, Part& part, Batch& batch);
  void tcp(Flow& flow, uint32_t row, const Frame& frame, Part& part);
  void udp(Flow& flow, const Frame& frame, Part& part);
  uint32_t open(const Frame& frame, double at, Batch& batch, int& side);
  void drain(const Part& part, double at, Batch& batch);
  void end(Flow& flow, int side) noexcept;
  void remove(uint32_t row, Batch& batch);
  void tell_sighting(Sighting& sighting, Batch& batch) noexcept;
  void write(const Frame& frame, const Part& part, double at, Batch& batch) noexcept;

  FlowTable flows_;
  SightingTable sightings_;
  PendingPool pending_;
  uint64_t evicted_flows_ = 0;
  uint64_t evicted_sightings_ = 0;
  double swept_ = 0;
  bool expiring_ = false;
  bool telling_ = false;
  uint32_t told_ = 0;
  uint64_t frames_ = 0;
  uint64_t bytes_ = 0;
  uint64_t fragments_ = 0;
  uint32_t weirds_[kWeirds] = {};
  bool odd_ = false;
};

}  // namespace anteroom::sensor
