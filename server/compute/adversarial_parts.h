#ifndef ADV_SERVER_COMPUTE_ADVERSARIAL_PARTS_H_
#define ADV_SERVER_COMPUTE_ADVERSARIAL_PARTS_H_

#include <absl/status/statusor.h>

#include <cstddef>
#include <optional>
#include <vector>

#include "server/compute/adversarial.h"
#include "server/compute/executor.h"
#include "server/compute/mutex.h"

namespace adv {

// A GenerateAdversarial request in parts that may be computed at the same time.
// Together they give what Perturb gives for the whole, to the last bit.
//
// Thread-safe.
class AdversarialParts {
 public:
  // Makes at most `at_once` parts. It is one part if images might change each
  // other's results or errors: if a network is not exact in any batch, if an
  // endpoint answers, or if only all labels together can show which targets are
  // wrong.
  AdversarialParts(AdversarialTask task, int at_once);

  const AdversarialTask& task() const { return task_; }
  size_t size() const { return parts_.size(); }

  // Computes the part, as Perturb does. To be called once for each. The part
  // that ends last gets the images of all, in the task's order; the others get
  // nothing.
  absl::StatusOr<std::optional<AdversarialImages>> Compute(
      size_t part, const BeforePass& before_pass) ADV_EXCLUDES(mutex_);

 private:
  const AdversarialTask task_;
  const std::vector<AdversarialTask> parts_;  // at least one
  Mutex mutex_;
  size_t left_ ADV_GUARDED_BY(mutex_);
  std::vector<AdversarialImages> images_ ADV_GUARDED_BY(mutex_);  // by part
};

}  // namespace adv

#endif  // ADV_SERVER_COMPUTE_ADVERSARIAL_PARTS_H_
