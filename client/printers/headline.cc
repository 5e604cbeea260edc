#include <algorithm>

#include "absl/strings/str_cat.h"
#include "client/attacks/attack_text.h"
#include "client/attacks/epsilon.h"
#include "client/printers/numbers.h"
#include "client/printers/report.h"

namespace adv {
namespace {

// "79.7% to 32.8%".
std::string FromTo(const v1::Rate& from, const v1::Rate& to) {
  return absl::StrCat(PercentText(from.value()), "% to ",
                      PercentText(to.value()), "%");
}

// What one attack at one epsilon does to all classes, to the marked class and
// to the others. The first two have the model beside in brackets.
std::string Sentences(const ResultView& view) {
  const v1::Outcomes& all = view.result->overall();
  std::string text = absl::StrCat(
      AttackLabel(view), " at epsilon ", EpsilonText(view.result->epsilon()),
      " takes ", view.report->resolved().model().name(), " from ",
      PercentText(all.clean_accuracy().value()), "% right to ",
      PercentText(all.robust_accuracy().value()), "%");
  const std::string other =
      view.beside ? view.beside_report->resolved().model().name() : "";
  if (view.beside != nullptr) {
    absl::StrAppend(&text, " (", other, ": ",
                    FromTo(view.beside->overall().clean_accuracy(),
                           view.beside->overall().robust_accuracy()),
                    ")");
  }
  text += ".";
  if (!view.report->has_special_label()) return text;
  MarkedSplit split, beside;
  // The label is the server's; the report may have no such class.
  if (!SplitMarked(*view.result, view.report->special_label(), &split)) {
    return text;
  }
  absl::StrAppend(&text, " Its marked class, ", split.class_name,
                  ", falls from ", FromTo(split.clean, split.robust));
  if (view.beside != nullptr &&
      SplitMarked(*view.beside, view.report->special_label(), &beside)) {
    absl::StrAppend(&text, " (", other, ": ",
                    FromTo(beside.clean, beside.robust), ")");
  }
  absl::StrAppend(&text, ", the other classes together from ",
                  FromTo(split.others_clean, split.others_robust), ".");
  return text;
}

}  // namespace

bool SplitMarked(const v1::AttackResult& result, int label,
                 MarkedSplit* split) {
  std::int64_t images = 0, clean = 0, robust = 0;
  bool found = false;
  for (const auto& one : result.per_class()) {
    const v1::Outcomes& outcomes = one.outcomes();
    // The others' rates come from sums of counts, because a mean of rates would
    // weigh all classes alike, whatever their number of images.
    if (one.label() == label) {
      found = true;
      split->class_name = one.class_name();
      split->clean = outcomes.clean_accuracy();
      split->robust = outcomes.robust_accuracy();
      continue;
    }
    images += outcomes.clean_accuracy().total();
    clean += outcomes.clean_accuracy().count();
    robust += outcomes.robust_accuracy().count();
  }
  split->others_clean = MakeRate(clean, images);
  split->others_robust = MakeRate(robust, images);
  return found;
}

std::string Headline(const ModelResults& results, const Style& style) {
  std::string text;
  for (const auto& views : GroupByAttack(results)) {
    // Epsilons stand in the order of the specification, which need not rise.
    const auto largest = std::max_element(
        views.begin(), views.end(),
        [](const ResultView& a, const ResultView& b) {
          return Pixels(a.result->epsilon()) < Pixels(b.result->epsilon());
        });
    for (const ResultView& view : views) {
      // A sweep would fill pages; its largest epsilon speaks for it.
      if (views.size() > 2 && &view != &*largest) continue;
      absl::StrAppend(&text,
                      style.Bold(WrapWords(Sentences(view), kReportWidth, 0)),
                      "\n\n");
    }
  }
  return text;
}

}  // namespace adv
