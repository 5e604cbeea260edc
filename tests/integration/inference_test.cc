// The Open Inference Protocol beside the server's own.
#include <gmock/gmock.h>

#include <cstring>

#include "inference/open_inference.grpc.pb.h"
#include "tests/integration/server_fixture.h"

namespace adv {
namespace {

using ::testing::ElementsAre;

class InferenceTest : public ServerFixture {
 protected:
  InferenceTest()
      : inference_(inference::GRPCInferenceService::NewStub(channel_)) {}

  // Images of noise.
  inference::ModelInferRequest GoodInfer(int count, bool raw) {
    std::vector<float> pixels(size_t{3072} * count);
    for (size_t i = 0; i < pixels.size(); ++i) {
      pixels[i] = static_cast<float>(i * 7 % 256) / 255.F;
    }
    inference::ModelInferRequest request;
    request.set_model_name("balanced");
    request.set_id("mine");
    auto* input = request.add_inputs();
    input->set_name("images");
    input->set_datatype("FP32");
    for (const int size : {count, 3, 32, 32}) input->add_shape(size);
    if (raw) {
      request.add_raw_input_contents(pixels.data(),
                                     pixels.size() * sizeof(float));
    } else {
      input->mutable_contents()->mutable_fp32_contents()->Assign(pixels.begin(),
                                                                 pixels.end());
    }
    return request;
  }

  grpc::Status Infer(const inference::ModelInferRequest& request,
                     inference::ModelInferResponse* response) {
    return inference_->ModelInfer(Context().get(), request, response);
  }

  const std::unique_ptr<inference::GRPCInferenceService::Stub> inference_;
};

TEST_F(InferenceTest, LogitsAreThoseOfClassify) {
  v1::ClassifyRequest classify = GoodClassify();
  v1::ImageBatch* images = classify.mutable_images();
  images->set_data_type(v1::DATA_TYPE_FLOAT32);
  images->set_layout(v1::IMAGE_LAYOUT_NCHW);
  images->set_data(GoodInfer(3, true).raw_input_contents(0));
  images->clear_shape();
  for (const int size : {3, 3, 32, 32}) images->add_shape(size);
  classify.set_model("balanced");
  classify.set_include_logits(true);
  v1::ClassifyResponse classified;
  ASSERT_TRUE(stub_->Classify(Context().get(), classify, &classified).ok());
  for (const bool raw : {true, false}) {
    inference::ModelInferResponse response;
    const grpc::Status status = Infer(GoodInfer(3, raw), &response);
    ASSERT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(response.model_name(), "balanced");
    EXPECT_EQ(response.model_version(), "1");
    EXPECT_EQ(response.id(), "mine");
    ASSERT_EQ(response.outputs_size(), 2);
    EXPECT_EQ(response.outputs(0).name(), "logits");
    EXPECT_THAT(response.outputs(0).shape(), ElementsAre(3, 10));
    std::vector<float> logits(30);
    if (raw) {
      ASSERT_EQ(response.raw_output_contents(0).size(), 120);
      std::memcpy(logits.data(), response.raw_output_contents(0).data(), 120);
    } else {
      const auto& typed = response.outputs(0).contents().fp32_contents();
      ASSERT_EQ(typed.size(), 30);
      logits.assign(typed.begin(), typed.end());
      EXPECT_EQ(response.outputs(1).contents().int64_contents(2),
                classified.results(2).top(0).label());
    }
    for (int i = 0; i < 30; ++i) {
      EXPECT_EQ(logits[i], classified.results(i / 10).logits(i % 10));
    }
  }
}

TEST_F(InferenceTest, TellsWhatItHas) {
  inference::ServerLiveResponse live;
  ASSERT_TRUE(inference_->ServerLive(Context().get(), {}, &live).ok());
  EXPECT_TRUE(live.live());
  inference::ServerReadyResponse ready;
  ASSERT_TRUE(inference_->ServerReady(Context().get(), {}, &ready).ok());
  EXPECT_TRUE(ready.ready());
  inference::ModelReadyRequest which;
  which.set_name("no-cat");
  which.set_version("1");
  inference::ModelReadyResponse model;
  ASSERT_TRUE(inference_->ModelReady(Context().get(), which, &model).ok());
  EXPECT_TRUE(model.ready());
  which.set_version("7");
  ASSERT_TRUE(inference_->ModelReady(Context().get(), which, &model).ok());
  EXPECT_FALSE(model.ready());
  inference::ServerMetadataResponse server;
  ASSERT_TRUE(inference_->ServerMetadata(Context().get(), {}, &server).ok());
  EXPECT_EQ(server.name(), "adv");

  inference::ModelMetadataRequest request;
  request.set_name("balanced");
  inference::ModelMetadataResponse metadata;
  ASSERT_TRUE(
      inference_->ModelMetadata(Context().get(), request, &metadata).ok());
  EXPECT_THAT(metadata.versions(), ElementsAre("1"));
  ASSERT_EQ(metadata.inputs_size(), 1);
  EXPECT_EQ(metadata.inputs(0).datatype(), "FP32");
  EXPECT_THAT(metadata.inputs(0).shape(), ElementsAre(-1, 3, 32, 32));
  ASSERT_EQ(metadata.outputs_size(), 2);
  EXPECT_THAT(metadata.outputs(0).shape(), ElementsAre(-1, 10));
}

TEST_F(InferenceTest, OnlyWhatIsAskedForComesBack) {
  inference::ModelInferRequest request = GoodInfer(2, true);
  request.add_outputs()->set_name("class");
  inference::ModelInferResponse response;
  ASSERT_TRUE(Infer(request, &response).ok());
  ASSERT_EQ(response.outputs_size(), 1);
  EXPECT_EQ(response.outputs(0).datatype(), "INT64");
  EXPECT_EQ(response.raw_output_contents(0).size(), 16);
}

TEST_F(InferenceTest, BadRequestsAreToldWhole) {
  inference::ModelInferResponse response;
  inference::ModelInferRequest request = GoodInfer(2, true);
  request.mutable_inputs(0)->set_name("x");
  request.mutable_inputs(0)->set_datatype("UINT8");
  request.mutable_inputs(0)->set_shape(3, 31);
  request.add_outputs()->set_name("probabilities");
  grpc::Status status = Infer(request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(FieldsOf(status),
              ElementsAre("outputs[0].name", "inputs[0].name",
                          "inputs[0].datatype", "inputs[0].shape"));
  request = GoodInfer(2, true);
  request.mutable_inputs(0)->set_shape(0, -2);
  EXPECT_EQ(Infer(request, &response).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  request = GoodInfer(2, true);
  request.clear_inputs();
  EXPECT_THAT(FieldsOf(Infer(request, &response)), ElementsAre("inputs"));
  request = GoodInfer(2, true);
  request.set_model_version("newest");
  EXPECT_THAT(FieldsOf(Infer(request, &response)), ElementsAre("version"));
  request.set_model_version("");
  request.set_model_name("nobody");
  EXPECT_EQ(Infer(request, &response).error_code(),
            grpc::StatusCode::NOT_FOUND);
}

}  // namespace
}  // namespace adv
