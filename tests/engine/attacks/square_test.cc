#include "engine/attacks/square.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <utility>

#include "engine/attacks/square_proposals.h"
#include "tests/engine/attacks/black_box_networks.h"

namespace adv {
namespace {

int64_t Sum(const at::Tensor& counts) { return counts.sum().item<int64_t>(); }

// Says 0 of everything: nothing fools, no margin ever falls.
std::shared_ptr<RecordingNetwork> Indifferent(std::vector<int64_t> shape) {
  const int64_t values = c10::multiply_integers(shape);
  return std::make_shared<RecordingNetwork>(std::make_shared<ToyLinearNetwork>(
      std::move(shape), at::zeros({2, values}), at::zeros({2})));
}

// What a run that ends after `passes` queries asks an indifferent network about
// grey images of `shape` at an epsilon of 1/4.
std::vector<at::Tensor> Asked(const SquareConfig& config, Norm norm,
                              std::vector<int64_t> shape, int64_t count,
                              int64_t passes) {
  const auto network = Indifferent(shape);
  shape.insert(shape.begin(), count);
  AttackBatch batch;
  batch.images = at::full(shape, 0.5, at::kFloat);
  batch.labels = at::zeros({count}, at::kLong);
  batch.clean_logits = at::zeros({count, 2});
  RunOptions options = AtEpsilon(0.25, norm);
  options.before_pass = [passes]() mutable {
    return passes-- > 0 ? absl::OkStatus() : absl::CancelledError("enough");
  };
  EXPECT_EQ(Make(config)->Run(*network, *network, batch, options).status(),
            absl::CancelledError("enough"));
  return network->asked;
}

TEST(SquareShare, IsHalvedAtTheMilestones) {
  const auto at_10000 = [](int64_t query) {
    return SquareShare(0.8, query, 10000);
  };
  EXPECT_EQ(at_10000(0), 0.8);
  EXPECT_EQ(at_10000(10), 0.8);
  EXPECT_EQ(at_10000(11), 0.4);
  EXPECT_EQ(at_10000(50), 0.4);
  EXPECT_EQ(at_10000(51), 0.2);
  EXPECT_EQ(at_10000(200), 0.2);
  EXPECT_EQ(at_10000(201), 0.1);
  EXPECT_EQ(at_10000(501), 0.05);
  EXPECT_EQ(at_10000(1001), 0.025);
  EXPECT_EQ(at_10000(2001), 0.0125);
  EXPECT_EQ(at_10000(4001), 0.00625);
  EXPECT_EQ(at_10000(6001), 0.003125);
  EXPECT_EQ(at_10000(8000), 0.003125);
  EXPECT_EQ(at_10000(8001), 0.0015625);
  EXPECT_EQ(at_10000(9999), 0.0015625);
}

TEST(SquareShare, IsRescaledToTheBudget) {
  // Query 5 of 5000 is query 10 of 10,000, query 6 is query 12.
  EXPECT_EQ(SquareShare(0.8, 5, 5000), 0.8);
  EXPECT_EQ(SquareShare(0.8, 6, 5000), 0.4);
  EXPECT_EQ(SquareShare(0.8, 25, 5000), 0.4);
  EXPECT_EQ(SquareShare(0.8, 26, 5000), 0.2);
  // Of 100: 1 is 100, 2 is 200, 3 is 300, 99 is 9900.
  EXPECT_EQ(SquareShare(0.8, 0, 100), 0.8);
  EXPECT_EQ(SquareShare(0.8, 2, 100), 0.2);
  EXPECT_EQ(SquareShare(0.8, 3, 100), 0.1);
  EXPECT_EQ(SquareShare(0.8, 99, 100), 0.0015625);
  EXPECT_EQ(SquareShare(0.8, 99999, 100000), 0.0015625);
}

class SquareOnAPlaneTest : public ::testing::TestWithParam<Norm> {
 protected:
  // How many of the images fall, each at `factor` times its own distance.
  int64_t Falls(double factor) const {
    int64_t falls = 0;
    for (int64_t i = 0; i < 8; ++i) {
      AttackBatch one;
      one.images = toy_.batch.images.narrow(0, i, 1);
      one.labels = toy_.batch.labels.narrow(0, i, 1);
      const double distance =
          toy_.distances(GetParam())[i].template item<double>();
      falls += RunOne(SquareConfig{1000}, *toy_.network, one,
                      AtEpsilon(factor * distance, GetParam()))
                   .success.item<bool>();
    }
    return falls;
  }

  const BesideAPlane toy_{8, 60};
};

INSTANTIATE_TEST_SUITE_P(Norms, SquareOnAPlaneTest,
                         ::testing::Values(Norm::kLinf, Norm::kL2));

TEST_P(SquareOnAPlaneTest, SucceedsWellBeyondTheDistanceAndNeverBelow) {
  EXPECT_EQ(Falls(GetParam() == Norm::kLinf ? 1.2 : 2.0), 8);
  EXPECT_EQ(Falls(0.999), 0);
}

TEST(Square, LinfResultsLieOnTheSurface) {
  const auto network = RandomNetwork(61);
  const AttackBatch batch = RandomBatch(*network, 32, 62);
  const double epsilon = 0.02;
  const AttackResult result =
      RunOne(SquareConfig{50}, *network, batch, AtEpsilons({epsilon}));
  const at::Tensor lower = batch.images.sub(epsilon).clamp_min(0);
  const at::Tensor upper = batch.images.add(epsilon).clamp_max(1);
  EXPECT_TRUE(result.images.eq(lower)
                  .logical_or(result.images.eq(upper))
                  .all()
                  .item<bool>());
  EXPECT_GT(Sum(result.success), 4);
  EXPECT_LT(Sum(result.success), 32);
}

TEST(Square, LinfStartsWithStripes) {
  const at::Tensor start =
      Asked(SquareConfig{}, Norm::kLinf, {3, 6, 6}, 4, 1).at(0);
  const at::Tensor change = (start - 0.5).div(0.25);
  EXPECT_TRUE(change.abs().eq(1).all().item<bool>());
  EXPECT_TRUE(change.equal(change.narrow(2, 0, 1).expand_as(change)));
  // Each image, channel and column for itself.
  EXPECT_GT(Sum(change.select(2, 0).ne(change[0][0][0][0])), 18);
  EXPECT_LT(Sum(change.select(2, 0).ne(change[0][0][0][0])), 54);
}

// By hand: a bump of one row of two pixels is 1 at the right one and 1/4 on
// both, the one below it the opposite.
TEST(Square, L2StartsWithAGridOfBumps) {
  const at::Tensor start =
      Asked(SquareConfig{}, Norm::kL2, {1, 10, 10}, 1, 1).at(0);
  const at::Tensor change = (start - 0.5).view({10, 10}).to(at::kDouble);
  const double unit = 0.25 / std::sqrt(25 * 2 * (1.25 * 1.25 + 0.25 * 0.25));
  int64_t turned = 0;
  for (int64_t y = 0; y < 10; y += 2) {
    for (int64_t x = 0; x < 10; x += 2) {
      const at::Tensor tile = change.narrow(0, y, 2).narrow(1, x, 2) / unit;
      const at::Tensor bumps =
          Floats({0.25, 1.25, -0.25, -1.25}).view({2, 2}).to(at::kDouble);
      const auto is = [&](const at::Tensor& shape) {
        return tile.allclose(shape, 0, 1e-4) || tile.allclose(-shape, 0, 1e-4);
      };
      EXPECT_TRUE(is(bumps) || is(bumps.t())) << tile;
      turned += is(bumps.t());
    }
  }
  EXPECT_GT(turned, 4);
  EXPECT_LT(turned, 21);
}

TEST(Square, L2CandidatesHaveTheLengthOfEpsilon) {
  for (const at::Tensor& images :
       Asked(SquareConfig{50}, Norm::kL2, {3, 8, 8}, 4, 40)) {
    const at::Tensor lengths = (images - 0.5).flatten(1).norm(2, 1);
    EXPECT_TRUE(lengths.allclose(at::full_like(lengths, 0.25), 0, 1e-5))
        << lengths;
  }
}

// Nothing is ever kept, so that each candidate is the start and one square.
TEST(Square, CornersLieAtAllPositionsAndSquaresDifferBetweenImages) {
  SquareConfig config{100000};
  config.initial_share = 6.2 / 30;  // 2.5 pixels wide, 1.8 after query 100
  const std::vector<at::Tensor> asked =
      Asked(config, Norm::kLinf, {3, 5, 6}, 2, 500);
  std::set<std::pair<int64_t, int64_t>> corners;
  int64_t equal = 0;
  for (size_t query = 1; query < asked.size(); ++query) {
    const at::Tensor changed = asked[query].ne(asked[0]);
    equal += changed[0].equal(changed[1]);
    const at::Tensor places = changed[0].any(0).nonzero();
    ASSERT_GT(places.size(0), 0) << "a query that changes nothing";
    const at::Tensor first = std::get<0>(places.min(0));
    const at::Tensor last = std::get<0>(places.max(0));
    ASSERT_LE((last - first).max().item<int64_t>(), 1);
    if ((last - first).min().item<int64_t>() == 1) {
      corners.emplace(first[0].item<int64_t>(), first[1].item<int64_t>());
    }
  }
  EXPECT_EQ(corners.size(), 4u * 5u);
  EXPECT_LT(equal, 100);
}

// The sides of squares are what the schedule of SquareShare makes of the
// query and the budget. (A square over stripes changes all of its rows.)
TEST(Square, SquaresShrinkWithTheQueries) {
  for (const int64_t queries : {100, 1000, 10000}) {
    const std::vector<at::Tensor> asked =
        Asked(SquareConfig{queries}, Norm::kLinf, {1, 32, 32}, 1, 60);
    for (int64_t query = 1; query < 60; ++query) {
      const double share = SquareShare(0.8, query, queries);
      const at::Tensor rows = asked[query].ne(asked[0])[0][0].any(1);
      EXPECT_EQ(Sum(rows), std::lround(32 * std::sqrt(share)))
          << "query " << query << " of " << queries;
    }
  }
}

TEST(Square, FoolsAndLeavesAtOnce) {
  const auto network = RandomNetwork(63);
  const AttackBatch batch = RandomBatch(*network, 48, 64);
  for (Norm norm : {Norm::kLinf, Norm::kL2}) {
    const AttackResult result =
        RunOne(SquareConfig{40}, *network, batch,
               AtEpsilon(norm == Norm::kLinf ? 0.02 : 0.15, norm));
    const at::Tensor wrong =
        network->Logits(batch.images).argmax(1).ne(batch.labels);
    // The start counts as no step.
    const at::Tensor spent = at::where(result.success, result.iterations + 1,
                                       at::full_like(result.forwards, 40));
    EXPECT_TRUE(result.forwards.eq(spent).logical_or(wrong).all().item<bool>());
    EXPECT_EQ(Sum(result.gradients), 0);
    EXPECT_GT(Sum(result.iterations.gt(0)), 4);
    EXPECT_GT(Sum(result.iterations.eq(-1)), 4);
  }
}

TEST(Square, AnyIterateReturnsWhatIsWrongAsItIs) {
  const auto network = RandomNetwork(63);
  const AttackBatch batch = RandomBatch(*network, 48, 64);
  RunOptions options = AtEpsilons({0.02});
  const AttackResult last = RunOne(SquareConfig{40}, *network, batch, options);
  options.success = SuccessRule::kAnyIterate;
  const AttackResult any = RunOne(SquareConfig{40}, *network, batch, options);
  const at::Tensor wrong =
      network->Logits(batch.images).argmax(1).ne(batch.labels);
  EXPECT_EQ(Sum(wrong), 6);
  EXPECT_TRUE(any.images.equal(
      at::where(wrong.view({-1, 1, 1, 1}), batch.images, last.images)));
  EXPECT_TRUE(any.success.logical_or(wrong.logical_not()).all().item<bool>());
  EXPECT_TRUE(any.forwards.equal(last.forwards.masked_fill(wrong, 0)));
}

TEST(Square, RestartsRunOnWhatStands) {
  const auto network = RandomNetwork(65);
  const AttackBatch batch = RandomBatch(*network, 48, 66);
  const RunOptions options = AtEpsilons({0.02});
  SquareConfig config{10};
  const AttackResult once = RunOne(config, *network, batch, options);
  config.restarts = 5;
  const AttackResult often = RunOne(config, *network, batch, options);
  const at::Tensor fell = once.success;
  EXPECT_TRUE(often.forwards.masked_select(fell).equal(
      once.forwards.masked_select(fell)));
  EXPECT_TRUE(
      often.images.index_select(0, fell.nonzero().flatten())
          .equal(once.images.index_select(0, fell.nonzero().flatten())));
  EXPECT_GT(Sum(often.success), Sum(fell));
  const at::Tensor stood = often.success.logical_not();
  EXPECT_GT(Sum(stood), 0);
  EXPECT_TRUE(often.forwards.masked_select(stood).eq(50).all().item<bool>());
}

TEST(Square, GoesTowardTheTarget) {
  const auto network = RandomNetwork(67);
  AttackBatch batch = RandomBatch(*network, 32, 68);
  batch.targets = (batch.labels + 2).remainder(5);
  const AttackResult result =
      RunOne(SquareConfig{300}, *network, batch, AtEpsilons({0.15}));
  EXPECT_TRUE(result.success.equal(result.logits.argmax(1).eq(batch.targets)));
  EXPECT_GT(Sum(result.success), 24);
}

// Images of one row and of one pixel have a square, too.
TEST(Square, TakesTheSmallestImages) {
  for (const std::vector<int64_t>& shape :
       {std::vector<int64_t>{1, 1, 1}, {3, 1, 7}, {2, 2, 9}}) {
    for (Norm norm : {Norm::kLinf, Norm::kL2}) {
      EXPECT_EQ(Asked(SquareConfig{30}, norm, shape, 2, 20).size(), 20u);
    }
  }
}

}  // namespace
}  // namespace adv
