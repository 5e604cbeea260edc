// The comparison for programs: CSV and JSON.
#include <cmath>
#include <limits>
#include <set>

#include "absl/strings/str_cat.h"
#include "client/evaluations/protocol.h"
#include "client/printers/comparison.h"
#include "client/printers/json.h"
#include "client/printers/models.h"
#include "client/printers/numbers.h"

namespace adv {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

// JSON has no NaN; null stands for it.
Json Number(double value) { return std::isnan(value) ? Json() : Json(value); }

// Null if there is no rate.
Json RateJson(const std::optional<v1::Rate>& rate) {
  return rate ? ToJson(*rate) : Json();
}

// One of the thesis's numbers; NaN if the model is not in its table.
double ThesisShare(const ComparisonRow& row, double ThesisResult::*share) {
  return row.thesis ? (*row.thesis).*share : kUnknown;
}

// Ours minus the thesis's; NaN if one of them is missing.
double AccuracyDifference(const ComparisonRow& row) {
  if (!row.accuracy) return kUnknown;
  return row.accuracy->value() - ThesisShare(row, &ThesisResult::accuracy);
}

// Null if the thesis has no such model. Its one loss is that of its validation
// images.
Json ThesisJson(const ComparisonRow& row) {
  if (!row.thesis) return {};
  return {
      {"accuracy", ThesisShare(row, &ThesisResult::accuracy)},
      {"validation_loss", Number(row.thesis->loss)},
      {"class_accuracy",
       Number(ThesisShare(row, &ThesisResult::class_accuracy))},
  };
}

// The results on further image sets; a set without images has none.
Json OtherTestsJson(const v1::TrainingRecord& training) {
  Json list = Json::array();
  for (const v1::OtherTest& test : training.other_tests()) {
    const v1::TestResult& result = test.result();
    if (result.images() == 0) continue;
    list.push_back(
        {{"dataset", test.dataset()},
         {"data_sha256", test.data_sha256()},
         {"accuracy", ToJson(MakeRate(result.correct(), result.images()))},
         {"loss", Number(result.loss())}});
  }
  return list;
}

Json OursJson(const ComparisonRow& row) {
  // Null: the server has no such model.
  if (!row.model) return {};
  const v1::TrainingRecord& training = row.model->manifest().training();
  return {
      // Text, as in protobuf's mapping of 64-bit numbers.
      {"version", absl::StrCat(row.model->version())},
      {"digest", row.model->digest()},
      {"architecture", row.model->manifest().architecture()},
      {"accuracy", RateJson(row.accuracy)},
      {"loss", Number(row.loss.value_or(kUnknown))},
      {"class_accuracy", RateJson(row.class_accuracy)},
      {"other_tests", OtherTestsJson(training)},
      {"dataset", training.dataset()},
      {"test_data_sha256", training.test_data_sha256()},
      {"protocol", ProtocolText(training.settings())},
      {"initial_weights", training.has_initial_weights()
                              ? ToJson(training.initial_weights())
                              : Json()},
      {"epochs", training.epochs_size()},
      {"best_epoch", training.best_epoch()},
      {"stop_reason", v1::StopReason_Name(training.stop_reason())},
      {"wall_seconds", training.wall_seconds()},
      {"device", training.device()},
      {"threads", training.threads()},
  };
}

Json DeltaJson(const ComparisonRow& row) {
  if (!row.delta) return {};
  return {{"value", row.delta->value},
          {"lower", row.delta->lower},
          {"upper", row.delta->upper},
          {"excludes_zero", ExcludesZero(*row.delta)}};
}

// The four columns of a rate. AppendRateOrBlanks fills them in the same order.
void AddRateColumns(const std::string& name,
                    std::vector<Table::Column>* columns) {
  for (const char* end : {"", "_lower", "_upper", "_images"}) {
    columns->push_back({name + end});
  }
}

void AppendRateOrBlanks(const std::optional<v1::Rate>& rate,
                        std::vector<std::string>* row) {
  if (!rate) {
    // As many empty cells as a rate has, or the later cells would slip to the
    // left.
    row->insert(row->end(), 4, "");
    return;
  }
  row->push_back(ExactText(rate->value()));
  row->push_back(ExactText(rate->lower()));
  row->push_back(ExactText(rate->upper()));
  row->push_back(absl::StrCat(rate->total()));
}

// The order is a promise to scripts, and ComparisonCsv fills the columns in it.
std::vector<Table::Column> CsvColumns(const std::set<std::string>& further) {
  std::vector<Table::Column> columns;
  const auto add = [&columns](std::initializer_list<const char*> names) {
    for (const char* name : names) columns.push_back({name});
  };
  add({"model", "version", "digest", "class", "thesis_accuracy"});
  AddRateColumns("accuracy", &columns);
  add({"accuracy_difference", "thesis_validation_loss", "loss",
       "thesis_class_accuracy"});
  AddRateColumns("class_accuracy", &columns);
  AddRateColumns("balanced_class_accuracy", &columns);
  add({"delta", "delta_lower", "delta_upper", "architecture", "dataset",
       "protocol", "initial_weights", "epochs", "best_epoch", "stopped",
       "wall_seconds", "device", "threads"});
  for (const std::string& name : further) {
    AddRateColumns("accuracy_on_" + name, &columns);
  }
  return columns;
}

void AppendTraining(const ComparisonRow& row, std::vector<std::string>* cells) {
  if (!row.model) {
    // As many as below, or the further columns would slip to the left.
    cells->insert(cells->end(), 10, "");
    return;
  }
  const v1::TrainingRecord& training = row.model->manifest().training();
  cells->insert(
      cells->end(),
      {row.model->manifest().architecture(), training.dataset(),
       ProtocolText(training.settings()), training.initial_weights().file(),
       absl::StrCat(training.epochs_size()),
       absl::StrCat(training.best_epoch()), StopText(training.stop_reason()),
       ExactText(training.wall_seconds()), training.device(),
       absl::StrCat(training.threads())});
}

// Every row has the columns of all sets, so that the rows are equally long.
void AppendFurther(const ComparisonRow& row,
                   const std::set<std::string>& further,
                   std::vector<std::string>* cells) {
  for (const std::string& name : further) {
    const v1::TestResult* result = FurtherResult(row, name);
    std::optional<v1::Rate> rate;
    if (result) rate = MakeRate(result->correct(), result->images());
    AppendRateOrBlanks(rate, cells);
  }
}

}  // namespace

Table ComparisonCsv(const std::vector<ComparisonRow>& rows) {
  const std::set<std::string> further = FurtherImages(rows);
  Table table(CsvColumns(further));
  for (const ComparisonRow& row : rows) {
    std::vector<std::string> cells = {
        row.name, row.model ? absl::StrCat(row.model->version()) : "",
        row.model ? row.model->digest() : "", row.class_name,
        ExactText(ThesisShare(row, &ThesisResult::accuracy))};
    AppendRateOrBlanks(row.accuracy, &cells);
    cells.push_back(ExactText(AccuracyDifference(row)));
    cells.push_back(ExactText(row.thesis ? row.thesis->loss : kUnknown));
    cells.push_back(ExactText(row.loss.value_or(kUnknown)));
    cells.push_back(ExactText(ThesisShare(row, &ThesisResult::class_accuracy)));
    AppendRateOrBlanks(row.class_accuracy, &cells);
    AppendRateOrBlanks(row.balanced_class_accuracy, &cells);
    const Difference delta =
        row.delta.value_or(Difference{kUnknown, kUnknown, kUnknown});
    cells.push_back(ExactText(delta.value));
    cells.push_back(ExactText(delta.lower));
    cells.push_back(ExactText(delta.upper));
    AppendTraining(row, &cells);
    AppendFurther(row, further, &cells);
    table.AddRow(cells);
  }
  return table;
}

Json ComparisonJson(const std::vector<ComparisonRow>& rows,
                    const std::vector<std::string>& notes) {
  Json models = Json::array(), summary = Json::array();
  for (const ComparisonRow& row : rows) {
    models.push_back(
        {{"model", row.name},
         {"class", row.class_name.empty() ? Json() : Json(row.class_name)},
         {"thesis", ThesisJson(row)},
         {"ours", OursJson(row)},
         {"accuracy_difference", Number(AccuracyDifference(row))},
         {"balanced_class_accuracy", RateJson(row.balanced_class_accuracy)},
         {"delta", DeltaJson(row)}});
  }
  for (const FamilySummary& family : Summarize(rows)) {
    summary.push_back({{"family", family.family},
                       {"models", family.models},
                       {"lost", family.lost},
                       {"clearly_lost", family.clearly_lost},
                       {"gained", family.gained},
                       {"clearly_gained", family.clearly_gained}});
  }
  return {{"source", kThesisSource},
          {"models", models},
          {"summary", summary},
          {"notes", notes}};
}

}  // namespace adv
