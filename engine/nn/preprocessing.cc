#include "engine/nn/preprocessing.h"

#include <ATen/ATen.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

namespace adv {
namespace {

// Adds a fault if there are values, but not a finite one for each channel.
void CheckChannels(const char* field, const std::vector<double>& values,
                   int64_t channels, std::vector<std::string>* faults) {
  if (values.empty()) return;
  if (static_cast<int64_t>(values.size()) != channels) {
    faults->push_back(absl::StrCat(field, ": has ", values.size(),
                                   " values, must have one for each of ",
                                   channels, " channels"));
  }
  for (const double value : values) {
    if (!std::isfinite(value)) {
      faults->push_back(absl::StrCat(field, ": ", value, " is not finite"));
    }
  }
}

// The values as [1, channels, 1, 1], of the images' type and on their device.
at::Tensor PerChannel(const std::vector<double>& values,
                      const at::Tensor& images) {
  return at::tensor(values, images.options()).view({1, -1, 1, 1});
}

}  // namespace

absl::Status Validate(const Preprocessing& preprocessing, int64_t channels) {
  std::vector<std::string> faults;
  if (!(preprocessing.range > 0) || !std::isfinite(preprocessing.range)) {
    faults.push_back(absl::StrCat("preprocessing.range: ", preprocessing.range,
                                  " is not above 0 and finite"));
  }
  CheckChannels("preprocessing.mean", preprocessing.mean, channels, &faults);
  CheckChannels("preprocessing.std", preprocessing.std, channels, &faults);
  if (std::any_of(preprocessing.std.begin(), preprocessing.std.end(),
                  [](double value) { return value <= 0; })) {
    faults.push_back("preprocessing.std: must be above 0");
  }
  if (preprocessing.bgr && channels != 3) {
    faults.push_back(absl::StrCat(
        "preprocessing.channel_order: BGR needs 3 channels, not ", channels));
  }
  if (faults.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrJoin(faults, "; "));
}

at::Tensor Preprocess(const at::Tensor& images,
                      const Preprocessing& preprocessing) {
  // The flip comes first, since mean and std are in the order of the model. No
  // step works in place: `images` is the caller's, and its graph needs it.
  at::Tensor x = preprocessing.bgr ? images.flip(1) : images;
  if (preprocessing.range != 1) x = x * preprocessing.range;
  if (!preprocessing.mean.empty()) {
    x = x - PerChannel(preprocessing.mean, images);
  }
  if (!preprocessing.std.empty()) x = x / PerChannel(preprocessing.std, images);
  return x;
}

at::Tensor LogProbabilities(const at::Tensor& probabilities) {
  // The bound, about 1.2e-38, has the logarithm -87.3. Below it the gradient is
  // 0.
  return probabilities.clamp_min(std::numeric_limits<float>::min()).log();
}

}  // namespace adv
