#include "engine/attacks/boundary.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "engine/attacks/minimising.h"
#include "tests/engine/attacks/black_box_networks.h"
#include "tests/engine/attacks/decision_trail.h"

namespace adv {
namespace {

// Sizes of what is found over the distances to the plane.
at::Tensor ExcessOfBoundary(int64_t queries, const BesideAPlane& toy) {
  const AttackResult result = RunOne(BoundaryConfig{queries}, *toy.network,
                                     toy.batch, WithinTheBox(Norm::kL2));
  EXPECT_TRUE(result.success.all().item<bool>());
  return SizesOf(result.images - toy.batch.images, Norm::kL2) /
         toy.l2_distances;
}

void ExpectFrom1To(double most, const at::Tensor& excess) {
  EXPECT_LE(excess.max().item<double>(), most) << excess;
  EXPECT_GE(excess.min().item<double>(), 1 - 1e-4);
}

TEST(Boundary, EndsCloseToThePlaneAndNeverBeforeIt) {
  ExpectFrom1To(1.05, ExcessOfBoundary(2500, BesideAPlane(16, 80)));
}

TEST(Boundary, EndsCloseToThePlaneWhereTheBoxStopsAFewPixels) {
  ExpectFrom1To(1.05, ExcessOfBoundary(6000, BesideAPlane(8, 80, 2)));
}

// The more pixels stop at the box, the fewer random ways fool: so few at last
// that the steps end before the nearest place is found, however many queries
// are left.
TEST(Boundary, EndsNearThePlaneWhereTheBoxStopsAThirdOfThePixels) {
  const LinearToy toy(74, 2);
  const AttackBatch batch = toy.Stark(7, 75, 0);
  const AttackResult result =
      FindNearest(BoundaryConfig{}, toy.network, batch, Norm::kL2);
  EXPECT_TRUE(result.success.all().item<bool>());
  ExpectFrom1To(1.1, SizesIn(result, batch, Norm::kL2) /
                         ExactDistances(toy, batch, Norm::kL2));
}

TEST(Boundary, ComesCloserWithMoreQueries) {
  const BesideAPlane toy(16, 81);
  const double few = ExcessOfBoundary(60, toy).mean().item<double>();
  const double some = ExcessOfBoundary(400, toy).mean().item<double>();
  const double many = ExcessOfBoundary(1500, toy).mean().item<double>();
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
                  .allclose(toy.l2_distances, 1e-3, 0));
}

// The share of the last questions of one kind that were answered with yes,
// which makes the steps longer or shorter.
struct Answers {
  // The factor of the steps, 1 where a window is not full.
  double Add(bool yes, int window, double low, double high) {
    yeses += yes;
    if (++count < window) return 1;
    const double rate = static_cast<double>(yeses) / window;
    count = yeses = 0;
    grown += rate > high;
    shrunk += rate < low;
    kept += rate >= low && rate <= high;
    return rate > high ? 1.5 : rate < low ? 1 / 1.5 : 1;
  }
  int count = 0, yeses = 0;
  int grown = 0, shrunk = 0, kept = 0;
};

// Walks beside the attack: from an image at distance D one on the sphere,
// `around` D away on the tangent; from there to (1 - nearer) D, but not back.
struct BoundaryCompanion {
  void Walk(const RuleNetwork::Rule& fools, uint64_t seed) {
    DecisionTrail trail(BoundaryConfig{400}, Norm::kL2, fools, seed);
    at::Tensor current = trail.Start();
    on_sphere.count = on_sphere.yeses = 0;
    nearer_ones.count = nearer_ones.yeses = 0;
    double around = 0.1, nearer = 0.05;
    while (!trail.over()) {
      const double distance = trail.Size(current);
      const at::Tensor moved = trail.Next();
      const double reach = trail.Size(moved);
      if (moved.abs().max().item<double>() < 0.5) {  // not cut by the box
        ASSERT_NEAR(reach, distance, 1e-6);
        const double along = moved.dot(current).item<double>() / distance;
        const double aside = trail.Size(moved - current * (along / distance));
        ASSERT_NEAR(aside / along, around, 2e-6) << trail.asked();
      }
      const bool on_sphere_fools = trail.last_fools();
      const double factor = on_sphere.Add(on_sphere_fools, 10, 0.2, 0.5);
      around *= factor;
      nearer *= factor;
      if (!on_sphere_fools || trail.over()) continue;
      const double share = (1 - nearer) * distance / reach;
      near_enough += share > 1;
      const bool still_fools = trail.Ask(std::min(share, 1.0) * moved);
      nearer *= nearer_ones.Add(still_fools, 5, 0.1, 0.25);
      if (still_fools && trail.Size(trail.last()) < distance) {
        current = trail.last();
      }
    }
  }

  Answers on_sphere, nearer_ones;
  int near_enough = 0;  // what the box brought near enough by itself
};

TEST(Boundary, StepsAreLedByTheirAnswers) {
  const at::Tensor w = Normal({48}, 83).to(at::kDouble);
  BoundaryCompanion companion;
  for (const uint64_t seed : {1, 2, 3}) {
    companion.Walk(
        [w](const at::Tensor& change) {
          return (change * (w / w.norm())).sum(1).gt(0.15);
        },
        seed);
  }
  for (const Answers& answers : {companion.on_sphere, companion.nearer_ones}) {
    EXPECT_GT(answers.grown, 0);
    EXPECT_GT(answers.shrunk, 0);
    EXPECT_GT(answers.kept, 0);
  }
  EXPECT_EQ(companion.near_enough, 0);
}

TEST(Boundary, DoesNotGoBackWhereTheBoxBringsItNearer) {
  BoundaryCompanion companion;
  for (const uint64_t seed : {1, 2, 3}) {
    companion.Walk(
        [](const at::Tensor& change) { return change.abs().gt(0.499).any(1); },
        seed);
  }
  EXPECT_GT(companion.near_enough, 0);
}

TEST(Boundary, IsForL2) {
  EXPECT_TRUE(Make(BoundaryConfig{})->traits().HasNorm(Norm::kL2));
  EXPECT_FALSE(Make(BoundaryConfig{})->traits().HasNorm(Norm::kLinf));
}

}  // namespace
}  // namespace adv
