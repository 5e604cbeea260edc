#ifndef ADV_TESTS_SERVER_MODELS_MODEL_REGISTRY_FIXTURE_H_
#define ADV_TESTS_SERVER_MODELS_MODEL_REGISTRY_FIXTURE_H_

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <string>

#include "engine/data/cifar10.h"
#include "engine/nn/golden.h"
#include "engine/nn/safetensors.h"
#include "engine/nn/vgg.h"
#include "engine/nn/vgg_network.h"
#include "server/compute/mutex.h"
#include "server/models/model_registry.h"
#include "tests/server/manual_clock.h"
#include "tests/server/temporary_folder.h"

namespace adv {

inline constexpr char kArchitecture[] = "table51";
inline constexpr int kGoldenImages = 2;

// A model as advtrain would publish it, but for the training.
struct Publication {
  v1::ModelManifest manifest;
  StateDict parameters;
  std::string weights;  // the file
};

inline Publication MakePublication(const std::string& name, uint64_t seed) {
  Publication publication;
  publication.parameters = InitialParameters(*VggLayers(kArchitecture), seed);
  publication.weights =
      *SerializeSafetensors(publication.parameters, WeightPrecision::kFloat32);
  v1::ModelManifest& manifest = publication.manifest;
  manifest.set_name(name);
  manifest.set_architecture(kArchitecture);
  manifest.set_preprocessing("unit");
  for (const std::string& label : Cifar10ClassNames()) {
    manifest.add_class_names(label);
  }
  for (int64_t size : {3, 32, 32}) manifest.add_image_shape(size);
  const auto network = MakeVgg(kArchitecture, publication.parameters, at::kCPU);
  const at::Tensor logits =
      (*network)->Logits(GoldenInputs(kGoldenImages, {3, 32, 32})).value();
  manifest.mutable_golden()->set_image_count(kGoldenImages);
  manifest.mutable_golden()->set_tolerance(1e-4);
  for (int64_t i = 0; i < logits.numel(); ++i) {
    manifest.mutable_golden()->add_logits(logits.data_ptr<float>()[i]);
  }
  return publication;
}

// Returns the version.
inline uint64_t Publish(const std::string& root,
                        const Publication& publication) {
  const auto version = ModelStore(root).Publish(
      publication.manifest, {{kWeightsFile, publication.weights}});
  EXPECT_TRUE(version.ok()) << version.status();
  return *version;
}

class ModelRegistryTest : public ::testing::Test {
 protected:
  // 0 and 1 are two of no-cat, 2 is balanced. Random weights take a while to
  // draw: made once, when needed.
  static const Publication& Model(int i) {
    static auto* const models = new std::map<int, Publication>;
    static auto* const mutex = new Mutex;
    MutexLock lock(*mutex);
    const auto made = models->find(i);
    if (made != models->end()) return made->second;
    return (*models)[i] = MakePublication(i == 2 ? "balanced" : "no-cat", i);
  }

  ModelRegistryOptions Options() const {
    ModelRegistryOptions options;
    options.stores = {root()};
    options.clock = &clock_;
    return options;
  }
  std::string root() const { return folder_ / "store"; }
  std::string FileOf(const std::string& version, const char* name) const {
    return root() + "/" + version + "/" + name;
  }

  // The failure of a store with `publication` alone.
  std::string FailureOf(const Publication& publication) {
    Publish(root(), publication);
    ModelRegistry registry(Options());
    const ReloadResult result = registry.Reload();
    EXPECT_THAT(result.loaded, ::testing::IsEmpty());
    EXPECT_THAT(result.failed, ::testing::SizeIs(1));
    const auto model = registry.Get("no-cat");
    EXPECT_EQ(model->state(), v1::MODEL_STATE_FAILED);
    const absl::Status status = registry.Borrow("no-cat").status();
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    EXPECT_THAT(std::string(status.message()),
                ::testing::HasSubstr(model->error()));
    return model->error();
  }

  mutable ManualClock clock_;
  TemporaryFolder folder_;
};

}  // namespace adv

#endif  // ADV_TESTS_SERVER_MODELS_MODEL_REGISTRY_FIXTURE_H_
