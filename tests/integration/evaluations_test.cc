// Evaluations over a real connection: streams, attaching, cancelling, reading
// back.
#include <gmock/gmock.h>

#include "tests/integration/server_fixture.h"

namespace adv {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Response = v1::EvaluateRobustnessResponse;

class EvaluationsTest : public ServerFixture {
 protected:
  using Stream = std::unique_ptr<grpc::ClientReader<Response>>;

  // Begins a stream and reads its first message into `id`.
  Stream Open(grpc::ClientContext* context,
              const v1::EvaluateRobustnessRequest& request, std::string* id) {
    Stream stream = stub_->EvaluateRobustness(context, request);
    Response first;
    EXPECT_TRUE(stream->Read(&first));
    EXPECT_TRUE(first.has_evaluation());
    *id = first.evaluation().id();
    return stream;
  }
  static grpc::Status ReadToEnd(const Stream& stream) {
    Response message;
    while (stream->Read(&message)) {
    }
    return stream->Finish();
  }
  grpc::Status Cancel(const std::string& id) {
    v1::CancelEvaluationRequest request;
    request.set_id(id);
    v1::CancelEvaluationResponse response;
    return stub_->CancelEvaluation(Context().get(), request, &response);
  }
  grpc::Status Get(const std::string& id) {
    v1::GetEvaluationRequest request;
    request.set_id(id);
    got_.Clear();
    return stub_->GetEvaluation(Context().get(), request, &got_);
  }
  grpc::Status Refused(const v1::EvaluateRobustnessRequest& request) {
    std::vector<Response> messages;
    const grpc::Status status = Evaluate(request, &messages);
    EXPECT_TRUE(messages.empty());
    return status;
  }

  v1::GetEvaluationResponse got_;
};

TEST_F(EvaluationsTest, TheStreamIsEvaluationProgressReport) {
  std::vector<Response> messages;
  const grpc::Status status = Evaluate(QuickEvaluation(), &messages);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_GE(messages.size(), 2);
  ASSERT_TRUE(messages.front().has_evaluation());
  const v1::Evaluation& evaluation = messages.front().evaluation();
  EXPECT_EQ(evaluation.id().size(), 64);
  EXPECT_EQ(evaluation.samples_total(), 20);
  for (size_t i = 1; i + 1 < messages.size(); ++i) {
    EXPECT_TRUE(messages[i].has_progress());
  }
  ASSERT_TRUE(messages.back().has_report());
  const v1::EvaluationReport& report = messages.back().report();
  EXPECT_EQ(report.special_label(), 3);
  EXPECT_EQ(report.class_names(3), "cat");
  ASSERT_EQ(report.results_size(), 1);
  const v1::Outcomes& overall = report.results(0).overall();
  EXPECT_EQ(overall.clean_right_adversarial_right() +
                overall.clean_right_adversarial_wrong() +
                overall.clean_wrong_adversarial_right() +
                overall.clean_wrong_adversarial_wrong(),
            20);
  EXPECT_EQ(report.results(0).attack_name(), "fgsm");
  EXPECT_EQ(report.results(0).per_class_size(), 10);
  EXPECT_EQ(report.records_sha256().size(), 64);
  EXPECT_FALSE(report.environment().device().empty());
  EXPECT_EQ(report.environment().server_version(), ADV_VERSION);
}

TEST_F(EvaluationsTest, DefaultsAreFilledIn) {
  v1::EvaluateRobustnessRequest request;
  request.mutable_spec()->set_model("balanced");
  request.set_cancel_on_disconnect(true);
  grpc::ClientContext context;
  const auto stream = stub_->EvaluateRobustness(&context, request);
  Response first;
  ASSERT_TRUE(stream->Read(&first));
  context.TryCancel();
  const v1::ResolvedSpec& resolved = first.evaluation().resolved();
  const v1::EvaluationSpec& spec = resolved.spec();
  EXPECT_EQ(spec.model(), "balanced@1");
  EXPECT_EQ(spec.source_model(), "balanced@1");
  EXPECT_EQ(spec.dataset(), "cifar10-sample");
  EXPECT_EQ(spec.samples(), 1000);
  ASSERT_EQ(spec.attacks_size(), 2);
  EXPECT_TRUE(spec.attacks(0).has_fgsm());
  EXPECT_DOUBLE_EQ(spec.attacks(1).igsm().step_size().pixels(), 1.0 / 255);
  EXPECT_EQ(spec.norm(), v1::NORM_LINF);
  ASSERT_EQ(spec.epsilons_size(), 1);
  EXPECT_DOUBLE_EQ(spec.epsilons(0).pixels(), 8.0 / 255);
  EXPECT_TRUE(spec.goal().has_untargeted());
  EXPECT_EQ(spec.success(), v1::SUCCESS_RULE_LAST_ITERATE);
  EXPECT_EQ(spec.tile_size(), 128);
  EXPECT_EQ(resolved.samples(), 1000);
  EXPECT_EQ(resolved.dataset_sha256().size(), 64);
}

TEST_F(EvaluationsTest, TheSameSpecificationIsTheSameEvaluation) {
  std::vector<Response> first, second;
  ASSERT_TRUE(Evaluate(QuickEvaluation(), &first).ok());
  v1::EvaluateRobustnessRequest same = QuickEvaluation();
  same.mutable_spec()->set_model("no-cat@1");
  same.mutable_spec()->add_epsilons()->set_pixels(8.0 / 255);
  ASSERT_TRUE(Evaluate(same, &second).ok());
  EXPECT_EQ(first.front().evaluation().id(), second.front().evaluation().id());
  // Nothing was computed again.
  ASSERT_EQ(second.size(), 2);
  EXPECT_EQ(first.back().report().SerializeAsString(),
            second.back().report().SerializeAsString());
  v1::EvaluateRobustnessRequest other = QuickEvaluation();
  other.mutable_spec()->set_seed(1);
  std::vector<Response> third;
  ASSERT_TRUE(Evaluate(other, &third).ok());
  EXPECT_NE(first.front().evaluation().id(), third.front().evaluation().id());
}

TEST_F(EvaluationsTest, AResolvedSpecificationIsItself) {
  v1::EvaluateRobustnessRequest request = QuickEvaluation();
  request.mutable_spec()->set_success(v1::SUCCESS_RULE_ANY_ITERATE);
  request.mutable_spec()->add_attacks()->mutable_auto_attack();
  request.mutable_spec()
      ->mutable_attacks(1)
      ->mutable_auto_attack()
      ->add_members()
      ->mutable_apgd()
      ->set_steps(2);
  request.mutable_spec()->add_epsilons()->set_pixels(.1);
  request.mutable_spec()->add_epsilons()->set_levels(2.5);
  std::vector<Response> messages;
  ASSERT_TRUE(Evaluate(request, &messages).ok());
  const v1::Evaluation evaluation = messages.front().evaluation();
  v1::EvaluateRobustnessRequest again;
  *again.mutable_spec() = evaluation.resolved().spec();
  again.set_expected_id(evaluation.id());
  const grpc::Status status = Evaluate(again, &messages);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(messages.front().evaluation().id(), evaluation.id());
}

TEST_F(EvaluationsTest, NothingStartsUnderAnotherIdThanExpected) {
  v1::EvaluateRobustnessRequest request = QuickEvaluation();
  request.set_expected_id(std::string(64, '0'));
  const grpc::Status status = Refused(request);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), HasSubstr(std::string(64, '0')));
  v1::ListEvaluationsResponse list;
  ASSERT_TRUE(stub_->ListEvaluations(Context().get(), {}, &list).ok());
  EXPECT_EQ(list.evaluations_size(), 0);
}

TEST_F(EvaluationsTest, OneCancelEndsAllStreamsOfAnEvaluation) {
  const auto one = Context();
  const auto two = Context();
  std::string id, same_id;
  const Stream stream = Open(one.get(), EndlessEvaluation(), &id);
  const Stream attached = Open(two.get(), EndlessEvaluation(), &same_id);
  EXPECT_EQ(id, same_id);
  ASSERT_TRUE(Cancel(id.substr(0, 12)).ok());
  for (const Stream* each : {&stream, &attached}) {
    const grpc::Status status = ReadToEnd(*each);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::ABORTED);
    EXPECT_EQ(ReasonOf(status), "EVALUATION_CANCELLED");
  }
  ASSERT_TRUE(Get(id).ok());
  EXPECT_EQ(got_.evaluation().state(), v1::EVALUATION_STATE_CANCELLED);
  ExpectServes();
}

TEST_F(EvaluationsTest, AnEvaluationOutlivesItsStream) {
  std::string id;
  {
    grpc::ClientContext context;
    const Stream stream = Open(&context, EndlessEvaluation(), &id);
    context.TryCancel();
    EXPECT_EQ(ReadToEnd(stream).error_code(), grpc::StatusCode::CANCELLED);
  }
  ASSERT_TRUE(Get(id).ok());
  EXPECT_THAT(got_.evaluation().state(),
              ::testing::AnyOf(v1::EVALUATION_STATE_QUEUED,
                               v1::EVALUATION_STATE_RUNNING));
  ASSERT_TRUE(Cancel(id).ok());
}

TEST_F(EvaluationsTest, CancelOnDisconnectCancelsWithTheLastOne) {
  v1::EvaluateRobustnessRequest request = EndlessEvaluation();
  request.set_cancel_on_disconnect(true);
  grpc::ClientContext one, two;
  std::string id;
  const Stream stream = Open(&one, request, &id);
  const Stream attached = Open(&two, request, &id);
  one.TryCancel();
  EXPECT_EQ(ReadToEnd(stream).error_code(), grpc::StatusCode::CANCELLED);
  ASSERT_TRUE(Get(id).ok());
  EXPECT_THAT(got_.evaluation().state(),
              ::testing::AnyOf(v1::EVALUATION_STATE_QUEUED,
                               v1::EVALUATION_STATE_RUNNING));
  two.TryCancel();
  EXPECT_EQ(ReadToEnd(attached).error_code(), grpc::StatusCode::CANCELLED);
  do {
    ASSERT_TRUE(Get(id).ok());
  } while (got_.evaluation().state() != v1::EVALUATION_STATE_CANCELLED);
}

TEST_F(EvaluationsTest, EveryViolationOfASpecificationIsNamed) {
  v1::EvaluateRobustnessRequest request = QuickEvaluation();
  v1::EvaluationSpec& spec = *request.mutable_spec();
  spec.add_attacks()->mutable_igsm()->mutable_step_size()->set_pixels(0);
  spec.set_norm(v1::NORM_L2);
  spec.add_epsilons()->set_levels(8);
  spec.add_epsilons()->set_pixels(-1);
  spec.mutable_goal()->mutable_targeted()->set_target_class(10);
  spec.set_tile_size(1025);
  const grpc::Status status = Refused(request);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(FieldsOf(status),
              ElementsAre("spec.attacks[1].igsm.step_size", "spec.norm",
                          "spec.epsilons[1]", "spec.goal.targeted.target_class",
                          "spec.tile_size"));
  ExpectServes();
}

TEST_F(EvaluationsTest, UnknownModelsAndDataSetsAreNotFound) {
  v1::EvaluateRobustnessRequest request = QuickEvaluation();
  request.mutable_spec()->set_dataset("mnist");
  grpc::Status status = Refused(request);
  EXPECT_EQ(ReasonOf(status), "DATASET_NOT_FOUND");
  EXPECT_THAT(status.error_message(), HasSubstr("cifar10-sample"));
  request = QuickEvaluation();
  request.mutable_spec()->set_source_model("nobody");
  status = Refused(request);
  EXPECT_EQ(ReasonOf(status), "MODEL_NOT_FOUND");
  EXPECT_THAT(status.error_message(), HasSubstr("balanced"));
  request.mutable_spec()->set_model("No Cat");
  EXPECT_THAT(FieldsOf(Refused(request)), ElementsAre("spec.model"));
}

TEST_F(EvaluationsTest, OnlySoManyRunAtOnce) {
  Options options = DefaultOptions();
  options.limits.concurrent_evaluations = 1;
  Restart(options);
  const auto context = Context();
  std::string id;
  const Stream stream = Open(context.get(), EndlessEvaluation(), &id);
  const grpc::Status status = Refused(QuickEvaluation());
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(ReasonOf(status), "TOO_MANY_EVALUATIONS");
  google::rpc::RetryInfo retry;
  EXPECT_TRUE(FindDetail(status, &retry));
  ASSERT_TRUE(Cancel(id).ok());
}

TEST_F(EvaluationsTest, TheStoreGrowsNoLargerThanItMay) {
  Options options = DefaultOptions();
  options.limits.state_bytes = 1;
  Restart(options);
  v1::EvaluateRobustnessRequest request = QuickEvaluation();
  for (int levels = 1; levels <= 8; ++levels) {
    request.mutable_spec()->add_epsilons()->set_levels(levels);
  }
  std::vector<Response> messages;
  const grpc::Status status = Evaluate(request, &messages);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(ReasonOf(status), "STORAGE_FULL");
  EXPECT_THAT(status.error_message(),
              HasSubstr("limit of the evaluation store"));
  EXPECT_THAT(status.error_message(), HasSubstr("resumes once there is room"));
  ExpectServes();
}

TEST_F(EvaluationsTest, EvaluationsCanBeListedReadAndDeleted) {
  std::vector<Response> messages;
  ASSERT_TRUE(Evaluate(QuickEvaluation(), &messages).ok());
  const std::string id = messages.front().evaluation().id();

  v1::ListEvaluationsResponse list;
  ASSERT_TRUE(stub_->ListEvaluations(Context().get(), {}, &list).ok());
  ASSERT_EQ(list.evaluations_size(), 1);
  EXPECT_FALSE(list.evaluations(0).has_report());
  ASSERT_TRUE(Get(id.substr(0, 6)).ok());
  EXPECT_EQ(got_.evaluation().id(), id);
  EXPECT_TRUE(got_.evaluation().has_report());

  v1::ListEvaluationRecordsRequest records;
  records.set_id(id);
  records.set_page_size(15);
  v1::ListEvaluationRecordsResponse page;
  ASSERT_TRUE(
      stub_->ListEvaluationRecords(Context().get(), records, &page).ok());
  ASSERT_EQ(page.records_size(), 15);
  EXPECT_EQ(page.records(0).attacks_size(), 1);
  records.set_page_token(page.next_page_token());
  ASSERT_TRUE(
      stub_->ListEvaluationRecords(Context().get(), records, &page).ok());
  EXPECT_EQ(page.records_size(), 5);
  EXPECT_EQ(page.next_page_token(), "");

  v1::DeleteEvaluationRequest remove;
  remove.set_id(id);
  v1::DeleteEvaluationResponse removed;
  ASSERT_TRUE(stub_->DeleteEvaluation(Context().get(), remove, &removed).ok());
  EXPECT_EQ(ReasonOf(Get(id)), "EVALUATION_NOT_FOUND");
}

TEST_F(EvaluationsTest, ARunningEvaluationCannotBeDeleted) {
  const auto context = Context();
  std::string id;
  const Stream stream = Open(context.get(), EndlessEvaluation(), &id);
  v1::DeleteEvaluationRequest remove;
  remove.set_id(id);
  v1::DeleteEvaluationResponse removed;
  const grpc::Status status =
      stub_->DeleteEvaluation(Context().get(), remove, &removed);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(ReasonOf(status), "EVALUATION_RUNNING");
  ASSERT_TRUE(Cancel(id).ok());
}

TEST_F(EvaluationsTest, IdsAndPagesAreChecked) {
  EXPECT_THAT(FieldsOf(Get("abc")), ElementsAre("id"));
  EXPECT_THAT(FieldsOf(Get("not-hexadecimal")), ElementsAre("id"));
  EXPECT_EQ(ReasonOf(Get("0123456789")), "EVALUATION_NOT_FOUND");
  EXPECT_THAT(FieldsOf(Cancel("xyz")), ElementsAre("id"));

  v1::ListEvaluationsRequest request;
  v1::ListEvaluationsResponse response;
  request.set_page_size(1001);
  EXPECT_THAT(
      FieldsOf(stub_->ListEvaluations(Context().get(), request, &response)),
      ElementsAre("page_size"));
  request.set_page_size(10);
  request.set_page_token("forged");
  EXPECT_THAT(
      FieldsOf(stub_->ListEvaluations(Context().get(), request, &response)),
      ElementsAre("page_token"));
  ExpectServes();
}

}  // namespace
}  // namespace adv
