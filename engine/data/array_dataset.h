#ifndef ADV_ENGINE_DATA_ARRAY_DATASET_H_
#define ADV_ENGINE_DATA_ARRAY_DATASET_H_

#include <ATen/core/Tensor.h>
#include <absl/status/statusor.h>

#include <string>
#include <vector>

#include "engine/data/dataset.h"

namespace adv {

// A data set of arrays: `images` [N, channels, height, width] or [N, height,
// width, channels] (told apart by which of both has 1 or 3 channels; [N,
// height, width] is gray), uint8 or floating point in [0, 1]; `labels` [N] of
// an integer type, 0 to classes - 1. `class_names` in the order of the labels;
// if there are none, they are "0", "1" and so on up to the largest label.
// INVALID_ARGUMENT names what is wrong.
absl::StatusOr<Dataset> MakeArrayDataset(at::Tensor images, at::Tensor labels,
                                         std::vector<std::string> class_names);

// The names in a text: one in each line. INVALID_ARGUMENT if one is empty, has
// control characters, or is there twice.
absl::StatusOr<std::vector<std::string>> ParseClassNames(
    const std::string& text);

// The superclass of each class, one in each line. INVALID_ARGUMENT if one is
// empty or has control characters, or if they are not as many as the `classes`.
absl::StatusOr<std::vector<std::string>> ParseSuperclasses(
    const std::string& text, size_t classes);

}  // namespace adv

#endif  // ADV_ENGINE_DATA_ARRAY_DATASET_H_
