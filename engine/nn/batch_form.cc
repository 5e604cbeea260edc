#include "engine/nn/batch_form.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <vector>

namespace adv {

absl::StatusOr<at::Tensor> InBatches(
    const at::Tensor& images, const BatchForm& form,
    const std::function<absl::StatusOr<at::Tensor>(const at::Tensor&)>& call) {
  const int64_t count = images.size(0);
  const int64_t most = form.fixed > 0 ? form.fixed : form.most;
  std::vector<at::Tensor> parts;
  for (int64_t begin = 0; begin < count; begin += most) {
    at::Tensor part = images.slice(0, begin, std::min(begin + most, count));
    // The last part may have fewer images. It is filled up with copies of its
    // own first row, which every model that takes the others takes as well.
    const int64_t rows = part.size(0);
    if (rows < form.fixed) {
      std::vector<int64_t> missing = part.sizes().vec();
      missing[0] = form.fixed - rows;
      part = at::cat({part, part.narrow(0, 0, 1).expand(missing)});
    }
    const absl::StatusOr<at::Tensor> found = call(part);
    if (!found.ok()) return found;
    // The results of the copies are dropped.
    parts.push_back(found->narrow(0, 0, rows));
  }
  return parts.size() == 1 ? parts.front() : at::cat(parts);
}

}  // namespace adv
