#include "tests/client/fake_server.h"

#include <algorithm>
#include <condition_variable>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "client/attacks/epsilon.h"
#include "client/printers/numbers.h"
#include "grpcpp/health_check_service_interface.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server_builder.h"
#include "tests/client/canned_records.h"

namespace adv::testing {
namespace {

constexpr int kImageBytes = 3072;

// The evaluation that an id stands for; of other ids no-cat's.
v1::Evaluation KnownEvaluation(const std::string& id) {
  return CannedEvaluation(StoredSpec(id));
}

void AddScore(int label, double probability, v1::Classification* into) {
  auto* score = into->add_top();
  score->set_label(label);
  score->set_class_name(ClassNames()[label]);
  score->set_probability(probability);
}

}  // namespace

class FakeServer::Evaluations final
    : public v1::AttackEvaluationService::Service {
 public:
  explicit Evaluations(FakeServer& fake) : fake_(fake) {}

  grpc::Status Classify(grpc::ServerContext* context,
                        const v1::ClassifyRequest* request,
                        v1::ClassifyResponse* response) override {
    const std::lock_guard<std::mutex> lock(fake_.mutex_);
    fake_.log_.classifications.push_back(*request);
    if (fake_.log_.classifications.size() <= fake_.options_.refused) {
      return {grpc::StatusCode::RESOURCE_EXHAUSTED, "the queue is full"};
    }
    if (!fake_.options_.fail.ok()) return fake_.options_.fail;
    response->mutable_model()->set_name(request->model());
    response->mutable_model()->set_version(1);
    for (int i = 0; i < request->images().shape(0); ++i) {
      auto* result = response->add_results();
      AddScore(3, .8125, result);
      AddScore(5, .12, result);
      AddScore(2, .0004, result);
    }
    return fake_.Answer(response);
  }

  // Adds epsilon to every byte that has room for it.
  grpc::Status GenerateAdversarial(
      grpc::ServerContext* context,
      const v1::GenerateAdversarialRequest* request,
      v1::GenerateAdversarialResponse* response) override {
    const std::lock_guard<std::mutex> lock(fake_.mutex_);
    fake_.log_.attacks.push_back(*request);
    if (!fake_.options_.fail.ok()) return fake_.options_.fail;
    response->mutable_model()->set_name(request->model());
    response->mutable_model()->set_version(1);
    *response->mutable_attack() = request->attack();
    if (request->has_dataset_images()) {
      AddDatasetImages(*request, fake_.options_.odd_image, response);
      return fake_.Answer(response);
    }
    *response->mutable_images() = request->images();
    const int change = static_cast<int>(Pixels(request->epsilon()) * 255);
    for (char& byte : *response->mutable_images()->mutable_data()) {
      byte = static_cast<char>(
          std::min(static_cast<unsigned char>(byte) + change, 255));
    }
    auto* result = response->add_results();
    result->set_label(request->labels().empty() ? 3 : request->labels(0));
    AddScore(3, .98, result->mutable_clean());
    AddScore(5, .01, result->mutable_clean());
    AddScore(5, .91, result->mutable_adversarial());
    AddScore(3, .05, result->mutable_adversarial());
    auto* record = result->mutable_record();
    record->set_target(-1);
    record->set_prediction(5);
    record->set_confidence(.91);
    record->set_success(true);
    record->set_iterations(2);
    record->set_l0(kImageBytes);
    record->set_l2(1.74);
    record->set_linf(change / 255.0);
    record->set_queries(7);
    for (const std::string& warning : fake_.options_.attack_warnings) {
      response->add_warnings(warning);
    }
    if (fake_.options_.wrong_from_the_start) {
      *response->mutable_images() = request->images();
      *result->mutable_clean() = result->adversarial();
      record->set_iterations(0);
      for (auto* size : {"l0", "l2", "linf"}) {
        record->GetReflection()->ClearField(
            record, record->GetDescriptor()->FindFieldByName(size));
      }
    }
    return fake_.Answer(response);
  }

  grpc::Status EvaluateRobustness(
      grpc::ServerContext* context,
      const v1::EvaluateRobustnessRequest* request,
      grpc::ServerWriter<v1::EvaluateRobustnessResponse>* writer) override {
    {
      const std::lock_guard<std::mutex> lock(fake_.mutex_);
      fake_.log_.evaluations.push_back(*request);
      if (!fake_.options_.fail.ok()) return fake_.options_.fail;
    }
    v1::Evaluation done = CannedEvaluation(request->spec());
    if (!request->expected_id().empty() &&
        request->expected_id() != done.id()) {
      return {grpc::StatusCode::FAILED_PRECONDITION, "it has changed"};
    }
    MarkRecords(fake_.options_.odd_records, done.mutable_report());
    fake_.Answer(&done);
    v1::EvaluateRobustnessResponse message;
    *message.mutable_evaluation() = done;
    message.mutable_evaluation()->clear_report();
    message.mutable_evaluation()->set_state(v1::EVALUATION_STATE_RUNNING);
    writer->Write(message);
    auto* progress = message.mutable_progress();
    progress->set_samples_done(500);
    progress->set_samples_total(1000);
    progress->set_samples_per_second(800);
    progress->set_eta_seconds(.6);
    for (const auto& result : done.report().results()) {
      *progress->add_robust_accuracy() = result.overall().robust_accuracy();
    }
    writer->Write(message);
    // The client's cancel is all that ends this; there is nothing to wait on
    // in the synchronous API, so it is asked for again and again.
    while (fake_.options_.hold_evaluations && !context->IsCancelled()) {
      std::this_thread::yield();
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    if (context->IsCancelled()) return grpc::Status::CANCELLED;
    *message.mutable_report() = done.report();
    writer->Write(message);
    return grpc::Status::OK;
  }

  grpc::Status GetEvaluation(grpc::ServerContext* context,
                             const v1::GetEvaluationRequest* request,
                             v1::GetEvaluationResponse* response) override {
    if (!fake_.options_.fail.ok()) return fake_.options_.fail;
    if (!Knows(request->id())) {
      return {grpc::StatusCode::NOT_FOUND,
              absl::StrCat("no evaluation ", request->id())};
    }
    v1::Evaluation& evaluation = *response->mutable_evaluation();
    evaluation = KnownEvaluation(request->id());
    MarkRecords(fake_.options_.odd_records, evaluation.mutable_report());
    evaluation.set_state(fake_.options_.hold_evaluations
                             ? v1::EVALUATION_STATE_RUNNING
                             : fake_.options_.state);
    if (evaluation.state() != v1::EVALUATION_STATE_SUCCEEDED) {
      evaluation.clear_report();
      evaluation.set_samples_done(500);
    }
    return fake_.Answer(response);
  }

  // Two pages of one evaluation each.
  grpc::Status ListEvaluations(grpc::ServerContext* context,
                               const v1::ListEvaluationsRequest* request,
                               v1::ListEvaluationsResponse* response) override {
    if (!fake_.options_.fail.ok()) return fake_.options_.fail;
    auto* one = response->add_evaluations();
    *one = KnownEvaluation("a0");
    one->clear_report();
    if (request->page_token().empty()) {
      response->set_next_page_token("2");
    } else {
      one->set_state(v1::EVALUATION_STATE_CANCELLED);
      one->set_samples_done(256);
    }
    return fake_.Answer(response);
  }

  grpc::Status CancelEvaluation(
      grpc::ServerContext* context, const v1::CancelEvaluationRequest* request,
      v1::CancelEvaluationResponse* response) override {
    if (!fake_.options_.fail.ok()) return fake_.options_.fail;
    const std::lock_guard<std::mutex> lock(fake_.mutex_);
    fake_.log_.cancelled.push_back(request->id());
    response->mutable_evaluation()->set_id(request->id());
    response->mutable_evaluation()->set_state(v1::EVALUATION_STATE_CANCELLED);
    return fake_.Answer(response);
  }

  grpc::Status DeleteEvaluation(grpc::ServerContext* context,
                                const v1::DeleteEvaluationRequest* request,
                                v1::DeleteEvaluationResponse*) override {
    if (request->id() == "running") {
      return {grpc::StatusCode::FAILED_PRECONDITION,
              "it runs; cancel it first"};
    }
    return fake_.options_.fail;
  }

  // In pages.
  grpc::Status ListEvaluationRecords(
      grpc::ServerContext* context,
      const v1::ListEvaluationRecordsRequest* request,
      v1::ListEvaluationRecordsResponse* response) override {
    if (!fake_.options_.fail.ok()) return fake_.options_.fail;
    const int begin =
        request->page_token().empty() ? 0 : std::stoi(request->page_token());
    const int records = fake_.options_.records;
    const int end = std::min<int>(
        records, begin + std::min<int>(request->page_size(), 300));
    for (int i = begin; i < end; ++i) {
      *response->add_records() =
          MakeRecord(i, StoredSpec(request->id()), fake_.options_.odd_records);
    }
    if (end < records) response->set_next_page_token(absl::StrCat(end));
    return grpc::Status::OK;
  }

 private:
  bool Knows(const std::string& id) {
    const std::lock_guard<std::mutex> lock(fake_.mutex_);
    if (fake_.options_.forgetful && fake_.log_.evaluations.empty()) {
      return false;
    }
    return id.rfind("a0", 0) == 0 || id.rfind("b0", 0) == 0;
  }

  FakeServer& fake_;
};

class FakeServer::Models final : public v1::ModelService::Service {
 public:
  explicit Models(FakeServer& fake) : fake_(fake), options_(fake.options_) {}

  grpc::Status ListModels(grpc::ServerContext* context,
                          const v1::ListModelsRequest*,
                          v1::ListModelsResponse* response) override {
    if (!options_.fail.ok()) return options_.fail;
    for (v1::Model model : options_.models) {
      model.mutable_manifest()->mutable_training()->clear_epochs();
      *response->add_models() = model;
    }
    const std::lock_guard<std::mutex> lock(fake_.mutex_);
    for (const auto& [alias, target] : aliases_) {
      *response->add_aliases() = Describe(alias, target);
    }
    return fake_.Answer(response);
  }

  grpc::Status GetModel(grpc::ServerContext* context,
                        const v1::GetModelRequest* request,
                        v1::GetModelResponse* response) override {
    if (!options_.fail.ok()) return options_.fail;
    const std::string name(absl::StripSuffix(
        request->model().substr(0, request->model().find('@')), options_.tail));
    for (const v1::Model& model : options_.models) {  // the newest is last
      if (model.name() == name && model.state() == v1::MODEL_STATE_READY) {
        *response->mutable_model() = model;
      }
    }
    if (response->has_model()) return fake_.Answer(response);
    return {grpc::StatusCode::NOT_FOUND,
            absl::StrCat("unknown model '", request->model(),
                         "'; known are balanced, no-cat")};
  }

  grpc::Status ReloadModels(grpc::ServerContext* context,
                            const v1::ReloadModelsRequest*,
                            v1::ReloadModelsResponse* response) override {
    if (!options_.fail.ok()) return options_.fail;
    auto* loaded = response->add_loaded();
    loaded->set_name("no-dog");
    loaded->set_version(2);
    return fake_.Answer(response);
  }

  grpc::Status SetModelAlias(grpc::ServerContext* context,
                             const v1::SetModelAliasRequest* request,
                             v1::SetModelAliasResponse* response) override {
    if (!options_.fail.ok()) return options_.fail;
    const std::lock_guard<std::mutex> lock(fake_.mutex_);
    aliases_[request->alias()] = request->model();
    *response->mutable_alias() = Describe(request->alias(), request->model());
    return fake_.Answer(response);
  }

  grpc::Status DeleteModelAlias(
      grpc::ServerContext* context, const v1::DeleteModelAliasRequest* request,
      v1::DeleteModelAliasResponse* response) override {
    if (!options_.fail.ok()) return options_.fail;
    const std::lock_guard<std::mutex> lock(fake_.mutex_);
    if (aliases_.erase(request->alias()) > 0) return fake_.Answer(response);
    return {grpc::StatusCode::NOT_FOUND, "there is no such alias"};
  }

 private:
  // Of version 1 of a model, as all are that it has.
  static v1::ModelAlias Describe(const std::string& alias,
                                 const std::string& target) {
    v1::ModelAlias described;
    described.set_name(alias);
    described.set_target(target);
    described.mutable_model()->set_name(target.substr(0, target.find('@')));
    described.mutable_model()->set_version(1);
    described.mutable_model()->set_digest(std::string(64, 'a'));
    return described;
  }

  std::map<std::string, std::string> aliases_;  // guarded by fake_.mutex_
  FakeServer& fake_;
  const FakeOptions& options_;
};

class FakeServer::Info final : public v1::ServerService::Service {
 public:
  explicit Info(FakeServer& fake) : fake_(fake), options_(fake.options_) {}

  grpc::Status GetServerInfo(grpc::ServerContext* context,
                             const v1::GetServerInfoRequest*,
                             v1::GetServerInfoResponse* response) override {
    if (!options_.fail.ok()) return options_.fail;
    response->set_version("0.1.0");
    response->add_libraries("LibTorch 1.13.1");
    response->set_device("CPU: Fake 9000");
    response->set_executor_threads(2);
    response->set_intra_op_threads(1);
    response->mutable_started_at()->set_seconds(1795000000);
    response->mutable_limits()->set_message_bytes(16 << 20);
    response->mutable_limits()->set_images_per_request(
        options_.images_per_request);
    response->mutable_limits()->set_attacks(8);
    response->mutable_limits()->set_concurrent_evaluations(1000);
    auto* dataset = response->add_datasets();
    dataset->set_name("cifar10-sample");
    dataset->set_size(1000);
    dataset->set_sha256(options_.dataset_sha256);
    for (const auto& name : ClassNames()) dataset->add_class_names(name);
    for (const char* name : {"fgsm", "igsm", "mi_fgsm", "boundary"}) {
      response->add_attacks(name);
    }
    return fake_.Answer(response);
  }

 private:
  FakeServer& fake_;
  const FakeOptions& options_;
};

FakeServer::FakeServer(FakeOptions options, const std::string& address)
    : options_(std::move(options)),
      evaluations_(std::make_unique<Evaluations>(*this)),
      models_(std::make_unique<Models>(*this)),
      info_(std::make_unique<Info>(*this)) {
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(evaluations_.get());
  builder.RegisterService(models_.get());
  builder.RegisterService(info_.get());
  server_ = builder.BuildAndStart();
  for (const char* name : {"adv.v1.AttackEvaluationService", "model/no-cat"}) {
    server_->GetHealthCheckService()->SetServingStatus(name, options_.ready);
  }
  address_ = absl::StrCat("127.0.0.1:", port);
}

FakeServer::~FakeServer() {
  server_->Shutdown(std::chrono::system_clock::now());
}

grpc::Status FakeServer::Answer(google::protobuf::Message* message) const {
  if (!options_.tail.empty()) AppendToTexts(options_.tail, message);
  return grpc::Status::OK;
}

FakeLog FakeServer::log() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return log_;
}

}  // namespace adv::testing
