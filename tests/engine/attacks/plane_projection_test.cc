#include "engine/attacks/plane_projection.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/engine/attacks/nearest.h"

namespace adv {
namespace {

// Far from the box, or with every third pixel at its edge.
at::Tensor GreyPoints(int64_t count, uint64_t seed) {
  return Uniform({count, 3, 5, 5}, seed) * 0.4 + 0.3;
}
at::Tensor StarkPoints(int64_t count, uint64_t seed) {
  return (Uniform({count, 3, 5, 5}, seed) * 1.5 - 0.25).clamp(0, 1);
}

class PlaneProjectionTest : public ::testing::TestWithParam<Norm> {
 protected:
  // The moves from `points` are inside the box, lead onto the plane, and are
  // as small as bisection finds.
  void Check(const at::Tensor& points, const at::Tensor& normals,
             const at::Tensor& values) const {
    const at::Tensor moves =
        MovesOntoPlanes(points, normals, values, GetParam());
    const at::Tensor ends = points + moves;
    EXPECT_GE(ends.min().item<double>(), -1e-6);
    EXPECT_LE(ends.max().item<double>(), 1 + 1e-6);
    const at::Tensor sizes = SizesOf(moves, GetParam());
    for (int64_t i = 0; i < points.size(0); ++i) {
      const double value = values[i].item<double>();
      const at::Tensor w = normals[i].flatten().to(at::kDouble);
      const double gained =
          w.dot(moves[i].flatten().to(at::kDouble)).item<double>();
      const double scale = w.abs().max().item<double>();
      EXPECT_NEAR(gained / scale, -value / scale, 1e-5);
      const double exact = ExactDistance(value > 0 ? -w : w, points[i],
                                         std::abs(value), GetParam());
      EXPECT_NEAR(sizes[i].item<double>(), exact, 1e-5 * (1 + exact));
    }
  }
};

INSTANTIATE_TEST_SUITE_P(Norms, PlaneProjectionTest,
                         ::testing::Values(Norm::kLinf, Norm::kL2));

TEST_P(PlaneProjectionTest, FarFromTheBox) {
  Check(GreyPoints(20, 1), Normal({20, 3, 5, 5}, 2),
        at::linspace(-2, 2, 20, at::kDouble));
}

// From a plane nearby to one that all but the last pixels must go for.
TEST_P(PlaneProjectionTest, AgainstTheBox) {
  const at::Tensor points = StarkPoints(40, 3);
  const at::Tensor normals = Normal({40, 3, 5, 5}, 4);
  const at::Tensor room = at::where(normals > 0, 1 - points, points);
  const at::Tensor most =
      (normals.abs() * room).flatten(1).to(at::kDouble).sum(1);
  Check(points, normals, -most * at::linspace(0.01, 0.999, 40, at::kDouble));
  const at::Tensor other = at::where(normals > 0, points, 1 - points);
  const at::Tensor least =
      (normals.abs() * other).flatten(1).to(at::kDouble).sum(1);
  Check(points, normals, least * at::linspace(0.01, 0.999, 40, at::kDouble));
}

// Weights of any size, and some of none.
TEST_P(PlaneProjectionTest, WeightsOfAllSizes) {
  const at::Tensor points = StarkPoints(20, 5);
  at::Tensor normals = Normal({20, 3, 5, 5}, 6).pow(5);
  normals.masked_fill_(Uniform({20, 3, 5, 5}, 7).lt(0.3), 0);
  for (double scale : {1e-12, 1.0, 1e12}) {
    Check(points, normals * scale,
          at::linspace(-3, 3, 20, at::kDouble) * scale);
  }
}

TEST_P(PlaneProjectionTest, OntoAPlaneThatTheBoxDoesNotMeetIsTheCorner) {
  const at::Tensor points = StarkPoints(4, 8);
  const at::Tensor normals = Normal({4, 3, 5, 5}, 9);
  const at::Tensor moves = MovesOntoPlanes(
      points, normals, at::full({4}, -1e3, at::kDouble), GetParam());
  EXPECT_TRUE((points + moves).allclose(normals.gt(0).to(at::kFloat)));
}

TEST_P(PlaneProjectionTest, NothingMovesOnThePlaneOrWithoutAPlane) {
  const at::Tensor points = StarkPoints(2, 8);
  const at::Tensor normals = Normal({2, 3, 5, 5}, 9);
  EXPECT_TRUE(
      MovesOntoPlanes(points, normals, at::zeros({2}, at::kDouble), GetParam())
          .eq(0)
          .all()
          .item<bool>());
  EXPECT_TRUE(MovesOntoPlanes(points, at::zeros_like(points),
                              at::ones({2}, at::kDouble), GetParam())
                  .eq(0)
                  .all()
                  .item<bool>());
}

}  // namespace
}  // namespace adv
