#ifndef ADV_ENGINE_ATTACKS_PERTURBATIONS_H_
#define ADV_ENGINE_ATTACKS_PERTURBATIONS_H_

#include <ATen/core/Tensor.h>

#include "engine/attacks/random.h"
#include "engine/attacks/threat_model.h"

namespace adv {

// Perturbations of unit size, to be scaled by a step or an epsilon.

// The direction along which a loss with this gradient [M, channels, height,
// width] rises the fastest: the gradient's sign, with sign(0) = 0 (L-inf), or
// the gradient at length 1 (L2). Zero where the gradient is zero everywhere.
at::Tensor Steepest(const at::Tensor& gradient, Norm norm);

// The distribution of random perturbations in the unit ball.
enum class Spread {
  kVolume,   // uniformly in its volume
  kSurface,  // uniform values (L-inf) or normal ones (L2) over their size, 1
  kNormal,   // L-inf: values of standard deviation 1/2, also outside; L2: as
             // kSurface
};

// Draws one perturbation for each of `images` [M, channels, height, width], on
// their device. `samples` [M] int64 on the CPU are their keys. Values are drawn
// by row, column and then channel.
at::Tensor DrawPerturbations(Spread spread, Norm norm, const RandomKey& key,
                             const at::Tensor& samples,
                             const at::Tensor& images);

}  // namespace adv

#endif  // ADV_ENGINE_ATTACKS_PERTURBATIONS_H_
