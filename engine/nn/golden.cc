#include "engine/nn/golden.h"

#include <ATen/ATen.h>

namespace adv {

at::Tensor GoldenInputs(int64_t count,
                        const std::vector<int64_t>& image_shape) {
  const int64_t size = c10::multiply_integers(image_shape);
  at::Tensor images = at::empty({count, size}, at::kFloat);
  float* pixel = images.data_ptr<float>();
  for (uint64_t i = 0; i < static_cast<uint64_t>(count); ++i) {
    for (uint64_t k = 0; k < static_cast<uint64_t>(size); ++k) {
      // Where 64 bits overflow, they do so by a multiple of 2^32: the remainder
      // is that of the exact value.
      const uint64_t hash = k * 2654435761 + i * 40503 + 12345;
      *pixel++ = static_cast<float>(hash % (uint64_t{1} << 32) >> 24) / 255.0f;
    }
  }
  return images.view({count, image_shape[0], image_shape[1], image_shape[2]});
}

}  // namespace adv
