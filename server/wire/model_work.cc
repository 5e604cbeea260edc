#include "server/wire/model_work.h"

#include <ATen/core/Tensor.h>
#include <absl/status/statusor.h>
#include <c10/util/accumulate.h>

#include <algorithm>
#include <utility>

#include "server/compute/cost.h"
#include "server/compute/exceptions.h"
#include "server/wire/explain.h"

namespace adv {
namespace {

// Work that takes longer than about a second on two cores is not interactive.
constexpr int64_t kInteractiveCost = 2048;

JobOptions OptionsOf(const char* op, const ServedModel& model, int64_t cost,
                     int64_t bytes) {
  JobOptions options;
  options.op = op;
  options.model = model.full_name();
  options.cost = cost;
  options.lane = cost <= kInteractiveCost ? Lane::kInteractive : Lane::kBulk;
  options.bytes = bytes;
  return options;
}

}  // namespace

void BorrowModels(const Parts& parts, UnaryCall* call, std::string model,
                  std::string source_model, WithModels next) {
  // Returns false, without any effect on the call, if a model is not in memory
  // and may not be loaded. Otherwise the call is finished, or `next` will
  // finish it.
  const auto run = [&parts, call, model = std::move(model),
                    source_model = std::move(source_model),
                    next = std::move(next)](bool may_load) {
    const auto borrow = [&parts, may_load](const std::string& name) {
      return may_load ? parts.models.Borrow(name)
                      : parts.models.BorrowLoaded(name);
    };
    bool loaded = true;
    const absl::Status status = CatchExceptions([&] {
      absl::StatusOr<ModelPtr> target = borrow(model);
      if (!target.ok()) return ExplainModel(target.status(), model, "model");
      // One name is one model, even if a newer version is swapped in between:
      // two versions would make a transfer of it.
      absl::StatusOr<ModelPtr> source =
          source_model == model ? target : borrow(source_model);
      if (!source.ok()) {
        return ExplainModel(source.status(), source_model, "source_model");
      }
      // BorrowLoaded gives null for a model that is known but not in memory.
      loaded = *target != nullptr && *source != nullptr;
      return loaded ? next(*std::move(target), *std::move(source))
                    : absl::OkStatus();
    });
    if (!status.ok()) call->Finish(status);
    return loaded;
  };
  // gRPC's thread tries first without disks, so that loaded models answer even
  // if the loader is busy.
  if (run(/*may_load=*/false)) return;
  if (!parts.loader.Run([run] { run(/*may_load=*/true); })) {
    call->Finish(TooManyCalls("models to load"));
  }
}

JobOptions MakeJobOptions(const char* op, const ServedModel& model,
                          int64_t cost, const at::Tensor& images) {
  return OptionsOf(op, model, cost, static_cast<int64_t>(images.nbytes()));
}

absl::Status OfferClassify(const Parts& parts, const UnaryCall& call,
                           const ServedModel& model, int64_t images) {
  // What the request says is not checked yet, and may be any number.
  images = std::clamp<int64_t>(images, 1, parts.limits.images_per_request);
  const int64_t values =
      c10::multiply_integers(model.network->traits().image_shape);
  JobOptions options = OptionsOf("classify", model, images * kClassifyCost,
                                 images * values * sizeof(float));
  options.deadline = call.frame().deadline();
  options.identity = call.frame().executor_identity();
  Executor& executor = parts.ExecutorFor(model, model);
  return ExplainJob(executor.Offer(options), executor, options.lane);
}

absl::Status Compute(UnaryCall* call, Executor& executor, JobOptions options,
                     Executor::Job job) {
  std::vector<Executor::Job> parts;
  parts.push_back(std::move(job));
  return ComputeParts(call, executor, std::move(options), std::move(parts));
}

absl::Status ComputeParts(UnaryCall* call, Executor& executor,
                          JobOptions options,
                          std::vector<Executor::Job> parts) {
  options.cancel = call->frame().cancel();
  options.deadline = call->frame().deadline();
  options.identity = call->frame().executor_identity();
  const Lane lane = options.lane;
  const int64_t cost = options.cost;
  if (absl::Status charged = call->frame().Charge(cost); !charged.ok()) {
    return charged;
  }
  const absl::Status status = executor.SubmitParts(
      std::move(options), std::move(parts),
      [call, &executor, lane](const absl::Status& end) {
        // What is late before its deadline was refused when its turn came.
        const bool refused = absl::IsDeadlineExceeded(end) &&
                             executor.clock().Now() < call->frame().deadline();
        call->Finish(refused ? ExplainJob(end, executor, lane) : end);
      });
  // If the executor refuses, it never calls `done`, and the caller finishes the
  // call.
  if (!status.ok()) call->frame().Refund(cost);
  return ExplainJob(status, executor, lane);
}

}  // namespace adv
