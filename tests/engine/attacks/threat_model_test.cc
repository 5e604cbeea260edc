#include "engine/attacks/threat_model.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "engine/attacks/violations.h"
#include "tests/engine/attacks/test_networks.h"

namespace adv {
namespace {

Goal Toward(Goal::TargetRule rule, int64_t target_class = -1) {
  return {Goal::Kind::kTargeted, rule, target_class};
}

TEST(ThreatModel, EpsilonRange) {
  EXPECT_TRUE(Validate({Norm::kLinf, 0}, 3072).ok());
  EXPECT_TRUE(Validate({Norm::kLinf, 1}, 3072).ok());
  EXPECT_TRUE(Validate({Norm::kL2, 8}, 64).ok());
  EXPECT_EQ(Validate({Norm::kLinf, 1.5}, 3072).message(),
            "epsilon: 1.5 is outside [0, 1]");
  EXPECT_EQ(Validate({Norm::kLinf, -0.1}, 3072).message(),
            "epsilon: -0.1 is outside [0, 1]");
  EXPECT_EQ(Validate({Norm::kL2, 8.5}, 64).message(),
            "epsilon: 8.5 is outside [0, 8]");
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(Validate({Norm::kLinf, nan}, 3072).message(),
            "epsilon: nan is outside [0, 1]");
}

class ResolveTargetsTest : public ::testing::Test {
 protected:
  absl::StatusOr<at::Tensor> Resolve(const Goal& goal, uint64_t seed = 0) {
    return ResolveTargets(goal, labels_, logits_, indices_, seed);
  }

  const at::Tensor labels_ = Longs({0, 2, 1});
  const at::Tensor logits_ =
      Floats({3, 2, 1, 0, 5, 1, 2, 7, 2, 0, 1, 3}).view({3, 4});
  const at::Tensor indices_ = Longs({10, 11, 4000000000});
};

TEST_F(ResolveTargetsTest, UntargetedHasNone) {
  EXPECT_FALSE(Resolve(Goal{}).value().defined());
}

TEST_F(ResolveTargetsTest, FixedNextAndLeastLikely) {
  EXPECT_TRUE(Resolve(Toward(Goal::TargetRule::kFixed, 3))
                  .value()
                  .equal(Longs({3, 3, 3})));
  EXPECT_TRUE(
      Resolve(Toward(Goal::TargetRule::kNext)).value().equal(Longs({1, 3, 2})));
  // The last image's least likely class is its label.
  EXPECT_TRUE(Resolve(Toward(Goal::TargetRule::kLeastLikely))
                  .value()
                  .equal(Longs({3, 1, 2})));
}

TEST_F(ResolveTargetsTest, NextWrapsAround) {
  const auto targets =
      ResolveTargets(Toward(Goal::TargetRule::kNext), Longs({3}),
                     at::zeros({1, 4}), Longs({0}), 0);
  EXPECT_TRUE(targets.value().equal(Longs({0})));
}

TEST_F(ResolveTargetsTest, BadFixedTargets) {
  EXPECT_EQ(Resolve(Toward(Goal::TargetRule::kFixed, 4)).status().message(),
            "target_class: 4 is outside [0, 3]");
  EXPECT_EQ(Resolve(Toward(Goal::TargetRule::kFixed, -1)).status().message(),
            "target_class: -1 is outside [0, 3]");
  EXPECT_EQ(Resolve(Toward(Goal::TargetRule::kFixed, 2)).status().message(),
            "target_class: 2 is the label of image 11");
}

TEST_F(ResolveTargetsTest, RandomIsKeyedBySeedAndIndexAlone) {
  const int64_t count = 4000;
  const at::Tensor indices = at::arange(count, at::kLong);
  const at::Tensor labels = indices.remainder(4);
  const at::Tensor logits = at::zeros({count, 4});
  const Goal goal = Toward(Goal::TargetRule::kRandom);
  const at::Tensor targets =
      ResolveTargets(goal, labels, logits, indices, 7).value();

  const at::Tensor backward =
      ResolveTargets(goal, labels.flip(0), logits, indices.flip(0), 7).value();
  EXPECT_TRUE(backward.flip(0).equal(targets));
  EXPECT_FALSE(
      ResolveTargets(goal, labels, logits, indices, 8).value().equal(targets));

  // Each of the other classes has a third, the label nothing.
  const at::Tensor shift = (targets - labels).remainder(4);
  EXPECT_EQ(shift.eq(0).sum().item<int64_t>(), 0);
  for (int64_t other = 1; other < 4; ++other) {
    EXPECT_NEAR(shift.eq(other).sum().item<int64_t>(), count / 3.0, 150);
  }
}

TEST(Violations, AllAtOnceAndEachOnce) {
  Violations violations;
  EXPECT_TRUE(violations.ToStatus().ok());
  violations.Add("a: bad");
  violations.AddAll(absl::InvalidArgumentError("b: worse; a: bad"));
  violations.AddAll(absl::OkStatus());
  EXPECT_EQ(violations.ToStatus(),
            absl::InvalidArgumentError("a: bad; b: worse"));
}

}  // namespace
}  // namespace adv
