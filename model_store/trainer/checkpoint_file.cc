#include "model_store/trainer/checkpoint_file.h"

#include <absl/strings/str_cat.h>

#include <cstdint>
#include <filesystem>
#include <system_error>

#include "model_store/durable_file.h"

namespace adv {
namespace {

// 4 GiB, far more than a checkpoint of these networks has.
constexpr uint64_t kMaxCheckpointBytes = uint64_t{1} << 32;

}  // namespace

CheckpointFile::CheckpointFile(const std::string& folder,
                               const std::string& model,
                               double interval_seconds, Lease* lease)
    : path_(absl::StrCat(folder, "/", model, ".checkpoint")),
      interval_(interval_seconds),
      lease_(lease) {}

absl::StatusOr<bool> CheckpointFile::Load(Trainer* trainer) const {
  const absl::StatusOr<std::string> bytes =
      ReadFile(path_, kMaxCheckpointBytes);
  if (absl::IsNotFound(bytes.status())) return false;
  if (!bytes.ok()) return bytes.status();
  const absl::Status status = trainer->Restore(*bytes);
  if (status.ok()) return true;
  return absl::Status(status.code(),
                      absl::StrCat(path_, ": ", status.message(),
                                   " (to start over, remove it)"));
}

absl::Status CheckpointFile::Save(const Trainer& trainer) {
  // Made outside the lock, which other workers wait for.
  const absl::StatusOr<std::string> bytes = trainer.Checkpoint();
  if (!bytes.ok()) return bytes.status();
  last_save_ = Clock::now();
  return lease_->WhileHeld([&] { return WriteFileDurably(path_, *bytes); });
}

void CheckpointFile::Remove() const {
  std::error_code ignored;
  // Once the lease is lost, the file is another worker's.
  (void)lease_->WhileHeld([&] {
    std::filesystem::remove(path_, ignored);
    return absl::OkStatus();
  });
}

}  // namespace adv
