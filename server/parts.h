#ifndef ADV_SERVER_PARTS_H_
#define ADV_SERVER_PARTS_H_

#include <atomic>

#include "server/compute/executor.h"
#include "server/evaluations/evaluation_runner.h"
#include "server/evaluations/evaluation_store.h"
#include "server/limits.h"
#include "server/models/dataset_registry.h"
#include "server/models/model_registry.h"
#include "server/security/audit.h"
#include "server/security/gate.h"
#include "server/telemetry/log.h"
#include "server/telemetry/metrics.h"
#include "server/wire/call_count.h"
#include "server/wire/worker.h"

namespace adv {

// What the services work with. Nothing is owned; all outlive the services.
struct Parts {
  Executor& executor;
  // For what waits for endpoints, so that nobody who computes waits with it.
  Executor& endpoint_executor;
  ModelRegistry& models;
  const DatasetRegistry& datasets;
  EvaluationRunner& evaluations;
  const EvaluationStore& store;
  Worker& loader;   // loads models
  Worker& storage;  // waits for the evaluation store
  Gate& gate;
  Audit& audit;
  CallCount& calls;
  Metrics& metrics;
  Log& log;
  const Limits& limits;
  const std::atomic<bool>& draining;

  // Where work on both models is done; they may be one.
  Executor& ExecutorFor(const ServedModel& model,
                        const ServedModel& source) const {
    return AskEndpoints(model, source) ? endpoint_executor : executor;
  }
};

}  // namespace adv

#endif  // ADV_SERVER_PARTS_H_
