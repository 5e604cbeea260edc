// Classify and GenerateAdversarial over a real connection.
#include <absl/strings/str_cat.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <future>

#include "engine/nn/vgg.h"
#include "tests/integration/random_models.h"
#include "tests/integration/server_fixture.h"

namespace adv {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

class RequestsTest : public ServerFixture {
 protected:
  grpc::Status Classify(const v1::ClassifyRequest& request) {
    return stub_->Classify(Context().get(), request, &classified_);
  }
  grpc::Status Generate(const v1::GenerateAdversarialRequest& request) {
    return stub_->GenerateAdversarial(Context().get(), request, &generated_);
  }

  // One of many calls at once.
  static constexpr int kCalls = 64;
  struct Call {
    grpc::ClientContext context;
    v1::ClassifyResponse response;
    std::promise<grpc::Status> done;
  };
  // `request` must live until all `calls` are done.
  void Start(const v1::ClassifyRequest& request, std::vector<Call>* calls) {
    for (Call& call : *calls) {
      stub_->async()->Classify(
          &call.context, &request, &call.response,
          [&call](const grpc::Status& status) { call.done.set_value(status); });
    }
  }

  v1::ClassifyResponse classified_;
  v1::GenerateAdversarialResponse generated_;
};

TEST_F(RequestsTest, ClassifyNamesModelAndClasses) {
  v1::ClassifyRequest request = GoodClassify();
  request.set_top_k(3);
  request.set_include_logits(true);
  const grpc::Status status = Classify(request);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(classified_.model().name(), "no-cat");
  EXPECT_EQ(classified_.model().version(), 1);
  EXPECT_EQ(classified_.model().digest().size(), 64);
  ASSERT_EQ(classified_.results_size(), 2);
  const v1::Classification& first = classified_.results(0);
  ASSERT_EQ(first.top_size(), 3);
  ASSERT_EQ(first.logits_size(), 10);
  EXPECT_GE(first.top(0).probability(), first.top(1).probability());
  const auto best =
      std::max_element(first.logits().begin(), first.logits().end());
  EXPECT_EQ(first.top(0).label(), best - first.logits().begin());
  EXPECT_FALSE(first.top(0).class_name().empty());
}

TEST_F(RequestsTest, EveryArchitectureIsServedAndAttacked) {
  for (const std::string& architecture : VggArchitectures()) {
    ASSERT_TRUE(PublishRandomModel(folder_ / "store", "balanced", 4,
                                   /*special_label=*/-1, architecture)
                    .ok());
  }
  Restart(DefaultOptions());
  uint64_t version = 1;  // the fixture's
  for (const std::string& architecture : VggArchitectures()) {
    const std::string model = absl::StrCat("balanced@", ++version);
    v1::ClassifyRequest classify = GoodClassify();
    classify.set_model(model);
    const grpc::Status classified = Classify(classify);
    EXPECT_TRUE(classified.ok())
        << architecture << ": " << classified.error_message();
    v1::GenerateAdversarialRequest attack = GoodGenerate();
    attack.set_model(model);
    const grpc::Status attacked = Generate(attack);
    EXPECT_TRUE(attacked.ok())
        << architecture << ": " << attacked.error_message();
  }
}

TEST_F(RequestsTest, ProbabilitiesAddUpAndLogitsAreLeftOutUnlessAskedFor) {
  ASSERT_TRUE(Classify(GoodClassify()).ok());
  const v1::Classification& first = classified_.results(0);
  EXPECT_EQ(first.logits_size(), 0);
  ASSERT_EQ(first.top_size(), 10);
  double sum = 0;
  for (const v1::ClassScore& score : first.top()) sum += score.probability();
  EXPECT_NEAR(sum, 1, 1e-9);
}

TEST_F(RequestsTest, LayoutAndTypeMakeNoDifference) {
  v1::ClassifyRequest request = GoodClassify();
  request.set_include_logits(true);
  ASSERT_TRUE(Classify(request).ok());
  const v1::ClassifyResponse bytes = classified_;

  const std::string data = request.images().data();
  std::vector<float> planes(data.size());
  for (int n = 0; n < 2; ++n) {
    for (int pixel = 0; pixel < 1024; ++pixel) {
      for (int c = 0; c < 3; ++c) {
        const auto byte =
            static_cast<unsigned char>(data[(n * 1024 + pixel) * 3 + c]);
        planes[(n * 3 + c) * 1024 + pixel] = static_cast<float>(byte) / 255;
      }
    }
  }
  v1::ImageBatch& images = *request.mutable_images();
  images.set_data(planes.data(), planes.size() * sizeof(float));
  images.set_data_type(v1::DATA_TYPE_FLOAT32);
  images.set_layout(v1::IMAGE_LAYOUT_NCHW);
  images.clear_shape();
  for (const int size : {2, 3, 32, 32}) images.add_shape(size);
  ASSERT_TRUE(Classify(request).ok());
  EXPECT_EQ(classified_.SerializeAsString(), bytes.SerializeAsString());
}

TEST_F(RequestsTest, AnOlderVersionCanBeNamed) {
  v1::ClassifyRequest request = GoodClassify();
  request.set_model("balanced@1");
  ASSERT_TRUE(Classify(request).ok());
  EXPECT_EQ(classified_.model().name(), "balanced");
}

TEST_F(RequestsTest, AnUnknownModelIsNotFoundAndTheKnownOnesAreListed) {
  v1::ClassifyRequest request = GoodClassify();
  request.set_model("no-dog");
  const grpc::Status status = Classify(request);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(ReasonOf(status), "MODEL_NOT_FOUND");
  EXPECT_THAT(status.error_message(), HasSubstr("balanced"));
  EXPECT_THAT(status.error_message(), HasSubstr("no-cat"));
  google::rpc::ResourceInfo resource;
  ASSERT_TRUE(FindDetail(status, &resource));
  EXPECT_EQ(resource.resource_type(), "adv.v1.Model");
  EXPECT_EQ(resource.resource_name(), "no-dog");
  ExpectServes();
}

TEST_F(RequestsTest, AllViolationsComeAtOnceAndTheServerGoesOn) {
  v1::GenerateAdversarialRequest request = GoodGenerate();
  request.mutable_images()->set_data("short");
  request.add_labels(10);
  request.mutable_attack()->mutable_igsm()->set_steps(0);
  request.mutable_epsilon()->set_levels(256);
  request.mutable_goal()->mutable_targeted()->set_target_class(-1);
  const grpc::Status status = Generate(request);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(ReasonOf(status), "INVALID_REQUEST");
  EXPECT_THAT(FieldsOf(status),
              ElementsAre("images.data", "labels", "attack.igsm.steps",
                          "epsilon", "goal.targeted.target_class"));
  ExpectServes();
}

TEST_F(RequestsTest, ViolationsDoNotRepeatTheirField) {
  const auto description = [](const grpc::Status& status) {
    google::rpc::BadRequest bad;
    EXPECT_TRUE(FindDetail(status, &bad)) << status.error_message();
    return bad.field_violations(0).description();
  };
  v1::GetModelRequest model;
  v1::GetModelResponse model_response;
  EXPECT_THAT(
      description(models_->GetModel(Context().get(), model, &model_response)),
      StartsWith("must be \"name\""));
  v1::GetEvaluationRequest id;
  v1::GetEvaluationResponse id_response;
  EXPECT_THAT(
      description(stub_->GetEvaluation(Context().get(), id, &id_response)),
      StartsWith("must be 6 to 64"));
  v1::ListEvaluationsRequest page;
  page.set_page_token("x");
  v1::ListEvaluationsResponse page_response;
  EXPECT_THAT(description(stub_->ListEvaluations(Context().get(), page,
                                                 &page_response)),
              StartsWith("must be the next_page_token"));
}

TEST_F(RequestsTest, ViolationsByTheThousandStillFitTheTrailers) {
  v1::GenerateAdversarialRequest request = GoodGenerate();
  *request.mutable_images() = Images(1024);
  for (int i = 0; i < 1024; ++i) request.add_labels(99);
  const grpc::Status status = Generate(request);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT)
      << status.error_message();
  google::rpc::BadRequest details;
  ASSERT_TRUE(FindDetail(status, &details));
  EXPECT_GT(details.field_violations_size(), 10);
  EXPECT_THAT(details.field_violations().rbegin()->description(),
              HasSubstr("more violations"));
}

TEST_F(RequestsTest, FgsmStaysInItsBallAndTellsWhatItDid) {
  const grpc::Status status = Generate(GoodGenerate());
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(generated_.source_model().digest(), generated_.model().digest());
  EXPECT_EQ(generated_.images().data_type(), v1::DATA_TYPE_FLOAT32);
  ASSERT_EQ(generated_.images().data().size(), 2 * 3072 * sizeof(float));
  ASSERT_EQ(generated_.results_size(), 2);
  const std::string original = Images(2).data();
  double largest = 0;
  for (size_t i = 0; i < original.size(); ++i) {
    float pixel = 0;
    std::memcpy(&pixel, generated_.images().data().data() + i * sizeof(float),
                sizeof(float));
    const double before = static_cast<unsigned char>(original[i]) / 255.0;
    largest = std::max(largest, std::abs(pixel - before));
    ASSERT_TRUE(pixel >= 0 && pixel <= 1) << i;
  }
  EXPECT_NEAR(largest, 8.0 / 255, 1e-6);
  const v1::AttackRecord& record = generated_.results(0).record();
  EXPECT_NEAR(record.linf(), 8.0 / 255, 1e-6);
  EXPECT_EQ(record.target(), -1);
  EXPECT_GE(record.gradients(), 1);
  // The label was predicted, so the clean image is right by definition.
  EXPECT_EQ(generated_.results(0).label(),
            generated_.results(0).clean().top(0).label());
}

TEST_F(RequestsTest, EightBitAnswersInBytesAndSaysTheStepsTaken) {
  v1::GenerateAdversarialRequest request = GoodGenerate();
  request.mutable_attack()->mutable_igsm();
  request.mutable_epsilon()->set_levels(2);
  request.set_eight_bit(true);
  const grpc::Status status = Generate(request);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(generated_.images().data_type(), v1::DATA_TYPE_UINT8);
  const std::string original = request.images().data();
  ASSERT_EQ(generated_.images().data().size(), original.size());
  int largest = 0;
  for (size_t i = 0; i < original.size(); ++i) {
    const int change =
        static_cast<unsigned char>(generated_.images().data()[i]) -
        static_cast<unsigned char>(original[i]);
    largest = std::max(largest, std::abs(change));
  }
  EXPECT_EQ(largest, 2);
  // Kurakin's rule: min(2 + 4, 1.25 * 2) rounded up.
  EXPECT_EQ(generated_.attack().igsm().steps(), 3);
  EXPECT_DOUBLE_EQ(generated_.attack().igsm().step_size().pixels(), 1.0 / 255);
}

TEST_F(RequestsTest, EachImageMayHaveATargetOfItsOwn) {
  v1::GenerateAdversarialRequest request = GoodGenerate();
  request.add_labels(0);
  request.add_labels(1);
  v1::TargetedGoal* goal = request.mutable_goal()->mutable_targeted();
  goal->set_rule(v1::TARGET_RULE_PER_IMAGE);
  goal->add_target_classes(4);
  goal->add_target_classes(5);
  const grpc::Status status = Generate(request);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(generated_.results(0).record().target(), 4);
  EXPECT_EQ(generated_.results(1).record().target(), 5);
}

TEST_F(RequestsTest, ATargetMustNotBeThePredictedLabelEither) {
  ASSERT_TRUE(Classify(GoodClassify()).ok());
  v1::GenerateAdversarialRequest request = GoodGenerate();
  request.mutable_goal()->mutable_targeted()->set_target_class(
      classified_.results(1).top(0).label());
  const grpc::Status status = Generate(request);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(FieldsOf(status), Contains("goal.targeted.target_class"));
  EXPECT_THAT(status.error_message(), HasSubstr("its label"));
}

TEST_F(RequestsTest, GradientsMayComeFromAnotherModel) {
  v1::GenerateAdversarialRequest request = GoodGenerate();
  request.set_source_model("balanced");
  const grpc::Status status = Generate(request);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(generated_.model().name(), "no-cat");
  EXPECT_EQ(generated_.source_model().name(), "balanced");
}

TEST_F(RequestsTest, AMessageAboveTheLimitIsRefused) {
  Options options = DefaultOptions();
  options.limits.message_bytes = 4096;
  Restart(options);
  v1::ClassifyRequest request = GoodClassify();
  const grpc::Status status = Classify(request);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  *request.mutable_images() = Images(1);
  EXPECT_TRUE(Classify(request).ok());
}

TEST_F(RequestsTest, APassedDeadlineEndsTheCall) {
  v1::GenerateAdversarialRequest request = GoodGenerate();
  *request.mutable_images() = Images(16);
  request.mutable_attack()->mutable_igsm()->set_steps(1000);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() +
                       std::chrono::milliseconds(200));
  const grpc::Status status =
      stub_->GenerateAdversarial(&context, request, &generated_);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  ExpectServes();
}

TEST_F(RequestsTest, ADeadlineInAThousandYearsIsNone) {
  grpc::ClientContext context;
  gpr_timespec end = gpr_now(GPR_CLOCK_REALTIME);
  end.tv_sec += int64_t{1000} * 365 * 24 * 3600;
  context.set_deadline(end);
  const grpc::Status status =
      stub_->Classify(&context, GoodClassify(), &classified_);
  EXPECT_TRUE(status.ok()) << status.error_message();
}

TEST_F(RequestsTest, AFullQueueSaysWhenToComeBack) {
  Options options = DefaultOptions();
  options.limits.queued_cost = 4;  // so that one image may wait
  Restart(options);
  v1::ClassifyRequest request = GoodClassify();
  *request.mutable_images() = Images(1);
  std::vector<Call> calls(kCalls);
  Start(request, &calls);
  int refused = 0;
  for (Call& call : calls) {
    const grpc::Status status = call.done.get_future().get();
    if (status.ok()) continue;
    ++refused;
    EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
    EXPECT_EQ(ReasonOf(status), "QUEUE_FULL");
    google::rpc::RetryInfo retry;
    EXPECT_TRUE(FindDetail(status, &retry));
    const auto& trailers = call.context.GetServerTrailingMetadata();
    const auto pushback = trailers.find("grpc-retry-pushback-ms");
    ASSERT_NE(pushback, trailers.end());
    EXPECT_GE(std::stoi(std::string(pushback->second.data(),
                                    pushback->second.size())),
              50);
  }
  EXPECT_GT(refused, 0);
  EXPECT_LT(refused, kCalls);
}

TEST_F(RequestsTest, FewCallsWaitForAModelToLoad) {
  ASSERT_TRUE(PublishRandomModel(folder_ / "store", "no-cat", 3).ok());
  Restart(DefaultOptions());  // which loads version 2 alone
  v1::ClassifyRequest request = GoodClassify();
  request.set_model("no-cat@1");
  std::vector<Call> calls(kCalls);
  Start(request, &calls);
  int refused = 0;
  for (Call& call : calls) {
    const grpc::Status status = call.done.get_future().get();
    if (status.ok()) continue;
    ++refused;
    EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
    EXPECT_EQ(ReasonOf(status), "QUEUE_FULL");
    EXPECT_THAT(status.error_message(), HasSubstr("models to load"));
  }
  EXPECT_GT(refused, 0);
  EXPECT_LT(refused, kCalls);
  // Once it is in memory nobody waits.
  EXPECT_TRUE(Classify(request).ok());
}

TEST_F(RequestsTest, TheCallersRequestIdIsInAnswerAndLog) {
  const auto context = Context();
  context->AddMetadata("x-request-id", "abc-123");
  ASSERT_TRUE(
      stub_->Classify(context.get(), GoodClassify(), &classified_).ok());
  const auto& trailers = context->GetServerTrailingMetadata();
  const auto id = trailers.find("x-request-id");
  ASSERT_NE(id, trailers.end());
  EXPECT_EQ(id->second, "abc-123");
  server_.reset();
  EXPECT_THAT(log_text_.str(), HasSubstr("event=rpc method=Classify code=OK"));
  EXPECT_THAT(log_text_.str(), HasSubstr("request_id=abc-123"));
}

}  // namespace
}  // namespace adv
