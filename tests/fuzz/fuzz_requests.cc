// Requests from outside: decoding survives anything, what is accepted is
// within the limits and good enough for the engine, and what is refused says
// why. A letter picks the request, its message follows:
//   (printf C; protoc -I proto --encode=adv.v1.ClassifyRequest
//     adv/v1/attack_evaluation_service.proto < TEXT) > corpus/requests/NAME
#include <ATen/ATen.h>
#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "adv/v1/attack_evaluation_service.pb.h"
#include "adv/v1/model_service.pb.h"
#include "engine/attacks/make_attack.h"
#include "google/rpc/error_details.pb.h"
#include "server/codec/codec_evaluation.h"
#include "server/codec/codec_requests.h"
#include "server/evaluations/sqlite_evaluation_store.h"
#include "server/models/dataset_registry.h"
#include "server/models/model_registry.h"
#include "server/wire/errors.h"
#include "server/wire/explain.h"
#include "tests/server/toy_model.h"
#include "tests/server/violations.h"

namespace adv {
namespace {

using ModelPtr = std::shared_ptr<const ServedModel>;

void Require(bool holds, const std::string& what) {
  if (holds) return;
  std::fprintf(stderr, "violated: %s\n", what.c_str());
  std::abort();
}

// Six images, two of each class.
std::shared_ptr<const Dataset> MakeDataset() {
  auto dataset = std::make_shared<Dataset>();
  dataset->name = "colours";
  dataset->class_names = {"red", "green", "blue"};
  dataset->images = at::zeros({6, 3, 2, 2}, at::kByte);
  dataset->labels = at::tensor({0, 1, 2, 0, 1, 2}, at::kLong);
  dataset->digest = std::string(64, 'e');
  return dataset;
}

ModelPtr MakeMisfit() {
  auto model = std::make_shared<ServedModel>(*MakeToyModel("misfit"));
  model->network = MakeChannelMeanNetwork({2, 1, 1});
  return model;
}

std::unique_ptr<EvaluationStore> MakeStore() {
  auto store = OpenSqliteStore({});
  Require(store.ok(), "a store in memory opens");
  v1::Evaluation evaluation;
  evaluation.set_id(std::string(64, 'a'));
  evaluation.mutable_resolved()->mutable_model()->set_name("toy");
  Require((*store)->Create(evaluation).ok(), "the store takes an evaluation");
  v1::EvaluationRecord record;
  Require((*store)->Append(evaluation.id(), {record}, {1}).ok(),
          "the store takes a record");
  return *std::move(store);
}

// What a server has at hand, small enough that limits are easily met.
struct Context {
  Limits limits;
  ModelRegistry models{ModelRegistryOptions()};  // knows none
  DatasetRegistry datasets = DatasetRegistry::Open({}).value();
  std::unique_ptr<EvaluationStore> store = MakeStore();
  ModelPtr toy = MakeToyModel();
  ModelPtr other = MakeToyModel("other");
  ModelPtr misfit = MakeMisfit();
  std::shared_ptr<const Dataset> colours = MakeDataset();

  Context() {
    google::protobuf::SetLogHandler(nullptr);  // a line for each bad string
    limits.images_per_request = 4;
    limits.steps = 8;
    limits.queries = 50;
    limits.epsilons = 3;
    limits.attacks = 2;
  }
  ModelPtr Source(const std::string& name) const {
    return name == "toy" ? toy : name == "misfit" ? misfit : other;
  }
};

Context& TheContext() {
  static auto& context = *new Context;
  return context;
}

int64_t ValuesPerImage(const Network& network) {
  return c10::multiply_integers(network.traits().image_shape);
}

// Base64, and percent signs before what is not printable.
size_t TrailerBytes(const grpc::Status& status) {
  const std::string message = status.error_message();
  const size_t plain =
      std::count_if(message.begin(), message.end(),
                    [](char c) { return c >= ' ' && c <= '~' && c != '%'; });
  return plain + 3 * (message.size() - plain) +
         status.error_details().size() * 4 / 3;
}

// A refusal is the caller's fault, and tells which.
void CheckRefusal(const absl::Status& status) {
  const std::string text = status.ToString();
  Require(!ReasonName(status).empty(), "a refusal has a reason: " + text);
  Require(TrailerBytes(ToGrpcStatus(status)) < 8000,
          "a refusal fits gRPC's trailers: " + text);
  if (absl::IsNotFound(status)) {
    const auto payload =
        status.GetPayload("type.googleapis.com/google.rpc.ResourceInfo");
    google::rpc::ResourceInfo info;
    Require(payload && info.ParseFromString(std::string(*payload)) &&
                !info.resource_type().empty() && !info.description().empty(),
            "NOT_FOUND names the resource: " + text);
    return;
  }
  Require(absl::IsInvalidArgument(status),
          "a refusal has one of three codes: " + text);
  const auto violations = ViolationsOf(status);
  Require(!violations.empty() && !violations.front().first.empty(),
          "a refusal names a field: " + text);
  for (const auto& violation : violations) {
    Require(!violation.second.empty(), "a violation says what: " + text);
  }
}

template <typename Result>
bool Accepted(const absl::StatusOr<Result>& result) {
  if (!result.ok()) CheckRefusal(result.status());
  return result.ok();
}

void CheckModelName(const std::string& name, absl::string_view field) {
  const auto model = TheContext().models.Borrow(name);
  CheckRefusal(ExplainModel(model.status(), name, field));
}

void CheckImages(const at::Tensor& images, const Network& network) {
  Require(images.defined() && images.scalar_type() == at::kFloat &&
              images.is_contiguous(at::MemoryFormat::ChannelsLast) &&
              images.dim() == 4 &&
              images.sizes().slice(1) ==
                  at::IntArrayRef(network.traits().image_shape),
          "images are the model's");
  Require(images.size(0) >= 1 &&
              images.size(0) <= TheContext().limits.images_per_request,
          "the batch is within the limit");
  Require(images.ge(0).logical_and(images.le(1)).all().item<bool>(),
          "pixels are in the box");
}

void CheckClasses(const at::Tensor& classes, int64_t count,
                  const Network& network) {
  if (!classes.defined()) return;
  Require(classes.sizes() == at::IntArrayRef({count}) &&
              classes.min().item<int64_t>() >= 0 &&
              classes.max().item<int64_t>() < network.traits().classes,
          "labels and targets are classes, one for each image");
}

void CheckSteps(const AttackConfig& attack) {
  const auto* igsm = std::get_if<IgsmConfig>(&attack);
  Require(igsm == nullptr || !igsm->steps ||
              *igsm->steps <= TheContext().limits.steps,
          "steps are within the limit");
}

void FuzzClassify(const v1::ClassifyRequest& request) {
  const Context& context = TheContext();
  CheckModelName(request.model(), "model");
  const auto task = DecodeClassify(request, context.toy, context.limits);
  if (!Accepted(task)) return;
  const Network& network = *context.toy->network;
  CheckImages(task->images, network);
  Require(task->top_k >= 1 && task->top_k <= network.traits().classes,
          "top_k is within the classes");
  v1::ClassifyResponse response;
  EncodeClassify(*task, network.Logits(task->images).value(), &response);
  Require(response.results_size() == task->images.size(0),
          "each image has an answer");
}

void FuzzGenerate(const v1::GenerateAdversarialRequest& request) {
  const Context& context = TheContext();
  CheckModelName(request.model(), "model");
  CheckModelName(request.source_model(), "source_model");
  const auto task = DecodeGenerate(
      request, context.toy,
      request.has_source_model() ? context.Source(request.source_model())
                                 : context.toy,
      request.has_dataset_images() ? context.colours : nullptr, context.limits);
  if (!Accepted(task)) return;
  const Network& network = *context.toy->network;
  CheckImages(task->images, network);
  CheckClasses(task->labels, task->images.size(0), network);
  CheckClasses(task->targets, task->images.size(0), network);
  CheckSteps(task->attack);
  const auto attack = MakeAttack(task->attack);
  Require(attack.ok(), "the engine takes the attack");
  Require(ValidateRun((*attack)->traits(), task->options,
                      {ValuesPerImage(network), network.traits().classes,
                       request.goal().has_targeted()})
              .ok(),
          "the engine takes the options");
  const auto images = Perturb(*task, [] { return absl::OkStatus(); });
  if (!Accepted(images)) return;  // a target that is the predicted label
  v1::GenerateAdversarialResponse response;
  EncodeGenerate(request, *task, *images, &response);
  Require(response.results_size() == task->images.size(0),
          "each image has a result");
}

void FuzzEvaluate(const v1::EvaluateRobustnessRequest& request) {
  const Context& context = TheContext();
  const v1::EvaluationSpec& spec = request.spec();
  CheckModelName(spec.model(), "spec.model");
  EvaluationInputs inputs{context.toy, context.toy, context.colours};
  if (spec.has_source_model()) {
    inputs.source_model = context.Source(spec.source_model());
  }
  if (const auto dataset = context.datasets.Find(spec.dataset());
      dataset.ok()) {
    inputs.dataset = *dataset;
  } else {
    CheckRefusal(ExplainDataset(dataset.status(), spec.dataset()));
  }
  const auto decoded = DecodeEvaluationSpec(spec, inputs, context.limits);
  if (!Accepted(decoded)) return;
  const EvaluationPlan& plan = decoded->plan;
  const Network& network = *context.toy->network;
  Require(Validate(plan, network.traits().image_shape, network.traits().classes)
              .ok(),
          "the engine takes the plan");
  Require(plan.attacks.size() <= context.limits.attacks &&
              plan.epsilons.size() <= context.limits.epsilons,
          "attacks and epsilons are within the limits");
  for (const AttackConfig& attack : plan.attacks) CheckSteps(attack);
  Require(!decoded->indices.empty() && decoded->indices.front() >= 0 &&
              decoded->indices.back() < inputs.dataset->size(),
          "the samples are of the data set");
  // All that decides the result is in the resolved specification.
  const auto again =
      DecodeEvaluationSpec(decoded->resolved.spec(), inputs, context.limits);
  Require(again.ok() &&
              EvaluationId(again->resolved) == EvaluationId(decoded->resolved),
          "a resolved specification resolves to itself");
}

void FuzzEvaluations(const v1::ListEvaluationsRequest& request) {
  const auto size = DecodePageSize(request);
  if (!Accepted(size)) return;
  Require(*size >= 1 && *size <= 1000, "a page has 1 to 1000 evaluations");
  const auto page =
      TheContext().store->List(*size, request.page_token(), request.model());
  if (!page.ok()) CheckRefusal(ExplainPageToken(page.status()));
}

void FuzzRecords(const v1::ListEvaluationRecordsRequest& request) {
  const EvaluationStore& store = *TheContext().store;
  const auto size = DecodePageSize(request);
  if (Accepted(size)) {
    Require(*size >= 1 && *size <= 10000, "a page has 1 to 10000 records");
  }
  const auto id = store.ResolveId(request.id());
  if (!id.ok()) {
    CheckRefusal(ExplainEvaluationId(id.status(), request.id()));
  } else if (size.ok()) {
    const auto page = store.Records(*id, *size, request.page_token());
    if (!page.ok()) CheckRefusal(ExplainPageToken(page.status()));
  }
}

// GetEvaluation; CancelEvaluation and DeleteEvaluation have the same field.
void FuzzId(const v1::GetEvaluationRequest& request) {
  const auto id = TheContext().store->ResolveId(request.id());
  if (!id.ok()) CheckRefusal(ExplainEvaluationId(id.status(), request.id()));
}

void FuzzModel(const v1::GetModelRequest& request) {
  const auto model = TheContext().models.Get(request.model());
  CheckRefusal(ExplainModel(model.status(), request.model(), "model"));
  CheckModelName(request.model(), "model");
}

template <typename Request>
void Fuzz(void (*fuzz)(const Request&), const uint8_t* data, size_t size) {
  TheContext();
  Request request;
  if (request.ParseFromArray(data, static_cast<int>(size))) fuzz(request);
}

}  // namespace
}  // namespace adv

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const uint8_t* const message = data + 1;
  const size_t bytes = size - 1;
  switch (data[0]) {
    case 'C':
      adv::Fuzz(adv::FuzzClassify, message, bytes);
      break;
    case 'G':
      adv::Fuzz(adv::FuzzGenerate, message, bytes);
      break;
    case 'E':
      adv::Fuzz(adv::FuzzEvaluate, message, bytes);
      break;
    case 'L':
      adv::Fuzz(adv::FuzzEvaluations, message, bytes);
      break;
    case 'R':
      adv::Fuzz(adv::FuzzRecords, message, bytes);
      break;
    case 'I':
      adv::Fuzz(adv::FuzzId, message, bytes);
      break;
    case 'M':
      adv::Fuzz(adv::FuzzModel, message, bytes);
      break;
    default:
      break;
  }
  return 0;
}
