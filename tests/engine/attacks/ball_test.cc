#include "engine/attacks/ball.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "tests/engine/attacks/test_networks.h"

namespace adv {
namespace {

using ::testing::HasSubstr;

constexpr Ball::Options kFloat{true, false};
constexpr Ball::Options kBytes{true, true};

at::Tensor Image(const std::vector<float>& pixels) {
  return Floats(pixels).view({1, 1, 1, -1});
}

TEST(Ball, ClampsToBallAndBox) {
  const at::Tensor original = Image({0.5, 0.05, 0.95, 0.5});
  const Ball ball(original, {Norm::kLinf, 0.1}, kFloat);
  at::Tensor image = Image({0.7, -0.3, 1.2, 0.45});
  ball.Project(image);
  EXPECT_TRUE(image.allclose(Image({0.6, 0, 1, 0.45}), 0, 1e-7));
  EXPECT_TRUE(ball.Check(image).ok());
}

TEST(Ball, WithoutBoxOnlyTheBall) {
  const Ball ball(Image({0.05, 0.95}), {Norm::kLinf, 0.1}, {false, false});
  at::Tensor image = Image({-1, 2});
  ball.Project(image);
  EXPECT_TRUE(image.allclose(Image({-0.05, 1.05}), 0, 1e-7));
  EXPECT_TRUE(ball.Check(image).ok());
}

TEST(Ball, L2ScalesEachImageAlone) {
  const at::Tensor original = at::full({2, 1, 1, 2}, 0.5, at::kFloat);
  const Ball ball(original, {Norm::kL2, 0.25}, kFloat);
  at::Tensor images = original.clone();
  images[0] += Floats({0.3, 0.4});  // length .5: halved
  images[1] += Floats({0.1, 0.1});  // inside: kept
  const at::Tensor inside = images[1].clone();
  ball.Project(images);
  EXPECT_TRUE(images[0].flatten().allclose(Floats({0.65, 0.7}), 0, 1e-6));
  EXPECT_TRUE(images[1].allclose(inside, 0, 1e-7));
  EXPECT_TRUE(ball.Check(images).ok());
}

TEST(Ball, L2ClipsToTheBoxAfterwards) {
  const Ball ball(Image({0.9, 0.5}), {Norm::kL2, 0.5}, kFloat);
  at::Tensor image = Image({3.9, 4.5});  // scaled to .9 + .3, .5 + .4
  ball.Project(image);
  EXPECT_TRUE(image.allclose(Image({1, 0.9}), 0, 1e-6));
  EXPECT_TRUE(ball.Check(image).ok());
}

TEST(Ball, L2RadiusZeroIsTheOriginal) {
  const at::Tensor original = Image({0.25, 0.75});
  const Ball ball(original, {Norm::kL2, 0}, kFloat);
  at::Tensor still = original.clone();
  ball.Project(still);
  EXPECT_TRUE(still.equal(original));
  at::Tensor moved = Image({0.5, 0.5});
  ball.Project(moved);
  EXPECT_TRUE(moved.equal(original));
}

TEST(Ball, SelectKeepsEachImagesOwnBall) {
  const at::Tensor originals = Uniform({4, 1, 2, 2}, 3);
  for (Norm norm : {Norm::kLinf, Norm::kL2}) {
    const Ball ball(originals, {norm, 0.05}, kFloat);
    at::Tensor all = Uniform({4, 1, 2, 2}, 4);
    const at::Tensor rows = Longs({3, 1});
    at::Tensor some = all.index_select(0, rows);
    ball.Project(all);
    ball.Select(rows).Project(some);
    EXPECT_TRUE(some.equal(all.index_select(0, rows)));
  }
}

// Each as in a ball of its own.
TEST(Ball, EpsilonsAndStepsMayDifferByImage) {
  const at::Tensor originals = FromBytes(ToBytes(Uniform({3, 3, 2, 2}, 3)));
  const std::vector<double> epsilons = {0.05, 0, 0.2};
  const std::vector<double> steps = {0.3, 0.1, 0.02};
  const at::Tensor ascent = Normal({3, 3, 2, 2}, 4);
  for (Norm norm : {Norm::kLinf, Norm::kL2}) {
    for (const Ball::Options& options : {kFloat, kBytes}) {
      const Ball ball(originals, norm, at::tensor(epsilons, at::kDouble),
                      options);
      at::Tensor climbed = originals.clone();
      ball.Climb(ascent, at::tensor(steps, at::kDouble), climbed);
      at::Tensor outside = originals + 0.21;
      EXPECT_EQ(ball.Check(outside).code(), absl::StatusCode::kInternal);
      ball.Project(outside);
      const at::Tensor snapped = ball.Snap(outside);
      EXPECT_TRUE(ball.Check(snapped).ok());
      for (int64_t i = 0; i < 3; ++i) {
        const Ball one(originals.narrow(0, i, 1), {norm, epsilons[i]}, options);
        at::Tensor alone = originals.narrow(0, i, 1).clone();
        one.Climb(ascent.narrow(0, i, 1), at::full({1}, steps[i], at::kDouble),
                  alone);
        EXPECT_TRUE(alone.equal(climbed.narrow(0, i, 1)));
        at::Tensor inside = originals.narrow(0, i, 1) + 0.21;
        one.Project(inside);
        EXPECT_TRUE(one.Snap(inside).equal(snapped.narrow(0, i, 1)));
      }
    }
  }
}

TEST(Ball, JoinsOthersWithTheirOwnEpsilons) {
  const at::Tensor originals = Uniform({3, 1, 2, 2}, 3);
  for (Norm norm : {Norm::kLinf, Norm::kL2}) {
    const Ball small(originals.narrow(0, 0, 1), {norm, 0.05}, kFloat);
    const Ball large(originals.narrow(0, 1, 2), {norm, 0.2}, kFloat);
    at::Tensor images = originals + 0.3;
    const at::Tensor all = images.clone();
    small.Join(large).Project(images);
    at::Tensor first = all.narrow(0, 0, 1), others = all.narrow(0, 1, 2);
    small.Project(first);
    large.Project(others);
    EXPECT_TRUE(images.equal(all));
    EXPECT_FALSE(small.Join(small).Check(images.narrow(0, 0, 2)).ok());
  }
}

TEST(Ball, BytesSurviveTheRoundTrip) {
  const at::Tensor bytes = at::arange(256).to(at::kByte);
  const at::Tensor pixels = bytes.to(at::kFloat).div(255);
  EXPECT_TRUE(FromBytes(ToBytes(pixels)).equal(pixels));
  EXPECT_TRUE(ToBytes(pixels).to(at::kByte).equal(bytes));
}

TEST(Ball, IntegerRadiusIsRoundedDown) {
  const at::Tensor original = FromBytes(Image({100, 254, 1}));
  // 2.9 / 255 allows two steps; 3 / 255, typed as a double, three.
  const Ball two(original, {Norm::kLinf, 2.9 / 255}, kBytes);
  const Ball three(original, {Norm::kLinf, 3.0 / 255}, kBytes);
  at::Tensor image = Image({1, 1, 0});
  two.Project(image);
  EXPECT_TRUE(ToBytes(two.Snap(image)).equal(Image({102, 255, 0})));
  image = Image({1, 1, 0});
  three.Project(image);
  EXPECT_TRUE(ToBytes(three.Snap(image)).equal(Image({103, 255, 0})));
  EXPECT_TRUE(three.Check(image).ok());
  EXPECT_THAT(two.Check(image).message(), HasSubstr("outside the ball"));
}

// 33 times the double nearest to 1/255 is a little less than 33/255.
TEST(Ball, IntegerRadiusForgivesRounding) {
  const at::Tensor original = FromBytes(Image({100}));
  const Ball ball(original, {Norm::kLinf, 33 * (1.0 / 255)}, kBytes);
  at::Tensor image = Image({1});
  ball.Project(image);
  EXPECT_TRUE(ToBytes(image).equal(Image({133})));
}

TEST(Ball, SnapStaysInside) {
  const at::Tensor originals = FromBytes(ToBytes(Uniform({8, 3, 4, 4}, 5)));
  for (Norm norm : {Norm::kLinf, Norm::kL2}) {
    const Ball ball(originals, {norm, 10.7 / 255}, kBytes);
    at::Tensor images = Uniform({8, 3, 4, 4}, 6);
    ball.Project(images);
    const at::Tensor snapped = ball.Snap(images);
    EXPECT_EQ(ball.Check(snapped), absl::OkStatus());
    EXPECT_FALSE(snapped.equal(originals));
  }
}

TEST(Ball, CheckSaysWhatIsWrong) {
  const at::Tensor original = Image({0.5, 0.96});
  const Ball ball(original, {Norm::kLinf, 0.1}, kFloat);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(ball.Check(Image({nan, 0.5})).code(), absl::StatusCode::kInternal);
  EXPECT_THAT(ball.Check(Image({nan, 0.9})).message(), HasSubstr("not finite"));
  EXPECT_THAT(ball.Check(Image({0.5, 1.01})).message(),
              HasSubstr("outside [0, 1]"));
  EXPECT_THAT(ball.Check(Image({0.61, 0.96})).message(),
              HasSubstr("outside the ball"));
  EXPECT_THAT(ball.Check(Image({0.5})).message(), HasSubstr("another shape"));
  const Ball l2(original, {Norm::kL2, 0.1}, kFloat);
  EXPECT_THAT(l2.Check(Image({0.58, 0.88})).message(),
              HasSubstr("outside the ball"));
  const at::Tensor byte = FromBytes(Image({100, 100}));
  EXPECT_THAT(
      Ball(byte, {Norm::kLinf, 0.1}, kBytes).Check(byte + 0.001).message(),
      HasSubstr("off the lattice"));
}

}  // namespace
}  // namespace adv
