#include <algorithm>

#include "absl/strings/str_cat.h"
#include "client/attacks/attack_text.h"
#include "client/attacks/epsilon.h"
#include "client/printers/numbers.h"
#include "client/printers/report.h"
#include "client/printers/result_details.h"
#include "client/printers/table.h"

namespace adv {
namespace {

// The number of columns of percentages that fit beside a class name.
constexpr std::size_t kEpsilonsInSweep = 9;

// All classes together, with one row for each epsilon. The last column is the
// robust accuracy of the model beside, if there is one.
Table Overall(const std::vector<ResultView>& views) {
  std::vector<Table::Column> columns = {
      {"epsilon", true}, {"clean"}, {"robust"}, {"success"}, {"perturbed"}};
  if (views.front().beside != nullptr) {
    columns.push_back(
        {views.front().beside_report->resolved().model().name(), true});
  }
  Table table(columns);
  for (const ResultView& view : views) {
    const v1::Outcomes& all = view.result->overall();
    std::vector<std::string> cells = {
        EpsilonText(view.result->epsilon()), RateCell(all.clean_accuracy()),
        RateCell(all.robust_accuracy()), RateCell(all.attack_success()),
        RateCell(all.perturbed_accuracy())};
    if (view.beside != nullptr) {
      cells.push_back(
          PercentText(view.beside->overall().robust_accuracy().value()));
    }
    table.AddRow(cells);
  }
  return table;
}

// Robust accuracy, with one row for each class and one column for each epsilon.
Table ByClass(const std::vector<ResultView>& views, std::size_t begin) {
  const std::size_t end = std::min(views.size(), begin + kEpsilonsInSweep);
  std::vector<Table::Column> columns = {{"class"}, {"clean", true}};
  for (std::size_t i = begin; i < end; ++i) {
    columns.push_back({EpsilonText(views[i].result->epsilon()), true});
  }
  Table table(columns);
  const v1::EvaluationReport& report = *views.front().report;
  const auto& classes = views.front().result->per_class();
  for (int c = 0; c < classes.size(); ++c) {
    std::vector<std::string> cells = {
        classes[c].class_name(),
        PercentText(classes[c].outcomes().clean_accuracy().value())};
    for (std::size_t i = begin; i < end; ++i) {
      const auto& those = views[i].result->per_class();
      // A result without the class has an empty cell, so that the later cells
      // stay in their columns.
      cells.push_back(
          c < those.size()
              ? PercentText(those[c].outcomes().robust_accuracy().value())
              : "");
    }
    const bool marked = report.has_special_label() &&
                        report.special_label() == classes[c].label();
    table.AddRow(cells, marked ? Table::Row::kMarked : Table::Row::kPlain);
  }
  return table;
}

// The attack's parameters if they are the same at all epsilons, empty
// otherwise: some defaults, as IGSM's number of steps, follow from epsilon.
std::string CommonParameters(const std::vector<ResultView>& views) {
  const std::string first = AttackParameters(views.front().result->attack());
  const bool same =
      std::all_of(views.begin(), views.end(), [&](const ResultView& view) {
        return AttackParameters(view.result->attack()) == first;
      });
  return same ? first : "";
}

}  // namespace

std::string SweepText(const std::vector<ResultView>& views,
                      const Style& style) {
  std::string title = absl::StrCat(AttackTitle(views.front().result->attack()),
                                   " at ", views.size(), " epsilons");
  const std::string parameters = CommonParameters(views);
  if (!parameters.empty()) absl::StrAppend(&title, ", ", parameters);
  std::string text = absl::StrCat(style.Bold(title),
                                  views.front().beside != nullptr
                                      ? " (last column: robust accuracy beside)"
                                      : "",
                                  "\n", Overall(views).ToText(style), "\n");
  // More epsilons than fit across stand in further tables below.
  for (std::size_t begin = 0; begin < views.size(); begin += kEpsilonsInSweep) {
    absl::StrAppend(&text, style.Bold("Robust accuracy by class"), "\n",
                    ByClass(views, begin).ToText(style), "\n");
  }
  return text + SweepDetails(views, style);
}

std::string SummaryText(const std::vector<ModelResults>& models,
                        const Style& style) {
  Table table({{"attack"},
               {"epsilon", true},
               {"model"},
               {"clean"},
               {"robust"},
               {"success"}});
  // All models had the same questions, so equal places are the same attack at
  // the same epsilon.
  std::vector<std::vector<ResultView>> flat(models.size());
  for (std::size_t m = 0; m < models.size(); ++m) {
    for (const auto& views : GroupByAttack(models[m])) {
      flat[m].insert(flat[m].end(), views.begin(), views.end());
    }
  }
  for (std::size_t i = 0; i < flat.front().size(); ++i) {
    for (const auto& views : flat) {
      if (i >= views.size()) continue;
      const v1::AttackResult& result = *views[i].result;
      // Attack and epsilon stand in the first model's row alone.
      const bool first = &views == &flat.front();
      table.AddRow({first ? AttackLabel(views[i]) : "",
                    first ? EpsilonText(result.epsilon()) : "",
                    ModelText(views[i].report->resolved().model()),
                    RateCell(result.overall().clean_accuracy()),
                    RateCell(result.overall().robust_accuracy()),
                    RateCell(result.overall().attack_success())});
    }
  }
  return absl::StrCat(style.Bold("All models"), "\n", table.ToText(style),
                      "\n");
}

}  // namespace adv
