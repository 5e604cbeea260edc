#include "engine/evaluation/taxonomy.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include <algorithm>

#include "engine/evaluation/records.h"

namespace adv {
namespace {

// Animals, vehicles.
const std::vector<std::vector<std::string>>& Superclasses() {
  static const auto* const all = new std::vector<std::vector<std::string>>{
      {"bird", "cat", "deer", "dog", "frog", "horse"},
      {"airplane", "automobile", "ship", "truck"}};
  return *all;
}

int SuperclassOf(const std::string& name) {
  for (size_t i = 0; i < Superclasses().size(); ++i) {
    const std::vector<std::string>& members = Superclasses()[i];
    if (std::find(members.begin(), members.end(), name) != members.end()) {
      return static_cast<int>(i);
    }
  }
  return -1;
}

}  // namespace

Taxonomy::Taxonomy(const std::vector<std::string>& class_names) {
  for (const std::string& name : class_names) {
    superclasses_.push_back(SuperclassOf(name));
  }
}

void Taxonomy::Count(const SampleRecord& sample, const AttackRecord& record,
                     KindCounts& counts) const {
  const bool clean_right = sample.prediction == sample.label;
  const bool right = record.prediction == sample.label;
  if (clean_right == right) return;
  if (right) {
    ++counts.benign;
    return;
  }
  const int from = superclasses_[sample.label];
  if (from >= 0 && from == superclasses_[record.prediction]) {
    ++counts.co_natural;
  } else if (record.clean_rank < kBestClasses) {
    ++counts.refocused;
  } else {
    ++counts.true_adversarial;
  }
}

std::string Taxonomy::Rule() const {
  const bool any = std::any_of(superclasses_.begin(), superclasses_.end(),
                               [](int superclass) { return superclass >= 0; });
  return absl::StrCat(
      "the first that fits: benign, wrong on the clean image and right on the "
      "adversarial one; co-natural, right and now wrong within the label's "
      "superclass (",
      any ? absl::StrCat("animals: ", absl::StrJoin(Superclasses()[0], ", "),
                         "; vehicles: ", absl::StrJoin(Superclasses()[1], ", "))
          : "these classes have none",
      "); re-focused, right and now one of the clean image's ", kBestClasses,
      " best classes; true adversarial, right and now any other");
}

}  // namespace adv
