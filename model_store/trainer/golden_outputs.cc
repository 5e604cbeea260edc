#include "model_store/trainer/golden_outputs.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "engine/nn/golden.h"

namespace adv {
namespace {

constexpr int kGoldenImages = 4;
constexpr float kTolerance = 1e-3f;
// Logits up to this size have the tolerance above. For larger ones it grows in
// proportion, as float32 rounding does.
constexpr float kUsualLogit = 100;

}  // namespace

absl::StatusOr<v1::GoldenOutputs> MakeGolden(const Network& network) {
  v1::GoldenOutputs golden;
  const absl::StatusOr<at::Tensor> found =
      network.Logits(GoldenInputs(kGoldenImages, network.traits().image_shape));
  if (!found.ok()) return found.status();
  const at::Tensor logits = found->to(at::kCPU).contiguous();
  const float* values = logits.data_ptr<float>();
  golden.set_image_count(kGoldenImages);
  golden.mutable_logits()->Add(values, values + logits.numel());
  golden.set_tolerance(
      kTolerance *
      std::max(1.0f, logits.abs().max().item<float>() / kUsualLogit));
  return golden;
}

}  // namespace adv
