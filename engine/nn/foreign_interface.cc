#include "engine/nn/foreign_interface.h"

#include <ATen/ATen.h>
#include <absl/strings/str_cat.h>

#include "engine/nn/device.h"

namespace adv {

absl::Status Validate(const ForeignInterface& interface) {
  if (interface.image_shape.size() != 3) {
    return absl::InvalidArgumentError(
        "image_shape: must be channels, height and width");
  }
  for (const int64_t size : interface.image_shape) {
    if (size < 1) {
      return absl::InvalidArgumentError(
          absl::StrCat("image_shape: ", size, " is not above 0"));
    }
  }
  if (interface.classes < 2) {
    return absl::InvalidArgumentError(absl::StrCat(
        "class_names: ", interface.classes, " are less than the fewest, 2"));
  }
  return Validate(interface.preprocessing, interface.image_shape[0]);
}

NetworkTraits TraitsOf(const ForeignInterface& interface, at::Device device) {
  NetworkTraits traits;
  traits.image_shape = interface.image_shape;
  traits.classes = interface.classes;
  traits.access = interface.access;
  traits.exact_in_any_batch = interface.exact_in_any_batch;
  traits.good_batch = GoodBatch(device);
  traits.device = device;
  return traits;
}

at::Tensor InputOf(const at::Tensor& images,
                   const ForeignInterface& interface) {
  TORCH_CHECK(images.dim() == 4 && images.sizes().slice(1) ==
                                       at::IntArrayRef(interface.image_shape),
              "images of shape ", images.sizes(), " where the model takes ",
              at::IntArrayRef(interface.image_shape));
  return Preprocess(images.cpu(), interface.preprocessing).to(at::kFloat);
}

at::Tensor AnswerOf(const at::Tensor& output,
                    const ForeignInterface& interface) {
  // Decisions need the argmax alone, which is the same for logits and
  // probabilities.
  if (interface.access == Access::kDecisions) {
    return OneHot(output.argmax(1), interface.classes);
  }
  return interface.gives_probabilities ? LogProbabilities(output) : output;
}

}  // namespace adv
