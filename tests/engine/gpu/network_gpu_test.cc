#include <ATen/ATen.h>

#include "engine/nn/vgg.h"
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

TEST_F(NetworkGpuTest, AgreesWithTheCpu) {
  const LogitsAndGradient on_cpu =
      Make(at::kCPU)->LossGradient(Images(), Labels());
  const LogitsAndGradient on_gpu =
      Make(cuda_)->LossGradient(Images().to(cuda_), Labels().to(cuda_));
  EXPECT_TRUE(on_gpu.logits.device().is_cuda());
  EXPECT_TRUE(
      at::allclose(on_gpu.logits.cpu(), on_cpu.logits, 1e-4, /*atol=*/1e-5));
  EXPECT_TRUE(at::allclose(on_gpu.gradient.cpu(), on_cpu.gradient, 1e-3,
                           /*atol=*/1e-6));
}

// What makes records repeatable: tiles of one shape.
TEST_F(NetworkGpuTest, AnImagesBitsDependNeitherOnSlotNorOnNeighbours) {
  const auto network = Make(cuda_);
  const at::Tensor images = Images().to(cuda_);
  const at::Tensor labels = Labels().to(cuda_);
  const LogitsAndGradient once = network->LossGradient(images, labels);
  const LogitsAndGradient again = network->LossGradient(images, labels);
  EXPECT_TRUE(once.logits.equal(again.logits));
  EXPECT_TRUE(once.gradient.equal(again.gradient));

  const at::Tensor moved = at::randperm(kTile).to(cuda_);
  const LogitsAndGradient permuted = network->LossGradient(
      images.index_select(0, moved), labels.index_select(0, moved));
  EXPECT_TRUE(permuted.logits.equal(once.logits.index_select(0, moved)));
  EXPECT_TRUE(permuted.gradient.equal(once.gradient.index_select(0, moved)));
}

}  // namespace
}  // namespace adv
