#include "client/evaluations/comparison.h"

#include <algorithm>
#include <numeric>
#include <tuple>
#include <utility>

#include "absl/strings/match.h"
#include "client/printers/numbers.h"

namespace adv {
namespace {

constexpr char kBalanced[] = "balanced";
constexpr char kWithout[] = "no-";
constexpr char kMostly[] = "only-";

// The place of a class in the thesis's table. A class that is not there comes
// after all others.
std::size_t ClassPlace(const std::string& class_name) {
  const auto& rows = ThesisTable();
  return std::find_if(rows.begin(), rows.end(),
                      [&](const ThesisResult& row) {
                        return row.class_name == class_name;
                      }) -
         rows.begin();
}

// "cat" for "only-cat"; empty if the name has another prefix or no known class.
std::string ClassAfter(const std::string& prefix, const std::string& name) {
  if (!absl::StartsWith(name, prefix)) return "";
  const std::string rest = name.substr(prefix.size());
  return ClassPlace(rest) < ThesisTable().size() ? rest : "";
}

// The sort key of a row: family, class, name.
std::tuple<int, std::size_t, std::string> SortKey(const std::string& name) {
  if (name == kBalanced) return {0, 0, ""};
  if (const auto one = ClassAfter(kWithout, name); !one.empty()) {
    return {1, ClassPlace(one), ""};
  }
  if (const auto one = ClassAfter(kMostly, name); !one.empty()) {
    return {2, ClassPlace(one), ""};
  }
  return {3, 0, name};
}

// The class that the training record names. For manifests without a record, the
// name tells it.
std::string SpecialClass(const std::string& name,
                         const v1::ModelManifest& manifest) {
  const v1::TrainingRecord& training = manifest.training();
  if (training.has_special_label() && training.special_label() >= 0 &&
      training.special_label() < manifest.class_names_size()) {
    return manifest.class_names(training.special_label());
  }
  const std::string without = ClassAfter(kWithout, name);
  return without.empty() ? ClassAfter(kMostly, name) : without;
}

// Fills the row with what the server's model has. The thesis's class stays,
// where the row has one.
void TakeModel(const v1::Model& model, ComparisonRow* row) {
  row->model = model;
  if (row->class_name.empty()) {
    row->class_name = SpecialClass(model.name(), model.manifest());
  }
  const v1::TestResult& test = model.manifest().training().test();
  if (test.images() > 0) {
    row->accuracy = MakeRate(test.correct(), test.images());
    row->loss = test.loss();
  }
  row->class_accuracy = ClassAccuracy(model.manifest(), row->class_name);
}

// Compares the row with the balanced model on the row's class.
void TakeBalanced(const v1::ModelManifest& balanced, ComparisonRow* row) {
  if (row->class_name.empty()) return;
  // Accuracies on different images would differ even for equal models.
  const bool same_images =
      !row->model || row->model->manifest().training().test_data_sha256() ==
                         balanced.training().test_data_sha256();
  if (!same_images) return;
  row->balanced_class_accuracy = ClassAccuracy(balanced, row->class_name);
  if (row->class_accuracy && row->balanced_class_accuracy) {
    row->delta =
        MakeDifference(*row->class_accuracy, *row->balanced_class_accuracy);
  }
}

}  // namespace

std::vector<ComparisonRow> CompareWithThesis(
    const std::vector<v1::Model>& models) {
  std::vector<ComparisonRow> rows;
  for (const ThesisResult& thesis : ThesisTable()) {
    ComparisonRow row;
    row.name = thesis.model;
    row.class_name = thesis.class_name;
    row.thesis = thesis;
    rows.push_back(std::move(row));
  }
  for (const v1::Model& model : models) {
    // A model of the thesis's table has a row already; any other one gets a new
    // row.
    auto row = std::find_if(
        rows.begin(), rows.end(),
        [&](const ComparisonRow& one) { return one.name == model.name(); });
    if (row == rows.end()) {
      row = rows.insert(rows.end(), ComparisonRow());
      row->name = model.name();
    }
    TakeModel(model, &*row);
  }
  std::sort(rows.begin(), rows.end(),
            [](const ComparisonRow& a, const ComparisonRow& b) {
              return SortKey(a.name) < SortKey(b.name);
            });
  // SortKey() sorts balanced to the front.
  if (const auto& balanced = rows.front().model) {
    for (ComparisonRow& row : rows) TakeBalanced(balanced->manifest(), &row);
  }
  return rows;
}

std::vector<FamilySummary> Summarize(const std::vector<ComparisonRow>& rows) {
  std::vector<FamilySummary> families;
  for (const std::string prefix : {kWithout, kMostly}) {
    FamilySummary family;
    family.family = prefix + "*";
    for (const ComparisonRow& row : rows) {
      // Without a delta nothing is known, so the model does not count.
      if (!row.delta || ClassAfter(prefix, row.name).empty()) continue;
      ++family.models;
      const bool clear = ExcludesZero(*row.delta);
      // A delta of exactly 0 is neither lost nor gained.
      family.lost += row.delta->value < 0;
      family.clearly_lost += row.delta->value < 0 && clear;
      family.gained += row.delta->value > 0;
      family.clearly_gained += row.delta->value > 0 && clear;
    }
    if (family.models > 0) families.push_back(family);
  }
  return families;
}

std::optional<v1::Rate> ClassAccuracy(const v1::ModelManifest& manifest,
                                      const std::string& class_name) {
  const auto& names = manifest.class_names();
  const auto& confusion = manifest.training().test().confusion();
  const int classes = names.size();
  const int label = static_cast<int>(
      std::find(names.begin(), names.end(), class_name) - names.begin());
  // The manifest may come from anywhere, so its matrix may not fit its classes.
  if (label == classes || confusion.size() != classes * classes) return {};
  // A row has the images of one true label. Its sum is their number, and its
  // entry on the diagonal is the number of those that are right.
  const auto row = confusion.begin() + label * classes;
  const std::int64_t images = std::accumulate(row, row + classes, INT64_C(0));
  if (images == 0) return {};
  return MakeRate(row[label], images);
}

std::set<std::string> FurtherImages(const std::vector<ComparisonRow>& rows) {
  std::set<std::string> names;
  for (const ComparisonRow& row : rows) {
    if (!row.model) continue;
    for (const v1::OtherTest& test :
         row.model->manifest().training().other_tests()) {
      names.insert(test.dataset());
    }
  }
  return names;
}

const v1::TestResult* FurtherResult(const ComparisonRow& row,
                                    const std::string& dataset) {
  if (!row.model) return nullptr;
  for (const v1::OtherTest& test :
       row.model->manifest().training().other_tests()) {
    // A result of no images has no accuracy.
    if (test.dataset() == dataset && test.result().images() > 0) {
      return &test.result();
    }
  }
  return nullptr;
}

}  // namespace adv
