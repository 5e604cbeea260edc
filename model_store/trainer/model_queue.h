#ifndef ADV_MODEL_STORE_TRAINER_MODEL_QUEUE_H_
#define ADV_MODEL_STORE_TRAINER_MODEL_QUEUE_H_

#include <absl/status/statusor.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "engine/data/imbalance.h"
#include "model_store/lease.h"
#include "model_store/model_store.h"
#include "model_store/trainer/reporter.h"

namespace adv {

// A model of a run.
struct ModelTask {
  std::string name;  // the name to publish it under
  ImbalanceRecipe recipe;
  // The model is done once the store has a newer version than this: 0, or with
  // --force the newest version when the run began.
  uint64_t known_version = 0;
};

// A model for this worker to train, with its lease or the reason why there is
// none.
struct ClaimedModel {
  ModelTask task;
  absl::StatusOr<std::unique_ptr<Lease>> lease;
};

// Hands out the models of a run one by one. Models that other workers hold are
// left for later, when they are published or may be taken over. Thread-safe.
class ModelQueue {
 public:
  struct Options {
    std::string lease_folder;
    double lease_seconds = 60;
    bool wait = true;  // for models that other workers hold
  };

  // `reporter` is told about the models that are not handed out, and must
  // outlive this object. `stop` answers whether to stop.
  ModelQueue(ModelStore store, std::vector<ModelTask> tasks, Options options,
             Reporter* reporter, std::function<bool()> stop);

  // The next model that is neither published nor held by another worker. If
  // other workers hold all that are left, it waits or, if `wait` is false,
  // gives up. Nothing once all models are handed out or published, when asked
  // to stop, or after giving up.
  std::optional<ClaimedModel> Next();

 private:
  using Clock = std::chrono::steady_clock;
  using Tasks = std::list<ModelTask>;

  // Tries all waiting models, in order.
  std::optional<ClaimedModel> Look();
  // Whether the store has the model of `task`. If so, the reporter is told.
  absl::StatusOr<bool> IsPublished(const ModelTask& task) const;
  // A lease for a model that needs training; null if it is published.
  absl::StatusOr<std::unique_ptr<Lease>> Claim(const ModelTask& task);
  void NoteHeld(const std::string& model, const absl::Status& status);
  // Gives up the models that other workers hold.
  void LeaveTheRest();

  const ModelStore store_;
  const Options options_;
  Reporter* const reporter_;
  const std::function<bool()> stop_;

  std::mutex mutex_;  // guards all below
  std::condition_variable emptied_;
  Tasks waiting_;
  std::map<std::string, std::string> holders_;  // by model, as last reported
  Clock::time_point next_look_;
};

}  // namespace adv

#endif  // ADV_MODEL_STORE_TRAINER_MODEL_QUEUE_H_
