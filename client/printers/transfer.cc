#include "client/printers/transfer.h"

#include <algorithm>
#include <functional>

#include "absl/strings/str_cat.h"
#include "client/attacks/attack_text.h"
#include "client/printers/json.h"
#include "client/printers/numbers.h"
#include "client/printers/report.h"
#include "client/printers/table.h"
#include "client/printers/visible.h"

namespace adv {
namespace {

// Every pair may have warnings of its own, which would fill pages.
constexpr std::size_t kShownWarnings = 5;
constexpr std::size_t kNarrowest = 7;  // "[>99.9]"

// Picks the outcomes that a cell shows; null if there are none.
using Pick =
    std::function<const v1::Outcomes*(const v1::EvaluationReport& report)>;

// Each report has exactly one result, because a matrix is of one attack at one
// epsilon.
const v1::Outcomes* OverallOf(const v1::EvaluationReport& report) {
  return &report.results(0).overall();
}

// Null if the attacked model has no marked class.
const v1::Outcomes* OfMarked(const v1::EvaluationReport& report) {
  const v1::ClassOutcomes* marked = MarkedOutcomes(report);
  return marked == nullptr ? nullptr : &marked->outcomes();
}

// What the numbers of the matrix are, for its title.
std::string MeasureText(TransferMeasure measure) {
  switch (measure) {
    case TransferMeasure::kSuccess:
      return "attack success, % of the images right before that are now wrong";
    case TransferMeasure::kPerturbed:
      return "% right on the perturbed images";
    default:
      return "robust accuracy, % right before and after";
  }
}

// The header above the names of the sources. An attack by scores or decisions
// takes no gradients, so the header must not speak of them.
std::string Corner(const TransferMatrix& matrix) {
  return SourceText(matrix.At(0, 0).resolved().spec().attacks());
}

// The end of the columns [begin, end) that fit beside the names of the sources;
// at least one column.
std::size_t LastColumn(const TransferMatrix& matrix, std::size_t begin) {
  std::size_t used = DisplayWidth(Corner(matrix)) + 2;
  for (const std::string& source : matrix.sources) {
    used = std::max(used, DisplayWidth(Visible(source)) + 2);
  }
  std::size_t end = begin;
  while (end < matrix.targets.size()) {
    // Two blanks stand between columns; the 1 is the blank after a target's
    // name.
    used += 2 + std::max(kNarrowest,
                         DisplayWidth(Visible(matrix.targets[end])) + 1);
    // One column is taken even if it does not fit, or there would be no end.
    if (used > kReportWidth && end > begin) break;
    ++end;
  }
  return end;
}

// A row of facts about the targets. They are the same for every source, so the
// first row of the matrix has them.
std::vector<std::string> TargetRow(
    const TransferMatrix& matrix, std::size_t begin, std::size_t end,
    const std::string& name,
    const std::function<std::string(const v1::EvaluationReport&)>& text) {
  std::vector<std::string> cells = {name};
  for (std::size_t t = begin; t < end; ++t) {
    // The space stands where white-box cells below have a bracket.
    cells.push_back(text(matrix.At(0, t)) + " ");
  }
  return cells;
}

// The matrix for the targets [begin, end). White-box cells stand in brackets;
// other cells end in a blank, so that the numbers stay in line.
Table Block(const TransferMatrix& matrix, TransferMeasure measure,
            const Pick& pick, bool name_class, std::size_t begin,
            std::size_t end) {
  std::vector<Table::Column> columns = {{Corner(matrix)}};
  for (std::size_t t = begin; t < end; ++t) {
    columns.push_back({matrix.targets[t] + " ", true});
  }
  Table table(columns);
  if (name_class) {
    table.AddRow(TargetRow(matrix, begin, end, "(class)",
                           [](const v1::EvaluationReport& report) {
                             const auto* marked = MarkedOutcomes(report);
                             return marked ? marked->class_name() : "–";
                           }));
  }
  table.AddRow(TargetRow(
      matrix, begin, end, "(clean)", [&](const v1::EvaluationReport& report) {
        const v1::Outcomes* outcomes = pick(report);
        return outcomes ? PercentText(outcomes->clean_accuracy().value()) : "–";
      }));
  for (std::size_t s = 0; s < matrix.sources.size(); ++s) {
    std::vector<std::string> cells = {matrix.sources[s]};
    for (std::size_t t = begin; t < end; ++t) {
      const v1::EvaluationReport& report = matrix.At(s, t);
      const v1::Outcomes* outcomes = pick(report);
      const std::string value =
          outcomes ? PercentText(MeasureOf(*outcomes, measure).value()) : "–";
      cells.push_back(outcomes && IsWhiteBox(report)
                          ? absl::StrCat("[", value, "]")
                          : value + " ");
    }
    table.AddRow(cells);
  }
  return table;
}

// All targets, in as many blocks as the width asks for.
std::string Blocks(const TransferMatrix& matrix, TransferMeasure measure,
                   const Pick& pick, bool name_class, const Style& style) {
  std::string text;
  for (std::size_t begin = 0; begin < matrix.targets.size();) {
    const std::size_t end = LastColumn(matrix, begin);
    absl::StrAppend(
        &text,
        Block(matrix, measure, pick, name_class, begin, end).ToText(style),
        "\n");
    begin = end;
  }
  return text;
}

// All pairs share attack, data set and images, so the first report tells them.
std::string Title(const TransferMatrix& matrix) {
  const v1::EvaluationReport& report = matrix.At(0, 0);
  const v1::AttackResult& result = report.results(0);
  const std::string parameters = AttackParameters(result.attack());
  return absl::StrCat(ResultTitle(result), parameters.empty() ? "" : ", ",
                      parameters, " on ", report.resolved().spec().dataset(),
                      ", ", CountText(report.resolved().samples()), " images");
}

// The distinct warnings, at most a few.
std::string MatrixWarnings(const TransferMatrix& matrix, const Style& style) {
  std::vector<std::string> all;
  for (const v1::Evaluation& one : matrix.evaluations) {
    for (const std::string& warning : one.report().warnings()) {
      if (std::find(all.begin(), all.end(), warning) == all.end()) {
        all.push_back(warning);
      }
    }
  }
  if (all.empty()) return "";
  std::string text;
  for (std::size_t i = 0; i < all.size() && i < kShownWarnings; ++i) {
    absl::StrAppend(
        &text, style.Mark(WrapWords("warning: " + all[i], kReportWidth, 9)),
        "\n");
  }
  if (all.size() > kShownWarnings) {
    absl::StrAppend(&text, "and ", all.size() - kShownWarnings,
                    " more; --output=json tells them\n");
  }
  return text + "\n";
}

}  // namespace

std::string TransferText(const TransferMatrix& matrix, TransferMeasure measure,
                         const Style& style) {
  std::string text =
      absl::StrCat(style.Dim(Visible(Title(matrix))), "\n\n",
                   style.Bold("All classes: " + MeasureText(measure)), "\n",
                   Blocks(matrix, measure, OverallOf, false, style));
  bool any_marked = false;
  for (const v1::Evaluation& one : matrix.evaluations) {
    any_marked |= MarkedOutcomes(one.report()) != nullptr;
  }
  if (any_marked) {
    absl::StrAppend(
        &text,
        style.Bold("The class that the attacked model's training treats "
                   "otherwise"),
        "\n", Blocks(matrix, measure, OfMarked, true, style));
  }
  text += MatrixWarnings(matrix, style);
  const bool blind = NeedsNoGradients(matrix.At(0, 0).results(0).attack());
  const std::string legend = absl::StrCat(
      "A column is the model attacked, a row the model that ",
      blind ? "the images were made on" : "gave the gradients",
      ". [ ]: they are one, the white box. clean: right before the attack. "
      "Intervals: --output=csv or json.");
  return text + style.Dim(WrapWords(legend, kReportWidth, 0)) + "\n";
}

nlohmann::ordered_json TransferJson(const TransferMatrix& matrix,
                                    TransferMeasure measure) {
  auto pairs = nlohmann::ordered_json::array();
  for (std::size_t i = 0; i < matrix.evaluations.size(); ++i) {
    const v1::Evaluation& one = matrix.evaluations[i];
    const v1::EvaluationReport& report = one.report();
    const v1::ClassOutcomes* marked = MarkedOutcomes(report);
    nlohmann::ordered_json classes = nlohmann::ordered_json::array();
    for (const auto& outcomes : report.results(0).per_class()) {
      classes.push_back(ToJson(outcomes));
    }
    // This stays null if the target has no marked class.
    nlohmann::ordered_json marked_label;
    if (marked != nullptr) marked_label = marked->label();
    pairs.push_back(
        // The evaluations stand row by row, and a row has one for each target.
        {{"source", matrix.sources[i / matrix.targets.size()]},
         {"target", matrix.targets[i % matrix.targets.size()]},
         {"white_box", IsWhiteBox(report)},
         {"evaluation", one.id()},
         {"source_model", ToJson(report.resolved().source_model())},
         {"target_model", ToJson(report.resolved().model())},
         {"marked_label", marked_label},
         {"overall", ToJson(report.results(0).overall())},
         {"per_class", classes},
         {"warnings", std::vector<std::string>(report.warnings().begin(),
                                               report.warnings().end())}});
  }
  const v1::EvaluationReport& first = matrix.At(0, 0);
  return {{"measure", MeasureName(measure)},
          {"dataset", first.resolved().spec().dataset()},
          {"attack", ToJson(first.results(0).attack())},
          {"epsilon", ToJson(first.results(0).epsilon())},
          {"sources", matrix.sources},
          {"targets", matrix.targets},
          {"pairs", pairs}};
}

}  // namespace adv
