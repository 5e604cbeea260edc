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

int64_t SumOf(const at::Tensor& counts) { return counts.sum().item<int64_t>(); }

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

void ExpectFallsAt(double distance, const TwoClasses& toy, Norm norm,
                   int64_t queries) {
  const SquareConfig config{queries};
  EXPECT_TRUE(toy.FallsTo(config, 1.01 * distance, norm)) << distance;
  EXPECT_FALSE(toy.FallsTo(config, 0.99 * distance, norm)) << distance;
}

// At last its squares are single pixels, so that it can find all signs.
TEST(Square, LinfSucceedsJustBeyondTheDistance) {
  for (uint64_t seed = 60; seed < 64; ++seed) {
    const at::Tensor w = Normal(SmallShape(), seed);
    const double far = 0.02 + 0.01 * (seed - 60);
    const double margin = far * w.abs().sum().item<double>();
    const at::Tensor noise = Uniform(SmallShape(), seed + 1);
    ExpectFallsAt(far, {w, noise * 0.4 + 0.3, margin}, Norm::kLinf, 2000);
    // A third of the pixels is black or white.
    const at::Tensor stark = (noise * 1.5 - 0.25).clamp(0, 1);
    const double stopped =
        ExactDistance(w.flatten(), stark, margin, Norm::kLinf);
    EXPECT_GT(stopped, 1.05 * far);
    ExpectFallsAt(stopped, {w, stark, margin}, Norm::kLinf, 2000);
  }
}

// What it adds to 3x3 pixels, by hand: over a bump in one row an opposite one
// in two rows, both of one length.
at::Tensor BumpsOf3x3() {
  const at::Tensor above = Floats({1, 5, 1}).view({1, 3});
  const at::Tensor below = Floats({1, 1, 1, 1, 5, 1}).view({2, 3});
  return at::cat({above / above.norm(), -below / below.norm()});
}

// Weights that are such bumps somewhere, at the same place in each channel and
// with a sign of its own, and 0 elsewhere.
at::Tensor BumpsSomewhere(const std::vector<int64_t>& shape, uint64_t seed) {
  const at::Tensor weights = at::zeros(shape);
  const at::Tensor drawn = Uniform({3}, seed);
  const auto below = [&](int64_t i, int64_t count) {
    return static_cast<int64_t>(drawn[i].item<double>() * count);
  };
  const at::Tensor window = weights.narrow(1, below(0, shape[1] - 2), 3)
                                .narrow(2, below(1, shape[2] - 2), 3);
  const at::Tensor bumps = BumpsOf3x3();
  window.copy_(below(2, 2) == 0 ? bumps : bumps.t());
  return weights * Normal({shape[0], 1, 1}, seed).sign();
}

// Their whole length goes to the one place that counts, and takes its shape.
TEST(Square, L2SucceedsJustBeyondTheDistanceWhereBumpsCount) {
  for (uint64_t seed = 0; seed < 4; ++seed) {
    for (const std::vector<int64_t>& shape :
         {std::vector<int64_t>{1, 6, 6}, {3, 3, 3}}) {
      const at::Tensor w = BumpsSomewhere(shape, seed);
      const double distance = 0.05 + 0.02 * seed;
      ExpectFallsAt(distance,
                    {w, Uniform(shape, seed) * 0.4 + 0.3,
                     distance * w.norm().item<double>()},
                    Norm::kL2, 4000);
    }
  }
}

// Three of the nine pixels at the foot of the bumps cannot move.
TEST(Square, L2SucceedsJustBeyondTheDistanceInsideTheBox) {
  for (uint64_t seed = 0; seed < 4; ++seed) {
    const at::Tensor w = BumpsSomewhere({3, 3, 3}, seed);
    const at::Tensor stark = Uniform({3, 3, 3}, seed) * 0.4 + 0.3;
    const at::Tensor foot = Longs({0, 2, 6});
    stark.flatten(1).index_copy_(
        1, foot, w.flatten(1).index_select(1, foot).sign() * 0.5 + 0.5);
    const double far = 0.05 + 0.02 * seed;
    const double margin = far * w.norm().item<double>();
    const double stopped = ExactDistance(w.flatten(), stark, margin, Norm::kL2);
    EXPECT_GT(stopped, 1.02 * far);
    ExpectFallsAt(stopped, {w, stark, margin}, Norm::kL2, 2000);
  }
}

// Weights of no shape: whole bumps of 3x3 pixels and more cannot become alike,
// and no length goes from one channel to another. With twenty times the queries
// it comes no nearer.
TEST(Square, L2SucceedsWellBeyondTheDistanceAndNeverBelow) {
  const BesideAPlane toy(8, 60);
  const auto falls = [&](double factor) {
    int64_t count = 0;
    for (int64_t i = 0; i < 8; ++i) {
      AttackBatch one;
      one.images = toy.batch.images.narrow(0, i, 1);
      one.labels = toy.batch.labels.narrow(0, i, 1);
      const double epsilon = factor * toy.l2_distances[i].item<double>();
      count += RunOne(SquareConfig{1000}, *toy.network, one,
                      AtEpsilon(epsilon, Norm::kL2))
                   .success.item<bool>();
    }
    return count;
  };
  EXPECT_EQ(falls(1.7), 8);
  EXPECT_EQ(falls(0.999), 0);
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
  EXPECT_GT(SumOf(result.success), 4);
  EXPECT_LT(SumOf(result.success), 32);
}

TEST(Square, LinfStartsWithStripes) {
  const at::Tensor start =
      Asked(SquareConfig{}, Norm::kLinf, {3, 6, 6}, 4, 1).at(0);
  const at::Tensor change = (start - 0.5).div(0.25);
  EXPECT_TRUE(change.abs().eq(1).all().item<bool>());
  EXPECT_TRUE(change.equal(change.narrow(2, 0, 1).expand_as(change)));
  // Each image, channel and column for itself.
  EXPECT_GT(SumOf(change.select(2, 0).ne(change[0][0][0][0])), 18);
  EXPECT_LT(SumOf(change.select(2, 0).ne(change[0][0][0][0])), 54);
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
      EXPECT_EQ(SumOf(rows), std::lround(32 * std::sqrt(share)))
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
        network->Logits(batch.images).value().argmax(1).ne(batch.labels);
    // The start counts as no step.
    const at::Tensor spent = at::where(result.success, result.iterations + 1,
                                       at::full_like(result.forwards, 40));
    EXPECT_TRUE(result.forwards.eq(spent).logical_or(wrong).all().item<bool>());
    EXPECT_EQ(SumOf(result.gradients), 0);
    EXPECT_GT(SumOf(result.iterations.gt(0)), 4);
    EXPECT_GT(SumOf(result.iterations.eq(-1)), 4);
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
      network->Logits(batch.images).value().argmax(1).ne(batch.labels);
  EXPECT_EQ(SumOf(wrong), 6);
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
  EXPECT_GT(SumOf(often.success), SumOf(fell));
  const at::Tensor stood = often.success.logical_not();
  EXPECT_GT(SumOf(stood), 0);
  EXPECT_TRUE(often.forwards.masked_select(stood).eq(50).all().item<bool>());
}

TEST(Square, GoesTowardTheTarget) {
  const auto network = RandomNetwork(67);
  AttackBatch batch = RandomBatch(*network, 32, 68);
  batch.targets = (batch.labels + 2).remainder(5);
  const AttackResult result =
      RunOne(SquareConfig{300}, *network, batch, AtEpsilons({0.15}));
  EXPECT_TRUE(result.success.equal(result.logits.argmax(1).eq(batch.targets)));
  EXPECT_GT(SumOf(result.success), 24);
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
