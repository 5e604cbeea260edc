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

// An attack that looks for the nearest fooling image instead of the worst one
// in a ball. It runs once; what it found is then compared with every epsilon:
// an image that lies within it is the result, else the original is. What the
// search cost is charged to the first epsilon.
//
// 8-bit results: the image found is rounded to the lattice and, where that no
// longer fools, moved away from the original by steps, up to twice the
// distance, until it does. (Rounding toward the original, as Ball::Snap does,
// would undo most of them: they lie just across the boundary.)
class MinimisingAttack : public Attack {
 protected:
  absl::StatusOr<std::vector<AttackResult>> Perturb(
      Pass& pass, const AttackBatch& batch,
      const RunOptions& options) const final;

 private:
  // `options.epsilons` may help to choose parameters of the search, never to
  // give up what is farther. Goes by Pass::Gradient and Pass::Scores alone,
  // the source's view. An image that fools already is its own nearest.
  virtual absl::StatusOr<Nearest> FindNearest(
      Pass& pass, const AttackBatch& batch,
      const RunOptions& options) const = 0;

  absl::Status MoveToLattice(Pass& pass, const AttackBatch& batch,
                             Nearest& nearest) const;
};

// [N] double: the size of each of N perturbations.
at::Tensor SizesOf(const at::Tensor& perturbations, Norm norm);

}  // namespace adv

#endif  // ADV_ENGINE_ATTACKS_MINIMISING_H_
