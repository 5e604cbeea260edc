#ifndef ADV_MODEL_STORE_TRAINER_CHECKPOINT_FILE_H_
#define ADV_MODEL_STORE_TRAINER_CHECKPOINT_FILE_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <chrono>
#include <string>

#include "engine/training/trainer.h"
#include "model_store/lease.h"

namespace adv {

// The file that keeps an unfinished run: <folder>/<model>.checkpoint. Not
// thread-safe.
class CheckpointFile {
 public:
  // The file is written only while `lease` is held; `lease` must outlive this
  // object. A save is due every `interval_seconds`.
  CheckpointFile(const std::string& folder, const std::string& model,
                 double interval_seconds, Lease* lease);

  const std::string& path() const { return path_; }

  // True if there was a checkpoint. If it does not fit, the error says what to
  // do.
  absl::StatusOr<bool> Load(Trainer* trainer) const;

  // The checkpoint is durable when Save returns. ABORTED if the lease is lost.
  absl::Status Save(const Trainer& trainer);

  bool due() const { return Clock::now() - last_save_ >= interval_; }

  // Removes the file if possible. Nothing depends on it.
  void Remove() const;

 private:
  using Clock = std::chrono::steady_clock;
  const std::string path_;
  const std::chrono::duration<double> interval_;
  Lease* const lease_;
  Clock::time_point last_save_ = Clock::now();
};

}  // namespace adv

#endif  // ADV_MODEL_STORE_TRAINER_CHECKPOINT_FILE_H_
