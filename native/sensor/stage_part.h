/**
 * What the stage has found out about the frame at hand: between its reading (stage.cc) and its telling (stage_tell.cc).
 */
#pragma once

#include "stage.h"

namespace anteroom::sensor {

/** What one frame means for its sender and its flow, and whether it is to be handed over. */
struct Stage::Part {
  bool pass = false;
  /** The payload too. */
  bool payload = false;
  /** Who sent it: kNoRow for a group's address. */
  uint32_t sender = kNoRow;
  /** Hash of its flow, where it is of one; the flow's row. */
  uint64_t flow = 0;
  uint32_t row = kNoRow;
  int side = 0;
  uint8_t news = 0;
  uint32_t chunk = 0;
  uint32_t chunk_length = 0;
  /** Segments that waited for this one are due. */
  bool drain = false;
  bool ended = false;
  End why = End::kInspected;
};

}  // namespace anteroom::sensor
