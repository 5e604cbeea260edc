#include "server/models/class_match.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/nn/reordered_network.h"

namespace adv {
namespace {

using Names = std::vector<std::string>;

Names NamesOf(const ServedModel& model) {
  return {model.manifest.class_names().begin(),
          model.manifest.class_names().end()};
}

// Whether the names are only "0", "1" and so on, as in a data set without
// names. Its classes are then taken by their place.
bool AreNumbers(const Names& names) {
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i] != absl::StrCat(i)) return false;
  }
  return true;
}

// At most 20 names: the trailers of a call do not hold a thousand.
std::string List(const Names& names) {
  constexpr size_t kMost = 20;
  const size_t some = std::min(names.size(), kMost);
  return absl::StrCat(absl::StrJoin(names.begin(), names.begin() + some, ", "),
                      some < names.size() ? ", ..." : "");
}

// The index in `names` of each class of `wanted`. Empty if both have one order,
// so that nothing needs to be reordered.
absl::StatusOr<std::vector<int64_t>> OrderOf(const Names& names,
                                             const Names& wanted) {
  if (names == wanted) return std::vector<int64_t>();
  if (names.size() == wanted.size()) {
    // Numbers carry no names to compare, so the order stays.
    if (AreNumbers(names)) return std::vector<int64_t>();
    std::map<std::string, int64_t> places;
    for (const std::string& name : names) places.emplace(name, places.size());
    std::vector<int64_t> order;
    for (const std::string& name : wanted) {
      const auto place = places.find(name);
      // A class that is missing makes the order too short, and the check below
      // fails.
      if (place != places.end()) order.push_back(place->second);
    }
    // Names that are there twice would leave a class without images.
    if (order.size() == wanted.size() && places.size() == wanted.size()) {
      return order;
    }
  }
  return absl::InvalidArgumentError(
      absl::StrCat("has the classes ", List(names),
                   "; must have those of the model, ", List(wanted)));
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Dataset>> WithClassesOf(
    const ServedModel& model, const std::shared_ptr<const Dataset>& dataset) {
  const Names wanted = NamesOf(model);
  const auto order = OrderOf(dataset->class_names, wanted);
  if (!order.ok()) return order.status();
  if (order->empty()) return dataset;
  return std::make_shared<const Dataset>(
      InClassOrder(*dataset, *order, wanted));
}

absl::StatusOr<std::shared_ptr<const ServedModel>> WithClassesOf(
    const ServedModel& model,
    const std::shared_ptr<const ServedModel>& source) {
  const auto order = OrderOf(NamesOf(*source), NamesOf(model));
  if (!order.ok()) return order.status();
  if (order->empty()) return source;
  // The manifest stays: it is the same version, whose network answers in
  // another order.
  auto ordered = std::make_shared<ServedModel>(*source);
  ordered->network = Reordered(source->network, *order);
  if (source->urgent_network != nullptr) {
    ordered->urgent_network = Reordered(source->urgent_network, *order);
  }
  // The asker's network lies under the reordering, since it sends the images.
  if (source->network_for) {
    ordered->network_for = [network_for = source->network_for,
                            order = *order](const Asker& asker) {
      return Reordered(network_for(asker), order);
    };
  }
  return ordered;
}

}  // namespace adv
