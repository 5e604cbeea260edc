#ifndef ADV_ENGINE_NN_GOLDEN_H_
#define ADV_ENGINE_NN_GOLDEN_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace adv {

// Pixels for a model's self-test, [count, channels, height, width] float32 on
// the CPU. A fixed pattern that looks like noise, so that a manifest needs to
// hold only the logits: image i is
//   pixel[k] = ((k * 2654435761 + i * 40503 + 12345) mod 2^32 >> 24) / 255
// for k = 0, 1, ... over (channel, row, column).
//
// `image_shape` is {channels, height, width}.
at::Tensor GoldenInputs(int64_t count, const std::vector<int64_t>& image_shape);

}  // namespace adv

#endif  // ADV_ENGINE_NN_GOLDEN_H_
