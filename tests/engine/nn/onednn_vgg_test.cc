#include "engine/nn/onednn_vgg.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <memory>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "engine/nn/loss.h"

namespace adv {
namespace {

class OnednnVggTest
    : public testing::TestWithParam<std::tuple<std::string, Precision>> {
 protected:
  OnednnVggTest()
      : layers_(VggLayers(std::get<0>(GetParam())).value()),
        parameters_(InitialParameters(layers_, 3)) {
    at::manual_seed(4);
    for (auto& [name, tensor] : parameters_) {
      if (tensor.dim() == 1) tensor = at::randn(tensor.sizes()) * 0.1;
    }
  }

  void SetUp() override {
    const auto made = MakeOnednnVgg(layers_, parameters_);
    // On this processor, or in this build, there is no such network.
    if (absl::IsUnimplemented(made.status())) GTEST_SKIP() << made.status();
    ASSERT_TRUE(made.ok()) << made.status();
    network_ = *made;
    if (!fast_) return;
    if (network_->Fast() == nullptr) GTEST_SKIP() << "no bfloat16 here";
    network_ = {*made, (*made)->Fast()};
  }
  void TearDown() override { at::set_num_threads(1); }

  // Of `count` images, the same first ones for each count.
  LogitsAndGradient Gradient(int64_t count) const {
    return network_
        ->LossGradient(images_.narrow(0, 0, count),
                       classes_.narrow(0, 0, count))
        .value();
  }
  // The same by VggForward in double precision.
  LogitsAndGradient Exact(int64_t count) const {
    StateDict exact;
    for (const auto& [name, tensor] : parameters_) {
      exact[name] = tensor.to(at::kDouble);
    }
    const at::AutoGradMode enable(true);
    const at::Tensor input =
        images_.narrow(0, 0, count).to(at::kDouble).requires_grad_();
    const at::Tensor logits = VggForward(layers_, exact, input);
    const at::Tensor loss =
        AttackLoss(logits, classes_.narrow(0, 0, count)).sum();
    return {logits.detach(), torch::autograd::grad({loss}, {input})[0]};
  }

  const bool fast_ = std::get<1>(GetParam()) == Precision::kFast;
  const std::vector<Layer> layers_;
  StateDict parameters_;
  std::shared_ptr<const Network> network_;
  const at::Tensor images_ = at::rand({300, 3, 32, 32});
  const at::Tensor classes_ = at::randint(10, {300}, at::kLong);
};

TEST_P(OnednnVggTest, AgreesWithDoublePrecision) {
  constexpr int64_t kCount = 35;  // groups of several sizes
  const LogitsAndGradient found = Gradient(kCount);
  const LogitsAndGradient exact = Exact(kCount);
  EXPECT_LT((found.logits - exact.logits).abs().max().item<double>(),
            (fast_ ? 1e-2 : 1e-5) * exact.logits.abs().max().item<double>());
  const at::Tensor errors =
      (found.gradient - exact.gradient).flatten(1).norm(2, 1) /
      exact.gradient.flatten(1).norm(2, 1);
  // Where two values of a pooling are all but the same, or a ReLU's value is
  // all but zero, rounding chooses another of two right gradients. With eight
  // bits that is everywhere.
  EXPECT_LT(errors.median().item<double>(), fast_ ? 0.4 : 1e-5) << errors;
  EXPECT_LE(errors.gt(fast_ ? 0.6 : 1e-4).sum().item<int64_t>(), 4) << errors;
}

TEST_P(OnednnVggTest, LogitsAreThoseOfTheGradient) {
  for (const int64_t count : {1, 5, 31}) {
    EXPECT_TRUE(network_->Logits(images_.narrow(0, 0, count))
                    .value()
                    .equal(Gradient(count).logits));
  }
}

// More than whose memory is kept for the next call.
TEST_P(OnednnVggTest, ALargeCallIsNothingElse) {
  const LogitsAndGradient large = Gradient(300);
  const LogitsAndGradient small = Gradient(3);
  EXPECT_TRUE(large.logits.narrow(0, 0, 3).equal(small.logits));
  EXPECT_TRUE(large.gradient.narrow(0, 0, 3).equal(small.gradient));
}

TEST_P(OnednnVggTest, CallsOfOtherSizesAtOnce) {
  constexpr int64_t kCallers = 5;
  const LogitsAndGradient expected = Gradient(kCallers * 3);
  std::vector<int> wrong(kCallers);
  std::vector<std::thread> callers;
  for (int64_t i = 0; i < kCallers; ++i) {
    callers.emplace_back([&, i] {
      at::set_num_threads(1 + static_cast<int>(i) % 2);
      for (int64_t count = 1 + i; count <= kCallers * 3; count += 4) {
        const LogitsAndGradient found = Gradient(count);
        wrong[i] += !found.logits.equal(expected.logits.narrow(0, 0, count));
        wrong[i] +=
            !found.gradient.equal(expected.gradient.narrow(0, 0, count));
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_THAT(wrong, testing::Each(0));
}

// Calls lend each other memory; its old values must not show.
TEST_P(OnednnVggTest, NothingIsLeftOfFormerCalls) {
  const LogitsAndGradient before = Gradient(9);
  network_
      ->LossGradient(at::full({40, 3, 32, 32}, 1e30), classes_.narrow(0, 0, 40))
      .value();
  const LogitsAndGradient after = Gradient(9);
  EXPECT_TRUE(after.logits.equal(before.logits));
  EXPECT_TRUE(after.gradient.equal(before.gradient));
}

TEST_P(OnednnVggTest, RefusesWrongShapes) {
  const LogitGradient same = [](const at::Tensor& logits) { return logits; };
  for (const at::Tensor& images :
       {at::zeros({0, 3, 32, 32}), at::zeros({2, 3, 32, 31}),
        at::zeros({3, 32, 32}), at::zeros({2, 3, 32, 32}, at::kDouble)}) {
    EXPECT_THROW(network_->Logits(images).value(), c10::Error);
    EXPECT_THROW(network_->InputGradient(images, same).value(), c10::Error);
  }
  const LogitGradient fewer = [](const at::Tensor& logits) {
    return logits.narrow(0, 0, 1);
  };
  EXPECT_THROW(
      network_->InputGradient(at::zeros({2, 3, 32, 32}), fewer).value(),
      c10::Error);
}

TEST_P(OnednnVggTest, NamesItsKernels) {
  const std::vector<std::string> kernels =
      OnednnKernels(layers_, fast_ ? Precision::kFast : Precision::kFloat32);
  EXPECT_THAT(kernels, testing::SizeIs(parameters_.size() / 2));
  EXPECT_THAT(kernels.front(), testing::StartsWith("conv1: forward "));
  EXPECT_THAT(kernels,
              testing::Not(testing::Contains(testing::HasSubstr(" ref"))));
}

INSTANTIATE_TEST_SUITE_P(
    Architectures, OnednnVggTest,
    testing::Combine(testing::ValuesIn(VggArchitectures()),
                     testing::Values(Precision::kFloat32, Precision::kFast)),
    [](const auto& test) {
      const bool fast = std::get<1>(test.param) == Precision::kFast;
      return std::get<0>(test.param) + (fast ? "_fast" : "_float32");
    });

}  // namespace
}  // namespace adv
