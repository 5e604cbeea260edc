#include "engine/attacks/hop_skip_jump.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "engine/attacks/minimising.h"
#include "tests/engine/attacks/black_box_networks.h"

namespace adv {
namespace {

// Sizes of what is found over the distances to the plane.
at::Tensor Excess(Norm norm, int64_t queries, const BesideAPlane& toy) {
  const AttackResult result = RunOne(HopSkipJumpConfig{queries}, *toy.network,
                                     toy.batch, WithinTheBox(norm));
  EXPECT_TRUE(result.success.all().item<bool>());
  return SizesOf(result.images - toy.batch.images, norm) / toy.distances(norm);
}

class HopSkipJumpTest : public ::testing::TestWithParam<Norm> {};

INSTANTIATE_TEST_SUITE_P(Norms, HopSkipJumpTest,
                         ::testing::Values(Norm::kLinf, Norm::kL2));

TEST_P(HopSkipJumpTest, EndsCloseToThePlaneAndNeverBeforeIt) {
  const BesideAPlane toy(16, 70);
  const at::Tensor excess = Excess(GetParam(), 2000, toy);
  const double most = GetParam() == Norm::kLinf ? 1.15 : 1.05;
  EXPECT_LE(excess.max().item<double>(), most) << excess;
  EXPECT_GE(excess.min().item<double>(), 1 - 1e-4);
}

TEST_P(HopSkipJumpTest, ComesCloserWithMoreQueries) {
  const BesideAPlane toy(16, 71);
  const double few = Excess(GetParam(), 60, toy).mean().item<double>();
  const double some = Excess(GetParam(), 400, toy).mean().item<double>();
  const double many = Excess(GetParam(), 3000, toy).mean().item<double>();
  EXPECT_LT(some, 0.8 * few);
  EXPECT_LT(many, 0.95 * some);
}

}  // namespace
}  // namespace adv
