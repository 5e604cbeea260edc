// PGD, MI-FGSM and the iterative least-likely class; what they share with FGSM
// and IGSM is in gradient_steps_test.cc.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "engine/attacks/minimising.h"
#include "tests/engine/attacks/test_networks.h"

namespace adv {
namespace {

// x + step, into the L-inf ball and the box.
at::Tensor Clip(const at::Tensor& images, const at::Tensor& originals,
                double epsilon) {
  return at::max(at::min(images, originals + epsilon), originals - epsilon)
      .clamp(0, 1);
}

at::Tensor Lengths(const at::Tensor& values) {
  return values.flatten(1).square().sum(1).sqrt().view({-1, 1, 1, 1});
}

class PgdTest : public ::testing::Test {
 protected:
  const ReluNetwork network_{60};
  const AttackBatch batch_ = RandomBatch(network_, 48, 61);
};

TEST_F(PgdTest, LinfIsTheFormula) {
  const double epsilon = 0.05;
  at::Tensor images = batch_.images;
  for (int n = 0; n < 7; ++n) {
    images = Clip(images + 0.02 * network_.LossGradient(images, batch_.labels)
                                      .value()
                                      .gradient.sign(),
                  batch_.images, epsilon);
  }
  EXPECT_TRUE(RunOne(PgdConfig{0.02, 7, 1, false}, network_, batch_,
                     AtEpsilon(epsilon, Norm::kLinf))
                  .images.equal(images));
}

TEST_F(PgdTest, L2IsTheFormula) {
  const double epsilon = 0.4;
  at::Tensor images = batch_.images;
  for (int n = 0; n < 7; ++n) {
    const at::Tensor gradient =
        network_.LossGradient(images, batch_.labels).value().gradient;
    at::Tensor delta =
        images + 0.15 * gradient / Lengths(gradient) - batch_.images;
    delta = delta * (epsilon / Lengths(delta)).clamp_max(1);
    images = (batch_.images + delta).clamp(0, 1);
  }
  EXPECT_TRUE(RunOne(PgdConfig{0.15, 7, 1, false}, network_, batch_,
                     AtEpsilon(epsilon, Norm::kL2))
                  .images.allclose(images, 0, 1e-5));
}

TEST_F(PgdTest, TheStepIsAQuarterOfEpsilonUnlessSet) {
  for (Norm norm : {Norm::kLinf, Norm::kL2}) {
    const RunOptions options = AtEpsilon(SmallEpsilon(norm), norm);
    const double step = SmallEpsilon(norm) / 4;
    EXPECT_TRUE(
        RunOne(PgdConfig{{}, 5}, network_, batch_, options)
            .images.equal(
                RunOne(PgdConfig{step, 5}, network_, batch_, options).images));
  }
}

// With a step too small to see, the start is the result. Mid-grey images keep
// the box out of it.
TEST_F(PgdTest, StartsUniformlyInTheBall) {
  AttackBatch batch;
  batch.images = at::full({400, 3, 4, 4}, 0.5);
  batch.labels = at::zeros({400}, at::kLong);
  const PgdConfig start{1e-9, 1};
  const auto sizes = [&](Norm norm) {
    const at::Tensor images =
        RunOne(start, network_, batch, AtEpsilon(0.2, norm)).images;
    return (images - batch.images) / 0.2;
  };
  // Each value is uniform in [-1, 1].
  const at::Tensor linf = sizes(Norm::kLinf);
  EXPECT_LE(linf.abs().max().item<double>(), 1 + 1e-5);
  EXPECT_NEAR(linf.mean().item<double>(), 0, 0.02);
  EXPECT_NEAR(linf.square().mean().item<double>(), 1.0 / 3, 0.01);
  // Of the volume within r, each share r^48 is as likely as any other.
  const at::Tensor l2 = sizes(Norm::kL2);
  const at::Tensor share = SizesOf(l2, Norm::kL2).pow(48);
  EXPECT_LE(share.max().item<double>(), 1 + 1e-3);
  EXPECT_NEAR(share.mean().item<double>(), 0.5, 0.05);
  EXPECT_NEAR(share.lt(0.25).to(at::kFloat).mean().item<double>(), 0.25, 0.07);
  EXPECT_NEAR(l2.mean().item<double>(), 0, 0.01);
}

TEST_F(PgdTest, StartsDifferBySampleAndSeed) {
  AttackBatch batch = batch_;
  const RunOptions options = AtEpsilon(0.05, Norm::kLinf);
  const PgdConfig start{1e-9, 1};
  const at::Tensor plain = RunOne(start, network_, batch, options).images;
  batch.samples = at::arange(48, at::kLong) + 1;
  const at::Tensor shifted = RunOne(start, network_, batch, options).images;
  const at::Tensor delta = plain - batch.images;
  const at::Tensor same = (shifted - batch.images)
                              .narrow(0, 0, 47)
                              .isclose(delta.narrow(0, 1, 47), 0, 1e-6);
  // Sample 1 starts the same way from any image, but for the box.
  EXPECT_GT(same.to(at::kFloat).mean().item<double>(), 0.8);
  EXPECT_FALSE(plain.allclose(shifted, 0, 1e-3));
}

// With more restarts an image that fell has fallen, by the same image, and of
// one that stands the largest loss counts.
TEST_F(PgdTest, RestartsKeepTheWorst) {
  for (Norm norm : {Norm::kLinf, Norm::kL2}) {
    const RunOptions options = AtEpsilon(SmallEpsilon(norm) / 3, norm);
    AttackResult before;
    int64_t gained = 0;
    for (int64_t restarts = 1; restarts <= 6; ++restarts) {
      const AttackResult result =
          RunOne(PgdConfig{0.01, 2, restarts}, network_, batch_, options);
      if (before.images.defined()) {
        EXPECT_TRUE(result.success.logical_or(before.success.logical_not())
                        .all()
                        .item<bool>());
        const at::Tensor fell = before.success.nonzero().flatten();
        EXPECT_TRUE(result.images.index_select(0, fell).equal(
            before.images.index_select(0, fell)));
        // A success costs nothing more.
        EXPECT_TRUE(result.gradients.index_select(0, fell).equal(
            before.gradients.index_select(0, fell)));
        const at::Tensor stands = result.success.logical_not();
        const auto margin = [&](const AttackResult& of) {
          const at::Tensor column = batch_.labels.unsqueeze(1);
          return (of.logits.scatter(1, column, -1e9).logsumexp(1) -
                  of.logits.gather(1, column).squeeze(1))
              .masked_select(stands);
        };
        EXPECT_TRUE(margin(result).ge(margin(before)).all().item<bool>());
        gained += margin(result).gt(margin(before)).sum().item<int64_t>();
      }
      before = result;
    }
    EXPECT_GT(gained, 0);
    EXPECT_LT(before.success.sum().item<int64_t>(), 48);
  }
}

// The walk from a random start does not come by the clean image, which needs
// no attack all the same.
TEST_F(PgdTest, AnyIterateLeavesWhatIsWrongAlready) {
  RunOptions options = AtEpsilon(0.05, Norm::kLinf);
  options.success = SuccessRule::kAnyIterate;
  const AttackResult result = RunOne(PgdConfig{}, network_, batch_, options);
  for (int64_t i : {7, 15, 23, 31, 39, 47}) {
    EXPECT_TRUE(result.images[i].equal(batch_.images[i]));
    EXPECT_EQ(result.iterations[i].item<int64_t>(), 0);
    EXPECT_EQ(result.gradients[i].item<int64_t>(), 0);
  }
}

TEST_F(PgdTest, RestartsWithoutARandomStartAreOne) {
  PgdConfig config{{}, 7, 1, false};
  const RunOptions options = AtEpsilon(0.05, Norm::kLinf);
  const AttackResult once = RunOne(config, network_, batch_, options);
  EXPECT_GT(once.success.sum().item<int64_t>(), 6);
  EXPECT_LT(once.success.sum().item<int64_t>(), 48);
  config.restarts = 3;
  const AttackResult result = RunOne(config, network_, batch_, options);
  EXPECT_TRUE(result.images.equal(once.images));
  EXPECT_TRUE(result.gradients.equal(once.gradients));
}

// All steps, from every image: what the target says changes nothing.
TEST_F(PgdTest, TransferNeverStopsEarly) {
  const ReluNetwork others[] = {ReluNetwork(70), ReluNetwork(71)};
  for (const AttackConfig& config :
       {AttackConfig(PgdConfig{{}, 9}), AttackConfig(MiFgsmConfig{}),
        AttackConfig(IterativeLeastLikelyConfig{0.01, 4})}) {
    at::Tensor images;
    for (const ReluNetwork& target : others) {
      const AttackOutcome outcome =
          Make(config)
              ->Run(target, network_, batch_, AtEpsilon(0.08, Norm::kLinf))
              .value();
      // The least likely class is the source's too.
      const bool chooses =
          std::holds_alternative<IterativeLeastLikelyConfig>(config);
      const AttackResult& result = outcome.results[0];
      EXPECT_TRUE(result.gradients.eq(result.gradients[0]).all().item<bool>());
      EXPECT_TRUE(result.forwards.eq(chooses ? 2 : 1).all().item<bool>());
      EXPECT_TRUE(result.logits.equal(target.Logits(result.images).value()));
      if (images.defined()) {
        EXPECT_TRUE(result.images.equal(images));
      }
      images = result.images;
    }
  }
}

TEST(MiFgsmTest, IsTheFormula) {
  const ReluNetwork network(62);
  const AttackBatch batch = RandomBatch(network, 32, 63);
  const double epsilon = 0.08, alpha = epsilon / 5, mu = 0.7;
  at::Tensor images = batch.images, momentum = at::zeros_like(images);
  for (int n = 0; n < 5; ++n) {
    const at::Tensor gradient =
        network.LossGradient(images, batch.labels).value().gradient;
    momentum = mu * momentum + gradient / gradient.abs().mean({1, 2, 3}, true);
    images = Clip(images + alpha * momentum.sign(), batch.images, epsilon);
  }
  EXPECT_TRUE(RunOne(MiFgsmConfig{{}, 5, mu}, network, batch,
                     AtEpsilon(epsilon, Norm::kLinf))
                  .images.allclose(images, 0, 1e-6));
}

// Pixel 0 goes on where it alone would turn back.
TEST(MiFgsmTest, GoesOnByTheWeightOfEarlierGradients) {
  const SumNetwork network = KinkNetwork();
  AttackBatch batch;
  batch.images = at::full({1, 1, 1, 2}, 0.5);
  batch.labels = Longs({0});
  const auto after = [&](const AttackConfig& config) {
    return RunOne(config, network, batch, AtEpsilon(0.2, Norm::kLinf))
        .images.flatten();
  };
  EXPECT_TRUE(
      after(MiFgsmConfig{0.04, 2, 1}).allclose(Floats({0.58, 0.58}), 0, 1e-6));
  EXPECT_TRUE(
      after(MiFgsmConfig{0.04, 2, 0}).allclose(Floats({0.5, 0.58}), 0, 1e-6));
}

TEST(IterativeLeastLikelyTest, DescendsTowardTheCleanImagesLeastLikelyClass) {
  const ReluNetwork network(64);
  const AttackBatch batch = RandomBatch(network, 32, 65);
  const at::Tensor least = network.Logits(batch.images).value().argmin(1);
  const double epsilon = 0.1;
  at::Tensor images = batch.images;
  for (int n = 0; n < 8; ++n) {
    images = Clip(
        images -
            0.03 * network.LossGradient(images, least).value().gradient.sign(),
        batch.images, epsilon);
  }
  const AttackResult result =
      RunOne(IterativeLeastLikelyConfig{0.03, 8}, network, batch,
             AtEpsilon(epsilon, Norm::kLinf));
  EXPECT_TRUE(result.images.equal(images));
  // The goal stays to lead away from the label.
  EXPECT_TRUE(result.success.equal(result.logits.argmax(1).ne(batch.labels)));
  EXPECT_GT(result.logits.argmax(1).eq(least).sum().item<int64_t>(), 0);
}

}  // namespace
}  // namespace adv
