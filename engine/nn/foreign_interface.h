#ifndef ADV_ENGINE_NN_FOREIGN_INTERFACE_H_
#define ADV_ENGINE_NN_FOREIGN_INTERFACE_H_

#include <ATen/core/Tensor.h>
#include <absl/status/status.h>

#include <cstdint>
#include <vector>

#include "engine/nn/network.h"
#include "engine/nn/preprocessing.h"

namespace adv {

// What must be known of a model that was made elsewhere, whatever its form.
struct ForeignInterface {
  std::vector<int64_t> image_shape;  // {channels, height, width}, each above 0
  int64_t classes = 0;               // at least 2
  Preprocessing preprocessing;
  // It gives probabilities in place of logits. Their logarithms, which have
  // the same argmax and the right cross-entropy, stand for the logits.
  bool gives_probabilities = false;
  // See NetworkTraits::exact_in_any_batch; MeasureBatchBehaviour finds it.
  bool exact_in_any_batch = false;
  Access access = Access::kGradients;
};

// INVALID_ARGUMENT says which field is wrong and what it must be.
absl::Status Validate(const ForeignInterface& interface);

// Of a network with that interface on `device`.
NetworkTraits TraitsOf(const ForeignInterface& interface, at::Device device);

// `images` as the model takes them: on the CPU, float32, preprocessed. Throws
// c10::Error if they are not of its shape.
at::Tensor InputOf(const at::Tensor& images, const ForeignInterface& interface);

// What the model gave, [N, classes] float32, as the answer of a network:
// logits, or with decisions alone 1 at the largest and 0 elsewhere.
at::Tensor AnswerOf(const at::Tensor& output,
                    const ForeignInterface& interface);

}  // namespace adv

#endif  // ADV_ENGINE_NN_FOREIGN_INTERFACE_H_
