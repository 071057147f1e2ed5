/**
 * The native stage of the sensor: captured frames in, a batch of what TypeScript must see out. Live captures and
 * capture files take the same way.
 *
 *   frame → decode → sightings → flows → reassembly → batch
 *     ↑        └─ what a tunnel carries and what fragments come to, again, up to kTunnels deep
 *
 * Handed over are: the first frame of a card, and from an address that may be its own; claims of addresses by another
 * card than before; SYNs of a shape that is new of their sender; TCP payload in order until TypeScript says that a
 * direction is done, or kInspected bytes; datagrams and link-layer announcements that may tell something, unless the
 * same was said a while ago. Half a head of HTTP waits for its rest. All else is counted. Of flows that open, that both ends speak in, that end, and every
 * so often of those that brought something, there is a record without a frame.
 *
 * The client of a flow is who sent the SYN; where the start was not seen, who spoke first. A port has answered when
 * a SYN-ACK came from it or, over UDP, when it replied; a UDP reply from a higher port than the question's is taken for
 * the question. Segments without data open no flow. The first copy of a byte wins.
 *
 * Cards that appear faster than people plug them in are invented: past kNewCards they are held back until they are heard
 * again, say something or are answered, and only their number is told.
 *
 * It can't send: it is given bytes and gives bytes. One thread at a time; every table is bounded.
 */
#pragma once

#include <cstddef>
#include <cstdint>

#include "batch.h"
#include "flow_table.h"
#include "fragment_table.h"
#include "frame.h"
#include "head_pool.h"
#include "pending_pool.h"
#include "recent.h"
#include "row_set.h"
#include "sighting_table.h"
#include "tunnel.h"

namespace anteroom::sensor {

class Stage {
 public:
  /** Bytes of one direction that are looked at. Real association requests reach 16.5 KB. */
  static constexpr uint32_t kInspected = 32 * 1024;
  static constexpr double kFlowIdleMillis = 300'000;
  /** New cards that are believed at once, and how many more a second. */
  static constexpr double kNewCards = 512;
  static constexpr double kNewCardsASecond = 4;
  static constexpr int kTunnels = 3;
  /** What one frame may add to a batch at most: see `take`. */
  static constexpr size_t kRoom = 1 << 20;
  /** A batch: kEnough, a frame at its longest, and the tail. */
  static constexpr size_t kBatchBytes = 2 << 20;
  /** A batch that has so much ends: what TypeScript answers to it (`done`) spares much of the next. */
  static constexpr size_t kEnough = 16 * 1024;

  struct Options {
    uint32_t flows = 65'536;
    uint32_t sightings = 32'768;
    /** From a good source of randomness: who knows it can make tables slow. */
    uint64_t seed = 0;
    size_t enough = kEnough;
    /** Hand over every frame, all of it: what it takes to compare the decoder with another. */
    bool all = false;
    /** Hear HTTP and TLS here; without, all payload is handed over: what it takes to compare the reassembly. */
    bool listens = true;
  };
  explicit Stage(const Options& options);

  /** Take a captured frame; `at` is epoch ms. False, and nothing was done, when `batch` is full. */
  bool take(uint32_t link, const uint8_t* bytes, uint32_t length, uint32_t wire_length, double at, Batch& batch);
  /** TypeScript wants no more of a direction. Unknown rows and old generations are passed over. */
  void done(uint32_t row, uint32_t generation, int side) noexcept;
  /** Forget flows silent since `at` minus kFlowIdleMillis. False: more are left, and there was no room. */
  bool expire(double at, Batch& batch);
  /** Tell what flows brought and who was seen, without waiting for the next time. False: more is left. */
  bool tell(Batch& batch);
  /** Weirds and totals since the last time, at the end of a batch that has room for them (kTail). */
  void finish(Batch& batch) noexcept;
  static constexpr size_t kTail = 16 * 1024;
  /** Of a capture file. */
  void weird_at(Weird what, uint64_t offset, Batch& batch) noexcept;

  const FlowTable& flows() const noexcept { return flows_; }
  const SightingTable& sightings() const noexcept { return sightings_; }
  const PendingPool& pending() const noexcept { return pending_; }
  const FragmentTable& fragments() const noexcept { return fragments_waiting_; }
  const HeadPool& heads() const noexcept { return heads_; }
  bool full(const Batch& batch) const noexcept { return batch.size() >= enough_ || batch.left() < kRoom + kTail; }

 private:
  struct Part;
  void observe(const Frame& frame, uint32_t wire_length, double at, Batch& batch);
  bool join(const Frame& frame, double at, const uint8_t*& bytes, uint32_t& length, Batch& batch);
  void see(const Frame& frame, uint32_t wire_length, double at, Part& part, Batch& batch);
  bool believe(double at) noexcept;
  uint64_t claim_of(uint64_t address, uint64_t mac) const noexcept;
  bool is_news(uint64_t print, double at, double millis, const Part& part) noexcept;
  void arp(const Frame& frame, double at, Part& part);
  void datagram(const Frame& frame, double at, Part& part);
  void flow(const Frame& frame, double at, Part& part, Batch& batch);
  void tcp(Flow& flow, const Frame& frame, double at, Part& part, Batch& batch);
  bool listen(Flow& flow, const Frame& frame, double at, Part& part, Batch& batch);
  /** Not to be read here; nothing new; news; nothing new, and nothing more is wanted; news, and the last; it goes on. */
  enum class Heard { kUnread, kNothing, kNews, kEnough, kLastNews, kOpen };
  Heard hear(Flow& flow, Padded chunk, double at, const Part& part, uint32_t& needless) noexcept;
  Heard http(Flow& flow, Padded chunk, double at, const Part& part, uint32_t& needless) noexcept;
  Heard tls(Flow& flow, Padded chunk, double at, const Part& part) noexcept;
  bool hold(const Frame& frame, double at, const Part& part, uint32_t needless, Batch& batch) noexcept;
  void hand_over(HeadPool::Head& head, Batch& batch) noexcept;
  void hand_over_heads(uint32_t row, Batch& batch) noexcept;
  void hand_over_old_heads(double at, Batch& batch) noexcept;
  bool is_own(const Part& part) const noexcept;
  bool is_news_at(uint16_t port, uint64_t kind, uint64_t print, double at, const Part& part) noexcept;
  uint32_t open(const Frame& frame, double at, Batch& batch, int& side);
  void drain(const Part& part, double at, Batch& batch);
  void end(Flow& flow, int side) noexcept;
  void remove(uint32_t row, Batch& batch);
  void unhold(const Flow& flow, int side) noexcept;
  bool tell_flows(bool all, Batch& batch);
  bool tell_sightings(Batch& batch);
  void tell_flow(uint32_t row, uint8_t news, double at, Batch& batch) noexcept;
  void tell_sighting(uint32_t row, Batch& batch) noexcept;
  uint8_t flow_bits(const Flow& flow, int side) const noexcept;
  void write(const Frame& frame, const Part& part, double at, Batch& batch) noexcept;

  const uint64_t seed_;
  const size_t enough_;
  const bool all_;
  const bool listens_;
  FlowTable flows_;
  SightingTable sightings_;
  PendingPool pending_;
  FragmentTable fragments_waiting_;
  HeadPool heads_;
  /** What was said, and who claims what. */
  Recent said_;
  Latest claims_;
  /** Cards that were seen. */
  Latest cards_;
  double credit_ = kNewCards;
  double credited_ = 0;
  uint32_t held_ = 0;
  uint64_t evicted_flows_ = 0;
  uint64_t evicted_sightings_ = 0;
  /** Flows that weren't told of since they began, those that brought something since they were, and who was seen. */
  RowSet new_flows_;
  RowSet brought_;
  RowSet seen_;
  double swept_ = 0;
  bool expiring_ = false;
  bool telling_flows_ = false;
  bool telling_sightings_ = false;
  uint32_t told_flows_ = 0;
  /** Of the times that flows are told of, which this is. */
  uint32_t round_ = 0;
  uint32_t told_sightings_ = 0;
  uint64_t frames_ = 0;
  uint64_t bytes_ = 0;
  uint64_t fragments_ = 0;
  uint32_t weirds_[kWeirds] = {};
  bool odd_ = false;
};

}  // namespace anteroom::sensor
