// What every attack by gradients that looks for the nearest image must do.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <ostream>
#include <string>
#include <variant>

#include "engine/attacks/ball.h"
#include "tests/engine/attacks/nearest.h"

namespace adv {
namespace {

struct MinimisingCase {
  std::string name;
  AttackConfig config;
  Norm norm;
  // Of the distance, that it may need among many classes.
  double limit = 1.05;
};

void PrintTo(const MinimisingCase& one, std::ostream* out) { *out << one.name; }

std::vector<MinimisingCase> Cases() {
  CarliniWagnerConfig cw;
  cw.learning_rate = 0.02;
  cw.initial_constant = 1;
  cw.binary_search_steps = 6;
  cw.steps = 150;
  FabConfig fab;
  fab.steps = 10;
  FabConfig fab_t = fab;
  fab_t.target_classes = 4;
  fab_t.restarts = 2;
  return {{"deep_fool_l2", DeepFoolConfig{}, Norm::kL2},
          {"deep_fool_linf", DeepFoolConfig{}, Norm::kLinf},
          // It follows the largest logit, not the nearest boundary; what it
          // finds where it can is in carlini_wagner_test.cc.
          {"carlini_wagner", cw, Norm::kL2, 1.2},
          {"fab_l2", fab, Norm::kL2},
          {"fab_linf", fab, Norm::kLinf},
          {"fab_t_l2", fab_t, Norm::kL2},
          {"fab_t_linf", fab_t, Norm::kLinf}};
}

class MinimisingPropertiesTest
    : public ::testing::TestWithParam<MinimisingCase> {
 protected:
  AttackResult Find(const Network& network, const AttackBatch& batch) const {
    return FindNearest(GetParam().config, network, batch, GetParam().norm);
  }
  AttackOutcome Run(const Network& target, const Network& source,
                    const AttackBatch& batch, const RunOptions& options) const {
    return Make(GetParam().config)->Run(target, source, batch, options).value();
  }
  RunOptions Options() const { return Everywhere(GetParam().norm); }

  // Never nearer than is possible, and at most `limit` times as far.
  void ExpectNearest(const AttackResult& result, const AttackBatch& batch,
                     const at::Tensor& exact, double limit = 1.05) const {
    EXPECT_TRUE(result.success.all().item<bool>());
    const at::Tensor sizes = SizesIn(result, batch, GetParam().norm);
    EXPECT_TRUE(sizes.ge(exact * (1 - 1e-4)).all().item<bool>())
        << at::stack({sizes, exact}, 1);
    EXPECT_TRUE(sizes.le(exact * limit + 1e-5).all().item<bool>())
        << at::stack({sizes, exact, sizes / exact}, 1);
    EXPECT_TRUE(result.iterations.eq(0).equal(exact.eq(0)));
  }
  // A constant that weighs the logits goes with their scale.
  AttackConfig ConfigForScale(double scale) const {
    AttackConfig config = GetParam().config;
    if (auto* cw = std::get_if<CarliniWagnerConfig>(&config)) {
      cw->initial_constant = cw->initial_constant / scale;
    }
    return config;
  }
  void ExpectNearest(const LinearToy& toy, const AttackBatch& batch) const {
    ExpectNearest(Find(toy.network, batch), batch,
                  ExactDistances(toy, batch, GetParam().norm),
                  toy.network.traits().classes == 2 ? 1.05 : GetParam().limit);
  }

  const LinearToy toy_{70};
  const LinearToy two_{73, 2};
  const AttackBatch batch_ = toy_.Grey(16, 71);
};

INSTANTIATE_TEST_SUITE_P(All, MinimisingPropertiesTest,
                         ::testing::ValuesIn(Cases()),
                         [](const auto& tested) { return tested.param.name; });

TEST_P(MinimisingPropertiesTest, FindsTheNearestFarFromTheBox) {
  ExpectNearest(toy_, batch_);
  ExpectNearest(two_, two_.Grey(16, 72));
}

TEST_P(MinimisingPropertiesTest, FindsTheNearestAgainstTheBox) {
  // The further, the more pixels stop at the box.
  ExpectNearest(toy_, toy_.Stark(16, 72, 0.03));
  ExpectNearest(two_, two_.Stark(16, 72, 0.03));
}

// Of two classes the target is the only other one.
TEST_P(MinimisingPropertiesTest, FindsTheNearestOfTheTarget) {
  for (AttackBatch batch : {two_.Grey(8, 74), two_.Stark(8, 75, 0.03)}) {
    batch.labels = batch.clean_logits.argmax(1);
    const at::Tensor exact = ExactDistances(two_, batch, GetParam().norm);
    batch.targets = 1 - batch.labels;
    ExpectNearest(Find(two_.network, batch), batch, exact);
  }
}

// It must pass all other classes, so that the farthest of those boundaries is
// a bound.
TEST_P(MinimisingPropertiesTest, ReachesAnyTarget) {
  AttackBatch batch = batch_;
  batch.labels = batch.clean_logits.argmax(1);
  batch.targets = (batch.labels + 2).remainder(5);
  const AttackResult result = Find(toy_.network, batch);
  EXPECT_TRUE(result.success.all().item<bool>());
  EXPECT_TRUE(result.logits.argmax(1).equal(batch.targets));
  const at::Tensor sizes = SizesIn(result, batch, GetParam().norm);
  for (int64_t i = 0; i < 16; ++i) {
    const int64_t to = batch.targets[i].item<int64_t>();
    double bound = 0;
    for (int64_t from = 0; from < 5; ++from) {
      if (from == to) continue;
      bound = std::max(
          bound, DistanceTo(toy_, batch.images[i], from, to, GetParam().norm));
    }
    EXPECT_GE(sizes[i].item<double>(), bound * (1 - 1e-4));
    EXPECT_LE(sizes[i].item<double>(), bound * 3);
  }
}

TEST_P(MinimisingPropertiesTest, GoesOnWhereOneLinearStepIsNotEnough) {
  const SphereToy sphere;
  const AttackResult result = Find(sphere.network, sphere.batch);
  EXPECT_TRUE(result.success.all().item<bool>());
  EXPECT_TRUE(result.iterations.gt(1).all().item<bool>());
  if (GetParam().norm == Norm::kLinf) return;
  const at::Tensor exact = at::linspace(1, 2, 6, at::kDouble) - 0.5;
  ExpectNearest(result, sphere.batch, exact);
}

TEST_P(MinimisingPropertiesTest, ConstantAddedToAllLogits) {
  const LinearToy shifted(70, 5, 1, -100);
  ExpectNearest(shifted, batch_);
}

TEST_P(MinimisingPropertiesTest, ScaledLogits) {
  for (double scale : {10, 1000}) {
    const LinearToy scaled(70, 5, scale);
    const AttackResult result = FindNearest(
        ConfigForScale(scale), scaled.network, batch_, GetParam().norm);
    ExpectNearest(result, batch_, ExactDistances(toy_, batch_, GetParam().norm),
                  GetParam().limit);
    EXPECT_FALSE(result.zero_gradient.any().item<bool>());
  }
}

TEST_P(MinimisingPropertiesTest, PermutedClasses) {
  const at::Tensor order = Longs({3, 0, 4, 1, 2});  // new class -> old class
  const ToyLinearNetwork permuted(OddShape(),
                                  toy_.weights.index_select(0, order),
                                  toy_.bias.index_select(0, order));
  AttackBatch batch = batch_;
  batch.labels = order.argsort().index_select(0, batch.labels);
  batch.clean_logits = batch.clean_logits.index_select(1, order);
  const AttackResult plain = Find(toy_.network, batch_);
  const AttackResult result = Find(permuted, batch);
  EXPECT_TRUE(result.images.equal(plain.images));
  EXPECT_TRUE(result.iterations.equal(plain.iterations));
}

TEST_P(MinimisingPropertiesTest, PermutedBatch) {
  const at::Tensor order = Uniform({16}, 22).argsort();
  AttackBatch batch;
  batch.images = batch_.images.index_select(0, order);
  batch.labels = batch_.labels.index_select(0, order);
  batch.samples = order;
  const AttackResult plain = Find(toy_.network, batch_);
  const AttackResult result = Find(toy_.network, batch);
  EXPECT_TRUE(result.images.equal(plain.images.index_select(0, order)));
  EXPECT_TRUE(result.logits.equal(plain.logits.index_select(0, order)));
  EXPECT_TRUE(result.gradients.equal(plain.gradients.index_select(0, order)));
}

TEST_P(MinimisingPropertiesTest, OneByOneIsAllAtOnce) {
  const AttackBatch many = toy_.Stark(64, 76, 0);
  const AttackResult all = Find(toy_.network, many);
  for (int64_t i = 0; i < 64; i += 9) {
    AttackBatch one;
    one.images = many.images.narrow(0, i, 1);
    one.labels = many.labels.narrow(0, i, 1);
    one.samples = Longs({i});
    const AttackResult result = Find(toy_.network, one);
    EXPECT_TRUE(result.images[0].equal(all.images[i])) << i;
    EXPECT_TRUE(result.logits[0].equal(all.logits[i])) << i;
    EXPECT_TRUE(result.iterations[0].equal(all.iterations[i])) << i;
    EXPECT_TRUE(result.gradients[0].equal(all.gradients[i])) << i;
  }
}

TEST_P(MinimisingPropertiesTest, EpsilonZeroIsTheIdentity) {
  const at::Tensor before = batch_.images.clone();
  const at::Tensor clean = batch_.clean_logits.clone();
  RunOptions options = Options();
  options.epsilons = {0};
  const AttackResult result =
      Run(toy_.network, toy_.network, batch_, options).results[0];
  EXPECT_TRUE(result.images.equal(before));
  EXPECT_TRUE(result.logits.equal(clean));
  EXPECT_TRUE(result.success.equal(clean.argmax(1).ne(batch_.labels)));
  EXPECT_TRUE(batch_.images.equal(before)) << "the input was written to";
  EXPECT_TRUE(batch_.clean_logits.equal(clean)) << "the input was written to";
}

TEST_P(MinimisingPropertiesTest, MemoryFormatAndRepetition) {
  AttackBatch batch = batch_;
  batch.images = batch_.images.contiguous(at::MemoryFormat::ChannelsLast);
  const AttackResult plain = Find(toy_.network, batch_);
  EXPECT_TRUE(Find(toy_.network, batch).images.equal(plain.images));
  EXPECT_TRUE(Find(toy_.network, batch_).images.equal(plain.images));
}

TEST_P(MinimisingPropertiesTest, EightBitResultsAreTheStoredBytes) {
  const AttackBatch batch = toy_.Batch(FromBytes(ToBytes(batch_.images)));
  RunOptions options = Options();
  options.eight_bit = true;
  const AttackResult result =
      Run(toy_.network, toy_.network, batch, options).results[0];
  const at::Tensor stored = ToBytes(result.images).to(at::kByte);
  EXPECT_TRUE(FromBytes(stored.to(at::kFloat)).equal(result.images));
  EXPECT_TRUE(toy_.network.Logits(result.images).value().equal(result.logits));
  EXPECT_TRUE(result.success.all().item<bool>());
  const at::Tensor sizes = SizesIn(result, batch, GetParam().norm);
  const at::Tensor exact = ExactDistances(toy_, batch, GetParam().norm);
  // A byte more at each pixel, where it comes to the worst.
  const double byte = GetParam().norm == Norm::kLinf ? 1 : std::sqrt(75.0);
  EXPECT_TRUE(sizes.ge(exact * (1 - 1e-4)).all().item<bool>());
  EXPECT_TRUE(
      sizes.le(exact * GetParam().limit + byte / 255).all().item<bool>());
}

TEST_P(MinimisingPropertiesTest, EpsilonsAreComparedWithOneSearch) {
  const AttackResult alone = Find(toy_.network, batch_);
  const at::Tensor sizes = SizesIn(alone, batch_, GetParam().norm);
  const double middle = sizes.median().item<double>();
  RunOptions options = Options();
  options.epsilons.insert(options.epsilons.begin(), middle);
  const AttackOutcome outcome =
      Run(toy_.network, toy_.network, batch_, options);
  EXPECT_TRUE(outcome.results[0].success.equal(sizes.le(middle)));
  EXPECT_TRUE(outcome.results[1].images.equal(alone.images));
  EXPECT_TRUE(outcome.results[0].gradients.equal(alone.gradients));
  EXPECT_TRUE(outcome.results[1].gradients.eq(0).all().item<bool>());
}

TEST_P(MinimisingPropertiesTest, CostsAreWhatTheNetworkSaw) {
  const CountingNetwork network(
      std::make_shared<ToyLinearNetwork>(toy_.network));
  const AttackResult result = Find(network, batch_);
  EXPECT_EQ(result.gradients.sum().item<int64_t>(), network.gradients);
  EXPECT_EQ(result.forwards.sum().item<int64_t>(), network.forwards);
  EXPECT_GT(network.gradients, 0);
  // Who is wrong already costs nothing.
  const at::Tensor wrong = batch_.clean_logits.argmax(1).ne(batch_.labels);
  EXPECT_TRUE(result.gradients.eq(0).equal(wrong));
}

TEST_P(MinimisingPropertiesTest, TransferGoesByTheSource) {
  const LinearToy source(77);
  AttackBatch batch = batch_;
  batch.clean_logits = at::Tensor();
  const at::Tensor crafted =
      FindNearest(GetParam().config, source.network, batch, GetParam().norm)
          .images;
  const AttackOutcome outcome =
      Run(toy_.network, source.network, batch, Options());
  const AttackResult& result = outcome.results[0];
  EXPECT_TRUE(result.images.equal(crafted));
  EXPECT_TRUE(result.logits.equal(toy_.network.Logits(crafted).value()));
  EXPECT_TRUE(result.success.equal(result.logits.argmax(1).ne(batch.labels)));
}

TEST_P(MinimisingPropertiesTest, NoPassCopiesImagesIntoAnotherLayout) {
  const CountingNetwork counting(
      std::make_shared<ToyLinearNetwork>(toy_.network));
  AttackBatch batch = batch_;
  batch.images = FromBytes(ToBytes(batch.images));
  for (bool eight_bit : {false, true}) {
    RunOptions options = Options();
    options.eight_bit = eight_bit;
    Run(counting, counting, batch, options);
  }
  EXPECT_GT(counting.passes, 0);
  EXPECT_EQ(counting.not_channels_last, 0);
}

TEST_P(MinimisingPropertiesTest, TheHookEndsTheRun) {
  const CountingNetwork network(
      std::make_shared<ToyLinearNetwork>(toy_.network));
  for (int64_t allowed : {0, 1, 2}) {
    RunOptions options = Options();
    network.passes = 0;
    int64_t calls = 0;
    options.before_pass = [&] {
      return calls++ < allowed ? absl::OkStatus()
                               : absl::CancelledError("enough");
    };
    EXPECT_EQ(Make(GetParam().config)
                  ->Run(network, network, batch_, options)
                  .status(),
              absl::CancelledError("enough"));
    EXPECT_EQ(network.passes, allowed);
  }
}

// Nothing to go by: given up, not a NaN.
TEST_P(MinimisingPropertiesTest, WithoutAGradientNothingIsFound) {
  const ToyLinearNetwork flat(OddShape(), at::zeros({3, 75}),
                              Floats({0, 1, 0}));
  AttackBatch batch;
  batch.images = toy_.Grey(2, 78).images;
  batch.labels = Longs({1, 1});
  const AttackResult result = Find(flat, batch);
  EXPECT_FALSE(result.success.any().item<bool>());
  EXPECT_TRUE(result.images.equal(batch.images));
  EXPECT_TRUE(result.zero_gradient.all().item<bool>());
}

}  // namespace
}  // namespace adv
