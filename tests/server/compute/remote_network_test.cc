#include "server/compute/remote_network.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/wire/errors.h"
#include "tests/server/compute/scripted_endpoint.h"

namespace adv {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Scores of images of 1 x 2 x 2 pixels: the sum of the first row and that of
// the second.
at::Tensor Scores(const at::Tensor& images) { return images.sum({1, 3}); }

at::Tensor ImagesOf(const inference::ModelInferRequest& request) {
  at::Tensor images = at::empty({request.inputs(0).shape(0), 1, 2, 2});
  const std::string& bytes = request.raw_input_contents(0);
  EXPECT_EQ(bytes.size(), images.nbytes());
  std::memcpy(images.data_ptr(), bytes.data(), images.nbytes());
  return images;
}

std::string Bytes(const at::Tensor& tensor) {
  return {static_cast<const char*>(tensor.data_ptr()), tensor.nbytes()};
}

class RemoteNetworkTest : public ::testing::Test {
 protected:
  RemoteNetworkTest() {
    server_.metadata.set_name("cat");
    AddTensor("x", "FP32", {-1, 1, 2, 2}, server_.metadata.add_inputs());
    AddTensor("other", "INT64", {-1}, server_.metadata.add_outputs());
    AddTensor("y", "FP32", {-1, 2}, server_.metadata.add_outputs());
    model_.name = "cat";
    model_.interface.image_shape = {1, 2, 2};
    model_.interface.classes = 2;
    model_.interface.access = Access::kScores;
    EndpointOptions options;
    options.name = "lab";
    options.target = server_.target();
    options.retries = 0;
    endpoint_ = std::make_shared<Endpoint>(options);
  }

  std::shared_ptr<const RemoteNetwork> Make() {
    auto network = RemoteNetwork::Make(endpoint_, model_);
    EXPECT_TRUE(network.ok()) << network.status();
    return *std::move(network);
  }
  std::string Fault() {
    return std::string(
        RemoteNetwork::Make(endpoint_, model_).status().message());
  }

  // What the server does with the scores of a request.
  std::function<void(const at::Tensor& scores,
                     inference::ModelInferResponse* response)>
      answer_ = [](const at::Tensor& scores,
                   inference::ModelInferResponse* response) {
        response->add_outputs()->set_name("y");
        response->add_raw_output_contents(Bytes(scores));
      };
  ScriptedEndpoint server_{[this](grpc::ServerContext*,
                                  const inference::ModelInferRequest& request,
                                  inference::ModelInferResponse* response) {
    answer_(Scores(ImagesOf(request)).contiguous(), response);
    return grpc::Status::OK;
  }};
  RemoteModel model_;
  std::shared_ptr<Endpoint> endpoint_;
};

at::Tensor Images(int64_t count) {
  return at::arange(count * 4, at::kFloat)
      .div(count * 4)
      .view({count, 1, 2, 2});
}

TEST_F(RemoteNetworkTest, ScoresAreTheEndpoints) {
  const auto network = Make();
  EXPECT_EQ(network->traits().access, Access::kScores);
  EXPECT_FALSE(network->traits().padded());
  EXPECT_TRUE(network->Logits(Images(3)).value().equal(Scores(Images(3))));
  EXPECT_EQ(network->LossGradient(Images(1), at::zeros({1}, at::kLong))
                .status()
                .code(),
            absl::StatusCode::kUnimplemented);
}

TEST_F(RemoteNetworkTest, LargeBatchesAreSplit) {
  model_.max_batch = 4;
  std::atomic<int64_t> sent{0};
  const auto network = Make()->For({&sent});
  EXPECT_TRUE(network->Logits(Images(10)).value().equal(Scores(Images(10))));
  EXPECT_THAT(server_.calls(), ElementsAre(4, 4, 2));
  EXPECT_EQ(sent, 10);
}

TEST_F(RemoteNetworkTest, AFixedBatchIsFilledUp) {
  server_.metadata.mutable_inputs(0)->set_shape(0, 4);
  std::atomic<int64_t> sent{0};
  const auto network = Make()->For({&sent});
  EXPECT_TRUE(network->Logits(Images(5)).value().equal(Scores(Images(5))));
  EXPECT_THAT(server_.calls(), ElementsAre(4, 4));
  EXPECT_EQ(sent, 8);
}

TEST_F(RemoteNetworkTest, PixelsAreMadeWhatTheModelWants) {
  model_.interface.preprocessing.range = 255;
  model_.interface.preprocessing.mean = {10};
  EXPECT_TRUE(
      Make()->Logits(Images(3)).value().allclose(Scores(Images(3) * 255 - 10)));
}

TEST_F(RemoteNetworkTest, TypedAnswersAndProbabilitiesWillDo) {
  model_.interface.gives_probabilities = true;
  answer_ = [](const at::Tensor& scores,
               inference::ModelInferResponse* response) {
    auto* output = response->add_outputs();
    output->set_name("y");
    const at::Tensor shares = scores.softmax(1).contiguous();
    for (int64_t i = 0; i < shares.numel(); ++i) {
      output->mutable_contents()->add_fp32_contents(
          shares.data_ptr<float>()[i]);
    }
  };
  EXPECT_TRUE(Make()->Logits(Images(3)).value().allclose(
      Scores(Images(3)).log_softmax(1), 1e-4, 1e-5));
}

TEST_F(RemoteNetworkTest, DecisionsAreOneHot) {
  model_.interface.access = Access::kDecisions;
  const at::Tensor expected = OneHot(Scores(Images(3)).argmax(1), 2);
  EXPECT_TRUE(Make()->Logits(Images(3)).value().equal(expected));

  server_.metadata.clear_outputs();
  AddTensor("class", "INT64", {-1, 1}, server_.metadata.add_outputs());
  answer_ = [](const at::Tensor& scores,
               inference::ModelInferResponse* response) {
    response->add_outputs()->set_name("class");
    response->add_raw_output_contents(Bytes(scores.argmax(1).contiguous()));
  };
  EXPECT_TRUE(Make()->Logits(Images(3)).value().equal(expected));
  answer_ = [](const at::Tensor& scores,
               inference::ModelInferResponse* response) {
    response->add_outputs()->set_name("class");
    response->add_raw_output_contents(
        Bytes(at::full({scores.size(0)}, 2, at::kLong)));
  };
  EXPECT_THAT(std::string(Make()->Logits(Images(3)).status().message()),
              HasSubstr("outside [0, 1]"));
}

TEST_F(RemoteNetworkTest, TensorsThatDoNotFitAreToldAtOnce) {
  model_.interface.classes = 3;
  EXPECT_THAT(Fault(), AllOf(HasSubstr("\"y\" \"FP32\" [-1, 2]"),
                             HasSubstr("FP32 [-1, 3]")));
  model_.interface.classes = 2;
  model_.interface.image_shape = {1, 2, 3};
  EXPECT_THAT(Fault(), AllOf(HasSubstr("[-1, 1, 2, 2]"),
                             HasSubstr("FP32 [-1, 1, 2, 3]")));
  model_.interface.image_shape = {1, 2, 2};
  server_.metadata.mutable_inputs(0)->set_datatype("UINT8");
  EXPECT_THAT(Fault(), HasSubstr("UINT8"));
  model_.name = "dog";
  EXPECT_THAT(Fault(), HasSubstr("no model dog"));
}

TEST_F(RemoteNetworkTest, BadAnswersAreNotTaken) {
  const auto network = Make();
  const auto fault = [&] {
    const absl::Status status = network->Logits(Images(2)).status();
    EXPECT_TRUE(HasReason(status, Reason::kModelUnreachable)) << status;
    return std::string(status.message());
  };
  answer_ = [](const at::Tensor&, inference::ModelInferResponse* response) {
    response->add_outputs()->set_name("z");
  };
  EXPECT_THAT(fault(), HasSubstr("no output \"y\""));
  answer_ = [](const at::Tensor&, inference::ModelInferResponse* response) {
    response->add_outputs()->set_name("y");
    response->add_raw_output_contents("four");
  };
  EXPECT_THAT(fault(), AllOf(HasSubstr("4 bytes"), HasSubstr("16")));
  answer_ = [](const at::Tensor& scores,
               inference::ModelInferResponse* response) {
    response->add_outputs()->set_name("y");
    response->add_raw_output_contents(
        Bytes(at::full_like(scores, std::numeric_limits<float>::quiet_NaN())));
  };
  EXPECT_THAT(fault(), HasSubstr("not finite"));
}

}  // namespace
}  // namespace adv
