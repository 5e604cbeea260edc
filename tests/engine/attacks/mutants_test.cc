// Attacks with one thing wrong each: the suite must see it. The right one is
// the product's IGSM, MI-FGSM or L2 PGD bit for bit, so that a mutant differs
// by its fault alone.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

#include "engine/attacks/attacked_model.h"
#include "engine/attacks/ball.h"
#include "engine/attacks/perturbations.h"
#include "tests/engine/attacks/test_networks.h"

namespace adv {
namespace {

using ::testing::HasSubstr;

struct Faults {
  bool no_box = false;
  bool no_ball = false;
  bool no_sign = false;
  bool clean_gradient = false;
  bool wrong_direction = false;
  bool off_lattice = false;
  bool not_finite = false;
  bool skips_epsilon = false;
  bool accumulates_sign = false;
};

class TestSteps final : public Attack {
 public:
  TestSteps(double step_size, int64_t steps, Faults faults, double momentum = 0)
      : step_size_(step_size),
        steps_(steps),
        faults_(faults),
        momentum_(momentum) {}

 protected:
  absl::StatusOr<std::vector<AttackResult>> Perturb(
      AttackedModel& model, const AttackBatch& batch,
      const RunOptions& options) const override {
    std::vector<AttackResult> results;
    if (faults_.skips_epsilon) return results;
    const double epsilon = options.epsilons[0];
    const Ball ball(
        batch.images, {options.norm, epsilon},
        {!faults_.no_box, options.eight_bit && !faults_.off_lattice});
    const at::Tensor rows = at::arange(batch.labels.size(0), at::kLong);
    const double direction = faults_.wrong_direction ? -1 : 1;
    at::Tensor images = batch.images.clone();
    at::Tensor accumulated = at::zeros_like(images);
    for (int64_t n = 0; n < steps_; ++n) {
      at::Tensor gradient =
          (faults_.clean_gradient || n == 0
               ? model.CleanGradient(model.DefaultObjective(rows))
               : model.Gradient(images, rows, model.DefaultObjective(rows)))
              .value()
              .gradient;
      if (momentum_ > 0) {
        accumulated = accumulated * momentum_ +
                      (faults_.accumulates_sign
                           ? gradient.sign()
                           : gradient / gradient.abs().flatten(1).mean(1).view(
                                            {-1, 1, 1, 1}));
        gradient = accumulated;
      }
      if (!faults_.no_sign) gradient = Steepest(gradient, options.norm);
      images.add_(gradient * (direction * step_size_));
      if (!faults_.no_ball) {
        ball.Project(images);
      } else {
        images.clamp_(0, 1);
      }
    }
    AttackResult result;
    result.images = ball.Snap(images);
    result.logits = model.Logits(result.images, rows).value();
    if (faults_.not_finite) result.images[0][0][0][0] = std::nan("");
    result.iterations = at::full_like(batch.labels, steps_);
    model.ChargeTo(result);
    results.push_back(std::move(result));
    return results;
  }

 private:
  const double step_size_;
  const int64_t steps_;
  const Faults faults_;
  const double momentum_;
};

constexpr double kEpsilon = 0.1;
constexpr double kStep = 0.02;
constexpr int64_t kSteps = 12;
constexpr double kL2Epsilon = 0.3;
constexpr double kL2Step = 0.1;
constexpr double kMomentum = 0.9;

absl::StatusOr<AttackOutcome> RunMutant(const Faults& faults,
                                        const Network& network,
                                        const AttackBatch& batch,
                                        bool eight_bit = false) {
  RunOptions options = AtEpsilons({kEpsilon});
  options.eight_bit = eight_bit;
  return TestSteps(kStep, kSteps, faults).Run(network, network, batch, options);
}

absl::StatusOr<AttackOutcome> RunL2Mutant(const Faults& faults,
                                          const Network& network,
                                          const AttackBatch& batch) {
  return TestSteps(kL2Step, kSteps, faults)
      .Run(network, network, batch, AtEpsilon(kL2Epsilon, Norm::kL2));
}

class MutantTest : public ::testing::Test {
 protected:
  std::string Caught(const Faults& faults, bool eight_bit = false) {
    EXPECT_TRUE(RunMutant({}, *network_, batch_, eight_bit).ok());
    const absl::Status status =
        RunMutant(faults, *network_, batch_, eight_bit).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
    return std::string(status.message());
  }

  const std::shared_ptr<const Network> network_ = RandomNetwork(50);
  const AttackBatch batch_ = RandomBatch(*network_, 16, 51);
};

TEST_F(MutantTest, WithoutFaultsItIsTheProduct) {
  const AttackResult ours = RunMutant({}, *network_, batch_).value().results[0];
  const AttackResult product =
      Make(IgsmConfig{kStep, kSteps})
          ->Run(*network_, *network_, batch_, AtEpsilons({kEpsilon}))
          .value()
          .results[0];
  EXPECT_TRUE(ours.images.equal(product.images));
  EXPECT_TRUE(ours.success.equal(product.success));
}

TEST_F(MutantTest, WithoutFaultsItIsTheProductInL2) {
  const AttackResult ours =
      RunL2Mutant({}, *network_, batch_).value().results[0];
  EXPECT_TRUE(
      ours.images.equal(RunOne(PgdConfig{kL2Step, kSteps, 1, false}, *network_,
                               batch_, AtEpsilon(kL2Epsilon, Norm::kL2))
                            .images));
}

TEST_F(MutantTest, WithoutFaultsItIsTheProductWithMomentum) {
  const RunOptions options = AtEpsilons({kEpsilon});
  const AttackResult ours = TestSteps(kStep, kSteps, {}, kMomentum)
                                .Run(*network_, *network_, batch_, options)
                                .value()
                                .results[0];
  EXPECT_TRUE(ours.images.equal(
      RunOne(MiFgsmConfig{kStep, kSteps, kMomentum}, *network_, batch_, options)
          .images));
}

TEST_F(MutantTest, NoL2Projection) {
  Faults faults;
  ASSERT_TRUE(RunL2Mutant(faults, *network_, batch_).ok());
  faults.no_ball = true;
  const absl::Status status = RunL2Mutant(faults, *network_, batch_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("outside the ball of radius 0.3"));
}

TEST_F(MutantTest, NoBoxClip) {
  Faults faults;
  faults.no_box = true;
  EXPECT_THAT(Caught(faults), HasSubstr("pixel outside [0, 1]"));
}

TEST_F(MutantTest, NoBallProjection) {
  Faults faults;
  faults.no_ball = true;
  EXPECT_THAT(Caught(faults), HasSubstr("outside the ball of radius 0.1"));
}

TEST_F(MutantTest, OffTheLattice) {
  Faults faults;
  faults.off_lattice = true;
  EXPECT_THAT(Caught(faults, true), HasSubstr("off the lattice"));
}

TEST_F(MutantTest, NotFinite) {
  Faults faults;
  faults.not_finite = true;
  EXPECT_THAT(Caught(faults), HasSubstr("not finite"));
}

TEST_F(MutantTest, SkippedEpsilon) {
  Faults faults;
  faults.skips_epsilon = true;
  EXPECT_THAT(Caught(faults), HasSubstr("skipped an epsilon"));
}

// Properties that only a right attack has; each is true without the fault.

// ClosedForm of gradient_steps_test.cc, as a property of an attack.
bool FallsJustBeyondTheDistance(const Faults& faults) {
  const at::Tensor w = Normal({20}, 52) * 0.1;
  const at::Tensor image = Uniform({20}, 53) * 0.5 + 0.25;
  const double margin = kEpsilon / 1.01 * w.abs().sum().item<double>();
  const ToyLinearNetwork network(
      {1, 1, 20}, at::stack({at::zeros_like(w), w}),
      at::stack({at::zeros({}), -w.dot(image) - margin}));
  AttackBatch batch;
  batch.images = image.view({1, 1, 1, 20});
  batch.labels = Longs({0});
  return RunMutant(faults, network, batch)
      .value()
      .results[0]
      .success.item<bool>();
}

TEST(MutantPropertyTest, NoSign) {
  Faults faults;
  EXPECT_TRUE(FallsJustBeyondTheDistance(faults));
  faults.no_sign = true;
  EXPECT_FALSE(FallsJustBeyondTheDistance(faults));
}

TEST(MutantPropertyTest, WrongDirection) {
  Faults faults;
  faults.wrong_direction = true;
  EXPECT_FALSE(FallsJustBeyondTheDistance(faults));
}

// The way to the top of the tent ends within a step of it; who walks on along
// the first gradient is .08 beyond.
bool FindsTheTopOfTheTent(const Faults& faults) {
  const TentNetwork network(at::full({1, 2, 2}, 0.52, at::kFloat),
                            4 * kStep * 1.1);
  AttackBatch batch;
  batch.images = at::full({1, 1, 2, 2}, 0.49, at::kFloat);
  batch.labels = Longs({0});
  return RunMutant(faults, network, batch)
      .value()
      .results[0]
      .success.item<bool>();
}

TEST(MutantPropertyTest, CleanGradientAtEachStep) {
  Faults faults;
  EXPECT_TRUE(FindsTheTopOfTheTent(faults));
  faults.clean_gradient = true;
  EXPECT_FALSE(FindsTheTopOfTheTent(faults));
}

// By pixel 0 of the kink: the sum of the gradients is positive after a step,
// that of the signs is zero.
bool GoesOnByTheWeightOfEarlierGradients(const Faults& faults) {
  const SumNetwork network = KinkNetwork();
  AttackBatch batch;
  batch.images = at::full({1, 1, 1, 2}, 0.5);
  batch.labels = Longs({0});
  return TestSteps(0.04, 2, faults, 1)
      .Run(network, network, batch, AtEpsilons({0.2}))
      .value()
      .results[0]
      .images.flatten()
      .allclose(Floats({0.58, 0.58}), 0, 1e-6);
}

TEST(MutantPropertyTest, AccumulatesTheSign) {
  Faults faults;
  EXPECT_TRUE(GoesOnByTheWeightOfEarlierGradients(faults));
  faults.accumulates_sign = true;
  EXPECT_FALSE(GoesOnByTheWeightOfEarlierGradients(faults));
}

}  // namespace
}  // namespace adv
