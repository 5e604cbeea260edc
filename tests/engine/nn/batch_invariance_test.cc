// An image's logits and gradients are the same bits in any batch, slot and
// company, for any number of threads. See engine/README.md.

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/record_function.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "engine/nn/libtorch_vgg.h"
#include "engine/nn/vgg.h"
#include "engine/nn/vgg_network.h"

namespace adv {
namespace {

constexpr int64_t kImages = 130;

struct Inputs {
  at::Tensor images;
  at::Tensor classes;

  Inputs At(const at::Tensor& indices) const {
    return {images.index_select(0, indices), classes.index_select(0, indices)};
  }
};

Inputs RandomInputs() {
  at::manual_seed(11);
  return {at::rand({kImages, 3, 32, 32}),
          at::randint(10, {kImages}, at::kLong)};
}

// An architecture, and what computes it.
struct Case {
  std::string architecture;
  bool libtorch;  // or what MakeVgg takes
};

std::vector<Case> AllCases() {
  std::vector<Case> cases;
  for (const std::string& architecture : VggArchitectures()) {
    cases.push_back({architecture, false});
    cases.push_back({architecture, true});
  }
  return cases;
}

std::shared_ptr<const Network> MakeNetwork(const Case& of) {
  const std::vector<Layer> layers = VggLayers(of.architecture).value();
  StateDict parameters = InitialParameters(layers, 11);
  at::manual_seed(12);
  for (auto& [name, tensor] : parameters) {
    if (tensor.dim() == 1) tensor = at::randn(tensor.sizes()) * 0.1;
  }
  if (of.libtorch) return MakeLibtorchVgg(layers, parameters, at::kCPU);
  return MakeVgg(of.architecture, parameters, at::kCPU).value();
}

// at::equal takes -0 for 0; this does not.
bool SameBits(const at::Tensor& a, const at::Tensor& b) {
  return a.sizes() == b.sizes() && a.is_contiguous() && b.is_contiguous() &&
         std::memcmp(a.data_ptr(), b.data_ptr(), a.nbytes()) == 0;
}

// Each image alone, one thread.
std::vector<LogitsAndGradient> OneByOne(const Network& network,
                                        const Inputs& inputs) {
  at::set_num_threads(1);
  std::vector<LogitsAndGradient> results;
  for (int64_t i = 0; i < kImages; ++i) {
    const Inputs one = inputs.At(at::tensor({i}, at::kLong));
    results.push_back(network.LossGradient(one.images, one.classes).value());
  }
  return results;
}

class BatchInvarianceTest : public testing::TestWithParam<Case> {
 protected:
  void TearDown() override { at::set_num_threads(1); }
};

TEST_P(BatchInvarianceTest, AnyBatchSlotAndNeighbours) {
  const auto network = MakeNetwork(GetParam());
  const Inputs inputs = RandomInputs();
  const std::vector<LogitsAndGradient> alone = OneByOne(*network, inputs);
  for (const int threads : {1, 2}) {
    at::set_num_threads(threads);
    for (const int64_t batch : {1, 2, 3, 7, 16, 33, 64, 130}) {
      const at::Tensor chosen = at::randperm(kImages).slice(0, 0, batch);
      const Inputs some = inputs.At(chosen);
      const auto [logits, gradient] =
          network->LossGradient(some.images, some.classes).value();
      const at::Tensor forward = network->Logits(some.images).value();
      for (int64_t slot = 0; slot < batch; ++slot) {
        const LogitsAndGradient& expected = alone[chosen[slot].item<int64_t>()];
        const std::string where = std::to_string(threads) + " threads, slot " +
                                  std::to_string(slot) + " of " +
                                  std::to_string(batch);
        ASSERT_TRUE(SameBits(forward[slot], expected.logits[0])) << where;
        ASSERT_TRUE(SameBits(logits[slot], expected.logits[0])) << where;
        ASSERT_TRUE(SameBits(gradient[slot], expected.gradient[0])) << where;
      }
    }
  }
}

TEST_P(BatchInvarianceTest, AnyMemoryFormatOfTheImages) {
  const auto network = MakeNetwork(GetParam());
  for (const int64_t batch : {1, 5}) {
    const Inputs inputs = RandomInputs().At(at::arange(batch));
    const at::Tensor channels_last =
        inputs.images.contiguous(at::MemoryFormat::ChannelsLast);
    const auto a = network->LossGradient(inputs.images, inputs.classes).value();
    const auto b = network->LossGradient(channels_last, inputs.classes).value();
    EXPECT_TRUE(SameBits(a.logits, b.logits));
    EXPECT_TRUE(SameBits(a.gradient, b.gradient.contiguous()));
    // Each in its images' own format.
    EXPECT_TRUE(a.gradient.is_contiguous());
    EXPECT_TRUE(b.gradient.is_contiguous(at::MemoryFormat::ChannelsLast));
  }
}

TEST_P(BatchInvarianceTest, AnyNumberOfCallersAtOnce) {
  const auto network = MakeNetwork(GetParam());
  const Inputs inputs = RandomInputs().At(at::arange(16));
  const auto expected =
      network->LossGradient(inputs.images, inputs.classes).value();
  constexpr int kCallers = 4;
  std::vector<LogitsAndGradient> results(kCallers);
  std::vector<std::thread> callers;
  for (int i = 0; i < kCallers; ++i) {
    callers.emplace_back([&, i] {
      at::set_num_threads(1);
      results[i] = network->LossGradient(inputs.images, inputs.classes).value();
    });
  }
  for (std::thread& caller : callers) caller.join();
  for (const LogitsAndGradient& result : results) {
    EXPECT_TRUE(SameBits(result.logits, expected.logits));
    EXPECT_TRUE(SameBits(result.gradient, expected.gradient));
  }
}

std::set<std::string>& OperatorsSeen() {
  static auto* const names = new std::set<std::string>;
  return *names;
}

// Not every BLAS breaks the invariance (the reference one does not), so that
// the bits alone do not tell on each machine whether one is used.
TEST_P(BatchInvarianceTest, NoOperatorOfBlas) {
  const auto network = MakeNetwork(GetParam());
  const Inputs inputs = RandomInputs().At(at::arange(3));
  OperatorsSeen().clear();
  const at::CallbackHandle handle = at::addThreadLocalCallback(
      at::RecordFunctionCallback([](const at::RecordFunction& function)
                                     -> std::unique_ptr<at::ObserverContext> {
        OperatorsSeen().insert(function.name());
        return nullptr;
      }));
  network->LossGradient(inputs.images, inputs.classes).value();
  at::removeCallback(handle);
  if (GetParam().libtorch) {
    EXPECT_THAT(OperatorsSeen(), testing::Contains("aten::mkldnn_convolution"));
  }
  for (const char* name :
       {"aten::linear", "aten::matmul", "aten::mm", "aten::addmm", "aten::bmm",
        "aten::baddbmm", "aten::mv", "aten::addmv", "aten::dot"}) {
    EXPECT_EQ(OperatorsSeen().count(name), 0u) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Architectures, BatchInvarianceTest,
                         testing::ValuesIn(AllCases()), [](const auto& test) {
                           return test.param.architecture +
                                  (test.param.libtorch ? "_libtorch" : "");
                         });

}  // namespace
}  // namespace adv
