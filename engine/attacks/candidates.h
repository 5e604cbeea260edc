#ifndef ADV_ENGINE_ATTACKS_CANDIDATES_H_
#define ADV_ENGINE_ATTACKS_CANDIDATES_H_

#include <ATen/core/Tensor.h>

#include "engine/attacks/attack_run.h"

namespace adv {

// What a run of an attack found for the images of a batch with which it began.
// Runs leave out images on the way. They then tell by `result_rows` [K] int64
// which of these M entries the images that are left belong to.
struct Candidates {
  at::Tensor rows;        // [M] int64, which images of the batch
  at::Tensor images;      // [M, channels, height, width]
  at::Tensor logits;      // [M, classes], the target's, of `images`
  at::Tensor iterations;  // [M] int64, the first iterate that fooled, or -1
  at::Tensor fooled;      // [M] bool, by `images`; see Attack::Judge
  at::Tensor objective;   // [M] float32: among failures the largest is worst
};

// Ends the run of the images at `result_rows` with these images and the
// target's logits of them. If these are all images of the run, `found` shares
// the tensors.
void FinishAt(const at::Tensor& result_rows, const at::Tensor& images,
              const at::Tensor& logits, Candidates& found);

// Notes that iterate `n` of the images at `result_rows` fooled. The first such
// iterate counts.
void NoteFooled(const at::Tensor& result_rows, int64_t n, Candidates& found);

// Returns the clean images as a run of no steps. Any other run beats its
// failures. `fooled` [N] bool belongs to `logits`, the target's.
Candidates CleanCandidates(const at::Tensor& images, const at::Tensor& logits,
                           const at::Tensor& fooled);

// The classes of each row [M, classes], in falling order of their logits, the
// class in `classes` [M] last. Equal logits keep the classes' order.
at::Tensor OthersByLogit(const at::Tensor& logits, const at::Tensor& classes);

// For each image of a batch, the worst (for the defender) that several runs
// found: the first success, or without one the largest objective. Not
// thread-safe.
class WorstOf {
 public:
  // Holds nothing yet, for `count` images.
  explicit WorstOf(int64_t count) : count_(count) {}

  // Adds candidates for some of the images; `found.rows` names none twice.
  // Returns the rows [K] int64 of the images whose worst they are now.
  at::Tensor Add(const Candidates& found);
  // [K] int64: the rows of the images for which no candidate fools yet; before
  // the first Add, of all.
  at::Tensor RowsToAttack(at::Device device) const;
  // Writes images, logits and iterations of the `count` images from `first` on.
  // The tensors share memory with this object. Every image must have been
  // added.
  void WriteTo(AttackResult& result, int64_t first, int64_t count) const;
  void WriteTo(AttackResult& result) const { WriteTo(result, 0, count_); }

 private:
  int64_t count_;
  Candidates best_;  // of all images, in order; undefined before the first Add
  at::Tensor seen_;  // [count] bool: which were added
};

}  // namespace adv

#endif  // ADV_ENGINE_ATTACKS_CANDIDATES_H_
