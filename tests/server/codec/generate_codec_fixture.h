#ifndef ADV_TESTS_SERVER_CODEC_GENERATE_CODEC_FIXTURE_H_
#define ADV_TESTS_SERVER_CODEC_GENERATE_CODEC_FIXTURE_H_

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/codec/codec_requests.h"
#include "tests/server/codec/float_images.h"
#include "tests/server/toy_model.h"
#include "tests/server/violations.h"

namespace adv {

// A network that says that it gives less than it does.
class Limited final : public Network {
 public:
  Limited(std::shared_ptr<const Network> network, Access access)
      : Network(With(network->traits(), access)),
        network_(std::move(network)) {}
  absl::StatusOr<at::Tensor> Logits(const at::Tensor& images) const override {
    return network_->Logits(images);
  }
  absl::StatusOr<LogitsAndGradient> InputGradient(
      const at::Tensor& images, const LogitGradient& loss) const override {
    return network_->InputGradient(images, loss);
  }

 private:
  static NetworkTraits With(NetworkTraits traits, Access access) {
    traits.access = access;
    return traits;
  }

  const std::shared_ptr<const Network> network_;
};

class GenerateCodecTest : public ::testing::Test {
 protected:
  GenerateCodecTest() {
    *request_.mutable_images() = FloatImages(std::vector<float>(24, .2F));
    request_.mutable_attack()->mutable_fgsm();
    request_.mutable_epsilon()->set_levels(8);
  }
  absl::StatusOr<AdversarialTask> Decode() const {
    auto model = std::make_shared<ServedModel>(*MakeToyModel());
    model->network = std::make_shared<Limited>(model->network, access_);
    return DecodeGenerate(request_, model, transfer_ ? MakeToyModel() : model,
                          dataset_, limits_);
  }
  std::vector<std::pair<std::string, std::string>> Violations() const {
    return ViolationsOf(Decode().status());
  }

  v1::GenerateAdversarialRequest request_;
  bool transfer_ = false;
  Access access_ = Access::kGradients;
  std::shared_ptr<const Dataset> dataset_;
  Limits limits_;
};

}  // namespace adv

#endif  // ADV_TESTS_SERVER_CODEC_GENERATE_CODEC_FIXTURE_H_
