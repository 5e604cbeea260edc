#ifndef ADV_ENGINE_TRAINING_DROPOUT_H_
#define ADV_ENGINE_TRAINING_DROPOUT_H_

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "engine/nn/vgg.h"

namespace adv {

// The random factors of a network's dropout layers (Srivastava et al., JMLR
// 2014; "inverted": what stays is scaled up by 1 / (1 - p)). They lie in
// buffers that each step draws anew from a generator given to Draw. So the
// training step itself draws nothing, and can be recorded and replayed.
class Dropout {
 public:
  // For batches of `batch` images of `image_shape`, {channels, height, width}.
  Dropout(const std::vector<Layer>& layers,
          const std::vector<int64_t>& image_shape, int64_t batch,
          at::Device device);

  // Overwrites the factors of the first `count` images. The same generator
  // state gives the same factors.
  void Draw(int64_t count, const at::Generator& generator);

  // One tensor for each dropout layer, for VggForward, with the factors of the
  // first `count` images. It is always the same memory.
  std::vector<at::Tensor> Factors(int64_t count) const;

 private:
  std::vector<double> probabilities_;
  std::vector<at::Tensor> factors_;  // [batch, ...], maps in channels-last
};

}  // namespace adv

#endif  // ADV_ENGINE_TRAINING_DROPOUT_H_
