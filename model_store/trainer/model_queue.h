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
  std::string name;  // published under it
  ImbalanceRecipe recipe;
  // Done once the store has a newer version: 0, or with --force the newest one
  // when the run began.
  uint64_t known_version = 0;
};

// A model that this worker is to train, with the lease for it; or why it
// cannot have one.
struct ClaimedModel {
  ModelTask task;
  absl::StatusOr<std::unique_ptr<Lease>> lease;
};

// Hands out the models of a run one by one. Those that other workers hold are
// left for later: by then they are published, or may be taken over.
// Thread-safe.
class ModelQueue {
 public:
  struct Options {
    std::string lease_folder;
    double lease_seconds = 60;
    bool wait = true;  // for models that other workers hold
  };

  // `reporter` is told what becomes of the models that are not handed out; it
  // must outlive this. `stop` is asked whether to stop.
  ModelQueue(ModelStore store, std::vector<ModelTask> tasks, Options options,
             Reporter* reporter, std::function<bool()> stop);

  // The next model that is neither published nor held by another worker. Waits
  // if there are only such as others hold. Nothing once all are handed out or
  // published, when asked to stop, or where it would have to wait but must not.
  std::optional<ClaimedModel> Next();

 private:
  using Clock = std::chrono::steady_clock;
  using Tasks = std::list<ModelTask>;

  // Tries all that wait, in order.
  std::optional<ClaimedModel> Look();
  // Whether the store has what `task` is to make, which then is told.
  absl::StatusOr<bool> IsPublished(const ModelTask& task) const;
  // A lease for a model that needs training; null if it is published.
  absl::StatusOr<std::unique_ptr<Lease>> Claim(const ModelTask& task);
  void NoteHeld(const std::string& model, const absl::Status& status);
  // For those that other workers hold, where it must not wait.
  void LeaveTheRest();

  const ModelStore store_;
  const Options options_;
  Reporter* const reporter_;
  const std::function<bool()> stop_;

  std::mutex mutex_;  // guards all below
  std::condition_variable emptied_;
  Tasks waiting_;
  std::map<std::string, std::string> holders_;  // by model, as last told
  Clock::time_point next_look_;
};

}  // namespace adv

#endif  // ADV_MODEL_STORE_TRAINER_MODEL_QUEUE_H_
