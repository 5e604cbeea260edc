#include "engine/evaluation/taxonomy.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include <map>

#include "engine/evaluation/records.h"

namespace adv {
Taxonomy::Taxonomy(const Classes& classes) : classes_(classes) {}

void Taxonomy::Count(const SampleRecord& sample, const AttackRecord& record,
                     KindCounts& counts) const {
  const bool clean_right = sample.prediction == sample.label;
  const bool right = record.prediction == sample.label;
  if (clean_right == right) return;
  if (right) {
    ++counts.benign;
    return;
  }
  // The order of these tests is the rule: an image counts as the first kind
  // that fits.
  const std::vector<std::string>& superclasses = classes_.superclasses;
  if (!superclasses.empty() &&
      superclasses[sample.label] == superclasses[record.prediction]) {
    ++counts.co_natural;
  } else if (record.clean_rank < kBestClasses) {
    // The clean image was right, so the label has rank 0 and this is 1 or 2.
    ++counts.refocused;
  } else {
    ++counts.true_adversarial;
  }
}

std::string Taxonomy::Rule() const {
  // A map, so that superclasses come in the order of their names.
  std::map<std::string, std::vector<std::string>> members;
  for (size_t i = 0; i < classes_.superclasses.size(); ++i) {
    members[classes_.superclasses[i]].push_back(classes_.names[i]);
  }
  const std::string groups =
      absl::StrJoin(members, "; ", [](std::string* out, const auto& group) {
        absl::StrAppend(out, group.first, ": ",
                        absl::StrJoin(group.second, ", "));
      });
  return absl::StrCat(
      "the first that fits: benign, wrong on the clean image and right on the "
      "adversarial one; co-natural, right and now wrong within the label's "
      "superclass (",
      members.empty() ? "these classes have none" : groups,
      "); re-focused, right and now one of the clean image's ", kBestClasses,
      " best classes; true adversarial, right and now any other");
}

}  // namespace adv
