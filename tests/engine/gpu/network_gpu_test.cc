#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include "engine/nn/loss.h"
#include "engine/nn/vgg.h"
#include "engine/nn/vgg_network.h"
#include "tests/engine/gpu/gpu_fixture.h"

namespace adv {
namespace {

constexpr int64_t kTile = 128;

class NetworkGpuTest : public GpuTest {
 protected:
  static std::shared_ptr<const Network> Make(at::Device device) {
    return *MakeVgg("table51",
                    InitialParameters(*VggLayers("table51"), /*seed=*/1),
                    device);
  }
  static at::Tensor Images() {
    at::manual_seed(1);
    return at::rand({kTile, 3, 32, 32});
  }
  static at::Tensor Labels() { return at::arange(kTile).remainder(10); }
};

// In double precision, on the CPU.
LogitsAndGradient Exact(const at::Tensor& images, const at::Tensor& labels) {
  const std::vector<Layer> layers = *VggLayers("table51");
  StateDict parameters = InitialParameters(layers, /*seed=*/1);
  for (auto& [name, values] : parameters) values = values.to(at::kDouble);
  const at::AutoGradMode enable_grad(true);
  const at::Tensor input = images.to(at::kDouble).requires_grad_();
  // Layers take a map where the architectures flatten it; see VggForward.
  const at::Tensor logits = VggForward(layers, parameters, input);
  const at::Tensor gradient = torch::autograd::grad(
      {logits}, {input}, {AttackLossGradient(logits.detach(), labels)})[0];
  return {logits.detach(), gradient};
}

// How far `values` are from `exact`, in parts of its length.
double ErrorOf(const at::Tensor& values, const at::Tensor& exact) {
  return ((values.cpu().to(at::kDouble) - exact).norm() / exact.norm())
      .item<double>();
}

// Where a pooling or a ReLU all but ties, float32 may take the other side; so
// each device has an error of its own, which the sum of some thousand rounded
// products bounds. TF32's would be a thousand times as large.
TEST_F(NetworkGpuTest, IsAsExactAsFloat32Allows) {
  const LogitsAndGradient exact = Exact(Images(), Labels());
  const LogitsAndGradient on_cpu =
      Make(at::kCPU)->LossGradient(Images(), Labels()).value();
  const LogitsAndGradient on_gpu =
      Make(cuda_)->LossGradient(Images().to(cuda_), Labels().to(cuda_)).value();
  EXPECT_TRUE(on_gpu.logits.device().is_cuda());
  for (const LogitsAndGradient* found : {&on_cpu, &on_gpu}) {
    EXPECT_LT(ErrorOf(found->logits, exact.logits), 1e-5);
    EXPECT_LT(ErrorOf(found->gradient, exact.gradient), 1e-2);
    const double typical =
        (found->gradient.cpu().to(at::kDouble) - exact.gradient)
            .abs()
            .median()
            .item<double>();
    EXPECT_LT(typical / exact.gradient.abs().median().item<double>(), 1e-5);
  }
}

// What makes records repeatable: tiles of one shape.
TEST_F(NetworkGpuTest, AnImagesBitsDependNeitherOnSlotNorOnNeighbours) {
  const auto network = Make(cuda_);
  const at::Tensor images = Images().to(cuda_);
  const at::Tensor labels = Labels().to(cuda_);
  const LogitsAndGradient once = network->LossGradient(images, labels).value();
  const LogitsAndGradient again = network->LossGradient(images, labels).value();
  EXPECT_TRUE(once.logits.equal(again.logits));
  EXPECT_TRUE(once.gradient.equal(again.gradient));

  const at::Tensor moved = at::randperm(kTile).to(cuda_);
  const LogitsAndGradient permuted =
      network
          ->LossGradient(images.index_select(0, moved),
                         labels.index_select(0, moved))
          .value();
  EXPECT_TRUE(permuted.logits.equal(once.logits.index_select(0, moved)));
  EXPECT_TRUE(permuted.gradient.equal(once.gradient.index_select(0, moved)));
}

}  // namespace
}  // namespace adv
