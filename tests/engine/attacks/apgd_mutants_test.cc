// APGD written down a second time, plainly, with faults to switch on. Without
// them it finds what the product finds, bit for bit; with one, a property of
// the product is gone.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "engine/attacks/apgd.h"
#include "engine/attacks/attacked_model.h"
#include "engine/attacks/ball.h"
#include "engine/attacks/dlr.h"
#include "engine/attacks/perturbations.h"
#include "engine/nn/loss.h"
#include "tests/engine/attacks/test_networks.h"

namespace adv {
namespace {

struct Faults {
  bool never_halves = false;
  bool stays = false;  // does not go back to the best point
  bool returns_last = false;
  bool descends = false;
};

at::Tensor Wide(const at::Tensor& values) { return values.view({-1, 1, 1, 1}); }

// One run, untargeted; moves all images to the end.
class TestApgd final : public Attack {
 public:
  TestApgd(int64_t steps, bool dlr, Faults faults)
      : steps_(steps), dlr_(dlr), faults_(faults) {}

 protected:
  absl::StatusOr<std::vector<AttackResult>> Perturb(
      AttackedModel& model, const AttackBatch& batch,
      const RunOptions& options) const override {
    const double epsilon = options.epsilons[0];
    const Ball ball(batch.images, {options.norm, epsilon},
                    {true, options.eight_bit});
    const at::Tensor rows = at::arange(batch.labels.size(0), at::kLong);
    const AttackedModel::Objective objective = [&](const at::Tensor& logits) {
      const at::Tensor gradient =
          dlr_ ? DlrLossGradient(logits, batch.labels)
               : AttackLossGradient(logits, batch.labels);
      return faults_.descends ? gradient.neg() : gradient;
    };
    at::Tensor x = DrawPerturbations(Spread::kSurface, options.norm,
                                     {options.seed, RandomPurpose::kStart, 0},
                                     batch.samples, batch.images) *
                       epsilon +
                   batch.images;
    ball.Project(x);
    at::Tensor before = x, g, loss, best, best_g, best_loss, best_then;
    at::Tensor step = at::full({rows.size(0)}, 2 * epsilon, at::kFloat);
    at::Tensor rises = at::zeros_like(rows), halved = rows.ge(0);
    AttackResult result;
    result.images = batch.images.clone();
    result.logits = model.CleanLogits().value().clone();
    at::Tensor done = model.Fooled(result.logits, rows);
    result.iterations = done.to(at::kLong) - 1;
    const std::vector<int64_t> checkpoints = ApgdCheckpoints(steps_);
    for (int64_t n = 0, last = 0; n <= steps_; ++n) {
      if (n > 0) {
        at::Tensor z = x.addcmul(Wide(step), Steepest(g, options.norm));
        ball.Project(z);
        if (n > 1) {
          z = (z - x).mul(0.75).add(x).add(x - before, 0.25);
          ball.Project(z);
        }
        before = x;
        x = z;
      }
      const at::Tensor seen = ball.Snap(x);
      const LogitsAndGradient both =
          model.Gradient(seen, rows, objective).value();
      g = both.gradient;
      const at::Tensor value = dlr_ ? DlrLoss(both.logits, batch.labels)
                                    : AttackLoss(both.logits, batch.labels);
      if (n > 0) rises = rises + value.gt(loss);
      loss = value;
      const at::Tensor better = n == 0 ? rows.ge(0) : value.gt(best_loss);
      if (n == 0) best = x, best_g = g, best_loss = best_then = value;
      best = at::where(Wide(better), x, best);
      best_g = at::where(Wide(better), g, best_g);
      best_loss = at::where(better, value, best_loss);
      // The result: the first that fools, or else the best.
      const at::Tensor fooled = model.Fooled(both.logits, rows);
      const at::Tensor take = done.logical_not().logical_and(
          faults_.returns_last ? rows.ge(0) : better.logical_or(fooled));
      result.images = at::where(Wide(take), seen, result.images);
      result.logits = at::where(take.unsqueeze(1), both.logits, result.logits);
      result.iterations.masked_fill_(take.logical_and(fooled), n);
      done = done.logical_or(fooled);
      if (std::count(checkpoints.begin(), checkpoints.end(), n) == 0) continue;
      const at::Tensor stuck =
          halved.logical_not().logical_and(best_loss.eq(best_then));
      halved = rises.lt(0.75 * (n - std::exchange(last, n))).logical_or(stuck);
      if (!faults_.never_halves) step = at::where(halved, step / 2, step);
      if (!faults_.stays) {
        x = at::where(Wide(halved), best, x);
        g = at::where(Wide(halved), best_g, g);
      }
      best_then = best_loss;
      rises.zero_();
    }
    model.ChargeTo(result);
    return std::vector<AttackResult>{std::move(result)};
  }

 private:
  const int64_t steps_;
  const bool dlr_;
  const Faults faults_;
};

TEST(ApgdMutantTest, WithoutFaultsItIsTheProduct) {
  const ReluNetwork network(90);
  const AttackBatch batch = RandomBatch(network, 64, 91);
  for (bool dlr : {false, true}) {
    for (bool eight_bit : {false, true}) {
      for (Norm norm : {Norm::kLinf, Norm::kL2}) {
        RunOptions options = AtEpsilon(SmallEpsilon(norm) / 2, norm);
        options.eight_bit = eight_bit;
        options.seed = 3;
        const AttackResult product =
            RunOne(ApgdConfig{dlr ? ApgdConfig::Loss::kDlr
                                  : ApgdConfig::Loss::kCrossEntropy,
                              50},
                   network, batch, options);
        const AttackResult ours = TestApgd(50, dlr, {})
                                      .Run(network, network, batch, options)
                                      .value()
                                      .results[0];
        EXPECT_TRUE(ours.images.equal(product.images));
        EXPECT_TRUE(ours.logits.equal(product.logits));
        EXPECT_TRUE(ours.iterations.equal(product.iterations));
        EXPECT_TRUE(product.iterations.eq(-1).any().item<bool>());
        EXPECT_TRUE(product.iterations.gt(0).any().item<bool>());
      }
    }
  }
}

// Of `count` images with mid-grey pixels, those that fall within .1.
int64_t Fallen(const Faults& faults, const Network& network, int64_t count) {
  std::vector<int64_t> shape = network.traits().image_shape;
  AttackBatch batch;
  batch.images = at::full({count, shape[0], shape[1], shape[2]}, 0.5);
  batch.labels = at::zeros({count}, at::kLong);
  return TestApgd(100, false, faults)
      .Run(network, network, batch, AtEpsilons({0.1}))
      .value()
      .results[0]
      .success.sum()
      .item<int64_t>();
}

// The top of a tent inside the ball, to within a twentieth of its radius: far
// less than steps of two radii.
bool FindsTheTopOfTheTent(const Faults& faults) {
  const at::Tensor peak = Uniform({1, 4, 4}, 92) * 0.18 + 0.41;
  const TentNetwork network(peak, 16 * 0.1 / 20);
  return Fallen(faults, network, 8) == 8;
}

TEST(ApgdMutantTest, NeverHalves) {
  Faults faults;
  EXPECT_TRUE(FindsTheTopOfTheTent(faults));
  faults.never_halves = true;
  EXPECT_FALSE(FindsTheTopOfTheTent(faults));
}

TEST(ApgdMutantTest, WrongDirection) {
  Faults faults;
  faults.descends = true;
  EXPECT_FALSE(FindsTheTopOfTheTent(faults));
}

// One pixel; a narrow tent beside the ball's edge .4 (where every other start
// is), and elsewhere a gentle slope up to the edge .6, where large steps lead.
// Only who comes back to the start, with ever smaller steps, climbs the tent.
bool ComesBackToTheBest(const Faults& faults) {
  const auto tent = [](const at::Tensor& x) {
    return 0.05 - 10 * (x - 0.42).abs();
  };
  const auto slope = [](const at::Tensor& x) { return 0.5 * x - 0.75; };
  const SumNetwork network(
      {1, 1, 1},
      [=](const at::Tensor& x) { return at::max(tent(x), slope(x)); },
      [=](const at::Tensor& x) {
        return at::where(tent(x).gt(slope(x)), -10 * (x - 0.42).sign(),
                         at::full_like(x, 0.5));
      });
  return Fallen(faults, network, 16) > 0;
}

TEST(ApgdMutantTest, DoesNotGoBackToTheBest) {
  Faults faults;
  EXPECT_TRUE(ComesBackToTheBest(faults));
  faults.stays = true;
  EXPECT_FALSE(ComesBackToTheBest(faults));
}

// More steps must not leave an image that stands with a smaller loss.
bool MoreStepsAreNotWorse(const Faults& faults) {
  const ReluNetwork network(93);
  const AttackBatch batch = RandomBatch(network, 32, 94);
  at::Tensor before;
  for (int64_t steps : {1, 2, 3, 4}) {
    // One checkpoint after each step, so that runs begin alike.
    const AttackResult result =
        TestApgd(steps, false, faults)
            .Run(network, network, batch, AtEpsilons({0.02}))
            .value()
            .results[0];
    const at::Tensor loss = AttackLoss(result.logits, batch.labels)
                                .masked_fill(result.success, 1e9);
    if (before.defined() && !loss.ge(before).all().item<bool>()) return false;
    before = loss;
  }
  return true;
}

TEST(ApgdMutantTest, ReturnsTheLastPoint) {
  Faults faults;
  EXPECT_TRUE(MoreStepsAreNotWorse(faults));
  faults.returns_last = true;
  EXPECT_FALSE(MoreStepsAreNotWorse(faults));
}

}  // namespace
}  // namespace adv
