#include "engine/training/flat_parameters.h"

#include <ATen/ATen.h>

namespace adv {
namespace {

// The part of `flat` at `offset` in the shape of a parameter, without a copy.
// Convolution weights lie channels-last, as the convolutions want them and
// return their gradients.
at::Tensor ViewOf(const at::Tensor& flat, int64_t offset,
                  at::IntArrayRef shape) {
  const at::Tensor part = flat.narrow(0, offset, c10::multiply_integers(shape));
  if (shape.size() != 4) return part.view(shape);
  return part.view({shape[0], shape[2], shape[3], shape[1]})
      .permute({0, 3, 1, 2});
}

int64_t CountValues(const StateDict& parameters) {
  int64_t count = 0;
  for (const auto& [name, value] : parameters) count += value.numel();
  return count;
}

}  // namespace

FlatParameters::FlatParameters(const StateDict& initial, at::Device device)
    : values_(at::zeros({CountValues(initial)},
                        at::device(device).dtype(at::kFloat))),
      gradients_(at::zeros_like(values_)) {
  int64_t offset = 0;
  for (const auto& [name, value] : initial) {
    // Detached, the view is a leaf of autograd that still shares the memory of
    // `values_`. With a gradient tensor already in place, backward accumulates
    // into it and allocates none.
    at::Tensor leaf = ViewOf(values_, offset, value.sizes()).detach();
    leaf.copy_(value);
    leaf.requires_grad_(true);
    leaf.mutable_grad() = ViewOf(gradients_, offset, value.sizes());
    leaves_[name] = leaf;
    offset += value.numel();
  }
}

StateDict FlatParameters::Unflatten(const at::Tensor& flat) const {
  StateDict parameters;
  const at::Tensor on_cpu = flat.detach().to(at::kCPU);
  int64_t offset = 0;
  // leaves_ has the names of the constructor's map in the same order, so that
  // the offsets are the same.
  for (const auto& [name, leaf] : leaves_) {
    parameters[name] = ViewOf(on_cpu, offset, leaf.sizes())
                           .clone(at::MemoryFormat::Contiguous);
    offset += leaf.numel();
  }
  return parameters;
}

}  // namespace adv
