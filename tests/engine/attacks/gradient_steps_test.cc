#include "engine/attacks/gradient_steps.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "engine/attacks/ball.h"
#include "tests/engine/attacks/test_networks.h"

namespace adv {
namespace {

AttackOutcome RunAttack(const AttackConfig& config, const Network& network,
                        const AttackBatch& batch, const RunOptions& options) {
  return Make(config)->Run(network, network, batch, options).value();
}

TEST(Fgsm, IsTheFormula) {
  const auto network = RandomNetwork(1);
  const AttackBatch batch = RandomBatch(*network, 16, 2);
  const at::Tensor gradient =
      network->LossGradient(batch.images, batch.labels).value().gradient;
  const AttackOutcome outcome =
      RunAttack(FgsmConfig{}, *network, batch, AtEpsilons({0.05}));
  const AttackResult& result = outcome.results[0];
  EXPECT_TRUE(
      result.images.equal((batch.images + 0.05 * gradient.sign()).clamp(0, 1)));
  EXPECT_TRUE(result.logits.equal(network->Logits(result.images).value()));
  EXPECT_TRUE(result.success.equal(result.logits.argmax(1).ne(batch.labels)));
  EXPECT_TRUE(
      outcome.clean_logits.equal(network->Logits(batch.images).value()));
  // Wrong before: 0. Fooled by the step: 1. Not fooled: -1.
  const at::Tensor wrong = outcome.clean_logits.argmax(1).ne(batch.labels);
  EXPECT_TRUE(result.iterations.equal(
      at::where(result.success, at::where(wrong, 0, 1), -1)));
  EXPECT_GT(result.iterations.eq(1).sum().item<int64_t>(), 0);
}

TEST(Fgsm, DescendsTowardTheTarget) {
  const auto network = RandomNetwork(1);
  AttackBatch batch = RandomBatch(*network, 16, 2);
  batch.targets = (batch.labels + 2).remainder(5);
  const at::Tensor gradient =
      network->LossGradient(batch.images, batch.targets).value().gradient;
  const AttackResult result =
      RunAttack(FgsmConfig{}, *network, batch, AtEpsilons({0.3})).results[0];
  EXPECT_TRUE(
      result.images.equal((batch.images - 0.3 * gradient.sign()).clamp(0, 1)));
  EXPECT_TRUE(result.success.equal(result.logits.argmax(1).eq(batch.targets)));
  EXPECT_GT(result.success.sum().item<int64_t>(), 8);
}

// Pixel 1 has no weight, so that its gradient is zero.
TEST(Fgsm, ThesisModeLeavesTheBoxAndCountsZeroAsPositive) {
  const TwoClasses toy(Floats({1, 0, -1}), Floats({0.95, 0.5, 0.02}), 1);
  const RunOptions options = AtEpsilons({0.125});
  EXPECT_TRUE(RunAttack(FgsmConfig{true}, toy.network, toy.batch, options)
                  .results[0]
                  .images.flatten()
                  .allclose(Floats({1.075, 0.625, -0.105}), 0, 1e-6));
  EXPECT_TRUE(RunAttack(FgsmConfig{}, toy.network, toy.batch, options)
                  .results[0]
                  .images.flatten()
                  .allclose(Floats({1, 0.5, 0}), 0, 1e-6));
}

TEST(Fgsm, ThesisModeDescendsToo) {
  TwoClasses toy(Floats({1, 0, -1}), Floats({0.95, 0.5, 0.02}), 1);
  toy.batch.targets = Longs({1});
  EXPECT_TRUE(
      RunAttack(FgsmConfig{true}, toy.network, toy.batch, AtEpsilons({0.125}))
          .results[0]
          .images.flatten()
          .allclose(Floats({1.075, 0.375, -0.105}), 0, 1e-6));
}

TEST(Igsm, IsTheFormula) {
  const auto network = RandomNetwork(3);
  const AttackBatch batch = RandomBatch(*network, 16, 4);
  const double epsilon = 0.05, alpha = 0.02;
  at::Tensor images = batch.images;
  for (int n = 0; n < 5; ++n) {
    const at::Tensor gradient =
        network->LossGradient(images, batch.labels).value().gradient;
    images = images + alpha * gradient.sign();
    images =
        at::max(at::min(images, batch.images + epsilon), batch.images - epsilon)
            .clamp(0, 1);
  }
  const AttackResult result =
      RunAttack(IgsmConfig{alpha, 5}, *network, batch, AtEpsilons({epsilon}))
          .results[0];
  EXPECT_TRUE(result.images.equal(images));
}

TEST(Igsm, OneStepOfEpsilonIsFgsm) {
  const auto network = RandomNetwork(3);
  const AttackBatch batch = RandomBatch(*network, 16, 4);
  const RunOptions options = AtEpsilons({0.07});
  EXPECT_TRUE(
      RunAttack(IgsmConfig{0.07, 1}, *network, batch, options)
          .results[0]
          .images.equal(RunAttack(FgsmConfig{}, *network, batch, options)
                            .results[0]
                            .images));
}

TEST(Sweep, EqualsSingleRunsBitForBit) {
  const auto network = RandomNetwork(5);
  AttackBatch batch = RandomBatch(*network, 32, 6);
  const std::vector<double> epsilons = {0.1, 0, 0.01, 0.05, 0.1};
  for (const AttackConfig& config :
       {AttackConfig(FgsmConfig{}), AttackConfig(FgsmConfig{true}),
        AttackConfig(IgsmConfig{})}) {
    for (SuccessRule rule :
         {SuccessRule::kLastIterate, SuccessRule::kAnyIterate}) {
      RunOptions options = AtEpsilons(epsilons);
      options.success = rule;
      const AttackOutcome sweep = RunAttack(config, *network, batch, options);
      ASSERT_EQ(sweep.results.size(), epsilons.size());
      for (size_t i = 0; i < epsilons.size(); ++i) {
        options.epsilons = {epsilons[i]};
        const AttackOutcome single =
            RunAttack(config, *network, batch, options);
        const AttackResult& a = sweep.results[i];
        const AttackResult& b = single.results[0];
        EXPECT_EQ(a.epsilon, epsilons[i]);
        ExpectSameFindings(a, b);
        EXPECT_TRUE(a.forwards.equal(b.forwards));
        // The clean gradient counts once.
        EXPECT_TRUE(a.gradients.equal(b.gradients - (i == 0 ? 0 : 1)));
        EXPECT_TRUE(sweep.clean_logits.equal(single.clean_logits));
      }
    }
  }
}

// Iterate n is the final image of a run of n steps. What it must be where an
// image is counted as soon as one of them fools:
struct Looked {
  at::Tensor images;
  at::Tensor iterations;
};

template <typename ConfigOf>
Looked LookAtEachIterate(ConfigOf config_of, int64_t steps,
                         const Network& network, const AttackBatch& batch,
                         const RunOptions& options) {
  Looked looked{batch.images.clone(), at::full_like(batch.labels, -1)};
  for (int64_t n = 0; n <= steps; ++n) {
    const at::Tensor iterate =
        n == 0 ? batch.images
               : RunOne(config_of(n), network, batch, options).images;
    const at::Tensor prediction = network.Logits(iterate).value().argmax(1);
    const at::Tensor running = looked.iterations.eq(-1);
    looked.images =
        at::where(running.view({-1, 1, 1, 1}), iterate, looked.images);
    const at::Tensor fooled = batch.targets.defined()
                                  ? prediction.eq(batch.targets)
                                  : prediction.ne(batch.labels);
    looked.iterations =
        at::where(running.logical_and(fooled), n, looked.iterations);
  }
  return looked;
}

template <typename ConfigOf>
void ExpectTheFirstFoolingIterate(ConfigOf config_of, Norm norm) {
  const auto network = RandomNetwork(7);
  AttackBatch batch = RandomBatch(*network, 48, 8);
  const int64_t steps = 6;
  RunOptions options = AtEpsilon(norm == Norm::kL2 ? 0.45 : 0.08, norm);
  for (bool targeted : {false, true}) {
    if (targeted) batch.targets = (batch.labels + 1).remainder(5);
    options.success = SuccessRule::kLastIterate;
    const Looked looked =
        LookAtEachIterate(config_of, steps, *network, batch, options);
    options.success = SuccessRule::kAnyIterate;
    const AttackResult result =
        RunOne(config_of(steps), *network, batch, options);
    EXPECT_TRUE(result.images.equal(looked.images));
    EXPECT_TRUE(result.iterations.equal(looked.iterations));
    EXPECT_TRUE(result.success.equal(looked.iterations.ge(0)));
    EXPECT_TRUE(result.logits.equal(network->Logits(looked.images).value()));
    // There is something to leave early for, and something that stays.
    for (int64_t n : {-1, 1, 3}) {
      EXPECT_GT(looked.iterations.eq(n).sum().item<int64_t>(), 0) << n;
    }
    EXPECT_EQ(looked.iterations.eq(0).any().item<bool>(), !targeted);
  }
}

TEST(AnyIterate, ReturnsTheFirstFoolingIterate) {
  ExpectTheFirstFoolingIterate(
      [](int64_t n) {
        return IgsmConfig{0.015, n};
      },
      Norm::kLinf);
  ExpectTheFirstFoolingIterate(
      [](int64_t n) {
        return MiFgsmConfig{0.015, n};
      },
      Norm::kLinf);
  ExpectTheFirstFoolingIterate(
      [](int64_t n) {
        return PgdConfig{0.015, n, 1, false};
      },
      Norm::kLinf);
  ExpectTheFirstFoolingIterate(
      [](int64_t n) {
        return PgdConfig{0.08, n, 1, false};
      },
      Norm::kL2);
}

// The tent's top is passed on the way: fooled in the middle, not at the end.
TEST(LastIterate, SuccessOnTheWayDoesNotCount) {
  const TentNetwork network(at::full({1, 1, 1}, 0.53, at::kFloat), 0.015);
  AttackBatch batch;
  batch.images = at::full({1, 1, 1, 1}, 0.5, at::kFloat);
  batch.labels = Longs({0});
  // .50 .54 .50 .54: fooled after one and three steps, not after two.
  for (int64_t steps : {1, 2, 3}) {
    const AttackResult result =
        RunAttack(IgsmConfig{0.04, steps}, network, batch, AtEpsilons({0.2}))
            .results[0];
    EXPECT_EQ(result.success.item<bool>(), steps != 2);
    EXPECT_EQ(result.iterations.item<int64_t>(), steps == 2 ? -1 : 1);
  }
}

TEST(Transfer, GradientsFromTheSourceVerdictFromTheTarget) {
  const auto target = RandomNetwork(9);
  const auto source = RandomNetwork(10);
  const AttackBatch batch = RandomBatch(*target, 40, 11);
  for (const AttackConfig& config :
       {AttackConfig(FgsmConfig{}), AttackConfig(IgsmConfig{0.02, 4})}) {
    const int64_t steps = AttackName(config) == "fgsm" ? 1 : 4;
    const AttackOutcome crafted =
        RunAttack(config, *source, batch, AtEpsilons({0.1}));
    const AttackOutcome outcome =
        Make(config)->Run(*target, *source, batch, AtEpsilons({0.1})).value();
    const AttackResult& result = outcome.results[0];
    EXPECT_TRUE(result.images.equal(crafted.results[0].images));
    EXPECT_TRUE(result.logits.equal(target->Logits(result.images).value()));
    EXPECT_TRUE(
        outcome.clean_logits.equal(target->Logits(batch.images).value()));
    const at::Tensor wrong = outcome.clean_logits.argmax(1).ne(batch.labels);
    EXPECT_TRUE(result.success.equal(result.logits.argmax(1).ne(batch.labels)));
    EXPECT_TRUE(result.iterations.equal(
        at::where(result.success, at::where(wrong, 0, steps), -1)));
    EXPECT_GT(result.iterations.eq(steps).sum().item<int64_t>(), 0);
  }
}

TEST(EightBit, ResultsAreTheStoredBytes) {
  const auto network = RandomNetwork(12);
  const AttackBatch batch = RandomBatch(*network, 32, 13);
  RunOptions options = AtEpsilons({2.9 / 255, 8.0 / 255});
  options.eight_bit = true;
  for (const AttackConfig& config :
       {AttackConfig(FgsmConfig{}), AttackConfig(IgsmConfig{}),
        AttackConfig(IgsmConfig{0.3 / 255, 20})}) {
    for (SuccessRule rule :
         {SuccessRule::kLastIterate, SuccessRule::kAnyIterate}) {
      options.success = rule;
      const AttackOutcome outcome = RunAttack(config, *network, batch, options);
      for (size_t i = 0; i < 2; ++i) {
        const AttackResult& result = outcome.results[i];
        const at::Tensor stored = ToBytes(result.images).to(at::kByte);
        const at::Tensor loaded = stored.to(at::kFloat).div(255);
        EXPECT_TRUE(loaded.equal(result.images));
        EXPECT_TRUE(network->Logits(loaded).value().equal(result.logits));
        const int64_t change = (ToBytes(result.images) - ToBytes(batch.images))
                                   .abs()
                                   .max()
                                   .item<int64_t>();
        EXPECT_LE(change, i == 0 ? 2 : 8);
        EXPECT_GE(change, 2);
      }
    }
  }
}

TEST(EightBit, IsFloatFgsmWhereEpsilonIsOnTheLattice) {
  const auto network = RandomNetwork(12);
  const AttackBatch batch = RandomBatch(*network, 32, 13);
  RunOptions options = AtEpsilons({4.0 / 255});
  const at::Tensor plain =
      RunAttack(FgsmConfig{}, *network, batch, options).results[0].images;
  options.eight_bit = true;
  EXPECT_TRUE(RunAttack(FgsmConfig{}, *network, batch, options)
                  .results[0]
                  .images.allclose(plain, 0, 1e-6));
}

TEST(EightBit, OriginalsAreTakenAsTheirBytes) {
  const auto network = RandomNetwork(12);
  const AttackBatch exact = RandomBatch(*network, 8, 13);
  AttackBatch rough = exact;
  rough.images = (exact.images + 5e-4 / 255).clamp(0, 1);
  RunOptions options = AtEpsilons({4.0 / 255});
  options.eight_bit = true;
  const AttackOutcome a = RunAttack(FgsmConfig{}, *network, exact, options);
  const AttackOutcome b = RunAttack(FgsmConfig{}, *network, rough, options);
  EXPECT_TRUE(b.clean_logits.equal(a.clean_logits));
  EXPECT_TRUE(b.results[0].images.equal(a.results[0].images));
}

TEST(ZeroGradient, IsSeenPerImageAndEpsilon) {
  const at::Tensor peak = at::full({1, 1, 1}, 0.5, at::kFloat);
  const TentNetwork network(peak, 0);
  AttackBatch batch;
  batch.images = Floats({0.5, 0.25}).view({2, 1, 1, 1});  // the first: the top
  batch.labels = Longs({0, 0});
  const AttackOutcome outcome =
      RunAttack(FgsmConfig{}, network, batch, AtEpsilons({0.01, 0.02}));
  for (const AttackResult& result : outcome.results) {
    EXPECT_TRUE(result.zero_gradient.equal(Longs({1, 0}).to(at::kBool)));
  }
  EXPECT_TRUE(outcome.results[0].images[0].equal(batch.images[0]));
}

}  // namespace
}  // namespace adv
