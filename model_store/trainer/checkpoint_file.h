#ifndef ADV_MODEL_STORE_TRAINER_CHECKPOINT_FILE_H_
#define ADV_MODEL_STORE_TRAINER_CHECKPOINT_FILE_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <chrono>
#include <string>

#include "engine/training/trainer.h"
#include "model_store/lease.h"

namespace adv {

// The file in which an unfinished run is kept: <folder>/<model>.checkpoint.
// Not thread-safe.
class CheckpointFile {
 public:
  // Written only while `lease`, which must outlive this, is held; a save is due
  // every `interval_seconds`.
  CheckpointFile(const std::string& folder, const std::string& model,
                 double interval_seconds, Lease* lease);

  const std::string& path() const { return path_; }

  // True if there was one. The error of one that does not fit says what to do.
  absl::StatusOr<bool> Load(Trainer* trainer) const;

  // Durable when it returns. ABORTED if the lease is lost.
  absl::Status Save(const Trainer& trainer);

  bool due() const { return Clock::now() - last_save_ >= interval_; }

  // Nothing depends on its being gone.
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
