// Versions that must not be served, and what is served in their place.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <limits>
#include <string>

#include "engine/nn/safetensors.h"
#include "server/models/model_registry.h"
#include "tests/server/models/model_registry_fixture.h"

namespace adv {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

TEST_F(ModelRegistryTest, AFailedLoadKeepsTheOldVersionServing) {
  Publish(root(), Model(0));
  ModelRegistry registry(Options());
  registry.Reload();
  Publication bad = Model(1);
  bad.weights.resize(bad.weights.size() / 2);
  Publish(root(), bad);
  const ReloadResult result = registry.Reload();
  ASSERT_THAT(result.failed, SizeIs(1));
  EXPECT_EQ(result.failed[0].version(), 2);
  EXPECT_EQ(result.failed[0].state(), v1::MODEL_STATE_FAILED);
  EXPECT_EQ((*registry.Borrow("no-cat"))->full_name(), "no-cat@1");
  EXPECT_EQ(registry.Get("no-cat")->version(), 1);
  EXPECT_EQ(registry.Get("no-cat@2")->state(), v1::MODEL_STATE_FAILED);
  EXPECT_TRUE(absl::IsFailedPrecondition(registry.Borrow("no-cat@2").status()));
  EXPECT_THAT(registry.Serving(), ElementsAre(Pair("no-cat", true)));
  EXPECT_EQ(registry.stats().load_failures, 1);
  // A good one after it is served.
  Publish(root(), Model(1));
  EXPECT_THAT(registry.Reload().loaded, SizeIs(1));
  EXPECT_EQ((*registry.Borrow("no-cat"))->full_name(), "no-cat@3");
}

TEST_F(ModelRegistryTest, ABadNewestFallsBackToTheOneBeforeAtStart) {
  Publish(root(), Model(0));
  Publication bad = Model(1);
  bad.manifest.set_architecture("resnet");
  Publish(root(), bad);
  ModelRegistry registry(Options());
  const ReloadResult result = registry.Reload();
  EXPECT_THAT(result.failed, SizeIs(1));
  EXPECT_EQ((*registry.Borrow("no-cat"))->full_name(), "no-cat@1");
}

TEST_F(ModelRegistryTest, TruncatedWeightsHaveTheirMessage) {
  Publication bad = Model(0);
  bad.weights.resize(bad.weights.size() - 4);
  EXPECT_THAT(FailureOf(bad), HasSubstr(kWeightsFile));
}

TEST_F(ModelRegistryTest, NotANumberHasItsMessage) {
  Publication bad = Model(0);
  // The last four bytes are the last value.
  const float nan = std::numeric_limits<float>::quiet_NaN();
  bad.weights.replace(bad.weights.size() - 4, 4,
                      reinterpret_cast<const char*>(&nan), 4);
  EXPECT_THAT(FailureOf(bad),
              AllOf(HasSubstr(kWeightsFile), HasSubstr("finite")));
}

TEST_F(ModelRegistryTest, UnknownArchitectureHasItsMessage) {
  Publication bad = Model(0);
  bad.manifest.set_architecture("resnet");
  EXPECT_THAT(FailureOf(bad),
              AllOf(HasSubstr("\"resnet\""), HasSubstr("table51")));
}

TEST_F(ModelRegistryTest, WeightsOfAnotherNetworkHaveTheirMessage) {
  Publication bad = Model(0);
  StateDict parameters = bad.parameters;
  parameters.erase("conv1.bias");
  bad.weights = *SerializeSafetensors(parameters, WeightPrecision::kFloat32);
  EXPECT_THAT(FailureOf(bad), HasSubstr("conv1.bias is missing"));
}

TEST_F(ModelRegistryTest, OtherLogitsFailTheSelfTest) {
  Publication bad = Model(0);
  auto* logits = bad.manifest.mutable_golden()->mutable_logits();
  logits->Set(7, logits->Get(7) + .01F);
  EXPECT_THAT(FailureOf(bad), HasSubstr("golden self-test failed"));
}

TEST_F(ModelRegistryTest, AMissingSelfTestHasItsMessage) {
  Publication bad = Model(0);
  bad.manifest.clear_golden();
  EXPECT_THAT(FailureOf(bad), HasSubstr("golden.image_count"));
}

TEST_F(ModelRegistryTest, AWrongDescriptionHasItsMessage) {
  Publication bad = Model(0);
  bad.manifest.mutable_class_names()->RemoveLast();
  EXPECT_THAT(FailureOf(bad), HasSubstr("class_names"));
}

TEST_F(ModelRegistryTest, AWrongDigestHasItsMessage) {
  Publish(root(), Model(0));
  {
    std::fstream file(FileOf("no-cat/1", kWeightsFile),
                      std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-1, std::ios::end);
    file.put('x');
  }
  ModelRegistry registry(Options());
  const ReloadResult result = registry.Reload();
  ASSERT_THAT(result.failed, SizeIs(1));
  EXPECT_THAT(result.failed[0].error(), HasSubstr("SHA-256"));
}

TEST_F(ModelRegistryTest, AChangedDigestIsAnAlertAndNeverASwap) {
  Publish(root(), Model(0));
  ModelRegistry registry(Options());
  registry.Reload();
  // Another model takes the published one's place.
  const std::string other = folder_ / "other";
  Publish(other, Model(1));
  std::filesystem::remove_all(root() + "/no-cat/1");
  std::filesystem::rename(other + "/no-cat/1", root() + "/no-cat/1");

  const ReloadResult result = registry.Reload();
  ASSERT_THAT(result.failed, SizeIs(1));
  EXPECT_THAT(result.failed[0].error(),
              HasSubstr("published versions must not change"));
  EXPECT_EQ(registry.stats().digest_changes, 1);
  EXPECT_EQ((*registry.Borrow("no-cat"))->digest, Sha256Hex(Model(0).weights));
  // Told once.
  EXPECT_THAT(registry.Reload().failed, IsEmpty());
  EXPECT_EQ(registry.Get("no-cat")->state(), v1::MODEL_STATE_FAILED);
  // Put back, all is well.
  std::filesystem::remove_all(root() + "/no-cat/1");
  Publish(root(), Model(0));
  EXPECT_THAT(registry.Reload().failed, IsEmpty());
  EXPECT_EQ(registry.Get("no-cat")->state(), v1::MODEL_STATE_READY);
  EXPECT_EQ(registry.stats().loads, 1);
}

}  // namespace
}  // namespace adv
