// Every attack on a device gives what it gives on the CPU, and the same again.
#include <ATen/ATen.h>

#include <cmath>
#include <fstream>
#include <iterator>
#include <map>
#include <numeric>
#include <ostream>

#include "engine/data/cifar10.h"
#include "engine/evaluation/evaluation.h"
#include "engine/nn/safetensors.h"
#include "engine/nn/vgg.h"
#include "engine/nn/vgg_network.h"
#include "tests/engine/evaluation/record_text.h"
#include "tests/engine/gpu/gpu_fixture.h"
#include "tests/folders.h"

namespace adv {
namespace {

constexpr int64_t kAttackTile = 250;

// One way that an attack can go, with so few passes that the CPU keeps up.
struct Case {
  std::string name;
  AttackConfig config;
  Norm norm = Norm::kLinf;
};

std::ostream& operator<<(std::ostream& out, const Case& one) {
  return out << one.name;
}

std::vector<Case> Cases() {
  using Loss = ApgdConfig::Loss;
  const PgdConfig pgd{{}, 10, 2, true};
  const ApgdConfig apgd{Loss::kCrossEntropy, 10, 1};
  const CarliniWagnerConfig carlini_wagner{0.05, 3, 0.1, 20, 0};
  const AutoAttackConfig ensemble{{{apgd}, {SquareConfig{50}}}};
  return {{"fgsm", FgsmConfig{}},
          {"igsm", IgsmConfig{}},
          {"iterative_least_likely", IterativeLeastLikelyConfig{}},
          {"mi_fgsm", MiFgsmConfig{}},
          {"pgd", pgd},
          {"pgd_l2", pgd, Norm::kL2},
          {"apgd", apgd},
          {"apgd_dlr_l2", ApgdConfig{Loss::kDlr, 10, 1}, Norm::kL2},
          {"apgd_t", ApgdConfig{Loss::kTargetedDlr, 10, 1, 3}},
          {"deep_fool", DeepFoolConfig{10}},
          {"carlini_wagner", carlini_wagner, Norm::kL2},
          {"fab", FabConfig{10}},
          {"square", SquareConfig{100}},
          {"hop_skip_jump", HopSkipJumpConfig{200}, Norm::kL2},
          {"boundary", BoundaryConfig{100}, Norm::kL2},
          {"noise", NoiseConfig{}},
          {"auto_attack", ensemble}};
}

StateDict ShippedWeights() {
  std::ifstream file(
      SourceDir() + "/model_store/zoo/balanced/2/weights.safetensors",
      std::ios::binary);
  return *ParseSafetensors(
      std::string(std::istreambuf_iterator<char>(file), {}));
}

// A trained network on each device, and the images that ship with it.
class AttacksGpuTest : public GpuTest,
                       public testing::WithParamInterface<Case> {
 protected:
  void SetUp() override {
    GpuTest::SetUp();
    if (IsSkipped()) return;
    static const auto& weights = *new StateDict(ShippedWeights());
    on_cpu_ = *MakeVgg("table51", weights, at::kCPU);
    on_gpu_ = *MakeVgg("table51", weights, cuda_);
    plan_.attacks = {GetParam().config};
    plan_.norm = GetParam().norm;
    plan_.epsilons = {plan_.norm == Norm::kL2 ? 0.25 : 0.01};
    plan_.success = SuccessRule::kAnyIterate;
    plan_.tile_size = kAttackTile;
  }

  static const Dataset& Sample() {
    static const auto& sample = *new Dataset(
        *ReadCifar10File(SourceDir() + "/model_store/zoo/cifar10-sample.bin"));
    return sample;
  }

  std::vector<SampleRecord> Records(const Network& network, int64_t begin,
                                    int64_t count) const {
    std::vector<int64_t> indices(count);
    std::iota(indices.begin(), indices.end(), begin);
    const auto records =
        EvaluateTile(network, network, Sample(), indices, plan_, nullptr);
    EXPECT_TRUE(records.ok()) << records.status();
    return records.value_or(std::vector<SampleRecord>{});
  }

  // Images of all that are right before and after.
  int64_t CountRobust(const Network& network) const {
    int64_t robust = 0;
    for (int64_t begin = 0; begin < Sample().size(); begin += kAttackTile) {
      for (const SampleRecord& one : Records(network, begin, kAttackTile)) {
        if (one.attacks.size() != 1) return -1;
        robust += one.prediction == one.label &&
                  one.attacks.front().prediction == one.label;
      }
    }
    return robust;
  }

  std::shared_ptr<const Network> on_cpu_, on_gpu_;
  EvaluationPlan plan_;
};

TEST_P(AttacksGpuTest, RobustAccuracyIsTheCpus) {
  ASSERT_EQ(Sample().size(), 1000);
  const int64_t on_cpu = CountRobust(*on_cpu_);
  const int64_t on_gpu = CountRobust(*on_gpu_);
  RecordProperty("robust_cpu", static_cast<int>(on_cpu));
  RecordProperty("robust_gpu", static_cast<int>(on_gpu));
  EXPECT_GE(on_cpu, 0);
  EXPECT_LE(std::abs(on_gpu - on_cpu), 5) << "half a point of 1,000 images";
}

TEST_P(AttacksGpuTest, ARerunGivesTheSameRecords) {
  const auto texts = [this] {
    std::vector<std::string> all;
    for (const SampleRecord& one : Records(*on_gpu_, 0, kAttackTile)) {
      all.push_back(RecordText(one));
    }
    return all;
  };
  const std::vector<std::string> once = texts();
  EXPECT_EQ(once.size(), static_cast<size_t>(kAttackTile));
  EXPECT_EQ(texts(), once);
}

TEST_P(AttacksGpuTest, EndsBeforeThePassThatItIsToldToEndAt) {
  for (int last : {0, 2}) {
    int passes = 0;
    const auto end = [&passes, last]() -> absl::Status {
      if (passes++ < last) return absl::OkStatus();
      return absl::CancelledError("enough");
    };
    const auto records =
        EvaluateTile(*on_gpu_, *on_gpu_, Sample(), {0, 1, 2}, plan_, end);
    if (records.ok()) {
      EXPECT_LE(passes, last) << "an attack of so few passes may be done";
      continue;
    }
    EXPECT_EQ(records.status(), absl::CancelledError("enough"));
    EXPECT_EQ(passes, last + 1);
  }
}

INSTANTIATE_TEST_SUITE_P(All, AttacksGpuTest, testing::ValuesIn(Cases()),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace adv
