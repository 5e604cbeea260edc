#include "engine/training/dropout.h"

#include <ATen/ATen.h>

namespace adv {

Dropout::Dropout(const std::vector<Layer>& layers,
                 const std::vector<int64_t>& image_shape, int64_t batch,
                 at::Device device) {
  // The shape of the values is followed through the layers, since the factors
  // have the shape at their dropout layer.
  std::vector<int64_t> shape = {batch, image_shape[0], image_shape[1],
                                image_shape[2]};
  for (const Layer& layer : layers) {
    switch (layer.kind) {
      case LayerKind::kConv:
        // Convolutions are padded, so that height and width stay.
        shape[1] = layer.out;
        break;
      case LayerKind::kMaxPool:
        shape[2] /= 2;
        shape[3] /= 2;
        break;
      case LayerKind::kDense:
        shape = {batch, layer.out};
        break;
      case LayerKind::kDropout:
        probabilities_.push_back(layer.dropout);
        factors_.push_back(at::ones(
            shape, at::device(device)
                       .dtype(at::kFloat)
                       .memory_format(shape.size() == 4
                                          ? at::MemoryFormat::ChannelsLast
                                          : at::MemoryFormat::Contiguous)));
        break;
      case LayerKind::kRelu:
      case LayerKind::kFlatten:
        break;
    }
  }
}

void Dropout::Draw(int64_t count, const at::Generator& generator) {
  for (size_t i = 0; i < factors_.size(); ++i) {
    // In place, because a recorded step reads this memory. The draw gives 1
    // with the probability `kept` and 0 otherwise; the division scales up what
    // stays.
    const double kept = 1 - probabilities_[i];
    factors_[i].narrow(0, 0, count).bernoulli_(kept, generator).div_(kept);
  }
}

std::vector<at::Tensor> Dropout::Factors(int64_t count) const {
  std::vector<at::Tensor> factors;
  for (const at::Tensor& factor : factors_) {
    factors.push_back(factor.narrow(0, 0, count));
  }
  return factors;
}

}  // namespace adv
