#include "client/images/model_images.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace adv {

ExitCode GetManifest(Context& context, Connection& server,
                     const std::string& model, v1::ModelManifest* manifest) {
  const auto call = server.NewCall(kQuickSeconds);
  v1::GetModelRequest request;
  request.set_model(model);
  v1::GetModelResponse response;
  const auto status = server.models().GetModel(call.get(), request, &response);
  if (!status.ok()) return context.Fail(status);
  *manifest = response.model().manifest();
  return kOk;
}

absl::StatusOr<ImageShape> ShapeOf(const v1::ModelManifest& model) {
  const auto& shape = model.image_shape();
  // The shape comes from a manifest. The limit makes sure that it fits an int.
  constexpr std::int64_t kLongestSide = 65536;
  const bool fits = shape.size() == 3 && (shape[0] == 1 || shape[0] == 3) &&
                    shape[1] > 0 && shape[1] <= kLongestSide && shape[2] > 0 &&
                    shape[2] <= kLongestSide;
  if (!fits) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the model takes images of shape [", absl::StrJoin(shape, ", "),
        "]; image files are for models of 1 or 3 channels"));
  }
  return ImageShape{static_cast<int>(shape[0]), static_cast<int>(shape[1]),
                    static_cast<int>(shape[2])};
}

std::size_t ImagesPerCall(std::uint64_t image_bytes, std::uint64_t most_bytes) {
  constexpr std::uint64_t kMostImages = 128;
  return std::clamp<std::uint64_t>(
      most_bytes / std::max<std::uint64_t>(image_bytes, 1), 1, kMostImages);
}

}  // namespace adv
