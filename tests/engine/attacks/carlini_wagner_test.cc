#include "engine/attacks/carlini_wagner.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/engine/attacks/nearest.h"

namespace adv {
namespace {

CarliniWagnerConfig OneSearch(double constant, int64_t steps = 100) {
  CarliniWagnerConfig config;
  config.learning_rate = 0.02;
  config.binary_search_steps = 1;
  config.initial_constant = constant;
  config.steps = steps;
  return config;
}

// Enough to converge, at weights of about 1, from black and white too.
CarliniWagnerConfig Thorough() {
  CarliniWagnerConfig config;
  config.initial_constant = 0.1;
  config.binary_search_steps = 8;
  config.steps = 300;
  return config;
}

// Sizes over distances.
void ExpectRatioFrom1To(double most, const at::Tensor& ratio) {
  EXPECT_TRUE(ratio.ge(1 - 1e-4).all().item<bool>()) << ratio;
  EXPECT_TRUE(ratio.le(most).all().item<bool>()) << ratio;
}

class CarliniWagnerTest : public ::testing::Test {
 protected:
  AttackResult Find(const CarliniWagnerConfig& config) const {
    return FindNearest(config, toy_.network, batch_, Norm::kL2);
  }

  const LinearToy toy_{91};
  const AttackBatch batch_ = toy_.Grey(7, 92);
};

TEST_F(CarliniWagnerTest, HasL2Alone) {
  const auto attack = Make(CarliniWagnerConfig{});
  EXPECT_TRUE(attack->traits().HasNorm(Norm::kL2));
  EXPECT_FALSE(attack->traits().HasNorm(Norm::kLinf));
}

// With the paper's parameters, but for fewer steps.
TEST_F(CarliniWagnerTest, DefaultsFindTheNearestAtAnyScale) {
  CarliniWagnerConfig config;
  config.steps = 300;
  for (double scale : {1, 1000}) {
    const LinearToy scaled(91, 5, scale);
    const AttackResult result =
        FindNearest(config, scaled.network, batch_, Norm::kL2);
    ExpectRatioFrom1To(1.05, SizesIn(result, batch_, Norm::kL2) /
                                 ExactDistances(toy_, batch_, Norm::kL2));
  }
}

// Toward a target the loss is convex: the nearest of all targets, which is the
// paper's untargeted attack, is the nearest image.
TEST_F(CarliniWagnerTest, TheBestOfAllTargetsIsTheNearestOfManyClasses) {
  for (AttackBatch batch : {toy_.Grey(4, 93), toy_.Stark(4, 93, 0.03)}) {
    const at::Tensor exact = ExactDistances(toy_, batch, Norm::kL2);
    at::Tensor nearest = at::full_like(exact, 1e9);
    for (int64_t offset = 1; offset < 5; ++offset) {
      batch.targets = (batch.labels + offset).remainder(5);
      const AttackResult result =
          FindNearest(Thorough(), toy_.network, batch, Norm::kL2);
      EXPECT_TRUE(result.success.all().item<bool>());
      nearest = at::min(nearest, SizesIn(result, batch, Norm::kL2));
    }
    ExpectRatioFrom1To(1.05, nearest / exact);
  }
}

// Where the largest logit is that of the nearest boundary: all boundaries are
// as steep.
TEST_F(CarliniWagnerTest, FindsTheNearestOfManyClassesThatAreAlike) {
  const at::Tensor weights = at::zeros({5, 75});
  for (int64_t i = 0; i < 5; ++i) {
    const at::Tensor own = weights[i].narrow(0, 15 * i, 15);
    own.copy_(Normal({15}, 94 + i));
    own.mul_(8 / own.norm());
  }
  const LinearToy toy(weights);
  const AttackBatch batch = toy.Grey(7, 92);
  const AttackResult result =
      FindNearest(Thorough(), toy.network, batch, Norm::kL2);
  EXPECT_TRUE(result.success.all().item<bool>());
  ExpectRatioFrom1To(1.05, SizesIn(result, batch, Norm::kL2) /
                               ExactDistances(toy, batch, Norm::kL2));
}

// With too small a constant the image stays where it is; the next one is ten
// times as large and starts anew, as if it were the first.
TEST_F(CarliniWagnerTest, AFailedSearchLeavesNoTrace) {
  CarliniWagnerConfig many = OneSearch(3e-4);
  many.binary_search_steps = 4;
  const AttackResult late = Find(many);
  const AttackResult at_once = Find(OneSearch(3e-4 * 10 * 10 * 10));
  EXPECT_FALSE(Find(OneSearch(0.03)).success.any().item<bool>());
  EXPECT_TRUE(at_once.success.all().item<bool>());
  EXPECT_TRUE(late.images.equal(at_once.images));
  EXPECT_TRUE(late.iterations.equal(at_once.iterations));
}

// A network 2^36 times flatter needs a constant as many times larger, and the
// search for it takes the same way.
TEST_F(CarliniWagnerTest, NoConstantIsTooLargeToSucceed) {
  const double factor = std::pow(2, 36);
  CarliniWagnerConfig config = OneSearch(0.03);
  config.binary_search_steps = 8;
  const AttackResult expected = Find(config);
  // The first constant fails, the next one succeeds, and smaller ones come
  // nearer.
  const AttackResult one = Find(OneSearch(0.03 * 10));
  ASSERT_TRUE(one.success.all().item<bool>());
  ASSERT_FALSE(one.images.equal(expected.images));
  config.initial_constant = 0.03 * factor;
  const LinearToy flat(91, 5, 1 / factor);
  const AttackResult result =
      FindNearest(config, flat.network, batch_, Norm::kL2);
  EXPECT_TRUE(result.images.equal(expected.images));
  EXPECT_TRUE(result.iterations.equal(expected.iterations));
}

// A success is followed by half the constant: nearer, never farther.
TEST_F(CarliniWagnerTest, MoreSearchesComeNearer) {
  at::Tensor before = SizesIn(Find(OneSearch(100)), batch_, Norm::kL2);
  for (int64_t searches : {2, 4, 8}) {
    CarliniWagnerConfig config = OneSearch(100);
    config.binary_search_steps = searches;
    const at::Tensor sizes = SizesIn(Find(config), batch_, Norm::kL2);
    EXPECT_TRUE(sizes.le(before).all().item<bool>());
    before = sizes;
  }
}

TEST_F(CarliniWagnerTest, ConfidenceIsTheLeadInLogits) {
  for (double confidence : {0.0, 1.0, 3.0}) {
    CarliniWagnerConfig config = OneSearch(10, 200);
    config.confidence = confidence;
    const AttackResult result = Find(config);
    EXPECT_TRUE(result.success.all().item<bool>());
    const at::Tensor of_label =
        result.logits.gather(1, batch_.labels.unsqueeze(1)).squeeze(1);
    const at::Tensor margin = result.logits.amax(1) - of_label;
    EXPECT_TRUE(margin.ge(confidence).all().item<bool>());
    EXPECT_TRUE(margin.le(confidence + 1).all().item<bool>());
  }
}

// Who gets nowhere leaves a search at its next tenth. A constant so small that
// nothing moves costs the first tenth of the steps, and one.
TEST_F(CarliniWagnerTest, WhoGetsNowhereLeavesTheSearch) {
  const AttackResult stuck = Find(OneSearch(1e-12, 200));
  EXPECT_TRUE(stuck.gradients.eq(21).all().item<bool>());
  const AttackResult works = Find(OneSearch(1, 200));
  EXPECT_TRUE(works.gradients.gt(21).all().item<bool>());
  EXPECT_TRUE(works.gradients.lt(200).any().item<bool>());
  EXPECT_TRUE(works.forwards.eq(0).all().item<bool>());
}

// A zero gradient would be one of the network, not one that the formula's
// maximum cuts off.
TEST_F(CarliniWagnerTest, FoolingIsNoZeroGradient) {
  EXPECT_FALSE(Find(OneSearch(1)).zero_gradient.any().item<bool>());
}

TEST_F(CarliniWagnerTest, AFewStepsAreEnoughForATenth) {
  for (int64_t steps : {1, 3, 9}) {
    const AttackResult result = Find(OneSearch(1, steps));
    EXPECT_TRUE(result.gradients.le(steps).all().item<bool>());
  }
}

}  // namespace
}  // namespace adv
