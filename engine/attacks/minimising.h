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

// Keeps the nearest of the fooling images that a search comes by. Not
// thread-safe.
class NearestSoFar {
 public:
  // `start` is what is known before the search (MinimisingAttack::AtOriginals);
  // its tensors are written to.
  NearestSoFar(Nearest start, const at::Tensor& originals, Norm norm);

  // Of the images at `rows` [M], takes those that `fooled` [M] marks and that
  // are nearer than what was there. `logits` are the source's; they were
  // reached after `iteration` steps.
  void Offer(const at::Tensor& rows, const at::Tensor& images,
             const at::Tensor& logits, const at::Tensor& fooled,
             int64_t iteration);

  // [K] int64: what nothing was found for.
  at::Tensor Missing() const;
  // [N] double: how far the nearest is; infinite where there is none.
  const at::Tensor& sizes() const { return sizes_; }
  const Nearest& nearest() const { return nearest_; }

 private:
  const at::Tensor originals_;
  const Norm norm_;
  Nearest nearest_;
  at::Tensor sizes_;
};

// An attack that looks for the nearest fooling image instead of the worst one
// in a ball. It runs once; what it found is then compared with every epsilon:
// an image that lies within it is the result, else the original is. So both
// success rules give the same. What the search cost, and with a source of its
// own the target's one look at what was found, is charged to the first epsilon.
//
// 8-bit results: the image found is rounded to the lattice and, where that no
// longer fools, moved away from the original by steps, up to twice the
// distance, or rounded away from it, until it does. (Rounding toward the
// original, as Ball::Snap does, would undo most of them: they lie just across
// the boundary.)
class MinimisingAttack : public Attack {
 public:
  using Attack::Attack;

 protected:
  // The most queries that 8-bit results cost an image after the search.
  static constexpr int64_t kLatticeQueries = 9;

  absl::StatusOr<std::vector<AttackResult>> Perturb(
      AttackedModel& model, const AttackBatch& batch,
      const RunOptions& options) const final;

  // The originals as far as they fool the source already, so that each is its
  // own nearest. Costs what the clean logits cost: with a source of its own, a
  // forward.
  static absl::StatusOr<Nearest> AtOriginals(AttackedModel& model,
                                             const AttackBatch& batch);

 private:
  // `options.epsilons` may help to choose parameters of the search, never to
  // give up what is farther. Goes by AttackedModel::Gradient and
  // AttackedModel::Scores alone, the source's view. An image that fools already
  // is its own nearest.
  virtual absl::StatusOr<Nearest> FindNearest(
      AttackedModel& model, const AttackBatch& batch,
      const RunOptions& options) const = 0;

  absl::Status MoveToLattice(AttackedModel& model, const AttackBatch& batch,
                             Norm norm, Nearest& nearest) const;
};

// [N] double: the size of each of N perturbations.
at::Tensor SizesOf(const at::Tensor& perturbations, Norm norm);

}  // namespace adv

#endif  // ADV_ENGINE_ATTACKS_MINIMISING_H_
