#include "engine/attacks/attack.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "tests/engine/attacks/test_networks.h"

namespace adv {
namespace {

using ::testing::HasSubstr;

// What was counted at the network for one run.
struct Spent {
  AttackOutcome outcome;
  int64_t gradients = 0;
  int64_t forwards = 0;
};

int64_t Sum(const at::Tensor& counts) { return counts.sum().item<int64_t>(); }

Spent Spend(const AttackConfig& config, const AttackBatch& batch,
            const RunOptions& options) {
  const CountingNetwork network(RandomNetwork(30));
  Spent spent;
  spent.outcome = Make(config)->Run(network, network, batch, options).value();
  spent.gradients = network.gradients;
  spent.forwards = network.forwards;
  int64_t gradients = 0, forwards = 0;
  for (const AttackResult& result : spent.outcome.results) {
    gradients += Sum(result.gradients);
    forwards += Sum(result.forwards);
  }
  EXPECT_EQ(gradients, spent.gradients);
  EXPECT_EQ(forwards, spent.forwards);
  return spent;
}

class CostTest : public ::testing::Test {
 protected:
  const AttackBatch batch_ = RandomBatch(*RandomNetwork(30), 24, 31);
};

TEST_F(CostTest, FgsmSweepIsOneGradientAndAForwardPerEpsilon) {
  const Spent spent =
      Spend(FgsmConfig{}, batch_, AtEpsilons({0.01, 0.02, 0.03}));
  EXPECT_EQ(spent.gradients, 24);
  EXPECT_EQ(spent.forwards, 3 * 24);
  EXPECT_EQ(Sum(spent.outcome.results[0].gradients), 24);
  EXPECT_EQ(Sum(spent.outcome.results[1].gradients), 0);
}

TEST_F(CostTest, IgsmIsOneGradientPerStepAndOneForward) {
  const Spent spent =
      Spend(IgsmConfig{0.01, 5}, batch_, AtEpsilons({0.02, 0.03}));
  EXPECT_TRUE(spent.outcome.results[0].gradients.eq(5).all().item<bool>());
  EXPECT_TRUE(spent.outcome.results[1].gradients.eq(4).all().item<bool>());
  EXPECT_TRUE(spent.outcome.results[1].forwards.eq(1).all().item<bool>());
}

TEST_F(CostTest, AnyIteratePaysUntilTheFirstSuccess) {
  RunOptions options = AtEpsilons({0.06});
  options.success = SuccessRule::kAnyIterate;
  const int64_t steps = 6;
  const AttackResult result =
      Spend(IgsmConfig{0.01, steps}, batch_, options).outcome.results[0];
  const at::Tensor early =
      result.iterations.ge(0).logical_and(result.iterations.lt(steps));
  EXPECT_TRUE(
      result.gradients.equal(at::where(early, result.iterations + 1, steps)));
  EXPECT_TRUE(result.forwards.equal(early.logical_not().to(at::kLong)));
  EXPECT_GT(Sum(early), 0);
  EXPECT_LT(Sum(early), 24);
}

TEST_F(CostTest, KnownCleanLogitsAreNotFoundAgain) {
  const auto network = RandomNetwork(30);
  const CountingNetwork target(RandomNetwork(30));
  AttackBatch batch = batch_;
  const auto run = [&] {
    return Make(FgsmConfig{})
        ->Run(target, *network, batch, AtEpsilons({0.1}))
        .value();
  };
  EXPECT_TRUE(run().clean_logits.equal(network->Logits(batch.images).value()));
  EXPECT_EQ(target.forwards, 2 * 24);  // clean and perturbed
  batch.clean_logits = network->Logits(batch.images).value();
  run();
  EXPECT_EQ(target.forwards, 3 * 24);
}

TEST(Hook, RunsBeforeEachPassAndEndsTheRun) {
  const CountingNetwork network(RandomNetwork(30));
  const AttackBatch batch = RandomBatch(network, 4, 31);
  RunOptions options = AtEpsilons({0.05});
  for (int64_t allowed = 0; allowed < 6; ++allowed) {
    network.passes = 0;
    int64_t calls = 0;
    options.before_pass = [&] {
      EXPECT_EQ(network.passes, calls);
      return calls++ < allowed ? absl::OkStatus()
                               : absl::CancelledError("enough");
    };
    const auto outcome =
        Make(IgsmConfig{0.01, 4})->Run(network, network, batch, options);
    EXPECT_EQ(network.passes, std::min<int64_t>(allowed, 5));
    EXPECT_EQ(outcome.status(),
              allowed < 5 ? absl::CancelledError("enough") : absl::OkStatus());
  }
}

class BadInputTest : public ::testing::Test {
 protected:
  BadInputTest() { network_->Logits(batch_.images).value(); }

  std::string Error(
      absl::StatusCode code = absl::StatusCode::kInvalidArgument) {
    const absl::Status status =
        Make(config_)
            ->Run(*network_, source_ ? *source_ : *network_, batch_, options_)
            .status();
    EXPECT_EQ(status.code(), code) << status;
    return std::string(status.message());
  }

  AttackConfig config_ = IgsmConfig{};
  const std::shared_ptr<const Network> network_ = RandomNetwork(40);
  std::shared_ptr<const Network> source_;
  AttackBatch batch_ = RandomBatch(*network_, 4, 41);
  RunOptions options_ = AtEpsilons({0.1});
};

TEST_F(BadInputTest, Epsilons) {
  options_.epsilons = {};
  EXPECT_EQ(Error(), "epsilon: at least one is needed");
  options_.epsilons = {-1, 0.5, 2};
  EXPECT_EQ(Error(),
            "epsilon: -1 is outside [0, 1]; epsilon: 2 is outside [0, 1]");
}

TEST_F(BadInputTest, NormAndModeAndRangeAtOnce) {
  config_ = FgsmConfig{true};
  options_.norm = Norm::kL2;
  options_.eight_bit = true;
  options_.epsilons = {7.5};
  EXPECT_EQ(Error(),
            "epsilon: 7.5 is outside [0, 6.9282]; norm: L2 is not one that "
            "this attack has, which is L-inf; eight_bit: images of "
            "thesis_mode leave the box, bytes cannot");
}

TEST_F(BadInputTest, EpsilonBelowTheFirstLevelOfBytes) {
  options_.eight_bit = true;
  options_.epsilons = {0, 0.003};
  EXPECT_EQ(Error(),
            "epsilon: 0.003 is less than a level, 1/255, which is the least "
            "that eight_bit can change (or 0)");
}

TEST_F(BadInputTest, AnyIterateWithASource) {
  source_ = RandomNetwork(42);
  options_.success = SuccessRule::kAnyIterate;
  EXPECT_EQ(Error(),
            "success: any_iterate needs source_model to be the model itself");
}

TEST_F(BadInputTest, SourceOfAnotherKind) {
  source_ = MakeChannelMeanNetwork({3, 4, 4});
  EXPECT_EQ(Error(), "source_model: has 3 classes where the model has 5");
  source_ = MakeChannelMeanNetwork({5, 4, 4});
  EXPECT_EQ(Error(),
            "source_model: takes images [5, 4, 4] where the model takes "
            "[3, 4, 4]");
}

TEST_F(BadInputTest, Images) {
  const at::Tensor good = batch_.images;
  batch_.images = at::Tensor();
  EXPECT_EQ(Error(), "images: shape [] where the model takes [N, 3, 4, 4]");
  batch_.images = good.narrow(3, 0, 3);
  EXPECT_EQ(Error(),
            "images: shape [4, 3, 4, 3] where the model takes [N, 3, 4, 4]");
  batch_.images = good.narrow(0, 0, 0);
  EXPECT_EQ(Error(), "images: the batch is empty");
  batch_.images = good.to(at::kDouble);
  EXPECT_EQ(Error(), "images: float32 is needed");
}

TEST_F(BadInputTest, Pixels) {
  const at::Tensor pixel = batch_.images[2][1][0][3];
  pixel.fill_(1.5);
  EXPECT_EQ(Error(), "images: a pixel of image 2 is 1.5, outside [0, 1]");
  pixel.fill_(-0.25);
  EXPECT_EQ(Error(), "images: a pixel of image 2 is -0.25, outside [0, 1]");
  pixel.fill_(std::numeric_limits<float>::quiet_NaN());
  EXPECT_EQ(Error(), "images: a pixel of image 2 is nan, outside [0, 1]");
}

TEST_F(BadInputTest, PixelsOffTheLattice) {
  batch_.images[1][0][0][0] = 0.5;
  options_.eight_bit = true;
  EXPECT_EQ(Error(),
            "eight_bit: a pixel of the originals is not a multiple of 1/255");
}

TEST_F(BadInputTest, Labels) {
  batch_.labels = Longs({0, 1, 5, 2});
  EXPECT_EQ(Error(), "labels: 5 of image 2 is outside [0, 4]");
  batch_.labels = Longs({0, -1, 4, 2});
  EXPECT_EQ(Error(), "labels: -1 of image 1 is outside [0, 4]");
  batch_.labels = Longs({0, 1});
  EXPECT_EQ(Error(), "labels: one int64 for each of the 4 images is needed");
}

TEST_F(BadInputTest, Targets) {
  batch_.labels = Longs({0, 1, 2, 3});
  batch_.targets = Longs({1, 2, 3, 5});
  EXPECT_EQ(Error(), "targets: 5 of image 3 is outside [0, 4]");
  batch_.targets = Longs({1, 2, 2, 4});
  EXPECT_EQ(Error(), "targets: 2 of image 2 is its label");
  batch_.targets = Longs({1});
  EXPECT_EQ(Error(), "targets: one int64 for each of the 4 images is needed");
}

TEST_F(BadInputTest, Examples) {
  batch_.examples = at::zeros({2, 3, 4, 5});
  batch_.example_classes = Longs({0, 1});
  EXPECT_EQ(Error(),
            "examples: shape [2, 3, 4, 5] where float32 images of the shape "
            "[3, 4, 4] are needed");
  batch_.examples = at::full({2, 3, 4, 4}, 1.5, at::kFloat);
  EXPECT_EQ(Error(), "examples: a pixel of image 0 is 1.5, outside [0, 1]");
  batch_.example_classes = Longs({0, 5});
  EXPECT_EQ(Error(), "example_classes: 5 of image 1 is outside [0, 4]");
  batch_.example_classes = at::Tensor();
  EXPECT_EQ(Error(),
            "example_classes: one int64 for each of the 2 images is needed");
}

TEST_F(BadInputTest, CleanLogits) {
  batch_.clean_logits = at::zeros({4, 6});
  EXPECT_EQ(Error(), "clean_logits: shape [4, 6] where [4, 5] is needed");
  const float nan = std::numeric_limits<float>::quiet_NaN();
  batch_.clean_logits = at::full({4, 5}, nan);
  EXPECT_EQ(Error(absl::StatusCode::kInternal),
            "the model gave a logit that is not finite");
}

// A model that breaks is not one that is robust.
TEST_F(BadInputTest, ModelsThatAreNotFinite) {
  const float inf = std::numeric_limits<float>::infinity();
  const at::Tensor zeros = at::zeros({5, 48});
  source_ = std::make_shared<ToyLinearNetwork>(SmallShape(), zeros,
                                               at::full({5}, std::nan("")));
  EXPECT_EQ(Error(absl::StatusCode::kInternal),
            "the model gave a logit that is not finite");
  source_ = std::make_shared<ToyLinearNetwork>(SmallShape(), zeros,
                                               Floats({0, 0, 0, 0, inf}));
  EXPECT_EQ(Error(absl::StatusCode::kInternal),
            "the model gave a logit that is not finite");
}

// The logits of a black image are finite, the weights are not.
TEST_F(BadInputTest, GradientsThatAreNotFinite) {
  class Broken final : public Network {
   public:
    Broken() : Network(OnCpu(SmallShape(), 5)) {}
    absl::StatusOr<at::Tensor> Logits(const at::Tensor& images) const override {
      return at::zeros({images.size(0), 5});
    }
    absl::StatusOr<LogitsAndGradient> InputGradient(
        const at::Tensor& images, const LogitGradient&) const override {
      at::Tensor gradient = at::ones_like(images);
      gradient[0][0][0][0] = std::nan("");
      return LogitsAndGradient{*Logits(images), gradient};
    }
  };
  source_ = std::make_shared<Broken>();
  EXPECT_EQ(Error(absl::StatusCode::kInternal),
            "the model gave a gradient that is not finite");
}

}  // namespace
}  // namespace adv
