#include "client/printers/images.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/attacks/attack_text.h"
#include "client/attacks/epsilon.h"
#include "client/printers/numbers.h"
#include "client/printers/visible.h"

namespace adv {
namespace {

constexpr int kWideBar = 40, kNarrowBar = 20;
constexpr int kTextWidth = 100;
// The classes shown before and after an attack. Servers list all classes.
constexpr int kShownClasses = 3;

// Name, bar and per cent. The name is padded to 10 columns and the number to 5,
// so that the lines of a list stand below each other.
std::string ScoreLine(const v1::ClassScore& score, int bar) {
  return absl::StrCat(PadRight(Visible(score.class_name()), 10), "  ",
                      Bar(score.probability(), bar), "  ",
                      PadLeft(PercentText(score.probability()), 5), "%");
}

// An answer has no list of class names, so the name is looked up among the
// classes that it lists for the image.
std::string ClassName(const v1::AdversarialResult& result, int label) {
  for (const auto* list : {&result.clean(), &result.adversarial()}) {
    for (const v1::ClassScore& score : list->top()) {
      if (score.label() == label) return Visible(score.class_name());
    }
  }
  return absl::StrCat("class ", label);
}

// The best classes before and after the attack, line by line. The left half is
// as wide as a ScoreLine with a narrow bar.
std::string BeforeAfter(const v1::AdversarialResult& result,
                        const Style& style) {
  const auto& before = result.clean().top();
  const auto& after = result.adversarial().top();
  std::string text = absl::StrCat(
      "  ", style.Dim(PadRight("before", 10 + 2 + kNarrowBar + 2 + 7)), "    ",
      style.Dim("after"), "\n");
  for (int i = 0;
       i < std::min(kShownClasses, std::max(before.size(), after.size()));
       ++i) {
    const std::string left =
        i < before.size() ? ScoreLine(before[i], kNarrowBar) : "";
    const std::string right =
        i < after.size() ? ScoreLine(after[i], kNarrowBar) : "";
    const std::string line = absl::StrCat(
        PadRight(left, 10 + 2 + kNarrowBar + 2 + 7), "    ", right);
    absl::StrAppend(&text, "  ", i == 0 ? style.Bold(line) : line, "\n");
  }
  return text;
}

// One sentence: whether the model was fooled, and how sure it is of what it
// says.
std::string Verdict(const v1::AdversarialResult& result, const v1::Goal& goal,
                    const Style& style) {
  const v1::AttackRecord& record = result.record();
  const std::string label = ClassName(result, result.label());
  const std::string prediction = ClassName(result, record.prediction());
  // -1 stands for a server that listed no classes.
  const int clean =
      result.clean().top_size() > 0 ? result.clean().top(0).label() : -1;
  const std::string sure =
      absl::StrFormat("%s%%", PercentText(record.confidence()));
  // An untargeted attack counts such an image as a success at once. "Fooled"
  // would give the attack credit for the model's own mistake.
  if (clean != result.label() && !goal.has_targeted()) {
    if (record.l0() == 0) {
      return style.Bad(absl::StrCat("Nothing was needed: the model takes this ",
                                    label, " for ", prediction, " (", sure,
                                    ") without any change."));
    }
    if (record.prediction() == clean) {
      return style.Bad(absl::StrCat(
          "Wrong from the start: this ", label, " was taken for ", prediction,
          " before the attack, and still is (", sure, ")."));
    }
    return style.Bad(absl::StrCat("Wrong from the start: this ", label,
                                  " was taken for ", ClassName(result, clean),
                                  " before the attack, and now for ",
                                  prediction, " (", sure, ")."));
  }
  if (record.success()) {
    return style.Bad(absl::StrCat("Fooled: the model takes this ", label,
                                  " for ", prediction, " (", sure, ")."));
  }
  std::string text = absl::StrCat("Not fooled: the model still says ",
                                  prediction, " (", sure, ")");
  // The model is wrong, but not in the way that was asked for.
  if (goal.has_targeted() && record.prediction() != result.label()) {
    text = absl::StrCat("Off target: the model says ", prediction, " (", sure,
                        "), not ", ClassName(result, record.target()));
  }
  return style.Good(absl::StrCat(text, "; try a larger --epsilon."));
}

std::string ImageWarnings(const v1::GenerateAdversarialResponse& response,
                          const Style& style) {
  std::string text;
  for (const std::string& warning : response.warnings()) {
    absl::StrAppend(&text,
                    style.Mark(WrapWords("warning: " + warning, kTextWidth, 9)),
                    "\n");
  }
  return text;
}

}  // namespace

std::string ClassificationText(const v1::Classification& classification,
                               const Style& style) {
  std::string text;
  for (int i = 0; i < classification.top_size(); ++i) {
    const std::string line = ScoreLine(classification.top(i), kWideBar);
    absl::StrAppend(&text, "  ", i == 0 ? style.Bold(line) : line, "\n");
  }
  return text;
}

std::string AttackText(const v1::GenerateAdversarialResponse& response,
                       const v1::Epsilon& epsilon, const v1::Goal& goal,
                       const Style& style) {
  const v1::AdversarialResult& result = response.results(0);
  const v1::AttackRecord& record = result.record();
  std::string title = absl::StrCat(AttackTitle(response.attack()),
                                   " at epsilon ", EpsilonText(epsilon));
  const std::string parameters = AttackParameters(response.attack());
  if (!parameters.empty()) absl::StrAppend(&title, ", ", parameters);
  absl::StrAppend(&title, ", on ", ModelText(response.model()));
  std::string text = absl::StrCat(style.Dim(Visible(title)), "\n\n",
                                  BeforeAfter(result, style), "\n",
                                  Verdict(result, goal, style), "\n");
  const std::string warnings = ImageWarnings(response, style);
  if (record.l0() == 0) {
    return absl::StrCat(text, "No value was changed.\n", warnings);
  }
  // The largest change is told in grey levels, to two digits: a difference of
  // two float pixels is seldom exactly 8/255.
  absl::StrAppendFormat(&text, "Changed %s values by at most %g/255 (L2 %.2f)",
                        CountText(record.l0()),
                        std::round(record.linf() * 255 * 100) / 100,
                        record.l2());
  // FGSM takes a single step, so its number tells nothing.
  if (record.iterations() > 0 && !response.attack().has_fgsm()) {
    absl::StrAppend(&text, "; fooled after ", record.iterations(),
                    record.iterations() == 1 ? " step" : " steps");
  }
  return absl::StrCat(text, ".\n", warnings);
}

}  // namespace adv
