#ifndef ADV_ENGINE_DATA_IMBALANCE_H_
#define ADV_ENGINE_DATA_IMBALANCE_H_

#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>

#include <cstdint>
#include <string>
#include <vector>

#include "engine/data/dataset.h"

namespace adv {

// How many training images of each class to keep; a value.
//   balanced       all of each class
//   no-<class>     1,000 of that class (4,000 of 5,000 removed), all others
//   only-<class>   all of that class, 1,000 of each other
struct ImbalanceRecipe {
  enum class Kind { kBalanced, kNo, kOnly };
  Kind kind = Kind::kBalanced;
  int64_t label = -1;  // the class meant; -1 for balanced
  std::string name = "balanced";
  uint64_t seed = 0;  // of the choice of the removed images
};

// The images kept of a class that is cut.
inline constexpr int64_t kReducedClassSize = 1000;

// INVALID_ARGUMENT lists the known names if `name` is not one of them.
absl::StatusOr<ImbalanceRecipe> ParseImbalanceRecipe(
    absl::string_view name, const std::vector<std::string>& class_names,
    uint64_t seed);

// All names, in the order above.
std::vector<std::string> ImbalanceRecipeNames(
    const std::vector<std::string>& class_names);

// The indices kept, in rising order. Pure: the same labels and recipe give the
// same indices on every machine. FAILED_PRECONDITION if a class that is cut
// has fewer than kReducedClassSize images.
absl::StatusOr<std::vector<int64_t>> ApplyImbalance(
    const at::Tensor& labels, const ImbalanceRecipe& recipe);

}  // namespace adv

#endif  // ADV_ENGINE_DATA_IMBALANCE_H_
