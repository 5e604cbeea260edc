#include "engine/attacks/boundary.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "engine/attacks/minimising.h"
#include "tests/engine/attacks/black_box_networks.h"

namespace adv {
namespace {

// Sizes of what is found over the distances to the plane.
at::Tensor Excess(int64_t queries, const BesideAPlane& toy) {
  const AttackResult result = RunOne(BoundaryConfig{queries}, *toy.network,
                                     toy.batch, WithinTheBox(Norm::kL2));
  EXPECT_TRUE(result.success.all().item<bool>());
  return SizesOf(result.images - toy.batch.images, Norm::kL2) /
         toy.l2_distances;
}

TEST(Boundary, EndsCloseToThePlaneAndNeverBeforeIt) {
  const BesideAPlane toy(16, 80);
  const at::Tensor excess = Excess(2500, toy);
  EXPECT_LE(excess.max().item<double>(), 1.05) << excess;
  EXPECT_GE(excess.min().item<double>(), 1 - 1e-4);
}

TEST(Boundary, ComesCloserWithMoreQueries) {
  const BesideAPlane toy(16, 81);
  const double few = Excess(60, toy).mean().item<double>();
  const double some = Excess(400, toy).mean().item<double>();
  const double many = Excess(1500, toy).mean().item<double>();
  EXPECT_LT(some, 0.8 * few);
  EXPECT_LT(many, 0.95 * some);
}

// A plane is reached to the limits of float32 long before the budget ends.
TEST(Boundary, EndsWhereStepsBecomeNothing) {
  const BesideAPlane toy(4, 82);
  const AttackResult result = RunOne(BoundaryConfig{25000}, *toy.network,
                                     toy.batch, WithinTheBox(Norm::kL2));
  EXPECT_LT(result.forwards.max().item<int64_t>(), 25000);
  EXPECT_TRUE(SizesOf(result.images - toy.batch.images, Norm::kL2)
                  .allclose(toy.l2_distances.to(at::kDouble), 1e-3, 0));
}

TEST(Boundary, IsForL2) {
  EXPECT_TRUE(Make(BoundaryConfig{})->HasNorm(Norm::kL2));
  EXPECT_FALSE(Make(BoundaryConfig{})->HasNorm(Norm::kLinf));
}

}  // namespace
}  // namespace adv
