#ifndef ADV_ENGINE_NN_TORCHSCRIPT_H_
#define ADV_ENGINE_NN_TORCHSCRIPT_H_

#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/nn/network.h"
#include "engine/nn/preprocessing.h"

namespace adv {

// What must be known of a TorchScript module beside the module.
struct TorchScriptInterface {
  std::vector<int64_t> image_shape;  // {channels, height, width}, each above 0
  int64_t classes = 0;               // at least 2
  Preprocessing preprocessing;
  // It gives probabilities in place of logits. Their logarithms, which have
  // the same argmax and the right cross-entropy, stand for the logits.
  bool gives_probabilities = false;
  // See NetworkTraits::exact_in_any_batch; MeasureBatchExactness finds it.
  bool exact_in_any_batch = false;
  Access access = Access::kGradients;
};

// A module that torch.jit.save wrote, in evaluation mode, as a network: one
// tensor of images in, one of [N, classes] out (of a tuple, its first entry).
//
// A module is code: it runs what its author wrote. Load none that you do not
// trust.
//
// INVALID_ARGUMENT if the bytes are no module, or the module does not take
// such images or gives something else; the message says what.
absl::StatusOr<std::unique_ptr<const Network>> LoadTorchScript(
    absl::string_view bytes, const TorchScriptInterface& interface,
    at::Device device);

}  // namespace adv

#endif  // ADV_ENGINE_NN_TORCHSCRIPT_H_
