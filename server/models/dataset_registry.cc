#include "server/models/dataset_registry.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <absl/strings/str_split.h>

#include <utility>

#include "engine/data/cifar10.h"
#include "engine/data/open_dataset.h"
#include "model_store/model_store.h"

namespace adv {
namespace {

// Says which entry `status` is about.
absl::Status OfEntry(const std::string& entry, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat("dataset \"", entry,
                                                  "\": ", status.message()));
}

}  // namespace

absl::StatusOr<DatasetRegistry> DatasetRegistry::Open(
    const std::vector<std::string>& entries) {
  DatasetRegistry registry;
  const auto add = [&registry](std::string name, Dataset dataset) {
    // The name that the server was given counts, not the one that the reader
    // gave.
    dataset.name = name;
    registry.datasets_[std::move(name)] =
        std::make_shared<const Dataset>(std::move(dataset));
  };
  absl::StatusOr<Dataset> built_in =
      ParseCifar10(BuiltInDatasetBytes(), kBuiltInDataset);
  if (!built_in.ok()) return OfEntry(kBuiltInDataset, built_in.status());
  add(kBuiltInDataset, *std::move(built_in));

  for (const std::string& entry : entries) {
    const std::pair<std::string, std::string> parts =
        absl::StrSplit(entry, absl::MaxSplits('=', 1));
    const auto& [name, path] = parts;
    if (!IsValidModelName(name) || path.empty()) {
      return OfEntry(entry, absl::InvalidArgumentError(
                                "must be NAME=PATH, NAME being 1 to 64 "
                                "lower-case letters, digits and dashes, "
                                "starting with a letter"));
    }
    // The built-in name cannot be taken either: it stands for known images.
    if (registry.datasets_.count(name) != 0) {
      return OfEntry(entry, absl::InvalidArgumentError(absl::StrCat(
                                "the name ", name, " is taken already")));
    }
    absl::StatusOr<Dataset> dataset = OpenDataset(path);
    if (!dataset.ok()) return OfEntry(entry, dataset.status());
    add(name, *std::move(dataset));
  }
  return registry;
}

absl::StatusOr<std::shared_ptr<const Dataset>> DatasetRegistry::Find(
    absl::string_view name) const {
  const auto found = datasets_.find(std::string(name));
  if (found != datasets_.end()) return found->second;
  return absl::NotFoundError(absl::StrCat(
      "dataset \"", name, "\" is not known: must be one of ",
      absl::StrJoin(datasets_, ", ", [](std::string* out, const auto& known) {
        absl::StrAppend(out, known.first);
      })));
}

std::vector<std::shared_ptr<const Dataset>> DatasetRegistry::List() const {
  std::vector<std::shared_ptr<const Dataset>> list;
  for (const auto& [name, dataset] : datasets_) list.push_back(dataset);
  return list;
}

}  // namespace adv
