#ifndef ADV_ENGINE_TRAINING_VALIDATION_SPLIT_H_
#define ADV_ENGINE_TRAINING_VALIDATION_SPLIT_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace adv {

// Two disjoint sets, both in rising order. Together they are the indices that
// were split.
struct ValidationSplit {
  std::vector<int64_t> training;
  std::vector<int64_t> validation;
};

// Takes round(fraction * count) images of each class for validation, chosen by
// `seed`. `labels` [N] int64 on the CPU; `indices` into it in rising order. A
// pure function, the same on every machine.
ValidationSplit SplitForValidation(const at::Tensor& labels,
                                   const std::vector<int64_t>& indices,
                                   double fraction, uint64_t seed);

}  // namespace adv

#endif  // ADV_ENGINE_TRAINING_VALIDATION_SPLIT_H_
