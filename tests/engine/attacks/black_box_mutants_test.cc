// Attacks without gradients that have one thing wrong each: the suite must see
// it. The right ones hold the properties that the wrong ones do not.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <utility>

#include "engine/attacks/attacked_model.h"
#include "engine/attacks/minimising.h"
#include "engine/attacks/random.h"
#include "engine/attacks/square.h"
#include "engine/attacks/square_proposals.h"
#include "tests/engine/attacks/black_box_networks.h"

namespace adv {
namespace {

struct SquareFaults {
  bool shared_square = false;
  bool keeps_worse = false;
};

// Square at one epsilon, L-inf, one margin after the other.
class TestSquare final : public Attack {
 public:
  TestSquare(int64_t queries, SquareFaults faults)
      : queries_(queries), faults_(faults) {}

 protected:
  absl::StatusOr<std::vector<AttackResult>> Perturb(
      AttackedModel& model, const AttackBatch& batch,
      const RunOptions& options) const override {
    AttackResult result;
    result.images = batch.images.clone();
    result.logits = model.CleanLogits().value().clone();
    result.iterations = at::zeros_like(batch.labels);
    for (int64_t i = 0; i < batch.labels.size(0); ++i) {
      Search(i, model, batch, options, result);
    }
    model.ChargeTo(result);
    return std::vector<AttackResult>{result};
  }

 private:
  void Search(int64_t i, AttackedModel& model, const AttackBatch& batch,
              const RunOptions& options, AttackResult& result) const {
    const at::Tensor row = Longs({i});
    const auto proposals = MakeSquareProposals(
        batch.images.index_select(0, row), {Norm::kLinf, options.epsilons[0]},
        options.eight_bit);
    const int64_t sample =
        batch.samples[faults_.shared_square ? 0 : i].item<int64_t>();
    const int64_t label = batch.labels[i].item<int64_t>();
    double best = 1e30;
    bool fooled = false;
    for (int64_t query = 0; query < queries_ && !fooled; ++query) {
      const RandomKey key = {
          options.seed,
          query == 0 ? RandomPurpose::kStart : RandomPurpose::kProposal, 0,
          static_cast<uint32_t>(query)};
      if (query == 0) {
        proposals->Start(0, RandomWords(key, sample));
      } else {
        proposals->Propose(0, SquareShare(0.8, query, queries_),
                           RandomWords(key, sample));
      }
      const at::Tensor logits = model.Scores(proposals->images(), row).value();
      at::Tensor others = logits[0].clone();
      others[label] = -1e30;
      const double margin = (logits[0][label] - others.max()).item<double>();
      fooled = model.Fooled(logits, row).item<bool>();
      if (margin < best || fooled || faults_.keeps_worse) {
        best = margin;
        result.images.index_copy_(0, row, proposals->images());
        result.logits.index_copy_(0, row, logits);
      } else {
        proposals->TakeBack(0);
      }
      result.iterations[i] = query;
    }
  }

  const int64_t queries_;
  const SquareFaults faults_;
};

constexpr int64_t kQueries = 40;
constexpr double kEpsilon = 0.02;

class SquareMutantTest : public ::testing::Test {
 protected:
  AttackResult Run(const Attack& attack, const Network& network,
                   const AttackBatch& batch) const {
    return attack.Run(network, network, batch, AtEpsilons({kEpsilon}))
        .value()
        .results[0];
  }
  AttackBatch Reversed() const {
    AttackBatch batch;
    batch.images = batch_.images.flip(0);
    batch.labels = batch_.labels.flip(0);
    batch.samples = batch_.samples.flip(0);
    return batch;
  }

  // An image's walk is its own, wherever it stands in the batch.
  bool IgnoresItsNeighbours(const Attack& attack) const {
    return Run(attack, *network_, Reversed())
        .images.flip(0)
        .equal(Run(attack, *network_, batch_).images);
  }

  // What is returned for an image that stands has the least margin of all that
  // was asked about.
  bool ReturnsTheBest(const Attack& attack) const {
    for (int64_t i = 0; i < 7; ++i) {
      AttackBatch one;
      one.images = batch_.images.narrow(0, i, 1);
      one.labels = batch_.labels.narrow(0, i, 1);
      const RecordingNetwork recording(network_);
      const AttackResult result = Run(attack, recording, one);
      if (result.success.item<bool>()) continue;
      const double returned = MarginOf(result.logits, one.labels);
      for (const at::Tensor& images : recording.asked) {
        if (images.equal(one.images)) continue;  // for the clean logits
        const at::Tensor logits = network_->Logits(images).value();
        if (MarginOf(logits, one.labels) < returned) return false;
      }
    }
    return true;
  }

  static double MarginOf(const at::Tensor& logits, const at::Tensor& labels) {
    const at::Tensor own = logits[0][labels[0].item<int64_t>()];
    const at::Tensor others =
        logits[0].masked_fill(logits[0].eq(own), -1e30).max();
    return (own - others).item<double>();
  }

  const std::shared_ptr<const Network> network_ = RandomNetwork(95);
  AttackBatch batch_ = [this] {
    AttackBatch batch = RandomBatch(*network_, 16, 96);
    batch.samples = at::arange(16, at::kLong);
    return batch;
  }();
};

TEST_F(SquareMutantTest, WithoutFaultsItIsTheProduct) {
  const AttackResult ours = Run(TestSquare(kQueries, {}), *network_, batch_);
  const AttackResult product =
      Run(*Make(SquareConfig{kQueries}), *network_, batch_);
  EXPECT_TRUE(ours.images.equal(product.images));
  EXPECT_TRUE(ours.success.equal(product.success));
  EXPECT_TRUE(ours.iterations.equal(product.iterations));
  EXPECT_TRUE(ours.forwards.equal(product.forwards));
}

TEST_F(SquareMutantTest, SharedSquare) {
  EXPECT_TRUE(IgnoresItsNeighbours(*Make(SquareConfig{kQueries})));
  SquareFaults faults;
  faults.shared_square = true;
  EXPECT_FALSE(IgnoresItsNeighbours(TestSquare(kQueries, faults)));
}

TEST_F(SquareMutantTest, KeepsWhatRaisesTheMargin) {
  EXPECT_TRUE(ReturnsTheBest(*Make(SquareConfig{kQueries})));
  SquareFaults faults;
  faults.keeps_worse = true;
  EXPECT_FALSE(ReturnsTheBest(TestSquare(kQueries, faults)));
}

struct DecisionFaults {
  bool uses_scores = false;
  bool overruns = false;
};

// Noise, closer to the original where it fooled the last time.
class TestDecisions final : public MinimisingAttack {
 public:
  TestDecisions(int64_t queries, DecisionFaults faults)
      : queries_(queries + (faults.overruns ? 1 : 0)), faults_(faults) {}

 private:
  absl::StatusOr<Nearest> FindNearest(
      AttackedModel& model, const AttackBatch& batch,
      const RunOptions& options) const override {
    NearestSoFar nearest(AtOriginals(model, batch).value(), batch.images,
                         options.norm);
    const at::Tensor rows = at::arange(batch.labels.size(0), at::kLong);
    const std::vector<int64_t> samples(
        batch.samples.data_ptr<int64_t>(),
        batch.samples.data_ptr<int64_t>() + rows.size(0));
    at::Tensor shares = at::ones({rows.size(0), 1, 1, 1});
    for (int64_t query = 1; query <= queries_; ++query) {
      const at::Tensor noise = DrawUniform({options.seed, RandomPurpose::kStart,
                                            0, static_cast<uint32_t>(query)},
                                           samples, batch.images[0].numel())
                                   .view_as(batch.images);
      const at::Tensor images = at::lerp(batch.images, noise, shares);
      const at::Tensor logits = model.Scores(images, rows).value();
      const at::Tensor fooled = model.Fooled(logits, rows);
      nearest.Offer(rows, images, logits, fooled, query);
      const at::Tensor drop = faults_.uses_scores ? logits.amax(1).sigmoid()
                                                  : fooled.to(at::kFloat) * 0.5;
      shares = shares * (1 - drop.view({-1, 1, 1, 1}) * 0.5);
    }
    return nearest.nearest();
  }

  const int64_t queries_;
  const DecisionFaults faults_;
};

class DecisionMutantTest : public ::testing::Test {
 protected:
  AttackResult Run(const Attack& attack, const Network& network,
                   Norm norm = Norm::kL2) const {
    return attack.Run(network, network, batch_, WithinTheBox(norm))
        .value()
        .results[0];
  }
  bool GoesByDecisionsAlone(const Attack& attack) const {
    const AttackResult scores = Run(attack, *network_);
    const AttackResult decisions = Run(attack, OneHotNetwork(network_));
    return decisions.images.equal(scores.images);
  }
  bool KeepsItsBudget(const Attack& attack) const {
    const CountingNetwork counting(network_);
    const AttackResult result = Run(attack, counting);
    return result.forwards.le(kQueries).all().item<bool>() &&
           counting.forwards <= 16 * (kQueries + 1);  // one for the clean ones
  }

  const std::shared_ptr<const Network> network_ = RandomNetwork(95);
  const AttackBatch batch_ = RandomBatch(*network_, 16, 96);
};

TEST_F(DecisionMutantTest, WithoutFaultsItFindsSomething) {
  EXPECT_GT(Run(TestDecisions(kQueries, {}), *network_)
                .iterations.gt(0)
                .sum()
                .item<int64_t>(),
            12);
}

TEST_F(DecisionMutantTest, UsesScores) {
  EXPECT_TRUE(GoesByDecisionsAlone(*Make(HopSkipJumpConfig{400})));
  EXPECT_TRUE(GoesByDecisionsAlone(*Make(BoundaryConfig{400})));
  EXPECT_TRUE(GoesByDecisionsAlone(TestDecisions(kQueries, {})));
  DecisionFaults faults;
  faults.uses_scores = true;
  EXPECT_FALSE(GoesByDecisionsAlone(TestDecisions(kQueries, faults)));
}

TEST_F(DecisionMutantTest, Overruns) {
  EXPECT_TRUE(KeepsItsBudget(*Make(HopSkipJumpConfig{kQueries})));
  EXPECT_TRUE(KeepsItsBudget(*Make(BoundaryConfig{kQueries})));
  EXPECT_TRUE(KeepsItsBudget(TestDecisions(kQueries, {})));
  DecisionFaults faults;
  faults.overruns = true;
  EXPECT_FALSE(KeepsItsBudget(TestDecisions(kQueries, faults)));
}

}  // namespace
}  // namespace adv
