#include "client/printers/comparison.h"

#include <cmath>
#include <limits>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/evaluations/protocol.h"
#include "client/printers/models.h"
#include "client/printers/numbers.h"

namespace adv {
namespace {

constexpr int kComparisonWidth = 80;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr char kNone[] = "–";

// The digits are fixed, so that the points of a right-aligned column stand
// below each other. A dash stands for NaN.
std::string Percent(double share, int digits) {
  return std::isnan(share) ? kNone
                           : absl::StrFormat("%.*f", digits, share * 100);
}

// "78.90 (78.1–79.7)".
std::string Cell(const std::optional<v1::Rate>& rate, int digits) {
  if (!rate) return kNone;
  // The fixed width puts the points of a column below each other.
  return absl::StrFormat("%*.*f (%.1f–%.1f)", digits + 3, digits,
                         rate->value() * 100, rate->lower() * 100,
                         rate->upper() * 100);
}

// A dash stands for a missing loss: the thesis prints one alone.
std::string Loss(const std::optional<double>& loss) {
  return loss && !std::isnan(*loss) ? absl::StrFormat("%.4f", *loss) : kNone;
}

// Accuracy and loss over all classes, ours beside the thesis's.
std::string AllClasses(const std::vector<ComparisonRow>& rows,
                       const Style& style) {
  Table table({{"model"},
               {"thesis", true},
               {"ours"},
               {"difference", true},
               {"loss: thesis", true},
               {"ours", true}});
  for (const ComparisonRow& row : rows) {
    // NaN carries on: without either number the difference is NaN, too.
    const double thesis = row.thesis ? row.thesis->accuracy : kNan;
    const double difference =
        row.accuracy ? row.accuracy->value() - thesis : kNan;
    table.AddRow({row.name, Percent(thesis, 2), Cell(row.accuracy, 2),
                  std::isnan(difference)
                      ? kNone
                      : absl::StrFormat("%+.2f", difference * 100),
                  Loss(row.thesis ? row.thesis->loss : kNan), Loss(row.loss)});
  }
  return absl::StrCat(style.Bold("All classes: % right of the test images"),
                      "\n", table.ToText(style), "\n");
}

// Accuracy on the class that each model's training treats otherwise. Delta is
// the difference from the balanced model on the same class.
std::string OneClass(const std::vector<ComparisonRow>& rows,
                     const Style& style) {
  Table table({{"model"},
               {"thesis", true},
               {"ours"},
               {"balanced", true},
               {"delta, points"}});
  for (const ComparisonRow& row : rows) {
    // The balanced model has no such class.
    if (row.class_name.empty()) continue;
    const auto& balanced = row.balanced_class_accuracy;
    table.AddRow(
        {row.name, Percent(row.thesis ? row.thesis->class_accuracy : kNan, 0),
         Cell(row.class_accuracy, 1),
         Percent(balanced ? balanced->value() : kNan, 1),
         row.delta ? absl::StrFormat(
                         "%+5.1f (%+.1f to %+.1f)", row.delta->value * 100,
                         row.delta->lower * 100, row.delta->upper * 100)
                   : kNone});
  }
  return absl::StrCat(
      style.Bold("The class that the model's training treats otherwise"), "\n",
      table.ToText(style), "\n");
}

// Accuracy on the image sets beside the test images; empty if there are none.
std::string Further(const std::vector<ComparisonRow>& rows,
                    const Style& style) {
  const std::set<std::string> names = FurtherImages(rows);
  if (names.empty()) return "";
  std::vector<Table::Column> columns = {{"model"}};
  for (const std::string& name : names) columns.push_back({name});
  Table table(columns);
  for (const ComparisonRow& row : rows) {
    if (!row.model) continue;
    std::vector<std::string> cells = {row.name};
    for (const std::string& name : names) {
      const v1::TestResult* result = FurtherResult(row, name);
      std::optional<v1::Rate> rate;
      // A model that was not tested on the set has a dash.
      if (result) rate = MakeRate(result->correct(), result->images());
      cells.push_back(Cell(rate, 2));
    }
    table.AddRow(cells);
  }
  return absl::StrCat(style.Bold("Further images: % right"), "\n",
                      table.ToText(style), "\n");
}

// A dash in place of an empty cell, which would look like an omission.
std::string OrNone(const std::string& text) {
  return text.empty() ? kNone : text;
}

// The protocol, and the network and the initial weights if they are not the
// thesis's.
std::string SettingText(const v1::ModelManifest& manifest) {
  std::string text = OrNone(ProtocolText(manifest.training().settings()));
  if (manifest.architecture() != "table51") {
    absl::StrAppend(&text, ", ", manifest.architecture());
  }
  if (manifest.training().has_initial_weights()) {
    absl::StrAppend(&text, ", from ",
                    manifest.training().initial_weights().file());
  }
  return text;
}

// How each model was trained; empty if the server has none of them.
std::string TrainingText(const std::vector<ComparisonRow>& rows, bool wide,
                         const Style& style) {
  std::vector<Table::Column> columns = {{"model"},      {"data set"},
                                        {"protocol"},   {"epochs", true},
                                        {"best", true}, {"stopped"}};
  // With these columns the table is wider than 80.
  if (wide) {
    columns.insert(columns.end(), {{"time", true},
                                   {"threads", true},
                                   {"device"},
                                   {"version", true},
                                   {"digest"}});
  }
  Table table(columns);
  bool any = false;
  for (const ComparisonRow& row : rows) {
    if (!row.model) continue;
    any = true;
    const v1::TrainingRecord& training = row.model->manifest().training();
    // The record has 0 for what was not recorded.
    const auto count = [](std::int64_t n) {
      return n > 0 ? absl::StrCat(n) : kNone;
    };
    std::vector<std::string> cells = {row.name,
                                      OrNone(training.dataset()),
                                      SettingText(row.model->manifest()),
                                      count(training.epochs_size()),
                                      count(training.best_epoch()),
                                      OrNone(StopText(training.stop_reason()))};
    if (wide) {
      cells.insert(
          cells.end(),
          {training.wall_seconds() > 0 ? DurationText(training.wall_seconds())
                                       : kNone,
           count(training.threads()), OrNone(training.device()),
           absl::StrCat(row.model->version()), ShortId(row.model->digest())});
    }
    table.AddRow(cells);
  }
  if (!any) return "";
  return absl::StrCat(style.Bold("Training"), "\n", table.ToText(style), "\n");
}

// "9 lost (for 8 the interval excludes 0)".
std::string Part(int count, int clear, const char* what) {
  if (count == 0) return absl::StrCat("none ", what);
  return absl::StrCat(count, " ", what, " (for ", clear,
                      " the interval excludes 0)");
}

// What the imbalance did to the models of one family, in one sentence.
std::string Sentence(const FamilySummary& family) {
  return absl::StrCat(
      "Accuracy on their class beside the balanced model's: of ", family.models,
      " ", family.family, family.models == 1 ? " model " : " models ",
      Part(family.lost, family.clearly_lost, "lost"), ", ",
      Part(family.gained, family.clearly_gained, "gained"), ".");
}

// How the numbers were made, as far as a reader needs it to trust them.
std::string ComparisonLegend(const Style& style) {
  const std::string text = absl::StrCat(
      "thesis: ", kThesisSource,
      "; its loss is that of its validation images, ours that of the test "
      "images. In brackets: 95 % intervals. That of delta, our accuracy on the "
      "class minus the balanced model's, is Newcombe's hybrid score interval "
      "(1998, method 10), wider than need be for two models on the same "
      "images; the others are Wilson's. ",
      kNone, ": not in the table, not served, or not recorded.");
  return style.Dim(WrapWords(text, kComparisonWidth, 0)) + "\n";
}

}  // namespace

std::string ComparisonText(const std::vector<ComparisonRow>& rows,
                           const std::vector<std::string>& notes, bool wide,
                           const Style& style) {
  std::string text =
      absl::StrCat(AllClasses(rows, style), OneClass(rows, style),
                   Further(rows, style), TrainingText(rows, wide, style));
  const auto families = Summarize(rows);
  for (const FamilySummary& family : families) {
    absl::StrAppend(&text, WrapWords(Sentence(family), kComparisonWidth, 0),
                    "\n");
  }
  if (!families.empty()) text += "\n";
  for (const std::string& note : notes) {
    absl::StrAppend(&text, style.Mark("note: "),
                    WrapWords(note, kComparisonWidth, 6, 6), "\n");
  }
  if (!notes.empty()) text += "\n";
  return text + ComparisonLegend(style);
}

}  // namespace adv
