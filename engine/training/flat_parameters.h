#ifndef ADV_ENGINE_TRAINING_FLAT_PARAMETERS_H_
#define ADV_ENGINE_TRAINING_FLAT_PARAMETERS_H_

#include <ATen/core/Tensor.h>

#include "engine/nn/safetensors.h"

namespace adv {

// All parameters of a network in one float32 vector, and their gradients in
// another, so that the optimizer needs a few operations for all of them. The
// named tensors are views: a backward pass adds straight into `gradients`, and
// the next forward pass sees an update of `values`.
class FlatParameters {
 public:
  // Copies `initial` to `device`.
  FlatParameters(const StateDict& initial, at::Device device);

  // [P], in name order; convolution weights lie channels-last.
  const at::Tensor& values() const { return values_; }
  const at::Tensor& gradients() const { return gradients_; }
  // Leaves that require gradients.
  const StateDict& leaves() const { return leaves_; }

  // Contiguous CPU copies of a vector laid out like `values`.
  StateDict Unflatten(const at::Tensor& flat) const;

 private:
  at::Tensor values_;
  at::Tensor gradients_;
  StateDict leaves_;
};

}  // namespace adv

#endif  // ADV_ENGINE_TRAINING_FLAT_PARAMETERS_H_
