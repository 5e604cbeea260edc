#include "engine/attacks/hop_skip_jump.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "engine/attacks/minimising.h"
#include "tests/engine/attacks/black_box_networks.h"
#include "tests/engine/attacks/decision_trail.h"

namespace adv {
namespace {

// Sizes of what is found over the distances to the plane.
at::Tensor Excess(Norm norm, int64_t queries, const BesideAPlane& toy) {
  const AttackResult result = RunOne(HopSkipJumpConfig{queries}, *toy.network,
                                     toy.batch, WithinTheBox(norm));
  EXPECT_TRUE(result.success.all().item<bool>());
  return SizesOf(result.images - toy.batch.images, norm) / toy.distances(norm);
}

class HopSkipJumpTest : public ::testing::TestWithParam<Norm> {};

INSTANTIATE_TEST_SUITE_P(Norms, HopSkipJumpTest,
                         ::testing::Values(Norm::kLinf, Norm::kL2));

TEST_P(HopSkipJumpTest, EndsCloseToThePlaneAndNeverBeforeIt) {
  // L-inf needs the sign of the normal at each pixel, small ones too.
  const int64_t queries = GetParam() == Norm::kLinf ? 8000 : 2000;
  const at::Tensor excess = Excess(GetParam(), queries, BesideAPlane(8, 70));
  EXPECT_LE(excess.max().item<double>(), 1.05) << excess;
  EXPECT_GE(excess.min().item<double>(), 1 - 1e-4);
}

TEST_P(HopSkipJumpTest, EndsCloseToThePlaneWhereTheBoxStopsPixels) {
  const at::Tensor excess = Excess(GetParam(), 8000, BesideAPlane(8, 70, 2));
  EXPECT_LE(excess.max().item<double>(), 1.05) << excess;
  EXPECT_GE(excess.min().item<double>(), 1 - 1e-4);
}

TEST_P(HopSkipJumpTest, ComesCloserWithMoreQueries) {
  const BesideAPlane toy(16, 71);
  const double few = Excess(GetParam(), 60, toy).mean().item<double>();
  const double some = Excess(GetParam(), 400, toy).mean().item<double>();
  const double many = Excess(GetParam(), 3000, toy).mean().item<double>();
  EXPECT_LT(some, 0.8 * few);
  EXPECT_LT(many, 0.95 * some);
}

// Fools in a shell around the grey image, and where it is far from it.
RuleNetwork::Rule Shells(double scale) {
  return [scale](const at::Tensor& change) {
    const at::Tensor reach = change.norm(2, 1) / scale;
    return reach.gt(0.5).logical_and(reach.lt(0.8)).logical_or(reach.gt(1.2));
  };
}

// The paper's algorithm 2 with the constants of its authors' code, in
// d = 48 dimensions, beside the attack.
class Companion {
 public:
  Companion(Norm norm, int64_t queries, double scale, uint64_t seed)
      : linf_(norm == Norm::kLinf),
        queries_(queries),
        theta_(linf_ ? 1 / (kD * kD) : 1 / (kD * std::sqrt(kD))),
        trail_(HopSkipJumpConfig{queries}, norm, Shells(scale), seed),
        current_(trail_.Start()) {}

  // All iterations, to the end of the queries.
  void Walk() {
    for (t_ = 1; !trail_.over(); ++t_) {
      SearchBoundary();
      if (!trail_.over()) LookAround();
      if (!trail_.over()) Step();
    }
    // It ended because too few were left for another estimate.
    EXPECT_LE(LooksLeft(), 0);
  }

  // What the walk came by.
  int64_t iterations() const { return t_; }
  int64_t halvings = 0;
  int64_t mixed = 0, all_fool = 0, none_fools = 0;  // estimates
  double fourth_moment = 0;  // of the last estimate's directions

 private:
  static constexpr double kD = 48;

  // Without those for a step that halves a few times and the search after it.
  int64_t LooksLeft() const {
    const auto kept = static_cast<int64_t>(std::ceil(-std::log2(theta_))) + 5;
    return queries_ - static_cast<int64_t>(trail_.asked()) - kept;
  }

  void SearchBoundary() {
    const at::Tensor outer = current_;
    outer_size_ = trail_.Size(outer);
    double low = 0, high = linf_ ? outer_size_ : 1;
    const double theta = theta_ * (linf_ ? std::min(outer_size_, 1.0) : 1);
    while (!trail_.over() && high - low > theta) {
      const double middle = (low + high) / 2;
      const bool fools =
          trail_.Ask(linf_ ? outer.clamp(-middle, middle) : middle * outer);
      (fools ? high : low) = middle;
      if (fools) current_ = trail_.last();
    }
  }

  void LookAround() {
    const double delta =
        t_ == 1 ? 0.1
                : std::max((linf_ ? kD : std::sqrt(kD)) * theta_ * outer_size_,
                           std::sqrt(kD) * 0x1p-20);
    const int64_t looks =
        std::min(static_cast<int64_t>(100 * std::sqrt(t_)), LooksLeft());
    ASSERT_GT(looks, 0);
    std::vector<at::Tensor> directions;
    std::vector<double> phi;
    for (int64_t i = 0; i < looks; ++i) {
      ASSERT_FALSE(trail_.over());
      directions.push_back(trail_.Next() - current_);
      phi.push_back(trail_.last_fools() ? 1 : -1);
      // Float32 pixels around 1/2 are 6e-8 apart.
      EXPECT_NEAR(directions.back().norm().item<double>(), delta,
                  1e-6 * delta + 5e-7);
    }
    const at::Tensor u = at::stack(directions), answers = at::tensor(phi);
    fourth_moment = (u * std::sqrt(kD) / delta).pow(4).mean().item<double>();
    const at::Tensor mean = answers.mean();
    const bool same = mean.abs().item<double>() == 1;
    (same ? (phi[0] > 0 ? all_fool : none_fools) : mixed) += 1;
    const at::Tensor weights = same ? answers : answers - mean;
    const at::Tensor sum = (weights.to(at::kDouble).unsqueeze(1) * u).sum(0);
    normal_ = linf_ ? sum.sign() : sum / sum.norm();
  }

  void Step() {
    double step = trail_.Size(current_) / std::sqrt(t_);
    while (!trail_.over() && !trail_.Ask(current_ + step * normal_)) {
      step /= 2;
      ++halvings;
    }
    current_ = trail_.last();
  }

  const bool linf_;
  const int64_t queries_;
  const double theta_;
  DecisionTrail trail_;
  at::Tensor current_, normal_;
  double outer_size_ = 0;
  int64_t t_ = 0;
};

TEST_P(HopSkipJumpTest, AsksWhatThePaperAsks) {
  int64_t halvings = 0, mixed = 0, all_fool = 0, none_fools = 0;
  // The shells are wide or narrow beside the first look around, of 0.1.
  for (const double scale : {1.0, 0.11, 2e-4}) {
    for (const uint64_t seed : {1, 2}) {
      SCOPED_TRACE(scale);
      Companion companion(GetParam(), 1000, scale, seed);
      companion.Walk();
      EXPECT_GE(companion.iterations(), 5);
      halvings += companion.halvings;
      mixed += companion.mixed;
      all_fool += companion.all_fool;
      none_fools += companion.none_fools;
    }
  }
  EXPECT_GT(halvings, 4);
  EXPECT_GT(mixed, 10);
  EXPECT_GT(all_fool, 0);
  EXPECT_GT(none_fools, 0);
}

// So that there is a step after it.
TEST_P(HopSkipJumpTest, TheLastEstimateIsShort) {
  for (const int64_t queries : {60, 200, 333}) {
    SCOPED_TRACE(queries);
    Companion(GetParam(), queries, 1, 3).Walk();
  }
}

// Uniform in the cube for L-inf, in all directions alike for L2: fourth moments
// of 9/5 and about 3.
TEST_P(HopSkipJumpTest, LooksAroundByTheNorm) {
  Companion companion(GetParam(), 1000, 1, 4);
  companion.Walk();
  EXPECT_NEAR(companion.fourth_moment,
              GetParam() == Norm::kLinf ? 9.0 / 5 : 2.9, 0.3);
}

}  // namespace
}  // namespace adv
