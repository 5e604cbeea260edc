#ifndef ADV_ENGINE_ATTACKS_MINIMISING_H_
#define ADV_ENGINE_ATTACKS_MINIMISING_H_

#include <ATen/core/Tensor.h>
#include <absl/status/statusor.h>

#include <vector>

#include "engine/attacks/attack.h"

namespace adv {

// The nearest fooling images that an attack found for a batch of N.
struct Nearest {
  at::Tensor images;  // [N, channels, height, width] in the box
  at::Tensor logits;  // [N, classes], the source's, of `images`
  at::Tensor found;   // [N] bool: `images` fools the source
  // [N] int64, the attack's steps to it; 0: the original itself.
  at::Tensor iterations;
};

// Keeps the nearest of the fooling images that a search finds. Not thread-safe.
class NearestSoFar {
 public:
  // `start` is known before the search (MinimisingAttack::AtOriginals). This
  // object writes to its tensors.
  NearestSoFar(Nearest start, const at::Tensor& originals, Norm norm);

  // Takes those of the images at `rows` [M] that `fooled` [M] marks and that
  // are nearer than the nearest so far. `logits` are the source's. The search
  // reached the images after `iteration` steps.
  void Offer(const at::Tensor& rows, const at::Tensor& images,
             const at::Tensor& logits, const at::Tensor& fooled,
             int64_t iteration);

  // The same for what another search found: entry k [M] is about the image at
  // rows[k], and of equally near images the earlier stays.
  void Offer(const at::Tensor& rows, const Nearest& found);

  // [K] int64: the rows of the images for which nothing was found.
  at::Tensor RowsToAttack() const;
  // [N] double: the distances of the nearest images; infinite where there is
  // none.
  const at::Tensor& sizes() const { return sizes_; }
  const Nearest& nearest() const { return nearest_; }

 private:
  const at::Tensor originals_;
  const Norm norm_;
  Nearest nearest_;
  at::Tensor sizes_;
};

// An attack that looks for the nearest fooling image instead of the worst one
// in a ball. It runs once and compares what it found with every epsilon: the
// image found is the result if it lies within epsilon, else the original is. So
// both success rules give the same. The first epsilon is charged with the cost
// of the search and, with a source of its own, with the target's one look at
// the images found.
//
// 8-bit results: the image found is rounded to the lattice. If it no longer
// fools there, it is moved away from the original by steps, up to twice the
// distance, or rounded away from it, until it does. (Ball::Snap rounds toward
// the original and would undo most of these images, as they lie just across the
// boundary.)
class MinimisingAttack : public Attack {
 public:
  using Attack::Attack;

 protected:
  // The largest number of queries that 8-bit results cost an image after the
  // search.
  static constexpr int64_t kLatticeQueries = 9;

  absl::StatusOr<std::vector<AttackResult>> Perturb(
      AttackedModel& model, const AttackBatch& batch,
      const RunOptions& options) const final;

  // The originals that fool the source already, each as its own nearest image.
  // This costs as much as the clean logits cost: with a source of its own, a
  // forward.
  static absl::StatusOr<Nearest> AtOriginals(AttackedModel& model,
                                             const AttackBatch& batch);

 private:
  // Finds the nearest fooling images in the source's view: it asks
  // AttackedModel::Gradient and AttackedModel::Scores alone. `options.epsilons`
  // may help to choose parameters of the search, but an image farther away than
  // all of them still counts. An image that fools already is its own nearest.
  virtual absl::StatusOr<Nearest> FindNearest(
      AttackedModel& model, const AttackBatch& batch,
      const RunOptions& options) const = 0;

  static absl::Status MoveToLattice(AttackedModel& model,
                                    const AttackBatch& batch, Norm norm,
                                    Nearest& nearest);
};

// [N] double: the size of each of N perturbations.
at::Tensor SizesOf(const at::Tensor& perturbations, Norm norm);

}  // namespace adv

#endif  // ADV_ENGINE_ATTACKS_MINIMISING_H_
