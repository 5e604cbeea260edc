#ifndef ADV_SERVER_WIRE_MODEL_WORK_H_
#define ADV_SERVER_WIRE_MODEL_WORK_H_

#include <absl/status/status.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "server/parts.h"
#include "server/wire/call.h"

namespace adv {

using ModelPtr = std::shared_ptr<const ServedModel>;
// OK: the call will be finished. Otherwise with that status, by the caller.
using WithModels = std::function<absl::Status(ModelPtr, ModelPtr)>;

// Calls `next` with both models, by which the call is finished: at once if they
// are in memory, otherwise on the loader, where few may wait, because each
// holds its images. `parts` must outlive the call.
void BorrowModels(const Parts& parts, UnaryCall* call, std::string model,
                  std::string source_model, WithModels next);

// The options of a job on `images`, of a lane by its cost.
JobOptions MakeJobOptions(const char* op, const ServedModel& model,
                          int64_t cost, const at::Tensor& images);

// Has `job` done on `executor`; the call is finished when it is.
absl::Status Compute(UnaryCall* call, Executor& executor, JobOptions options,
                     Executor::Job job);

}  // namespace adv

#endif  // ADV_SERVER_WIRE_MODEL_WORK_H_
