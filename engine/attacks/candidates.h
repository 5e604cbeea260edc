#ifndef ADV_ENGINE_ATTACKS_CANDIDATES_H_
#define ADV_ENGINE_ATTACKS_CANDIDATES_H_

#include <ATen/core/Tensor.h>

#include "engine/attacks/attack_run.h"

namespace adv {

// What a run of an attack found for some images of a batch.
struct Candidates {
  at::Tensor rows;        // [M] int64, which images of the batch
  at::Tensor images;      // [M, channels, height, width]
  at::Tensor logits;      // [M, classes], the target's, of `images`
  at::Tensor iterations;  // [M] int64, the first iterate that fooled, or -1
  at::Tensor fooled;      // [M] bool, by `images`; see Attack::Judge
  at::Tensor objective;   // [M] float32: among failures the largest is worst
};

// The images at `places` of the run end here: with these images and the
// target's logits of them, which are shared if they are all.
void FinishAt(const at::Tensor& places, const at::Tensor& images,
              const at::Tensor& logits, Candidates& found);

// Iterate `n` of the images at `places` fooled; the first one counts.
void NoteFooled(const at::Tensor& places, int64_t n, Candidates& found);

// The clean images as a run of no steps, whose failures any other run beats.
// `fooled` [N] bool is that of `logits`, the target's.
Candidates CleanCandidates(const at::Tensor& images, const at::Tensor& logits,
                           const at::Tensor& fooled);

// The classes of each row [M, classes]: those with larger logits first, of
// equal ones the first, and the one in `classes` [M] last.
at::Tensor OthersByLogit(const at::Tensor& logits, const at::Tensor& classes);

// The worst (for the defender) that several runs found for each image of a
// batch: the first success, or else the largest objective. Not thread-safe.
class WorstOf {
 public:
  // Nothing yet, for `count` images.
  explicit WorstOf(int64_t count) : count_(count) {}

  // Of some of the images, none twice.
  void Add(const Candidates& found);
  // [K] int64: the images that nothing has fooled yet; all before the first
  // Add.
  at::Tensor Standing(at::Device device) const;
  // Writes images, logits and iterations of the `count` images from `first` on,
  // which share memory. Every image must have been added.
  void WriteTo(AttackResult& result, int64_t first, int64_t count) const;
  void WriteTo(AttackResult& result) const { WriteTo(result, 0, count_); }

 private:
  int64_t count_;
  Candidates best_;  // of all images, in order; undefined before the first Add
  at::Tensor seen_;  // [count] bool: which were added
};

}  // namespace adv

#endif  // ADV_ENGINE_ATTACKS_CANDIDATES_H_
