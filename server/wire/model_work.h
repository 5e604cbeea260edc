#ifndef ADV_SERVER_WIRE_MODEL_WORK_H_
#define ADV_SERVER_WIRE_MODEL_WORK_H_

#include <absl/status/status.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "server/parts.h"
#include "server/wire/call.h"

namespace adv {

using ModelPtr = std::shared_ptr<const ServedModel>;
// Returns OK if it will finish the call itself. Otherwise the caller finishes
// the call with its status.
using WithModels = std::function<absl::Status(ModelPtr, ModelPtr)>;

// Calls `next` with both models, and `next` finishes the call. It runs at once
// if the models are in memory. Otherwise it runs on the loader, where only few
// calls may wait, because each holds its images. `parts` must outlive the call.
void BorrowModels(const Parts& parts, UnaryCall* call, std::string model,
                  std::string source_model, WithModels next);

// The options of a job on `images`. The cost decides the lane.
JobOptions MakeJobOptions(const char* op, const ServedModel& model,
                          int64_t cost, const at::Tensor& images);

// The error if there is no room or time now to classify so many images, as a
// request says that it has. To be asked before they are decoded, which costs
// more than a refusal should. OK is no promise.
absl::Status OfferClassify(const Parts& parts, const UnaryCall& call,
                           const ServedModel& model, int64_t images);

// Runs `job` on `executor`, and finishes the call when the job ends.
absl::Status Compute(UnaryCall* call, Executor& executor, JobOptions options,
                     Executor::Job job);
// Likewise for a job in parts (see Executor::SubmitParts).
absl::Status ComputeParts(UnaryCall* call, Executor& executor,
                          JobOptions options, std::vector<Executor::Job> parts);

}  // namespace adv

#endif  // ADV_SERVER_WIRE_MODEL_WORK_H_
