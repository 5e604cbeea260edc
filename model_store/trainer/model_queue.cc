#include "model_store/trainer/model_queue.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <utility>

namespace adv {
namespace {

// The time between two questions whether to stop.
constexpr std::chrono::milliseconds kStopInterval(100);

// The time between two looks at the models that others hold: short beside a
// lease, but no burden on a file server.
std::chrono::duration<double> LookInterval(double lease_seconds) {
  return std::chrono::duration<double>(
      std::clamp(lease_seconds / 12, 0.2, 5.0));
}

}  // namespace

ModelQueue::ModelQueue(ModelStore store, std::vector<ModelTask> tasks,
                       Options options, Reporter* reporter,
                       std::function<bool()> stop)
    : store_(std::move(store)),
      options_(std::move(options)),
      reporter_(reporter),
      stop_(std::move(stop)) {
  for (ModelTask& task : tasks) {
    reporter_->SetState(task.name, ModelState::kWaiting);
    waiting_.push_back(std::move(task));
  }
}

std::optional<ClaimedModel> ModelQueue::Next() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (!waiting_.empty() && !stop_()) {
    if (Clock::now() >= next_look_) {
      std::optional<ClaimedModel> claimed = Look();
      if (claimed) return claimed;
      if (waiting_.empty()) break;
      if (!options_.wait) {
        LeaveTheRest();
        break;
      }
      next_look_ = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                      LookInterval(options_.lease_seconds));
    }
    // Wakes early when another thread finds that nothing is left. A signal
    // handler cannot notify, so `stop_` is asked again and again.
    emptied_.wait_for(lock, kStopInterval);
  }
  // The others must not wait for a model that is gone.
  emptied_.notify_all();
  return std::nullopt;
}

std::optional<ClaimedModel> ModelQueue::Look() {
  for (auto task = waiting_.begin(); task != waiting_.end();) {
    absl::StatusOr<std::unique_ptr<Lease>> lease = Claim(*task);
    if (absl::IsUnavailable(lease.status())) {
      NoteHeld(task->name, lease.status());
      ++task;
      continue;
    }
    // Published models leave the queue without being handed out. An error of
    // the claim is handed out, so that the caller reports the model as failed.
    ClaimedModel claimed{std::move(*task), std::move(lease)};
    task = waiting_.erase(task);
    const bool published = claimed.lease.ok() && *claimed.lease == nullptr;
    if (!published) return claimed;
  }
  return std::nullopt;
}

absl::StatusOr<bool> ModelQueue::IsPublished(const ModelTask& task) const {
  const absl::StatusOr<uint64_t> version = store_.LatestVersion(task.name);
  if (absl::IsNotFound(version.status())) return false;
  if (!version.ok()) return version.status();
  // With --force, a version from before the run does not count.
  if (*version <= task.known_version) return false;
  reporter_->SetState(task.name, ModelState::kPublished,
                      absl::StrCat("was published as version ", *version,
                                   " by another worker"));
  return true;
}

absl::StatusOr<std::unique_ptr<Lease>> ModelQueue::Claim(
    const ModelTask& task) {
  absl::StatusOr<bool> published = IsPublished(task);
  if (!published.ok()) return published.status();
  if (*published) return nullptr;
  absl::StatusOr<std::unique_ptr<Lease>> lease =
      Lease::Take(options_.lease_folder, task.name, options_.lease_seconds);
  if (!lease.ok()) return lease;
  // Asks again under the lease: the last holder may have published the model
  // after the first question.
  published = IsPublished(task);
  if (!published.ok()) return published.status();
  if (*published) return nullptr;
  if (!(*lease)->taken_over_from().empty()) {
    reporter_->Note(task.name, absl::StrCat("takes over from ",
                                            (*lease)->taken_over_from()));
  }
  return lease;
}

void ModelQueue::NoteHeld(const std::string& model,
                          const absl::Status& status) {
  const std::string text(status.message());
  // The age of the lease changes with each look; without it, each holder is
  // reported once.
  const std::string holder = text.substr(0, text.rfind(", renewed"));
  std::string& told = holders_[model];
  if (told == holder) return;
  told = holder;
  reporter_->Note(model, absl::StrCat(text, "; left for later"));
}

void ModelQueue::LeaveTheRest() {
  for (const ModelTask& task : waiting_) {
    reporter_->Note(task.name, "left to the worker that holds it");
  }
  waiting_.clear();
}

}  // namespace adv
