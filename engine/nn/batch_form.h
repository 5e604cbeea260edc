#ifndef ADV_ENGINE_NN_BATCH_FORM_H_
#define ADV_ENGINE_NN_BATCH_FORM_H_

#include <ATen/core/Tensor.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>

namespace adv {

// What calls a model takes.
struct BatchForm {
  int64_t most = 0;   // images of one call, at least 1
  int64_t fixed = 0;  // above 0: so many, no more and no less
};

// `call` on the rows of `images` [N, ...] in parts of that form, the last of
// which is filled up with its first row where the number is fixed; what it
// gives for each row, one after the other. The first error ends it.
absl::StatusOr<at::Tensor> InBatches(
    const at::Tensor& images, const BatchForm& form,
    const std::function<absl::StatusOr<at::Tensor>(const at::Tensor&)>& call);

}  // namespace adv

#endif  // ADV_ENGINE_NN_BATCH_FORM_H_
