#include "engine/training/rmsprop.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <utility>

namespace adv {

RmsProp::RmsProp(at::Tensor parameters, double rho, double epsilon)
    : parameters_(std::move(parameters)),
      mean_square_(at::zeros_like(parameters_)),
      scratch_(at::empty_like(parameters_)),
      rho_(rho),
      epsilon_(epsilon) {}

void RmsProp::Step(at::Tensor& gradient, const at::Tensor& rate) {
  const at::NoGradGuard no_grad;
  // All in place: a recorded step replays on the same memory.
  mean_square_.mul_(rho_).addcmul_(gradient, gradient, 1 - rho_);
  // sqrt(v) + epsilon, as Keras has it; other libraries put epsilon elsewhere.
  at::sqrt_out(scratch_, mean_square_).add_(epsilon_);
  parameters_.sub_(gradient.mul_(rate).div_(scratch_));
}

}  // namespace adv
