// Precision::kFast: whatever the fast passes say, float32 has the last word.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "tests/engine/attacks/every_attack.h"
#include "tests/engine/attacks/test_networks.h"

namespace adv {
namespace {

class FastPrecisionTest : public ::testing::TestWithParam<AttackCase> {
 protected:
  // With the fast passes of `fast`.
  AttackOutcome Run(std::shared_ptr<const Network> fast) const {
    const WithFastPasses network(network_, std::move(fast));
    RunOptions options = options_;
    options.precision = Precision::kFast;
    return attack_->Run(network, network, batch_, options).value();
  }
  AttackOutcome RunInFloat32() const {
    return attack_->Run(*network_, *network_, batch_, options_).value();
  }

  const std::unique_ptr<const Attack> attack_ = Make(GetParam().config);
  const std::shared_ptr<const Network> network_ = RandomNetwork(30);
  const AttackBatch batch_ = RandomBatch(*network_, 24, 31);
  const RunOptions options_ = [] {
    const double epsilon = SmallEpsilon(GetParam().norm);
    RunOptions options = AtEpsilons({epsilon, epsilon / 3});
    options.norm = GetParam().norm;
    return options;
  }();
};

INSTANTIATE_TEST_SUITE_P(All, FastPrecisionTest,
                         ::testing::ValuesIn(EveryAttack()),
                         [](const auto& one) { return one.param.name; });

// Images that other passes found are still judged by the network's own, and an
// image that stands is one that stands in float32.
TEST_P(FastPrecisionTest, EveryVerdictIsFloat32s) {
  // A likely mistake, a certain one, and a network that has nothing in common.
  const at::Tensor weights = Normal({5, 48}, 30);
  for (const std::shared_ptr<const Network>& fast :
       {std::shared_ptr<const Network>(std::make_shared<ToyLinearNetwork>(
            SmallShape(), weights + 0.3 * Normal({5, 48}, 32),
            weights.sum(1) * -0.5)),
        std::shared_ptr<const Network>(std::make_shared<ToyLinearNetwork>(
            SmallShape(), -weights, weights.sum(1) * 0.5)),
        RandomNetwork(33)}) {
    const AttackOutcome found = Run(fast);
    const AttackOutcome exact = RunInFloat32();
    EXPECT_TRUE(found.clean_logits.equal(exact.clean_logits));
    for (size_t e = 0; e < options_.epsilons.size(); ++e) {
      const AttackResult& result = found.results[e];
      EXPECT_TRUE(result.logits.equal(network_->Logits(result.images).value()));
      EXPECT_TRUE(
          result.success.equal(result.logits.argmax(1).ne(batch_.labels)));
      EXPECT_TRUE(result.iterations.lt(0).equal(result.success.logical_not()));
      const at::Tensor stands = result.success.logical_not();
      // What float32 alone fools cannot stand.
      EXPECT_EQ(Count(exact.results[e].success.logical_and(stands)), 0);
      EXPECT_TRUE(result.images.index({stands}).equal(
          exact.results[e].images.index({stands})));
    }
  }
}

// Fast passes that say the same need nothing again but where they failed.
TEST_P(FastPrecisionTest, TheSamePassesFindTheSame) {
  const AttackOutcome found = Run(network_);
  const AttackOutcome exact = RunInFloat32();
  for (size_t e = 0; e < options_.epsilons.size(); ++e) {
    const AttackResult& result = found.results[e];
    const AttackResult& expected = exact.results[e];
    ExpectSameFindings(result, expected);
    EXPECT_EQ(result.member.defined(), expected.member.defined());
    if (result.member.defined()) {
      EXPECT_TRUE(result.member.equal(expected.member));
    }
    EXPECT_TRUE(result.gradients.ge(expected.gradients).all().item<bool>());
    const at::Tensor once =
        result.success.logical_and(exact.results[0].success);
    EXPECT_TRUE(
        result.gradients.index({once}).equal(expected.gradients.index({once})));
  }
}

TEST(FastPrecision, NeedsFastPasses) {
  const auto network = RandomNetwork(30);
  const auto other = RandomNetwork(31);
  RunOptions options = AtEpsilons({0.1});
  options.precision = Precision::kFast;
  const AttackBatch batch = RandomBatch(*network, 3, 1);
  const auto attack = Make(FgsmConfig{});
  const absl::Status none =
      attack->Run(*network, *network, batch, options).status();
  EXPECT_TRUE(absl::IsInvalidArgument(none)) << none;
  EXPECT_THAT(std::string(none.message()), testing::HasSubstr("precision: "));
  const absl::Status transfer =
      attack->Run(WithFastPasses(network, network), *other, batch, options)
          .status();
  EXPECT_TRUE(absl::IsInvalidArgument(transfer)) << transfer;
  EXPECT_THAT(std::string(transfer.message()),
              testing::HasSubstr("source_model"));
}

// What a search for all epsilons at once found does not cost each of them.
TEST(FastPrecision, ASearchForAllEpsilonsIsDoneOnceMore) {
  const auto network = RandomNetwork(30);
  // It sees no image fooled and finds no way.
  const auto blind = std::make_shared<ToyLinearNetwork>(
      SmallShape(), at::zeros({5, 48}), at::arange(5));
  const AttackBatch batch = RandomBatch(*network, 8, 2);
  RunOptions options = AtEpsilons({0.3, 0.1, 0.02});
  const auto attack = Make(DeepFoolConfig{});
  const auto exact = attack->Run(*network, *network, batch, options).value();
  options.precision = Precision::kFast;
  const WithFastPasses both(network, blind);
  const auto found = attack->Run(both, both, batch, options).value();
  int64_t spent = 0, once = 0;
  for (size_t e = 0; e < 3; ++e) {
    EXPECT_TRUE(found.results[e].success.equal(exact.results[e].success));
    spent += Count(found.results[e].gradients);
    once += Count(exact.results[e].gradients);
  }
  EXPECT_LT(spent, 3 * once);
}

}  // namespace
}  // namespace adv
