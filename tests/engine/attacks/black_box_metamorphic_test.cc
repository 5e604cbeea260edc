// What must not change when something that does not matter does, for the
// attacks that need no gradient; and what all of them owe their caller.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <ostream>
#include <string>

#include "engine/attacks/ball.h"
#include "tests/engine/attacks/black_box_networks.h"

namespace adv {
namespace {

struct BlackBoxCase {
  std::string name;
  AttackConfig config;
  Norm norm;
  double epsilon;   // at which some images fall and some stand
  int64_t queries;  // the most that an image may cost
};

std::ostream& operator<<(std::ostream& out, const BlackBoxCase& one) {
  return out << one.name;
}

class BlackBoxTest : public ::testing::TestWithParam<BlackBoxCase> {
 protected:
  BlackBoxTest() { batch_.samples = at::arange(100, 132, at::kLong); }

  RunOptions Options() const {
    return AtEpsilon(GetParam().epsilon, GetParam().norm);
  }
  AttackOutcome Run(const Network& target, const Network& source,
                    const AttackBatch& batch, const RunOptions& options) const {
    return Make(GetParam().config)->Run(target, source, batch, options).value();
  }
  AttackResult Run(const Network& network, const AttackBatch& batch) const {
    return Run(network, network, batch, Options()).results[0];
  }
  // The images of batch_ at `rows`, with the draws that are theirs.
  AttackBatch Part(const at::Tensor& rows) const {
    AttackBatch part;
    part.images = batch_.images.index_select(0, rows);
    part.labels = batch_.labels.index_select(0, rows);
    part.samples = batch_.samples.index_select(0, rows);
    return part;
  }
  static void ExpectRows(const AttackResult& result, const AttackResult& all,
                         const at::Tensor& rows) {
    EXPECT_TRUE(result.images.equal(all.images.index_select(0, rows)));
    EXPECT_TRUE(result.logits.equal(all.logits.index_select(0, rows)));
    EXPECT_TRUE(result.success.equal(all.success.index_select(0, rows)));
    EXPECT_TRUE(result.iterations.equal(all.iterations.index_select(0, rows)));
    EXPECT_TRUE(result.forwards.equal(all.forwards.index_select(0, rows)));
  }

  const at::Tensor weights_ = Normal({5, 48}, 20);
  const at::Tensor bias_ = weights_.sum(1) * -0.5;
  const ToyLinearNetwork network_{SmallShape(), weights_, bias_};
  AttackBatch batch_ = RandomBatch(network_, 32, 21);
  const at::Tensor all_ = at::arange(32, at::kLong);
};

INSTANTIATE_TEST_SUITE_P(
    All, BlackBoxTest,
    ::testing::Values(
        BlackBoxCase{"SquareLinf", SquareConfig{60}, Norm::kLinf, 0.03, 60},
        BlackBoxCase{"SquareL2", SquareConfig{60, 0.8, 2}, Norm::kL2, 0.2, 120},
        BlackBoxCase{"HopSkipJumpLinf", HopSkipJumpConfig{300}, Norm::kLinf,
                     0.06, 300},
        BlackBoxCase{"HopSkipJumpL2", HopSkipJumpConfig{300}, Norm::kL2, 0.3,
                     300},
        BlackBoxCase{"Boundary", BoundaryConfig{300}, Norm::kL2, 0.4, 300}),
    [](const auto& one) { return one.param.name; });

TEST_P(BlackBoxTest, SomeFallAndSomeStand) {
  const int64_t fallen =
      Run(network_, batch_).success.sum().template item<int64_t>();
  EXPECT_GT(fallen, 6);
  EXPECT_LT(fallen, 30);
}

// Rounding may turn an answer close to the boundary, and the way from there.
TEST_P(BlackBoxTest, ConstantAddedToAllLogits) {
  const ToyLinearNetwork shifted(SmallShape(), weights_, bias_ + 7);
  const AttackResult plain = Run(network_, batch_);
  const AttackResult result = Run(shifted, batch_);
  EXPECT_GE(result.images.eq(plain.images)
                .flatten(1)
                .all(1)
                .sum()
                .template item<int64_t>(),
            30);
}

// By powers of two, which rounding is the same for.
TEST_P(BlackBoxTest, ScaledLogits) {
  const AttackResult plain = Run(network_, batch_);
  for (double scale : {16, 128, 1024}) {
    const ToyLinearNetwork scaled(SmallShape(), weights_ * scale,
                                  bias_ * scale);
    const AttackResult result = Run(scaled, batch_);
    EXPECT_TRUE(result.images.equal(plain.images)) << scale;
    EXPECT_TRUE(result.success.equal(plain.success)) << scale;
  }
}

// The classes in another order. The leader is one ahead: of equal logits, which
// walks along the boundary come by, the first in the order would lead.
class OrderedNetwork final : public ScoringNetwork {
 public:
  OrderedNetwork(std::shared_ptr<const Network> network,
                 const at::Tensor& order)
      : ScoringNetwork(std::move(network)), order_(order) {}
  absl::StatusOr<at::Tensor> Logits(const at::Tensor& images) const override {
    const at::Tensor logits = network_->Logits(images).value();
    return (logits + at::one_hot(logits.argmax(1), traits().classes))
        .index_select(1, order_);
  }

 private:
  const at::Tensor order_;  // new class -> old class
};

TEST_P(BlackBoxTest, PermutedClasses) {
  const at::Tensor order = Longs({3, 0, 4, 1, 2});
  const auto network = std::make_shared<ToyLinearNetwork>(network_);
  AttackBatch batch = batch_;
  batch.labels = order.argsort().index_select(0, batch.labels);
  const AttackResult plain =
      Run(OrderedNetwork(network, at::arange(5, at::kLong)), batch_);
  const AttackResult result = Run(OrderedNetwork(network, order), batch);
  EXPECT_TRUE(result.images.equal(plain.images));
  EXPECT_TRUE(result.success.equal(plain.success));
}

TEST_P(BlackBoxTest, NoPassCopiesImagesIntoAnotherLayout) {
  const CountingNetwork counting(std::make_shared<ToyLinearNetwork>(network_));
  for (bool eight_bit : {false, true}) {
    RunOptions options = Options();
    options.eight_bit = eight_bit;
    Run(counting, counting, batch_, options);
  }
  EXPECT_GT(counting.passes, 0);
  EXPECT_EQ(counting.not_channels_last, 0);
}

TEST_P(BlackBoxTest, PermutedBatch) {
  const at::Tensor order = Uniform({32}, 22).argsort();
  ExpectRows(Run(network_, Part(order)), Run(network_, batch_), order);
}

TEST_P(BlackBoxTest, OneByOneIsAllAtOnce) {
  const AttackResult all = Run(network_, batch_);
  for (int64_t i = 0; i < 12; ++i) {
    ExpectRows(Run(network_, Part(Longs({i}))), all, Longs({i}));
  }
}

TEST_P(BlackBoxTest, SeedsReproduceAndOthersDiffer) {
  RunOptions options = Options();
  options.seed = 5;
  const AttackResult once = Run(network_, network_, batch_, options).results[0];
  ExpectRows(Run(network_, network_, batch_, options).results[0], once, all_);
  options.seed = 6;
  EXPECT_FALSE(Run(network_, network_, batch_, options)
                   .results[0]
                   .images.equal(once.images));
  options.seed = uint64_t{5} << 32;
  EXPECT_FALSE(Run(network_, network_, batch_, options)
                   .results[0]
                   .images.equal(once.images));
}

TEST_P(BlackBoxTest, EpsilonZeroIsTheIdentity) {
  const at::Tensor before = batch_.images.clone();
  RunOptions options = Options();
  options.epsilons = {0};
  const AttackResult result =
      Run(network_, network_, batch_, options).results[0];
  EXPECT_TRUE(result.images.equal(before));
  EXPECT_TRUE(result.success.equal(
      network_.Logits(before).value().argmax(1).ne(batch_.labels)));
  EXPECT_TRUE(batch_.images.equal(before)) << "the input was written to";
}

TEST_P(BlackBoxTest, MemoryFormat) {
  AttackBatch batch = batch_;
  batch.images = batch_.images.contiguous(at::MemoryFormat::ChannelsLast);
  ExpectRows(Run(network_, batch), Run(network_, batch_), all_);
}

TEST_P(BlackBoxTest, EightBitResultsAreTheStoredBytes) {
  RunOptions options = Options();
  options.eight_bit = true;
  const AttackResult result =
      Run(network_, network_, batch_, options).results[0];
  const at::Tensor loaded =
      ToBytes(result.images).to(at::kByte).to(at::kFloat).div(255);
  EXPECT_TRUE(loaded.equal(result.images));
  EXPECT_TRUE(network_.Logits(loaded).value().equal(result.logits));
  EXPECT_GT(result.success.sum().item<int64_t>(), 4);
}

TEST_P(BlackBoxTest, EpsilonsAreRunsOfTheirOwn) {
  RunOptions options = Options();
  options.epsilons = {GetParam().epsilon, 0.01, 2.5 * GetParam().epsilon};
  const AttackOutcome sweep = Run(network_, network_, batch_, options);
  for (size_t i = 0; i < 3; ++i) {
    RunOptions alone = options;
    alone.epsilons = {options.epsilons[i]};
    const AttackResult result =
        Run(network_, network_, batch_, alone).results[0];
    EXPECT_TRUE(result.images.equal(sweep.results[i].images));
    EXPECT_TRUE(result.logits.equal(sweep.results[i].logits));
    EXPECT_TRUE(result.iterations.equal(sweep.results[i].iterations));
  }
}

TEST_P(BlackBoxTest, CountsAreTheNetworksAndWithinTheBudget) {
  for (bool eight_bit : {false, true}) {
    const CountingNetwork counting(
        std::make_shared<ToyLinearNetwork>(SmallShape(), weights_, bias_));
    RunOptions options = Options();
    options.eight_bit = eight_bit;
    const AttackResult result =
        Run(counting, counting, batch_, options).results[0];
    EXPECT_EQ(counting.gradients, 0);
    EXPECT_EQ(result.gradients.sum().item<int64_t>(), 0);
    EXPECT_EQ(result.forwards.sum().item<int64_t>() + 32, counting.forwards)
        << "the clean forward is not counted";
    EXPECT_LE(result.forwards.max().item<int64_t>(), GetParam().queries);
    EXPECT_FALSE(result.zero_gradient.any().item<bool>());
  }
}

TEST_P(BlackBoxTest, TheHookEndsTheRunBeforeAnyPass) {
  for (int64_t allowed : {0, 1, 2, 17}) {
    const CountingNetwork counting(
        std::make_shared<ToyLinearNetwork>(SmallShape(), weights_, bias_));
    RunOptions options = Options();
    options.before_pass = [&] {
      return counting.passes < allowed ? absl::OkStatus()
                                       : absl::CancelledError("enough");
    };
    EXPECT_EQ(Make(GetParam().config)
                  ->Run(counting, counting, batch_, options)
                  .status(),
              absl::CancelledError("enough"));
    EXPECT_EQ(counting.passes, allowed);
  }
}

TEST_P(BlackBoxTest, TransferAsksTheSourceAndTheTargetLast) {
  const auto source = RandomNetwork(23);
  const CountingNetwork target(
      std::make_shared<ToyLinearNetwork>(SmallShape(), weights_, bias_));
  AttackBatch batch = batch_;
  // Right for both, so that it is a way for both.
  batch.labels = source->Logits(batch.images).value().argmax(1);
  const AttackOutcome outcome = Run(target, *source, batch, Options());
  const AttackResult& result = outcome.results[0];
  EXPECT_TRUE(result.logits.equal(network_.Logits(result.images).value()));
  EXPECT_TRUE(
      outcome.clean_logits.equal(network_.Logits(batch.images).value()));
  EXPECT_TRUE(result.success.equal(result.logits.argmax(1).ne(batch.labels)));
  EXPECT_GT(source->Logits(result.images)
                .value()
                .argmax(1)
                .ne(batch.labels)
                .sum()
                .item<int64_t>(),
            6);
  // Clean, and once for each restart.
  EXPECT_LE(target.forwards, 3 * 32);
}

}  // namespace
}  // namespace adv
