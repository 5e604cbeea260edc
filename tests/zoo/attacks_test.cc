// Every attack on the model that everybody starts with: what is left right of
// 50 images, against what was recorded.
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "engine/evaluation/evaluation.h"
#include "tests/zoo/zoo_models.h"

namespace adv {
namespace {

constexpr int64_t kImages = 50;

struct Recorded {
  std::string name;
  AttackConfig config;
  Norm norm;
  double epsilon;
  // Of kImages, measured on 2026-11-22 (LibTorch 1.13, AMD EPYC, AVX-512).
  int64_t robust;
};
// Another processor rounds otherwise: so many images may go the other way.
constexpr int64_t kSlack = 3;

template <typename Config, typename Change>
Config With(Change change) {
  Config config;
  change(config);
  return config;
}

constexpr double kLinf = 1.0 / 255;
constexpr double kL2 = 0.15;

std::vector<Recorded> RecordedAttacks() {
  const auto pgd = With<PgdConfig>([](PgdConfig& c) { c.steps = 10; });
  const auto apgd = With<ApgdConfig>([](ApgdConfig& c) { c.steps = 20; });
  const auto apgd_t = With<ApgdConfig>([](ApgdConfig& c) {
    c.steps = 20;
    c.loss = ApgdConfig::Loss::kTargetedDlr;
    c.target_classes = 3;
  });
  const auto fab_t = With<FabConfig>([](FabConfig& c) {
    c.steps = 10;
    c.target_classes = 3;
  });
  const auto square =
      With<SquareConfig>([](SquareConfig& c) { c.queries = 200; });
  const auto carlini_wagner =
      With<CarliniWagnerConfig>([](CarliniWagnerConfig& c) {
        c.steps = 50;
        c.binary_search_steps = 3;
        c.initial_constant = 1;
      });
  const auto hop_skip_jump =
      With<HopSkipJumpConfig>([](HopSkipJumpConfig& c) { c.queries = 500; });
  const auto boundary =
      With<BoundaryConfig>([](BoundaryConfig& c) { c.queries = 500; });
  return {{"noise", NoiseConfig{}, Norm::kLinf, kLinf, 46},
          {"fgsm", FgsmConfig{}, Norm::kLinf, kLinf, 31},
          {"igsm", IgsmConfig{kLinf / 4, 8}, Norm::kLinf, kLinf, 27},
          {"pgd", pgd, Norm::kLinf, kLinf, 26},
          {"mi_fgsm", MiFgsmConfig{}, Norm::kLinf, kLinf, 30},
          {"apgd", apgd, Norm::kLinf, kLinf, 24},
          {"apgd_t", apgd_t, Norm::kLinf, kLinf, 24},
          {"fab_t", fab_t, Norm::kLinf, kLinf, 25},
          {"square", square, Norm::kLinf, kLinf, 41},
          {"pgd_l2", pgd, Norm::kL2, kL2, 24},
          {"apgd_l2", apgd, Norm::kL2, kL2, 23},
          {"deep_fool", DeepFoolConfig{}, Norm::kL2, kL2, 28},
          {"carlini_wagner", carlini_wagner, Norm::kL2, kL2, 42},
          {"fab_t_l2", fab_t, Norm::kL2, kL2, 22},
          {"square_l2", square, Norm::kL2, kL2, 42},
          {"hop_skip_jump", hop_skip_jump, Norm::kL2, 8 * kL2, 29},
          {"boundary", boundary, Norm::kL2, 16 * kL2, 23}};
}

class ZooAttackTest : public testing::TestWithParam<Recorded> {};

TEST_P(ZooAttackTest, LeavesRightWhatIsRecorded) {
  const ZooModel* const model = FindZooModel("balanced");
  ASSERT_NE(model, nullptr);
  EvaluationPlan plan;
  plan.attacks = {GetParam().config};
  plan.norm = GetParam().norm;
  plan.epsilons = {GetParam().epsilon};
  plan.success = SuccessRule::kAnyIterate;
  plan.tile_size = kImages;
  const auto report = Evaluate(*model->network, *model->network, ZooSample(),
                               SampleIndices(ZooSample().labels, kImages, 1),
                               plan, nullptr, nullptr);
  ASSERT_TRUE(report.ok()) << report.status();
  const Outcomes& outcomes = report->attacks[0].overall;
  EXPECT_NEAR(outcomes.right_right, GetParam().robust, kSlack)
      << "clean right: " << outcomes.clean_right();
}

INSTANTIATE_TEST_SUITE_P(All, ZooAttackTest,
                         testing::ValuesIn(RecordedAttacks()),
                         [](const testing::TestParamInfo<Recorded>& one) {
                           return one.param.name;
                         });

}  // namespace
}  // namespace adv
