#include "engine/nn/loss.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "engine/nn/network.h"
#include "tests/engine/toy_network.h"

namespace adv {
namespace {

struct Case {
  at::Tensor logits;
  at::Tensor classes;
};

Case RandomCase(int64_t classes) {
  at::manual_seed(classes);
  return {at::randn({32, classes}, at::kDouble) * 3,
          at::randint(classes, {32}, at::kLong)};
}

at::Tensor CrossEntropyGradient(const at::Tensor& logits,
                                const at::Tensor& classes) {
  return at::softmax(logits, 1) -
         at::one_hot(classes, logits.size(1)).to(logits.scalar_type());
}

TEST(AttackLossTest, OnPaper) {
  const at::Tensor logits =
      at::tensor({1.0, 2.0, 5.0}, at::kDouble).view({1, 3});
  const double expected = std::log(std::exp(1.0) + std::exp(2.0)) - 5;
  EXPECT_NEAR(AttackLoss(logits, at::tensor({2}, at::kLong)).item<double>(),
              expected, 1e-12);
}

TEST(AttackLossTest, SoftplusOfItIsCrossEntropy) {
  for (const int64_t classes : {2, 3, 10}) {
    const Case c = RandomCase(classes);
    const at::Tensor loss = AttackLoss(c.logits, c.classes);
    const at::Tensor cross_entropy =
        at::cross_entropy_loss(c.logits, c.classes, {}, at::Reduction::None);
    EXPECT_TRUE(at::allclose(at::softplus(loss), cross_entropy, 1e-9, 1e-9));
    const at::Tensor probability =
        at::softmax(c.logits, 1).gather(1, c.classes.unsqueeze(1)).squeeze(1);
    EXPECT_TRUE(at::equal(loss > 0, probability < 0.5));
  }
}

TEST(AttackLossTest, GradientIsThatOfTheLoss) {
  for (const int64_t classes : {2, 3, 10}) {
    const Case c = RandomCase(classes);
    const at::Tensor leaf = c.logits.clone().requires_grad_();
    const at::Tensor expected =
        torch::autograd::grad({AttackLoss(leaf, c.classes).sum()}, {leaf})[0];
    EXPECT_TRUE(at::allclose(AttackLossGradient(c.logits, c.classes), expected,
                             1e-9, 1e-12));
  }
}

TEST(AttackLossTest, AConstantAddedToAllLogitsChangesNothing) {
  const Case c = RandomCase(10);
  EXPECT_TRUE(at::allclose(AttackLoss(c.logits + 100, c.classes),
                           AttackLoss(c.logits, c.classes), 0, 1e-10));
  EXPECT_TRUE(at::allclose(AttackLossGradient(c.logits + 100, c.classes),
                           AttackLossGradient(c.logits, c.classes), 0, 1e-10));
}

// What the loss is for: where cross-entropy is silent, it still has a slope.
TEST(AttackLossTest, DoesNotVanishWhereCrossEntropyDoes) {
  at::manual_seed(1);
  const at::Tensor weights = at::randn({4, 3 * 2 * 2});
  const at::Tensor images = at::rand({16, 3, 2, 2});
  const ToyLinearNetwork calm({3, 2, 2}, weights, at::zeros({4}));
  const ToyLinearNetwork sure({3, 2, 2}, weights * 100, at::zeros({4}));
  const at::Tensor classes = calm.Logits(images).value().argmax(1);
  const auto cross_entropy = [&classes](const at::Tensor& logits) {
    return CrossEntropyGradient(logits, classes);
  };
  const auto silent = [](const at::Tensor& gradient) {
    return (gradient.flatten(1).abs().amax(1) == 0).sum().item<int64_t>();
  };
  EXPECT_EQ(silent(calm.InputGradient(images, cross_entropy).value().gradient),
            0);
  EXPECT_GT(silent(sure.InputGradient(images, cross_entropy).value().gradient),
            0);
  EXPECT_EQ(silent(sure.LossGradient(images, classes).value().gradient), 0);
}

TEST(ToyNetworkTest, GradientIsThatOfTheLogits) {
  at::manual_seed(2);
  const at::Tensor weights = at::randn({4, 3 * 2 * 5});
  const at::Tensor bias = at::randn({4});
  const ToyLinearNetwork network({3, 2, 5}, weights, bias);
  const at::Tensor images = at::rand({6, 3, 2, 5}).requires_grad_();
  const at::Tensor classes = at::tensor({0, 1, 2, 3, 0, 1}, at::kLong);
  const at::Tensor logits = at::linear(images.flatten(1), weights, bias);
  const at::Tensor expected =
      torch::autograd::grad({AttackLoss(logits, classes).sum()}, {images})[0];
  const LogitsAndGradient result =
      network.LossGradient(images, classes).value();
  EXPECT_TRUE(at::allclose(result.logits, logits, 1e-5, 1e-6));
  EXPECT_TRUE(at::allclose(result.gradient, expected, 1e-5, 1e-6));
}

TEST(ToyNetworkTest, ChannelMeansPickTheBrightestChannel) {
  const auto network = MakeChannelMeanNetwork({3, 4, 4}, 2);
  at::Tensor image = at::zeros({1, 3, 4, 4});
  image.select(1, 1).fill_(0.5);
  const at::Tensor logits = network->Logits(image).value();
  EXPECT_TRUE(
      at::allclose(logits, at::tensor({0.0f, 1.0f, 0.0f}).view({1, 3})));
}

}  // namespace
}  // namespace adv
