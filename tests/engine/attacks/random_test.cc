#include "engine/attacks/random.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

namespace adv {
namespace {

using DrawFunction = at::Tensor (*)(const RandomKey&,
                                    const std::vector<int64_t>&, int64_t);

constexpr int64_t kRows = 2000;
const RandomKey kKey = {123456789012345, RandomPurpose::kStart, 2, 7};

bool SameBits(const float* a, const float* b, int64_t values) {
  return std::memcmp(a, b, values * sizeof(float)) == 0;
}

class DrawTest : public ::testing::TestWithParam<DrawFunction> {};

INSTANTIATE_TEST_SUITE_P(All, DrawTest,
                         ::testing::Values(&DrawUniform, &DrawNormal,
                                           &DrawInUnitBall));

// To the last bit, in batches that fill vectors and that do not.
TEST_P(DrawTest, ARowDependsOnItsSampleAlone) {
  for (const int64_t values : {7, 8}) {
    std::vector<int64_t> samples(kRows);
    std::iota(samples.begin(), samples.end(), 0);
    const at::Tensor all = GetParam()(kKey, samples, values);
    ASSERT_EQ(all.sizes(), at::IntArrayRef({kRows, values}));
    std::reverse(samples.begin(), samples.end());
    for (const int64_t batch : {1, 3, 8, 17}) {
      for (int64_t begin = 0; begin < kRows; begin += batch) {
        const int64_t end = std::min(begin + batch, kRows);
        const std::vector<int64_t> some(samples.begin() + begin,
                                        samples.begin() + end);
        const at::Tensor drawn = GetParam()(kKey, some, values);
        for (int64_t i = 0; i < end - begin; ++i) {
          ASSERT_TRUE(SameBits(drawn.data_ptr<float>() + i * values,
                               all.data_ptr<float>() + some[i] * values,
                               values))
              << "sample " << some[i] << " in a batch of " << batch;
        }
      }
    }
  }
}

// Each part of the key and the sample.
TEST_P(DrawTest, AnotherKeyGivesOtherNumbers) {
  const auto draw = [](const RandomKey& key, int64_t sample) {
    return GetParam()(key, {sample}, 8);
  };
  const at::Tensor drawn = draw(kKey, 5);
  EXPECT_TRUE(draw(kKey, 5).equal(drawn));
  EXPECT_FALSE(draw(kKey, 6).equal(drawn));
  RandomKey other = kKey;
  other.seed ^= uint64_t{1} << 40;
  EXPECT_FALSE(draw(other, 5).equal(drawn));
  other = kKey;
  other.purpose = RandomPurpose::kStep;
  EXPECT_FALSE(draw(other, 5).equal(drawn));
  other = kKey;
  ++other.restart;
  EXPECT_FALSE(draw(other, 5).equal(drawn));
  other = kKey;
  ++other.step;
  EXPECT_FALSE(draw(other, 5).equal(drawn));
}

// Of the ball in 8 dimensions, a share of r^8 lies within r; the mean of each
// value is 0 and that of its square 1 / (8 + 2).
TEST(DrawInUnitBall, IsUniformInTheVolume) {
  std::vector<int64_t> samples(kRows);
  std::iota(samples.begin(), samples.end(), 0);
  const at::Tensor drawn = DrawInUnitBall(kKey, samples, 8);
  const at::Tensor lengths = drawn.norm(2, 1);
  EXPECT_LE(lengths.max().item<double>(), 1 + 1e-6);
  for (const double share : {0.1, 0.5, 0.9}) {
    const double within = lengths.le(std::pow(share, 1.0 / 8))
                              .to(at::kDouble)
                              .mean()
                              .item<double>();
    EXPECT_NEAR(within, share, 0.035);  // three standard deviations
  }
  EXPECT_NEAR(drawn.mean(0).abs().max().item<double>(), 0, 0.025);
  EXPECT_TRUE(drawn.square().mean(0).allclose(at::full({8}, 0.1), 0, 0.01));
}

}  // namespace
}  // namespace adv
