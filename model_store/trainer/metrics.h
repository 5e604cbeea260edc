#ifndef ADV_MODEL_STORE_TRAINER_METRICS_H_
#define ADV_MODEL_STORE_TRAINER_METRICS_H_

#include <absl/status/statusor.h>

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "engine/training/trainer.h"
#include "model_store/trainer/run_meter.h"
#include "net/page_server.h"

namespace prometheus {
class Registry;
}  // namespace prometheus

namespace adv {

// The state of each model of a run.
enum class ModelState { kWaiting, kRunning, kPublished, kFailed };

// The progress of training as metrics adv_train_* for Prometheus. The label
// "model" is the name under which a model is published. Thread-safe.
class TrainingMetrics {
 public:
  TrainingMetrics();
  ~TrainingMetrics();
  TrainingMetrics(const TrainingMetrics&) = delete;
  TrainingMetrics& operator=(const TrainingMetrics&) = delete;

  // Serves /metrics on `address` until this object ends; port 0 picks a free
  // one. Returns the address with the real port. UNAVAILABLE if it cannot
  // listen there.
  absl::StatusOr<Address> Serve(const Address& address);

  void SetState(const std::string& model, ModelState state);
  // Sets the gauges of a running model.
  void Update(const std::string& model, const RunStatus& status);
  // Sets the results of the model's epoch number `epoch`.
  void SetEpoch(const std::string& model, int64_t epoch,
                const EpochRecord& record);

  // All metrics in Prometheus's text form.
  std::string Text() const;

 private:
  const std::shared_ptr<prometheus::Registry> registry_;
  struct Families;
  const std::unique_ptr<Families> families_;

  std::mutex mutex_;
  std::map<std::string, ModelState> states_;  // guarded by mutex_
  // The last RunStatus::images_done of each running model; guarded by mutex_.
  std::map<std::string, int64_t> images_counted_;

  std::unique_ptr<PageServer> pages_;  // last, since it reads the others
};

}  // namespace adv

#endif  // ADV_MODEL_STORE_TRAINER_METRICS_H_
