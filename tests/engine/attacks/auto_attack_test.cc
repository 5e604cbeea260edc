#include "engine/attacks/auto_attack.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "engine/nn/loss.h"
#include "tests/engine/attacks/test_networks.h"

namespace adv {
namespace {

using ::testing::Each;
using ::testing::Gt;
using ::testing::HasSubstr;
using Loss = ApgdConfig::Loss;

std::string ErrorOf(const AttackConfig& config, const RunOptions& options,
                    const AttackProblem& problem) {
  return std::string(ValidateRun(TraitsOf(config), options, problem).message());
}

class AutoAttackTest : public ::testing::Test {
 protected:
  // Each worse (for the defender) than the one before.
  const std::vector<AnyAttack> members_ = {
      {NoiseConfig{NoiseConfig::Distribution::kUniform, 2}},
      {FgsmConfig{}},
      {PgdConfig{{}, 4}},
      {ApgdConfig{Loss::kCrossEntropy, 30}}};
  const AutoAttackConfig config_{members_};
  const ReluNetwork network_{110};
  const AttackBatch batch_ = RandomBatch(network_, 96, 111);
};

// What each member does alone, image by image, says what all must do.
TEST_F(AutoAttackTest, EachMemberRunsOnWhatIsStillUnderAttack) {
  std::vector<int64_t> added(members_.size());
  for (bool targeted : {false, true}) {
    AttackBatch batch = batch_;
    if (targeted) batch.targets = (batch.labels + 1).remainder(5);
    RunOptions options = AtEpsilons({targeted ? 0.08 : 0.03});
    const AttackResult result = RunOne(config_, network_, batch, options);
    const at::Tensor clean = network_.Logits(batch.images).value();
    const auto loss = [&](const at::Tensor& logits) {
      return targeted ? AttackLoss(logits, batch.targets).neg()
                      : AttackLoss(logits, batch.labels);
    };
    at::Tensor active = targeted ? clean.argmax(1).ne(batch.targets)
                                 : clean.argmax(1).eq(batch.labels);
    const at::Tensor at_first = active;
    at::Tensor images = batch.images.clone();
    at::Tensor worst = at::full({96}, -1e9);
    at::Tensor member = at::full({96}, -1, at::kLong);
    at::Tensor iterations = at::where(active, -1, 0);
    at::Tensor gradients = at::zeros({96}, at::kLong), forwards = gradients;
    for (size_t i = 0; i < members_.size(); ++i) {
      const AttackResult alone =
          RunOne(members_[i].config, network_, batch, options);
      gradients = gradients + alone.gradients * active;
      forwards = forwards + alone.forwards * active;
      const at::Tensor fell = active.logical_and(alone.success);
      const at::Tensor take =
          fell.logical_or(active.logical_and(loss(alone.logits).gt(worst)));
      images = at::where(take.view({-1, 1, 1, 1}), alone.images, images);
      worst = at::where(take, loss(alone.logits), worst);
      member = at::where(fell, static_cast<int64_t>(i), member);
      iterations = at::where(fell, alone.iterations, iterations);
      active = active.logical_and(fell.logical_not());
      added[i] += Count(fell);
    }
    EXPECT_TRUE(result.images.equal(images));
    EXPECT_TRUE(result.logits.equal(network_.Logits(images).value()));
    EXPECT_TRUE(result.member.equal(member));
    EXPECT_TRUE(result.iterations.equal(iterations));
    EXPECT_TRUE(result.gradients.equal(gradients));
    EXPECT_TRUE(result.forwards.equal(forwards));
    EXPECT_TRUE(result.success.equal(active.logical_not()));
    EXPECT_GT(Count(active), 0);
    EXPECT_EQ(at_first.all().item<bool>(), targeted);
  }
  EXPECT_THAT(added, Each(Gt(0))) << "every member counts";
}

TEST_F(AutoAttackTest, EachEpsilonByItself) {
  const AttackOutcome sweep =
      Make(config_)
          ->Run(network_, network_, batch_, AtEpsilons({0.01, 0.05, 0}))
          .value();
  for (const AttackResult& result : sweep.results) {
    const AttackResult alone =
        RunOne(config_, network_, batch_, AtEpsilons({result.epsilon}));
    EXPECT_TRUE(result.images.equal(alone.images));
    EXPECT_TRUE(result.member.equal(alone.member));
    EXPECT_TRUE(result.gradients.equal(alone.gradients));
    EXPECT_TRUE(result.forwards.equal(alone.forwards));
  }
  EXPECT_TRUE(sweep.results[2].member.eq(-1).all().item<bool>());
}

// Whose search does not depend on epsilon runs once, for the images that are
// under attack at any; the others run at each epsilon.
TEST_F(AutoAttackTest, ASearchForAllEpsilonsChangesNoResult) {
  FabConfig fab;
  fab.steps = 6;
  fab.target_classes = 3;
  FabConfig restarted = fab;
  restarted.restarts = 2;
  const ReluNetwork other(112);
  for (const AnyAttack& search :
       {AnyAttack{fab}, AnyAttack{restarted}, AnyAttack{DeepFoolConfig{}}}) {
    const auto attack = Make(AutoAttackConfig{
        {{NoiseConfig{}}, search, {FgsmConfig{}}, {DeepFoolConfig{}}}});
    for (const ReluNetwork* target : {&network_, &other}) {
      for (bool eight_bit : {false, true}) {
        RunOptions options = AtEpsilons({0.02, 0.01, 0.05, 0});
        options.eight_bit = eight_bit;
        const AttackOutcome sweep =
            attack->Run(*target, network_, batch_, options).value();
        for (const AttackResult& result : sweep.results) {
          options.epsilons = {result.epsilon};
          const AttackResult alone =
              attack->Run(*target, network_, batch_, options)
                  .value()
                  .results[0];
          ExpectSameFindings(result, alone);
          EXPECT_TRUE(result.member.equal(alone.member));
        }
      }
    }
  }
}

TEST_F(AutoAttackTest, ASearchForAllEpsilonsIsPaidForOnce) {
  FabConfig fab;
  fab.steps = 6;
  fab.target_classes = 3;
  const CountingNetwork network(std::make_shared<ReluNetwork>(110));
  for (int64_t restarts : {1, 2}) {
    fab.restarts = restarts;
    const AutoAttackConfig config{{{NoiseConfig{}}, {fab}}};
    network.gradients = network.forwards = 0;
    const AttackOutcome sweep =
        Make(config)
            ->Run(network, network, batch_, AtEpsilons({0.02, 0.01, 0.05, 0}))
            .value();
    int64_t gradients = 0, forwards = 0;
    at::Tensor paid = at::zeros({96}, at::kBool);
    for (const AttackResult& result : sweep.results) {
      const at::Tensor alone =
          RunOne(config, network_, batch_, AtEpsilons({result.epsilon}))
              .gradients;
      // Where a restart starts depends on epsilon, so these searches differ.
      EXPECT_TRUE(result.gradients.equal(
          restarts == 1 ? alone.masked_fill(paid, 0) : alone));
      paid = paid.logical_or(alone.gt(0));
      gradients += result.gradients.sum().item<int64_t>();
      forwards += result.forwards.sum().item<int64_t>();
    }
    EXPECT_EQ(gradients, network.gradients);
    EXPECT_EQ(forwards, network.forwards - 96) << "but for the clean logits";
  }
}

TEST_F(AutoAttackTest, OthersHaveNoMembers) {
  EXPECT_FALSE(RunOne(FgsmConfig{}, network_, batch_, AtEpsilons({0.01}))
                   .member.defined());
}

TEST_F(AutoAttackTest, OneMemberIsThatMember) {
  const ApgdConfig apgd{Loss::kDlr, 20};
  for (Norm norm : {Norm::kLinf, Norm::kL2}) {
    RunOptions options = AtEpsilon(SmallEpsilon(norm) / 2, norm);
    options.eight_bit = true;
    options.seed = 9;
    const AttackResult one =
        RunOne(AutoAttackConfig{{{apgd}}}, network_, batch_, options);
    const AttackResult alone = RunOne(apgd, network_, batch_, options);
    ExpectSameFindings(one, alone);
  }
}

TEST_F(AutoAttackTest, Transfer) {
  const ReluNetwork target(112);
  const AttackResult result =
      Make(config_)
          ->Run(target, network_, batch_, AtEpsilons({0.08}))
          .value()
          .results[0];
  EXPECT_TRUE(result.logits.equal(target.Logits(result.images).value()));
  EXPECT_TRUE(result.success.equal(result.logits.argmax(1).ne(batch_.labels)));
  const at::Tensor right =
      target.Logits(batch_.images).value().argmax(1).eq(batch_.labels);
  EXPECT_TRUE(result.member.ge(0).equal(result.success.logical_and(right)));
}

// The source sees hardly more than the first pixel, the target the second
// alone. The first member moves both by .05, the second by .1.
TEST(AutoAttackTransferTest, TheMemberIsTheOneThatMadeTheImage) {
  const std::vector<int64_t> shape = {1, 1, 2};
  const at::Tensor bias = Floats({0, -0.5});
  const ToyLinearNetwork source(shape, Floats({0, 0, 1, 0.01}).view({2, 2}),
                                bias);
  const ToyLinearNetwork target(shape, Floats({0, 0, 0, 1}).view({2, 2}), bias);
  const AutoAttackConfig config{{{IgsmConfig{0.05, 1}}, {FgsmConfig{}}}};
  AttackBatch batch;
  batch.images = Floats({0.47, 0.47,  // the first member fools both
                         0.2, 0.45,   // the second fools the target alone
                         0.42, 0.2,   // the second fools the source alone
                         0.42, 0.45,  // the second fools both
                         0.2, 0.6,    // fools the target before
                         0.42, 0.6})  // as well, and then the source
                     .view({6, 1, 1, 2});
  batch.labels = at::zeros({6}, at::kLong);
  const AttackResult result =
      Make(config)
          ->Run(target, source, batch, AtEpsilons({0.1}))
          .value()
          .results[0];
  EXPECT_TRUE(result.member.equal(Longs({0, 1, -1, 1, -1, -1})))
      << result.member;
  EXPECT_TRUE(result.success.to(at::kLong).equal(Longs({1, 1, 0, 1, 1, 1})));
}

// Robust is, on a linear network, who is farther from every other class; the
// images are far enough from the box.
TEST(StandardEnsembleTest, FindsExactlyWhatIsWithinReach) {
  const double epsilon = 0.025;
  const at::Tensor weights = Normal({5, 48}, 113);
  const ToyLinearNetwork network(SmallShape(), weights, weights.sum(1) * -0.5);
  AttackBatch batch;
  batch.images = Uniform({24, 3, 4, 4}, 114) * 0.8 + 0.1;
  const at::Tensor logits = network.Logits(batch.images).value();
  batch.labels = logits.argmax(1);
  const at::Tensor column = batch.labels.unsqueeze(1);
  const at::Tensor gains = (weights.unsqueeze(0) -
                            weights.index_select(0, batch.labels).unsqueeze(1))
                               .abs()
                               .sum(2);
  const at::Tensor distance = ((logits.gather(1, column) - logits) / gains)
                                  .scatter(1, column, 1e9)
                                  .amin(1);
  const AttackResult result =
      RunOne(AutoAttackConfig{}, network, batch, AtEpsilons({epsilon}));
  EXPECT_TRUE(result.success.logical_or(distance.gt(0.99 * epsilon))
                  .all()
                  .item<bool>());
  EXPECT_TRUE(result.success.logical_not()
                  .logical_or(distance.lt(1.01 * epsilon))
                  .all()
                  .item<bool>());
  EXPECT_TRUE(result.member.ge(0).equal(result.success));
  EXPECT_GT(Count(result.success), 4);
  EXPECT_LT(Count(result.success), 20);
  // An image that stands has seen them all, Square's queries too.
  EXPECT_TRUE(result.forwards.masked_select(result.success.logical_not())
                  .gt(5000)
                  .all()
                  .item<bool>());
}

TEST_F(AutoAttackTest, HasWhatAllMembersHave) {
  RunOptions options = AtEpsilons({0.1});
  const AttackProblem problem{48, 10, true};
  EXPECT_EQ(ErrorOf(config_, options, problem), "");
  options.norm = Norm::kL2;
  EXPECT_EQ(ErrorOf(config_, options, problem),
            "norm: L2 is not one that this attack has, which is L-inf");
  const AutoAttackConfig dlr{{{ApgdConfig{}}, {ApgdConfig{Loss::kDlr}}}};
  EXPECT_THAT(ErrorOf(dlr, options, problem), HasSubstr("goal"));
  EXPECT_EQ(ErrorOf(dlr, options, {48, 2, false}),
            "model: has 2 classes where this attack needs 3");
  options.norm = Norm::kLinf;
  options.eight_bit = true;
  const AutoAttackConfig thesis{{{ApgdConfig{}}, {FgsmConfig{true}}}};
  EXPECT_THAT(ErrorOf(thesis, options, problem), HasSubstr("thesis_mode"));
}

}  // namespace
}  // namespace adv
