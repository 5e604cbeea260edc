#ifndef ADV_CLIENT_EVALUATIONS_COMPARISON_H_
#define ADV_CLIENT_EVALUATIONS_COMPARISON_H_

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "adv/v1/evaluation.pb.h"
#include "adv/v1/model.pb.h"
#include "client/evaluations/difference.h"
#include "client/evaluations/thesis.h"

namespace adv {

// A model of the thesis's table 5.2, or of the server, or of both.
struct ComparisonRow {
  std::string name;
  // The class that the training treats differently; empty if none is known.
  std::string class_name;
  // The thesis's numbers; absent if the model is not in its table.
  std::optional<ThesisResult> thesis;
  // The server's model; absent if it has no such model.
  std::optional<v1::Model> model;

  // Results on the test images; absent if the manifest has none.
  std::optional<v1::Rate> accuracy;
  std::optional<double> loss;
  std::optional<v1::Rate> class_accuracy;
  // The balanced model's accuracy on the class, and by how much this model's is
  // above it. Absent for the balanced model, and if this model was tested on
  // other images.
  std::optional<v1::Rate> balanced_class_accuracy;
  std::optional<Difference> delta;
};

// The rows in order: balanced, the models without a class, those with mostly
// one class (both in class order), then the others by name. The models of the
// thesis's table always have a row, whether the server has them or not.
// `models` has one version for each name.
std::vector<ComparisonRow> CompareWithThesis(
    const std::vector<v1::Model>& models);

// The results of one family's models on their classes, compared with the
// balanced model.
struct FamilySummary {
  std::string family;              // "no-*" or "only-*"
  int models = 0;                  // with a known delta
  int lost = 0, clearly_lost = 0;  // delta below 0; its interval, too
  int gained = 0, clearly_gained = 0;
};

// The families that have a model with a known delta.
std::vector<FamilySummary> Summarize(const std::vector<ComparisonRow>& rows);

// The accuracy on one class, from a confusion matrix; absent if the manifest
// has no such matrix or class.
std::optional<v1::Rate> ClassAccuracy(const v1::ModelManifest& manifest,
                                      const std::string& class_name);

// The names of further image sets, beside the test images, on which any model
// was tested.
std::set<std::string> FurtherImages(const std::vector<ComparisonRow>& rows);

// The model's result on the image set of this name; null if there is none.
// Points into the row.
const v1::TestResult* FurtherResult(const ComparisonRow& row,
                                    const std::string& dataset);

}  // namespace adv

#endif  // ADV_CLIENT_EVALUATIONS_COMPARISON_H_
