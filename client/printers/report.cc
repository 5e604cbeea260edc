#include "client/printers/report.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/attacks/attack_text.h"
#include "client/attacks/epsilon.h"
#include "client/attacks/goal.h"
#include "client/printers/numbers.h"
#include "client/printers/result_details.h"
#include "client/printers/table.h"
#include "client/printers/visible.h"

namespace adv {
namespace {

// An attack with more epsilons than this is a sweep, with a table of its own.
constexpr std::size_t kDetailed = 2;

// One line that says what was measured. Norm, 8-bit images and the rule of
// success are told only if they are not the usual ones.
std::string Header(const ModelResults& results, const Style& style) {
  const v1::EvaluationReport& report = results.evaluations.front().report();
  const v1::ResolvedSpec& resolved = report.resolved();
  std::string text = ModelText(resolved.model());
  if (!results.beside.empty()) {
    absl::StrAppend(
        &text, " beside ",
        ModelText(results.beside.front().report().resolved().model()));
  }
  absl::StrAppend(&text, " on ", resolved.spec().dataset(), ": ",
                  CountText(resolved.samples()), " images, ",
                  DescribeGoal(resolved.spec().goal(), report.class_names()));
  // Only transfer has another source model.
  if (resolved.source_model().digest() != resolved.model().digest() &&
      !resolved.source_model().name().empty()) {
    absl::StrAppend(&text, ", ", SourceText(resolved.spec().attacks()), " ",
                    ModelText(resolved.source_model()));
  }
  if (resolved.spec().norm() == v1::NORM_L2) text += ", epsilon in L2";
  if (resolved.spec().eight_bit()) text += ", 8-bit images";
  if (resolved.spec().precision() == v1::PRECISION_FAST) {
    text += ", fast passes confirmed in float32";
  }
  if (resolved.spec().success() == v1::SUCCESS_RULE_ANY_ITERATE) {
    text += ", any iterate counts";
  }
  return style.Dim(Visible(text)) + "\n\n";
}

// The cells of DetailTable, for all classes or for one. `beside` is null if no
// other model is shown.
std::vector<std::string> Cells(const std::string& name,
                               const v1::Outcomes& outcomes,
                               const v1::Outcomes* beside) {
  std::vector<std::string> cells = {name, RateCell(outcomes.clean_accuracy()),
                                    RateCell(outcomes.robust_accuracy()),
                                    RateCell(outcomes.attack_success()),
                                    RateCell(outcomes.perturbed_accuracy())};
  if (beside != nullptr) {
    cells.push_back(PercentText(beside->clean_accuracy().value()));
    cells.push_back(PercentText(beside->robust_accuracy().value()));
  }
  return cells;
}

// One row for all classes together and one row for each class.
Table DetailTable(const ResultView& view) {
  std::vector<Table::Column> columns = {
      {"class"}, {"clean"}, {"robust"}, {"success"}, {"perturbed"}};
  if (view.beside != nullptr) {
    columns.push_back({"clean", true});
    columns.push_back({"robust", true});
  }
  Table table(columns);
  table.AddRow(Cells("all", view.result->overall(),
                     view.beside ? &view.beside->overall() : nullptr),
               Table::Row::kBold);
  for (int i = 0; i < view.result->per_class_size(); ++i) {
    const v1::ClassOutcomes& one = view.result->per_class(i);
    // Both reports list the classes in label order, so equal places are equal
    // classes.
    const bool has_beside =
        view.beside != nullptr && i < view.beside->per_class_size();
    const bool marked = view.report->has_special_label() &&
                        view.report->special_label() == one.label();
    table.AddRow(
        Cells(one.class_name(), one.outcomes(),
              has_beside ? &view.beside->per_class(i).outcomes() : nullptr),
        marked ? Table::Row::kMarked : Table::Row::kPlain);
  }
  return table;
}

// Title, table and further facts of one attack at one epsilon.
std::string Detail(const std::vector<ResultView>& views, const ResultView& view,
                   const Style& style) {
  const std::string table = DetailTable(view).ToText(style);
  std::string title = ResultTitle(*view.result);
  const std::string parameters = AttackParameters(view.result->attack());
  if (!parameters.empty()) absl::StrAppend(&title, ", ", parameters);
  std::string line = style.Bold(title);
  if (view.beside != nullptr) {
    // Puts the other model's name above the last two columns, which are its
    // own. The width is measured without colours, whose codes would count as
    // characters.
    const std::string plain = DetailTable(view).ToText(Style(false));
    const std::size_t width = DisplayWidth(plain.substr(0, plain.find('\n')));
    const std::string other =
        Visible(ModelText(view.beside_report->resolved().model()));
    const std::size_t used = DisplayWidth(title) + DisplayWidth(other);
    if (width > used) line += std::string(width - used, ' ');
    line += style.Bold(other);
  }
  return absl::StrCat(line, "\n", table, ResultDetails(views, view, style),
                      "\n");
}

// What the words and marks of the tables mean; only those that are there.
std::string Legend(const ModelResults& results, const Style& style) {
  const v1::EvaluationReport& report = results.evaluations.front().report();
  std::string text =
      "Per cent of images (95 % Wilson interval). clean: right before the "
      "attack. robust: right before and after. success: of those right before, "
      "now wrong. perturbed: right after.";
  // The label is the server's and may be out of range.
  if (report.has_special_label() && report.special_label() >= 0 &&
      report.special_label() < report.class_names_size()) {
    absl::StrAppend(&text, " ▶ ", report.class_names(report.special_label()),
                    ": the class that the training data treats otherwise.");
  }
  for (const auto& views : GroupByAttack(results)) {
    // A sweep does not show the relative drop.
    if (views.size() > kDetailed) continue;
    text += " relative drop: (clean - perturbed) / clean.";
    break;
  }
  text += DetailsLegend(report);
  return style.Dim(WrapWords(text, kReportWidth, 0)) + "\n\n";
}

std::string Warnings(const ModelResults& results, const Style& style) {
  std::string text;
  // Several evaluations of one command often give the same warning.
  std::set<std::string> told;
  for (const auto* list : {&results.evaluations, &results.beside}) {
    for (const v1::Evaluation& evaluation : *list) {
      const v1::EvaluationReport& report = evaluation.report();
      for (const std::string& warning : report.warnings()) {
        const std::string line = absl::StrCat(
            "warning: ", report.resolved().model().name(), ": ", warning);
        if (!told.insert(line).second) continue;
        absl::StrAppend(&text, style.Mark(WrapWords(line, kReportWidth, 9)),
                        "\n");
      }
    }
  }
  return text.empty() ? "" : text + "\n";
}

// Turns the server's "a larger epsilon: needs several epsilons" into "a larger
// epsilon (needs several epsilons)".
std::string UncheckedText(const std::string& said) {
  const std::size_t colon = said.find(": ");
  if (colon == std::string::npos) return said;
  return absl::StrCat(said.substr(0, colon), " (", said.substr(colon + 2), ")");
}

// What the server could not check, each point once, however many evaluations
// name it.
std::string Unchecked(const ModelResults& results, const Style& style) {
  std::vector<std::string> all;
  for (const auto* list : {&results.evaluations, &results.beside}) {
    for (const v1::Evaluation& evaluation : *list) {
      for (const std::string& said : evaluation.report().unchecked()) {
        const std::string text = UncheckedText(said);
        if (std::find(all.begin(), all.end(), text) != all.end()) continue;
        all.push_back(text);
      }
    }
  }
  if (all.empty()) return "";
  return style.Dim(WrapWords("not checked: " + absl::StrJoin(all, "; "),
                             kReportWidth, 0)) +
         "\n\n";
}

// "FGSM+IGSM". Results stand attack by attack, so those that differ in epsilon
// alone are neighbours.
std::string AttackList(const v1::EvaluationReport& report) {
  std::vector<std::string> names;
  for (const v1::AttackResult& result : report.results()) {
    const std::string title = AttackTitle(result.attack());
    if (names.empty() || names.back() != title) names.push_back(title);
  }
  return absl::StrJoin(names, "+");
}

// Where it ran and how fast, and how to see it again.
std::string Footer(const ModelResults& results, const Style& style,
                   bool can_ask_again) {
  const v1::Environment& environment =
      results.evaluations.front().report().environment();
  std::string text = absl::StrCat("server ", environment.server_version(),
                                  " on ", environment.device());
  for (const auto& library : environment.libraries()) {
    absl::StrAppend(&text, ", ", library);
  }
  text = WrapWords(text, kReportWidth, 0) + "\n\n";
  Table table({{"evaluation"},
               {"model"},
               {"attacks"},
               {"images/s", true},
               {"seconds", true}});
  for (const auto* list : {&results.evaluations, &results.beside}) {
    for (const v1::Evaluation& evaluation : *list) {
      const v1::EvaluationReport& report = evaluation.report();
      table.AddRow(
          {ShortId(evaluation.id()), ModelText(report.resolved().model()),
           AttackList(report),
           SpeedText(report.environment().samples_per_second()),
           absl::StrFormat("%.1f", report.environment().wall_seconds())});
    }
  }
  text += table.ToText(style);
  if (!can_ask_again) return text;
  const std::string id = Visible(ShortId(results.evaluations.front().id()));
  absl::StrAppend(&text, "\nSee one again:  advctl evaluations show ", id,
                  "\nImage by image: advctl evaluations records ", id,
                  " --output=csv\n");
  return text;
}

}  // namespace

std::string ReportText(const ModelResults& results, const Style& style,
                       bool can_ask_again) {
  std::string text = Header(results, style) + Headline(results, style);
  for (const auto& views : GroupByAttack(results)) {
    if (views.size() > kDetailed) {
      text += SweepText(views, style);
      continue;
    }
    for (const ResultView& view : views) text += Detail(views, view, style);
  }
  return absl::StrCat(text, Legend(results, style), Warnings(results, style),
                      Unchecked(results, style),
                      Footer(results, style, can_ask_again));
}

}  // namespace adv
