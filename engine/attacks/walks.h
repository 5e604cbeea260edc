#ifndef ADV_ENGINE_ATTACKS_WALKS_H_
#define ADV_ENGINE_ATTACKS_WALKS_H_

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "engine/attacks/ball.h"

namespace adv {

// The active walks of a SteppingAttack, side by side in the slots of a tile. A
// walk is that of one image at one epsilon. Each has an entry in every tensor.
struct Walks {
  // [M] int64: which images of the batch that has all N images once for each
  // epsilon (AttackedModel::Repeated). Image i at epsilon e is row e N + i.
  at::Tensor rows;
  at::Tensor images;  // [M, channels, height, width], written in place
  Ball ball;
  at::Tensor step_sizes;  // [M] double
  at::Tensor remaining;   // [M] int64, steps
  at::Tensor taken;       // [M] int64, steps
  at::Tensor fooled_at;   // [M] int64, the first iterate that fooled, or -1
  // As `images`, for an attack that climbs an average of gradients. Undefined
  // until the first step, which is the clean one.
  at::Tensor momentum = {};

  // The walks at the positions `chosen` [K] int64, in rising order.
  Walks Select(const at::Tensor& chosen) const;
  void Keep(const at::Tensor& kept) { *this = Select(kept); }
  // These walks followed by those of `other`.
  Walks Join(const Walks& other) const;
};

// Walks that have taken all their steps and wait for a verdict on the last
// image.
struct Arrived {
  at::Tensor rows;       // [M] int64, as of Walks
  at::Tensor images;     // [M, channels, height, width], as a network sees them
  at::Tensor steps;      // [M] int64, that were taken
  at::Tensor fooled_at;  // [M] int64, as of Walks

  int64_t size() const { return rows.defined() ? rows.size(0) : 0; }
  void Add(const Arrived& more);
  // Removes the first `count`, or all if there are fewer.
  Arrived TakeFirst(int64_t count);
};

}  // namespace adv

#endif  // ADV_ENGINE_ATTACKS_WALKS_H_
