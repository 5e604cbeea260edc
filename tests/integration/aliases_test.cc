// Models by other names.
#include <gmock/gmock.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "tests/integration/random_models.h"
#include "tests/integration/server_fixture.h"

namespace adv {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class AliasesTest : public ServerFixture {
 protected:
  AliasesTest() {
    EXPECT_TRUE(PublishRandomModel(folder_ / "store", "no-cat", 3).ok());
    Options options = DefaultOptions();
    options.state = folder_ / "state";
    Restart(options);
  }

  grpc::Status Set(const std::string& alias, const std::string& model) {
    v1::SetModelAliasRequest request;
    request.set_alias(alias);
    request.set_model(model);
    return models_->SetModelAlias(Context().get(), request, &set_);
  }
  grpc::Status Delete(const std::string& alias) {
    v1::DeleteModelAliasRequest request;
    request.set_alias(alias);
    v1::DeleteModelAliasResponse response;
    return models_->DeleteModelAlias(Context().get(), request, &response);
  }
  grpc::Status Classify(const std::string& model) {
    v1::ClassifyRequest request = GoodClassify();
    request.set_model(model);
    return stub_->Classify(Context().get(), request, &classified_);
  }
  // "name@version" of what classifies.
  std::string Answering(const std::string& model) {
    const grpc::Status status = Classify(model);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return classified_.model().name() + "@" +
           std::to_string(classified_.model().version());
  }
  std::vector<std::string> AliasesOf(const std::string& model) {
    v1::GetModelRequest request;
    request.set_model(model);
    v1::GetModelResponse response;
    EXPECT_TRUE(models_->GetModel(Context().get(), request, &response).ok());
    return {response.aliases().begin(), response.aliases().end()};
  }
  v1::ListModelsResponse List() {
    v1::ListModelsResponse list;
    EXPECT_TRUE(models_->ListModels(Context().get(), {}, &list).ok());
    return list;
  }

  v1::SetModelAliasResponse set_;
  v1::ClassifyResponse classified_;
};

TEST_F(AliasesTest, CallsReachWhatTheAliasStandsFor) {
  ASSERT_TRUE(Set("stable", "no-cat@1").ok());
  EXPECT_EQ(set_.alias().target(), "no-cat@1");
  EXPECT_EQ(Answering("stable"), "no-cat@1");
  EXPECT_EQ(set_.alias().model().digest(), classified_.model().digest());
  ASSERT_TRUE(Set("stable", "balanced").ok());
  EXPECT_EQ(Answering("stable"), "balanced@1");
  ASSERT_TRUE(Delete("stable").ok());
  const grpc::Status gone = Classify("stable");
  EXPECT_EQ(ReasonOf(gone), "MODEL_NOT_FOUND");
  EXPECT_EQ(ReasonOf(Delete("stable")), "MODEL_NOT_FOUND");
}

TEST_F(AliasesTest, ListsHaveThem) {
  EXPECT_THAT(List().aliases(), IsEmpty());
  ASSERT_TRUE(Set("stable", "no-cat@1").ok());
  ASSERT_TRUE(Set("canary", "no-cat").ok());
  const v1::ListModelsResponse list = List();
  ASSERT_EQ(list.aliases_size(), 2);
  EXPECT_EQ(list.aliases(0).name(), "canary");
  EXPECT_EQ(list.aliases(0).target(), "no-cat");
  EXPECT_EQ(list.aliases(0).model().version(), 2);
  EXPECT_EQ(list.aliases(1).model().version(), 1);
  EXPECT_THAT(AliasesOf("no-cat"), ElementsAre("canary"));
  EXPECT_THAT(AliasesOf("stable"), ElementsAre("stable"));
  EXPECT_THAT(AliasesOf("balanced"), IsEmpty());
}

TEST_F(AliasesTest, AreThereAgainAfterARestartAndLoaded) {
  ASSERT_TRUE(Set("stable", "no-cat@1").ok());
  ASSERT_TRUE(Set("canary", "balanced").ok());
  Options options = DefaultOptions();
  options.state = folder_ / "state";
  Restart(options);
  // The newest versions are loaded in any case.
  EXPECT_EQ(List().models(1).version(), 1);
  EXPECT_EQ(List().models(1).state(), v1::MODEL_STATE_READY);
  EXPECT_EQ(Answering("stable"), "no-cat@1");
  EXPECT_EQ(Answering("canary"), "balanced@1");
}

TEST_F(AliasesTest, ABrokenOneDoesNotKeepTheServerFromStarting) {
  ASSERT_TRUE(Set("stable", "no-cat@1").ok());
  std::filesystem::remove_all(std::string(folder_ / "store/no-cat/1"));
  Options options = DefaultOptions();
  options.state = folder_ / "state";
  Restart(options);
  EXPECT_THAT(log_text_.str(), HasSubstr("event=model_alias_broken"));
  ASSERT_EQ(List().aliases_size(), 1);
  EXPECT_FALSE(List().aliases(0).has_model());
  EXPECT_THAT(Classify("stable").error_message(), HasSubstr("no-cat@1"));
}

TEST_F(AliasesTest, AnEvaluationIsThatOfTheModel) {
  ASSERT_TRUE(Set("stable", "no-cat").ok());
  ASSERT_TRUE(Set("source", "balanced@1").ok());
  v1::EvaluateRobustnessRequest request = QuickEvaluation();
  std::vector<std::string> ids;
  for (const auto& [model, source] :
       std::vector<std::pair<const char*, const char*>>{
           {"no-cat@2", "balanced"}, {"stable", "source"}}) {
    request.mutable_spec()->set_model(model);
    request.mutable_spec()->set_source_model(source);
    std::vector<v1::EvaluateRobustnessResponse> messages;
    ASSERT_TRUE(Evaluate(request, &messages).ok());
    ids.push_back(messages.front().evaluation().id());
    EXPECT_EQ(messages.back().report().resolved().model().name(), "no-cat");
  }
  EXPECT_EQ(ids[0], ids[1]);
  // Both are one model, so this is no transfer.
  for (const char* source : {"", "stable"}) {
    request.mutable_spec()->set_model("no-cat");
    request.mutable_spec()->clear_source_model();
    if (*source != '\0') request.mutable_spec()->set_source_model(source);
    std::vector<v1::EvaluateRobustnessResponse> messages;
    ASSERT_TRUE(Evaluate(request, &messages).ok());
    ids.push_back(messages.front().evaluation().id());
  }
  EXPECT_EQ(ids[2], ids[3]);
}

TEST_F(AliasesTest, WrongRequestsAreToldByField) {
  EXPECT_THAT(FieldsOf(Set("No!", "no-cat")), ElementsAre("alias"));
  EXPECT_THAT(FieldsOf(Set("no-cat", "balanced")), ElementsAre("alias"));
  EXPECT_THAT(FieldsOf(Set("stable", "no-cat@x")), ElementsAre("model"));
  EXPECT_EQ(ReasonOf(Set("stable", "no-lion")), "MODEL_NOT_FOUND");
  EXPECT_THAT(List().aliases(), IsEmpty());
}

}  // namespace
}  // namespace adv
