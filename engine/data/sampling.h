#ifndef ADV_ENGINE_DATA_SAMPLING_H_
#define ADV_ENGINE_DATA_SAMPLING_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <random>
#include <vector>

namespace adv {

// Choices that are the same on every machine and in every standard library:
// the engine's output is standardised, std::shuffle and the distributions are
// not.

// The indices of each label, both in rising order. `labels` is [N] int64 on
// the CPU.
std::map<int64_t, std::vector<int64_t>> IndicesByLabel(
    const at::Tensor& labels);

// `count` of `items`, each choice equally likely, in no particular order. All
// of them if count exceeds their number.
std::vector<int64_t> Choose(std::vector<int64_t> items, int64_t count,
                            std::mt19937_64* random);

}  // namespace adv

#endif  // ADV_ENGINE_DATA_SAMPLING_H_
