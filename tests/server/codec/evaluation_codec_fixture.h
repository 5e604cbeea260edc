#ifndef ADV_TESTS_SERVER_CODEC_EVALUATION_CODEC_FIXTURE_H_
#define ADV_TESTS_SERVER_CODEC_EVALUATION_CODEC_FIXTURE_H_

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/codec/codec_evaluation.h"
#include "tests/server/toy_model.h"
#include "tests/server/violations.h"

namespace adv {

// Six images, two of each class.
inline Dataset MakeDataset() {
  Dataset dataset;
  dataset.name = "colours";
  dataset.class_names = {"red", "green", "blue"};
  dataset.images = at::zeros({6, 3, 2, 2}, at::kByte);
  dataset.labels = at::tensor({0, 1, 2, 0, 1, 2}, at::kLong);
  dataset.digest = std::string(64, 'e');
  return dataset;
}

// Is asked nothing.
class SilentNetwork final : public Network {
 public:
  using Network::Network;
  absl::StatusOr<at::Tensor> Logits(const at::Tensor&) const override {
    return absl::UnimplementedError("it was asked");
  }
};

class EvaluationCodecTest : public ::testing::Test {
 protected:
  EvaluationCodecTest() {
    inputs_.model = inputs_.source_model = MakeToyModel();
    inputs_.dataset = std::make_shared<const Dataset>(MakeDataset());
  }
  absl::StatusOr<ResolvedEvaluation> Decode() const {
    return DecodeEvaluationSpec(spec_, inputs_, limits_);
  }
  std::vector<std::pair<std::string, std::string>> Violations() const {
    return ViolationsOf(Decode().status());
  }

  v1::EvaluationSpec spec_;
  Limits limits_;
  EvaluationInputs inputs_;
};

}  // namespace adv

#endif  // ADV_TESTS_SERVER_CODEC_EVALUATION_CODEC_FIXTURE_H_
