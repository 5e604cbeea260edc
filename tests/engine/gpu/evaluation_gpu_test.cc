#include <ATen/ATen.h>

#include "engine/evaluation/evaluation.h"
#include "engine/nn/vgg.h"
#include "engine/nn/vgg_network.h"
#include "tests/engine/evaluation/record_text.h"
#include "tests/engine/gpu/gpu_fixture.h"

namespace adv {
namespace {

class EvaluationGpuTest : public GpuTest {
 protected:
  static constexpr int64_t kImages = 40;

  EvaluationGpuTest() {
    dataset_.name = "random";
    for (int i = 0; i < 10; ++i) {
      dataset_.class_names.push_back(std::to_string(i));
    }
    at::manual_seed(1);
    dataset_.images = at::randint(256, {kImages, 3, 32, 32}, at::kByte);
    dataset_.labels = at::arange(kImages).remainder(10);
    plan_.attacks = {FgsmConfig{}, PgdConfig{}};
    plan_.epsilons = {0.01};
    plan_.tile_size = 16;
  }

  std::vector<std::string> Records(const Network& network,
                                   const std::vector<int64_t>& indices) const {
    const auto records =
        EvaluateTile(network, network, dataset_, indices, plan_, nullptr);
    EXPECT_TRUE(records.ok()) << records.status();
    std::vector<std::string> texts;
    for (const SampleRecord& record : *records) {
      texts.push_back(RecordText(record));
    }
    return texts;
  }

  Dataset dataset_;
  EvaluationPlan plan_;
};

// A tile that is not full is padded: there is one shape of batch.
TEST_F(EvaluationGpuTest, ARecordDoesNotDependOnItsTile) {
  const auto network = *MakeVgg(
      "table51", InitialParameters(*VggLayers("table51"), /*seed=*/1), cuda_);
  const std::vector<std::string> together = Records(*network, {3, 5, 7, 11});
  EXPECT_EQ(Records(*network, {7}), std::vector<std::string>{together[2]});
  EXPECT_EQ(Records(*network, {11, 1, 3}).front(), together[3]);
}

}  // namespace
}  // namespace adv
