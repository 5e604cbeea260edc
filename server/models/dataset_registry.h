#ifndef ADV_SERVER_MODELS_DATASET_REGISTRY_H_
#define ADV_SERVER_MODELS_DATASET_REGISTRY_H_

#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/data/dataset.h"

namespace adv {

// The data set that is part of the program: 1,000 test images of CIFAR-10,
// 100 of each class.
inline constexpr char kBuiltInDataset[] = "cifar10-sample";

// The data sets of the server, by name. Immutable, so thread-safe.
class DatasetRegistry {
 public:
  // The built-in one and those of `entries`, each "NAME=PATH", PATH being
  // anything that OpenDataset takes. Reads them all now. INVALID_ARGUMENT or
  // NOT_FOUND names the entry and what is wrong with it. A name has 1 to 64
  // lower-case letters, digits and dashes, starting with a letter, and is given
  // once.
  static absl::StatusOr<DatasetRegistry> Open(
      const std::vector<std::string>& entries);

  // NOT_FOUND lists the known names.
  absl::StatusOr<std::shared_ptr<const Dataset>> Find(
      absl::string_view name) const;

  // By name.
  std::vector<std::shared_ptr<const Dataset>> List() const;

 private:
  std::map<std::string, std::shared_ptr<const Dataset>> datasets_;
};

// The bytes of the built-in data set, in the official binary layout.
absl::string_view BuiltInDatasetBytes();

}  // namespace adv

#endif  // ADV_SERVER_MODELS_DATASET_REGISTRY_H_
