#ifndef ADV_ENGINE_NN_PREPROCESSING_H_
#define ADV_ENGINE_NN_PREPROCESSING_H_

#include <ATen/core/Tensor.h>
#include <absl/status/status.h>

#include <cstdint>
#include <vector>

namespace adv {

// What a foreign model does to pixels in [0, 1] first, so that an epsilon means
// the same for it as for any other: with c a channel,
//   x'[c] = (range * x[c] - mean[c]) / std[c].
struct Preprocessing {
  double range = 1;          // largest pixel: 1, or 255 for bytes; above 0
  std::vector<double> mean;  // of each channel, in units of `range`; empty: 0
  std::vector<double> std;   // likewise, above 0; empty: 1
  // The model wants blue, green, red; mean and std are in that order then.
  bool bgr = false;
};

// INVALID_ARGUMENT with every violation for images of so many channels.
absl::Status Validate(const Preprocessing& preprocessing, int64_t channels);

// [N, channels, height, width], as the model takes it; differentiable.
at::Tensor Preprocess(const at::Tensor& images,
                      const Preprocessing& preprocessing);

// The logarithms of probabilities [N, classes]: they have the same argmax and
// the right cross-entropy, so that they stand for the logits. Finite also where
// a probability is 0. Differentiable.
at::Tensor LogProbabilities(const at::Tensor& probabilities);

}  // namespace adv

#endif  // ADV_ENGINE_NN_PREPROCESSING_H_
