#ifndef ADV_MODEL_STORE_TRAINER_REPORTER_H_
#define ADV_MODEL_STORE_TRAINER_REPORTER_H_

#include <cstdio>
#include <string>

#include "model_store/trainer/metrics.h"
#include "model_store/trainer/progress.h"

namespace adv {

// Reports the progress of a run's models to people and to Prometheus.
// Thread-safe.
class Reporter {
 public:
  // `out` must outlive this.
  explicit Reporter(std::FILE* out) : printer_(out) {}

  TrainingMetrics& metrics() { return metrics_; }

  void Note(const std::string& model, const std::string& text) {
    printer_.Note(model, text);
  }
  // Sets the state of a model, and prints a note about it.
  void SetState(const std::string& model, ModelState state,
                const std::string& note = "");
  void Update(const std::string& model, const RunStatus& status);
  void EpochDone(const std::string& model, int64_t epoch, int64_t max_epochs,
                 const EpochRecord& record);

 private:
  ProgressPrinter printer_;
  TrainingMetrics metrics_;
};

}  // namespace adv

#endif  // ADV_MODEL_STORE_TRAINER_REPORTER_H_
