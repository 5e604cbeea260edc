#include "server/model_registry.h"

#include <ATen/ATen.h>
#include <absl/strings/str_cat.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "engine/data/cifar10.h"
#include "engine/nn/golden.h"
#include "engine/nn/safetensors.h"
#include "engine/nn/vgg.h"
#include "tests/server/gate.h"
#include "tests/server/manual_clock.h"
#include "tests/server/temporary_folder.h"

namespace adv {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

constexpr char kArchitecture[] = "table51";
constexpr int kGoldenImages = 2;

// A model as advtrain would publish it, but for the training.
struct Publication {
  v1::ModelManifest manifest;
  StateDict parameters;
  std::string weights;  // the file
};

Publication MakePublication(const std::string& name, uint64_t seed) {
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
      (*network)->Logits(GoldenInputs(kGoldenImages, {3, 32, 32}));
  manifest.mutable_golden()->set_image_count(kGoldenImages);
  manifest.mutable_golden()->set_tolerance(1e-4);
  for (int64_t i = 0; i < logits.numel(); ++i) {
    manifest.mutable_golden()->add_logits(logits.data_ptr<float>()[i]);
  }
  return publication;
}

uint64_t Publish(const std::string& root, const Publication& publication) {
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
    EXPECT_THAT(result.loaded, IsEmpty());
    EXPECT_THAT(result.failed, SizeIs(1));
    const auto model = registry.Get("no-cat");
    EXPECT_EQ(model->state(), v1::MODEL_STATE_FAILED);
    const absl::Status status = registry.Borrow("no-cat").status();
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(model->error()));
    return model->error();
  }

  mutable ManualClock clock_;
  TemporaryFolder folder_;
};

TEST_F(ModelRegistryTest, BorrowLoadedLoadsNothing) {
  Publish(root(), Model(0));
  Publish(root(), Model(1));
  ModelRegistry registry(Options());
  registry.Reload();
  EXPECT_EQ((*registry.BorrowLoaded("no-cat"))->full_name(), "no-cat@2");
  const auto older = registry.BorrowLoaded("no-cat@1");
  ASSERT_TRUE(older.ok()) << older.status();
  EXPECT_EQ(*older, nullptr);
  EXPECT_EQ(registry.stats().loads, 1);
  ASSERT_TRUE(registry.Borrow("no-cat@1").ok());
  EXPECT_EQ((*registry.BorrowLoaded("no-cat@1"))->full_name(), "no-cat@1");
  EXPECT_TRUE(absl::IsNotFound(registry.BorrowLoaded("no-cat@3").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(registry.BorrowLoaded("@").status()));
}

TEST_F(ModelRegistryTest, LoadsTheNewestOfEachName) {
  Publish(root(), Model(0));
  Publish(root(), Model(1));
  Publish(root(), Model(2));
  ModelRegistry registry(Options());
  const ReloadResult result = registry.Reload();
  EXPECT_THAT(result.failed, IsEmpty());
  ASSERT_THAT(result.loaded, SizeIs(2));
  EXPECT_EQ(result.loaded[0].name(), "balanced");
  EXPECT_EQ(result.loaded[1].version(), 2);

  const auto model = registry.Borrow("no-cat");
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ((*model)->full_name(), "no-cat@2");
  EXPECT_EQ((*model)->digest, Sha256Hex(Model(1).weights));
  EXPECT_EQ((*model)->reference().digest(), (*model)->digest);
  EXPECT_EQ((*model)->store, root());
  EXPECT_EQ((*model)->network->num_classes(), 10);

  const std::vector<v1::Model> list = registry.List();
  ASSERT_THAT(list, SizeIs(3));
  EXPECT_EQ(list[0].name(), "balanced");
  EXPECT_EQ(list[0].state(), v1::MODEL_STATE_READY);
  EXPECT_EQ(list[1].version(), 1);
  EXPECT_EQ(list[1].state(), v1::MODEL_STATE_UNSPECIFIED);
  EXPECT_EQ(list[1].digest(), Sha256Hex(Model(0).weights));
  EXPECT_EQ(list[2].state(), v1::MODEL_STATE_READY);
  EXPECT_EQ(list[2].manifest().golden().logits_size(), 20);
}

TEST_F(ModelRegistryTest, LoadsAnOlderVersionWhenAskedAndKeepsAFew) {
  Publish(root(), Model(0));
  Publish(root(), Model(1));
  Publish(root(), Model(0));
  ModelRegistryOptions options = Options();
  options.older_versions_kept = 1;
  ModelRegistry registry(options);
  registry.Reload();
  const auto first = registry.Borrow("no-cat@1");
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ((*first)->full_name(), "no-cat@1");
  EXPECT_EQ(registry.Get("no-cat@1")->state(), v1::MODEL_STATE_READY);
  EXPECT_EQ(registry.stats().loads, 2);
  ASSERT_TRUE(registry.Borrow("no-cat@1").ok());
  EXPECT_EQ(registry.stats().loads, 2);
  // The second older one takes the first's place; who holds it may go on.
  ASSERT_TRUE(registry.Borrow("no-cat@2").ok());
  EXPECT_EQ(registry.Get("no-cat@1")->state(), v1::MODEL_STATE_UNSPECIFIED);
  EXPECT_EQ(registry.Get("no-cat@3")->state(), v1::MODEL_STATE_READY);
  EXPECT_EQ((*first)->network->num_classes(), 10);
}

TEST_F(ModelRegistryTest, UnknownNamesListTheKnownOnes) {
  Publish(root(), Model(0));
  Publish(root(), Model(2));
  ModelRegistry registry(Options());
  registry.Reload();
  absl::Status status = registry.Borrow("no-dog").status();
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("\"no-dog\""), HasSubstr("balanced, no-cat")));
  EXPECT_EQ(registry.Get("no-dog").status(), status);
  status = registry.Borrow("no-cat@7").status();
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("versions are 1"));
  for (const char* bad : {"", "No-Cat", "no-cat@", "no-cat@0", "no-cat@x",
                          "no-cat@-1", "no-cat@1@2", "../no-cat"}) {
    status = registry.Borrow(bad).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << bad << ": " << status;
  }
}

TEST_F(ModelRegistryTest, AMissingStoreIsToldAndHarmsNoOther) {
  Publish(root(), Model(0));
  ModelRegistryOptions options = Options();
  options.stores = {folder_ / "missing", root()};
  ModelRegistry registry(options);
  const ReloadResult result = registry.Reload();
  ASSERT_THAT(result.store_errors, SizeIs(1));
  EXPECT_THAT(result.store_errors[0], HasSubstr("missing"));
  EXPECT_TRUE(registry.Borrow("no-cat").ok());
  ModelRegistry empty{ModelRegistryOptions{}};
  EXPECT_THAT(empty.Serving(), IsEmpty());
  EXPECT_THAT(std::string(empty.Borrow("no-cat").status().message()),
              HasSubstr("there are none"));
}

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

TEST_F(ModelRegistryTest, TheSameVersionWithOtherWeightsInAnotherStoreFails) {
  const std::string second = folder_ / "second";
  Publish(root(), Model(0));
  Publish(second, Model(1));
  Publish(second, Model(2));
  ModelRegistryOptions options = Options();
  options.stores.push_back(second);
  ModelRegistry registry(options);
  const ReloadResult result = registry.Reload();
  ASSERT_THAT(result.failed, SizeIs(1));
  EXPECT_EQ(result.failed[0].store(), second);
  EXPECT_THAT(result.failed[0].error(),
              AllOf(HasSubstr(root()), HasSubstr("higher version")));
  EXPECT_EQ((*registry.Borrow("no-cat@1"))->store, root());
  EXPECT_EQ((*registry.Borrow("balanced"))->store, second);
  // A higher version in the second store takes over.
  Publish(second, Model(1));
  registry.Reload();
  EXPECT_EQ((*registry.Borrow("no-cat"))->full_name(), "no-cat@2");
}

TEST_F(ModelRegistryTest, AVersionTakesThePlaceOfOneThatIsGone) {
  const std::string second = folder_ / "second";
  Publish(root(), Model(0));
  Publish(second, Model(2));
  ModelRegistryOptions options = Options();
  options.stores.push_back(second);
  ModelRegistry registry(options);
  registry.Reload();
  // Whichever of the two stores the other one is in.
  Publish(second, Model(1));
  EXPECT_THAT(registry.Reload().failed, SizeIs(1));
  std::filesystem::remove_all(root() + "/no-cat");
  registry.Reload();
  EXPECT_TRUE(registry.Serving()["no-cat"]);
  EXPECT_EQ((*registry.Borrow("no-cat"))->store, second);

  Publish(root(), Model(0));
  EXPECT_THAT(registry.Reload().failed, SizeIs(1));
  std::filesystem::remove_all(second + "/no-cat");
  registry.Reload();
  EXPECT_TRUE(registry.Serving()["no-cat"]);
  EXPECT_EQ((*registry.Borrow("no-cat"))->store, root());
}

TEST_F(ModelRegistryTest, AnOlderVersionIsLentEvenIfNoneIsKept) {
  Publish(root(), Model(0));
  Publish(root(), Model(1));
  ModelRegistryOptions options = Options();
  options.older_versions_kept = 0;
  ModelRegistry registry(options);
  registry.Reload();
  const auto older = registry.Borrow("no-cat@1");
  ASSERT_TRUE(older.ok()) << older.status();
  ASSERT_NE(*older, nullptr);
  EXPECT_EQ((*older)->full_name(), "no-cat@1");
}

TEST_F(ModelRegistryTest, ADeletedVersionIsForgottenButServesItsHolder) {
  Publish(root(), Model(0));
  Publish(root(), Model(1));
  ModelRegistry registry(Options());
  registry.Reload();
  const auto held = registry.Borrow("no-cat");
  std::filesystem::remove_all(root() + "/no-cat/2");
  registry.Reload();
  EXPECT_EQ((*registry.Borrow("no-cat"))->full_name(), "no-cat@1");
  EXPECT_EQ((*held)->full_name(), "no-cat@2");
  EXPECT_EQ((*held)->network->num_classes(), 10);
  std::filesystem::remove_all(root() + "/no-cat");
  registry.Reload();
  EXPECT_TRUE(absl::IsNotFound(registry.Borrow("no-cat").status()));
}

TEST_F(ModelRegistryTest, PollingFindsNewVersions) {
  Publish(root(), Model(0));
  Gate changed;
  ModelRegistryOptions options = Options();
  options.on_change = [&](const ReloadResult& result) {
    EXPECT_THAT(result.loaded, SizeIs(1));
    changed.Pass();
  };
  changed.Open();
  ModelRegistry registry(options);
  registry.Reload();
  registry.StartPolling();
  Publish(root(), Model(1));
  clock_.AwaitWaiter();
  clock_.Advance(options.poll_interval);
  changed.AwaitArrivals(1);
  EXPECT_EQ((*registry.Borrow("no-cat"))->full_name(), "no-cat@2");
}

TEST_F(ModelRegistryTest, SwapsUnderBorrowersWithoutAnError) {
  Publish(root(), Model(0));
  ModelRegistry registry(Options());
  registry.Reload();
  std::atomic<bool> stop{false};
  std::atomic<int64_t> borrowed{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&] {
      uint64_t last = 0;
      while (!stop) {
        const auto model = registry.Borrow("no-cat");
        ASSERT_TRUE(model.ok()) << model.status();
        // Versions only grow, and each comes whole.
        EXPECT_GE((*model)->manifest.version(), last);
        last = (*model)->manifest.version();
        EXPECT_EQ((*model)->digest,
                  Sha256Hex(Model(last % 2 == 1 ? 0 : 1).weights));
        ++borrowed;
      }
    });
  }
  for (int i = 1; i <= 4; ++i) {
    Publish(root(), Model(i % 2));
    EXPECT_THAT(registry.Reload().loaded, SizeIs(1));
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_GT(borrowed, 0);
  EXPECT_EQ((*registry.Borrow("no-cat"))->full_name(), "no-cat@5");
}

}  // namespace
}  // namespace adv
