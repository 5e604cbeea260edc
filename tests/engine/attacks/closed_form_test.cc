// On a linear network the distance to the boundary is known: an attack with a
// budget succeeds just beyond it and fails just before.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/engine/attacks/every_attack.h"
#include "tests/engine/attacks/test_networks.h"

namespace adv {
namespace {

// With steps enough, and short enough, to reach any place of the ball.
std::vector<AttackCase> BudgetAttacks() {
  using Loss = ApgdConfig::Loss;
  const IgsmConfig igsm{1.0 / 255, 260};
  const PgdConfig pgd{{}, 40, 2};
  const PgdConfig fine_pgd{0.002, 300, 1, false};
  // The standard ensemble's, with fewer queries.
  FabConfig fab;
  fab.target_classes = 9;
  const AutoAttackConfig ensemble{{{ApgdConfig{}},
                                   {ApgdConfig{Loss::kTargetedDlr}},
                                   {fab},
                                   {SquareConfig{100}}}};
  return {
      {"fgsm", FgsmConfig{}},
      {"igsm", igsm},
      {"iterative_least_likely", IterativeLeastLikelyConfig{1.0 / 255, 260}},
      {"mi_fgsm", MiFgsmConfig{}},
      {"pgd", pgd},
      {"pgd_l2", fine_pgd, Norm::kL2},
      {"apgd", ApgdConfig{}},
      {"apgd_l2", ApgdConfig{}, Norm::kL2},
      {"apgd_dlr", ApgdConfig{Loss::kDlr}},
      {"apgd_dlr_l2", ApgdConfig{Loss::kDlr}, Norm::kL2},
      {"apgd_t", ApgdConfig{Loss::kTargetedDlr}},
      {"apgd_t_l2", ApgdConfig{Loss::kTargetedDlr}, Norm::kL2},
      // In one row all squares are single pixels. (On squares, and in L2,
      // square_test.cc.)
      {"square", SquareConfig{1000}},
      {"auto_attack", ensemble},
      {"auto_attack_l2", ensemble, Norm::kL2},
  };
}

class ClosedFormTest : public ::testing::TestWithParam<AttackCase> {
 protected:
  void ExpectFallsAt(const TwoClasses& toy, double distance) const {
    const AttackCase& one = GetParam();
    EXPECT_TRUE(toy.FallsTo(one.config, 1.01 * distance, one.norm)) << distance;
    EXPECT_FALSE(toy.FallsTo(one.config, 0.99 * distance, one.norm))
        << distance;
  }

  const int64_t others_ = Make(GetParam().config)->traits().min_classes - 2;
};

INSTANTIATE_TEST_SUITE_P(All, ClosedFormTest,
                         ::testing::ValuesIn(BudgetAttacks()),
                         [](const auto& one) { return one.param.name; });

// The size of w in the dual norm.
double GainOf(const at::Tensor& w, Norm norm) {
  return (norm == Norm::kLinf ? w.abs().sum() : w.square().sum().sqrt())
      .item<double>();
}

TEST_P(ClosedFormTest, SucceedsJustBeyondTheDistance) {
  for (uint64_t seed = 0; seed < 8; ++seed) {
    const at::Tensor w = Normal({20}, seed);
    const double distance = 0.02 + 0.01 * seed;
    ExpectFallsAt(TwoClasses(w, Uniform({20}, seed) * 0.5 + 0.25,
                             distance * GainOf(w, GetParam().norm), others_),
                  distance);
  }
}

// L-inf: the room to the box is .1, .5, .5 and .05, so that beyond .1 the gain
// is 2 * .1 + 4 * .05 + (1 + 1) * epsilon: the margin 1 is reached at .3, where
// without a box it would be at 1 / 8.
// L2: pixel 1 has room for .05 and gains 4 * .05; the margin 1 needs .8 / 3 of
// pixel 0, so that the distance is sqrt(.05^2 + (.8 / 3)^2) = .2713, where
// without a box it would be 1 / 5.
TEST_P(ClosedFormTest, SucceedsJustBeyondTheDistanceInsideTheBox) {
  if (GetParam().norm == Norm::kLinf) {
    ExpectFallsAt(TwoClasses(Floats({2, -1, 1, 4}),
                             Floats({0.9, 0.5, 0.5, 0.95}), 1, others_),
                  0.3);
  } else {
    ExpectFallsAt(TwoClasses(Floats({3, 4}), Floats({0.5, 0.95}), 1, others_),
                  std::hypot(0.05, 0.8 / 3));
  }
}

TEST(ThesisModeTest, SucceedsAsIfThereWereNoBox) {
  const TwoClasses toy(Floats({2, -1, 1, 4}), Floats({0.9, 0.5, 0.5, 0.95}), 1);
  EXPECT_TRUE(toy.FallsTo(FgsmConfig{true}, 1.01 / 8));
  EXPECT_FALSE(toy.FallsTo(FgsmConfig{true}, 0.99 / 8));
}

}  // namespace
}  // namespace adv
