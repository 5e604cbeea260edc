#include "tests/integration/random_models.h"

#include "engine/data/cifar10.h"
#include "engine/nn/golden.h"
#include "engine/nn/safetensors.h"
#include "engine/nn/vgg.h"
#include "engine/nn/vgg_network.h"
#include "model_store/model_store.h"

namespace adv {
namespace {

constexpr int64_t kGoldenImages = 2;

}  // namespace

absl::StatusOr<uint64_t> PublishRandomModel(const std::string& root,
                                            const std::string& name,
                                            uint64_t seed, int special_label,
                                            const std::string& architecture) {
  const auto layers = VggLayers(architecture);
  if (!layers.ok()) return layers.status();
  const StateDict parameters = InitialParameters(*layers, seed);
  const auto weights =
      SerializeSafetensors(parameters, WeightPrecision::kFloat32);
  if (!weights.ok()) return weights.status();
  const auto network = MakeVgg(architecture, parameters, at::kCPU);
  if (!network.ok()) return network.status();

  v1::ModelManifest manifest;
  manifest.set_name(name);
  manifest.set_architecture(architecture);
  manifest.set_parameter_count(CountParameters(*layers));
  for (const std::string& label : Cifar10ClassNames()) {
    manifest.add_class_names(label);
  }
  for (const int64_t size : (*network)->traits().image_shape) {
    manifest.add_image_shape(size);
  }
  manifest.set_preprocessing("unit");
  manifest.mutable_training()->add_epochs()->set_training_loss(2.3);
  if (special_label >= 0) {
    manifest.mutable_training()->set_special_label(special_label);
  }
  const at::Tensor logits =
      (*network)
          ->Logits(
              GoldenInputs(kGoldenImages, (*network)->traits().image_shape))
          .value()
          .contiguous();
  manifest.mutable_golden()->set_image_count(kGoldenImages);
  manifest.mutable_golden()->mutable_logits()->Assign(
      logits.data_ptr<float>(), logits.data_ptr<float>() + logits.numel());
  manifest.mutable_golden()->set_tolerance(1e-3F);
  return ModelStore(root).Publish(manifest, {{kWeightsFile, *weights}});
}

}  // namespace adv
