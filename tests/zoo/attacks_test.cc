// Every attack on the model that everybody starts with: what is left right of
// a few images, against what was recorded.
#include <gtest/gtest.h>

#include <cstdio>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "engine/evaluation/evaluation.h"
#include "tests/zoo/zoo_models.h"

namespace adv {
namespace {

struct Recorded {
  std::string name;
  AttackConfig config;
  Norm norm;
  double epsilon;
  // How many of the images are left right, or, of an attack with a goal, go to
  // their class: measured on 2026-11-22 (LibTorch 1.13, AMD EPYC, AVX-512).
  int64_t count;
  std::optional<Goal::TargetRule> goal = {};
  int64_t images = 50;
};

std::ostream& operator<<(std::ostream& out, const Recorded& one) {
  return out << one.name;
}

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

std::vector<Recorded> GradientAttacks() {
  const auto pgd = With<PgdConfig>([](PgdConfig& c) { c.steps = 10; });
  const auto apgd = With<ApgdConfig>([](ApgdConfig& c) { c.steps = 20; });
  const auto apgd_dlr = With<ApgdConfig>([](ApgdConfig& c) {
    c.steps = 20;
    c.loss = ApgdConfig::Loss::kDlr;
  });
  const auto apgd_t = With<ApgdConfig>([](ApgdConfig& c) {
    c.steps = 10;
    c.loss = ApgdConfig::Loss::kTargetedDlr;
    c.target_classes = 3;
  });
  const IterativeLeastLikelyConfig least_likely{kLinf, 10};
  constexpr auto kNext = Goal::TargetRule::kNext;
  constexpr auto kRandom = Goal::TargetRule::kRandom;
  return {{"fgsm", FgsmConfig{}, Norm::kLinf, kLinf, 31},
          {"igsm", IgsmConfig{kLinf / 4, 8}, Norm::kLinf, kLinf, 27},
          {"least_likely", least_likely, Norm::kLinf, 4 * kLinf, 14},
          {"pgd", pgd, Norm::kLinf, kLinf, 26},
          {"mi_fgsm", MiFgsmConfig{}, Norm::kLinf, kLinf, 30},
          {"apgd", apgd, Norm::kLinf, kLinf, 24},
          {"apgd_dlr", apgd_dlr, Norm::kLinf, kLinf, 25},
          {"apgd_t", apgd_t, Norm::kLinf, kLinf, 24},
          {"pgd_l2", pgd, Norm::kL2, kL2, 24},
          {"apgd_l2", apgd, Norm::kL2, kL2, 23},
          {"pgd_to_next", pgd, Norm::kLinf, 4 * kLinf, 40, kNext},
          {"apgd_to_random", apgd, Norm::kL2, 4 * kL2, 43, kRandom}};
}

std::vector<Recorded> MinimisingAttacks() {
  const auto fab = With<FabConfig>([](FabConfig& c) { c.steps = 5; });
  const auto fab_t = With<FabConfig>([](FabConfig& c) {
    c.steps = 10;
    c.target_classes = 3;
  });
  const auto carlini_wagner =
      With<CarliniWagnerConfig>([](CarliniWagnerConfig& c) {
        c.steps = 200;
        c.binary_search_steps = 5;
        c.initial_constant = 1;
      });
  return {{"deep_fool", DeepFoolConfig{}, Norm::kL2, kL2, 28},
          {"deep_fool_linf", DeepFoolConfig{}, Norm::kLinf, kLinf, 28},
          {"fab_linf", fab, Norm::kLinf, kLinf, 26},
          {"fab_t_linf", fab_t, Norm::kLinf, kLinf, 25},
          {"fab_t_l2", fab_t, Norm::kL2, kL2, 22},
          {"carlini_wagner", carlini_wagner, Norm::kL2, kL2, 9, {}, 20}};
}

std::vector<Recorded> BlackBoxAttacks() {
  const SquareConfig square{200};
  const HopSkipJumpConfig hop_skip_jump{500};
  const BoundaryConfig boundary{500};
  return {{"noise", NoiseConfig{}, Norm::kLinf, kLinf, 46},
          {"square", square, Norm::kLinf, kLinf, 41},
          {"square_l2", square, Norm::kL2, kL2, 42},
          {"hop_skip_jump", hop_skip_jump, Norm::kL2, 8 * kL2, 11, {}, 25},
          {"boundary", boundary, Norm::kL2, 16 * kL2, 7, {}, 25}};
}

// The standard members with little time.
std::vector<Recorded> Ensembles() {
  const ApgdConfig apgd{ApgdConfig::Loss::kCrossEntropy, 10};
  const ApgdConfig apgd_t{ApgdConfig::Loss::kTargetedDlr, 10, 1, 2};
  const auto fab_t = With<FabConfig>([](FabConfig& c) {
    c.steps = 5;
    c.target_classes = 2;
  });
  const AutoAttackConfig members{
      {{apgd}, {apgd_t}, {fab_t}, {SquareConfig{50}}}};
  return {{"auto_attack", members, Norm::kLinf, kLinf, 24},
          {"auto_attack_l2", members, Norm::kL2, kL2, 22}};
}

class ZooAttackTest : public testing::TestWithParam<Recorded> {};

TEST_P(ZooAttackTest, CountsWhatIsRecorded) {
  const ZooModel* const model = FindZooModel("balanced");
  ASSERT_NE(model, nullptr);
  EvaluationPlan plan;
  plan.attacks = {GetParam().config};
  plan.norm = GetParam().norm;
  plan.epsilons = {GetParam().epsilon};
  plan.success = SuccessRule::kAnyIterate;
  if (GetParam().goal) plan.goal = {Goal::Kind::kTargeted, *GetParam().goal};
  plan.tile_size = GetParam().images;
  const auto report =
      Evaluate(*model->network, *model->network, ZooSample(),
               SampleIndices(ZooSample().labels, GetParam().images, 1), plan,
               nullptr, nullptr);
  ASSERT_TRUE(report.ok()) << report.status();
  const AttackReport& attack = report->attacks[0];
  EXPECT_NEAR(GetParam().goal ? attack.target_hits : attack.overall.right_right,
              GetParam().count, kSlack)
      << "clean right: " << attack.overall.clean_right();
}

// What both say of the same images differs by .2 points at most; of these, by
// one.
TEST(ZooFastPrecisionTest, FindsWhatFloat32Finds) {
  const ZooModel* const model = FindZooModel("balanced");
  ASSERT_NE(model, nullptr);
  if (model->network->Fast() == nullptr) {
    GTEST_SKIP() << "this processor does not compute with bfloat16";
  }
  EvaluationPlan plan;
  plan.attacks = {FgsmConfig{}, PgdConfig{{}, 10, 1, true}};
  plan.epsilons = {1.0 / 255, 2.0 / 255};
  const auto run = [&](Precision precision) {
    plan.precision = precision;
    return Evaluate(*model->network, *model->network, ZooSample(),
                    SampleIndices(ZooSample().labels, 250, 1), plan, nullptr,
                    nullptr)
        .value();
  };
  const EvaluationReport reference = run(Precision::kFloat32);
  const EvaluationReport fast = run(Precision::kFast);
  ASSERT_EQ(fast.attacks.size(), 4);
  for (size_t i = 0; i < fast.attacks.size(); ++i) {
    const int64_t robust = reference.attacks[i].overall.right_right;
    const int64_t found = fast.attacks[i].overall.right_right;
    // An image that stands has stood float32's attack as well.
    EXPECT_LE(found, robust);
    EXPECT_GE(found, robust - 1);
    std::printf("robust: %d in float32, %d by fast passes\n",
                static_cast<int>(robust), static_cast<int>(found));
  }
}

std::string Name(const testing::TestParamInfo<Recorded>& one) {
  return one.param.name;
}

INSTANTIATE_TEST_SUITE_P(Gradient, ZooAttackTest,
                         testing::ValuesIn(GradientAttacks()), Name);
INSTANTIATE_TEST_SUITE_P(Minimising, ZooAttackTest,
                         testing::ValuesIn(MinimisingAttacks()), Name);
INSTANTIATE_TEST_SUITE_P(BlackBox, ZooAttackTest,
                         testing::ValuesIn(BlackBoxAttacks()), Name);
INSTANTIATE_TEST_SUITE_P(Ensemble, ZooAttackTest,
                         testing::ValuesIn(Ensembles()), Name);

}  // namespace
}  // namespace adv
