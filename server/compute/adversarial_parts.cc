#include "server/compute/adversarial_parts.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

namespace adv {
namespace {

// Below this many images the fixed cost of a pass outweighs what another worker
// gains.
constexpr int64_t kFewestImages = 8;

bool CanBeParted(const AdversarialTask& task) {
  // Targets that are the model's own labels are told of all at once.
  const bool chosen =
      task.goal.kind == Goal::Kind::kTargeted &&
      (task.targets.defined() || task.goal.rule == Goal::TargetRule::kFixed);
  return task.model->network->traits().exact_in_any_batch &&
         task.source_model->network->traits().exact_in_any_batch &&
         !AskEndpoints(*task.model, *task.source_model) &&
         (!chosen || task.labels.defined());
}

int64_t CountParts(const AdversarialTask& task, int at_once) {
  if (!CanBeParted(task)) return 1;
  const int64_t most = task.images.size(0) / kFewestImages;
  return std::max<int64_t>(std::min<int64_t>(at_once, most), 1);
}

// Undefined stays undefined.
at::Tensor Rows(const at::Tensor& rows, int64_t begin, int64_t end) {
  return rows.defined() ? rows.slice(0, begin, end) : rows;
}

// `count` parts of equal size, to within an image.
std::vector<AdversarialTask> PartsOf(const AdversarialTask& task,
                                     int64_t count) {
  const int64_t images = task.images.size(0);
  std::vector<AdversarialTask> parts;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t begin = images * i / count;
    const int64_t end = images * (i + 1) / count;
    AdversarialTask part = task;
    part.images = Rows(task.images, begin, end);
    part.labels = Rows(task.labels, begin, end);
    part.samples = Rows(task.samples, begin, end);
    part.targets = Rows(task.targets, begin, end);
    parts.push_back(std::move(part));
  }
  return parts;
}

AdversarialImages Joined(std::vector<AdversarialImages> parts) {
  if (parts.size() == 1) return std::move(parts.front());
  std::vector<at::Tensor> labels, images, clean_logits, logits;
  AdversarialImages all;
  for (const AdversarialImages& part : parts) {
    labels.push_back(part.labels);
    images.push_back(part.images);
    clean_logits.push_back(part.clean_logits);
    logits.push_back(part.logits);
    all.records.insert(all.records.end(), part.records.begin(),
                       part.records.end());
  }
  all.labels = at::cat(labels);
  all.images = at::cat(images);
  all.clean_logits = at::cat(clean_logits);
  all.logits = at::cat(logits);
  return all;
}

}  // namespace

AdversarialParts::AdversarialParts(AdversarialTask task, int at_once)
    : task_(std::move(task)),
      parts_(PartsOf(task_, CountParts(task_, at_once))),
      left_(parts_.size()),
      images_(parts_.size()) {}

absl::StatusOr<std::optional<AdversarialImages>> AdversarialParts::Compute(
    size_t part, const BeforePass& before_pass) {
  absl::StatusOr<AdversarialImages> images = Perturb(parts_[part], before_pass);
  if (!images.ok()) return images.status();
  std::vector<AdversarialImages> all;
  {
    MutexLock lock(mutex_);
    images_[part] = *std::move(images);
    if (--left_ > 0) return std::optional<AdversarialImages>();
    all = std::move(images_);
  }
  return std::optional<AdversarialImages>(Joined(std::move(all)));
}

}  // namespace adv
