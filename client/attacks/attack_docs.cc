#include "client/attacks/attack_docs.h"

#include <algorithm>
#include <cstddef>
#include <variant>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "client/attacks/epsilon.h"
#include "client/printers/numbers.h"
#include "engine/attacks/attack_config.h"
#include "engine/attacks/attack_traits.h"

namespace adv {
namespace {

// Tells of each parameter what its declaration says.
class ParameterTeller {
 public:
  explicit ParameterTeller(std::vector<ParameterDocs>* docs) : docs_(docs) {}

  void operator()(const parameter::Count& described, const parameter::Count&) {
    Add(described.about(), absl::StrCat(described.value()));
  }
  void operator()(const parameter::OptionalCount& described,
                  const parameter::OptionalCount&) {
    Add(described.about(), described.about().rule);
  }
  void operator()(const parameter::Number& described,
                  const parameter::Number&) {
    Add(described.about(), ExactText(described));
  }
  void operator()(const parameter::Size& described, const parameter::Size&) {
    v1::Epsilon size;
    size.set_pixels(described);
    Add(described.about(), EpsilonText(size));
  }
  void operator()(const parameter::OptionalSize& described,
                  const parameter::OptionalSize&) {
    Add(described.about(), described.about().rule);
  }
  void operator()(const parameter::Flag& described, const parameter::Flag&) {
    AddWithoutRange(described.about(), described ? "true" : "false");
  }
  template <typename Enum>
  void operator()(const parameter::Choice<Enum>& described,
                  const parameter::Choice<Enum>&) {
    const auto index = static_cast<std::size_t>(described.value());
    AddWithoutRange(described.about(), Dashes(described.names()[index]));
  }

 private:
  static std::string Dashes(const std::string& name) {
    return absl::StrReplaceAll(name, {{"_", "-"}});
  }
  // Whose type says what it may be.
  void AddWithoutRange(const parameter::About& about,
                       const std::string& by_default) {
    docs_->push_back({Dashes(about.name), by_default, "", about.help});
  }
  void Add(const parameter::About& about, const std::string& by_default) {
    docs_->push_back(
        {Dashes(about.name), by_default, RangeText(about.range), about.help});
  }
  static std::string RangeText(const parameter::Range& range) {
    switch (range.limit) {
      case parameter::Limit::kMaxSteps:
        return absl::StrCat(range.Words(),
                            ", at most the server's --max-steps");
      case parameter::Limit::kMaxQueries:
        return absl::StrCat(range.Words(),
                            ", at most the server's --max-queries");
      case parameter::Limit::kNone:
        break;
    }
    return range.Words();
  }

  std::vector<ParameterDocs>* const docs_;
};

template <typename Config>
std::vector<ParameterDocs> ParametersOf(const Config& config) {
  std::vector<ParameterDocs> docs;
  parameter::ForEach(config, ParameterTeller(&docs));
  return docs;
}
std::vector<ParameterDocs> ParametersOf(const AutoAttackConfig& /*config*/) {
  return {{"members", "the standard ensemble",
           absl::StrCat("1 to ", kMaxMembers, ", no auto-attack among them"),
           "the attacks in order, with their defaults"}};
}

std::vector<AttackDocs> GradientSteps() {
  return {
      {"fgsm", "FGSM", "one step along the sign",
       "The fast gradient sign method: every value of the image goes epsilon "
       "along the sign of the loss's gradient, once. The cheapest attack, and "
       "the weakest of those with gradients.",
       "fgsm:thesis-mode=true", "Goodfellow et al., arXiv 1412.6572"},
      {"igsm", "IGSM", "FGSM in small steps",
       "The iterative gradient sign or basic iterative method: small steps "
       "along the sign of the gradient, each kept within epsilon of the image. "
       "The same numbers at every run: there is no random start.",
       "igsm:step-size=1/255:steps=10", "Kurakin et al., arXiv 1607.02533"},
      {"iterative-least-likely", "ILL", "to the least likely class",
       "IGSM that descends toward the class that the model finds the least "
       "likely on the clean image. Its images are wrong in a gross way: a dog "
       "becomes a ship.",
       "iterative-least-likely:steps=20", "Kurakin et al., arXiv 1607.02533"},
      {"pgd", "PGD", "IGSM from random starts",
       "Projected gradient descent: steps along the gradient (linf: its sign), "
       "each projected into the ball around the image, from random points of "
       "the ball. The usual measure of robustness.",
       "pgd:steps=20:restarts=5", "Madry et al., arXiv 1706.06083"},
      {"mi-fgsm", "MI-FGSM", "IGSM with momentum",
       "Momentum iterative FGSM: steps along the sign of an accumulated "
       "gradient. Its images transfer to other models better than those of "
       "IGSM.",
       "mi-fgsm:momentum=0.9", "Dong et al., arXiv 1710.06081"},
      {"apgd", "APGD", "PGD that adapts its steps",
       "Auto-PGD: gradient steps with momentum that are halved where they no "
       "longer help, and restart from the best point. Nothing to tune; half of "
       "AutoAttack. With the loss dlr it takes no targets.",
       "apgd:loss=dlr:restarts=5", "Croce and Hein, arXiv 2003.01690",
       "not dlr"},
  };
}

std::vector<AttackDocs> Minimising() {
  return {
      {"deep-fool", "DeepFool", "nearest linear boundary",
       "DeepFool: takes the model for linear, goes to the nearest boundary, "
       "and again from there. What it finds is compared with every epsilon.",
       "deep-fool:overshoot=0.05", "Moosavi-Dezfooli et al., arXiv 1511.04599"},
      {"carlini-wagner", "CW", "smallest L2 change by Adam",
       "Carlini and Wagner's L2 attack: Adam on the size of the change and the "
       "margin of the logits, with a binary search over their balance. Slow "
       "and thorough. What it finds is compared with every epsilon.",
       "carlini-wagner:steps=200", "Carlini and Wagner, arXiv 1608.04644"},
      {"fab", "FAB", "nearest boundary, adaptively",
       "The fast adaptive boundary attack: projects onto the linearised "
       "boundary and steps back toward the image. What it finds is compared "
       "with every epsilon.",
       "fab:target-classes=9", "Croce and Hein, arXiv 1907.02044"},
  };
}

std::vector<AttackDocs> WithoutGradients() {
  return {
      {"square", "Square", "random squares",
       "The Square attack: tries random squares of changed pixels and keeps "
       "what lowers the margin of the scores. It cannot be misled by masked "
       "gradients.",
       "square:queries=1000", "Andriushchenko et al., arXiv 1912.00049"},
      {"auto-attack", "AutoAttack", "an ensemble, the hard test",
       "AutoAttack: several attacks in turn, each on the images that still "
       "stand. Without members: APGD, targeted APGD, targeted FAB and Square, "
       "the standard of the field. It has the norms, and takes the targets, "
       "that all its members do.",
       "auto-attack:members=apgd+square", "Croce and Hein, arXiv 2003.01690"},
      {"hop-skip-jump", "HopSkipJump", "along the boundary",
       "HopSkipJump: walks along the boundary toward the image, with a "
       "gradient estimated from the model's decisions. What it finds is "
       "compared with every epsilon. To a target it starts at the data set's "
       "images of that class; images of your own have noise to start from, "
       "which is seldom of the class.",
       "hop-skip-jump:queries=2000", "Chen et al., arXiv 1904.02144"},
      {"boundary", "Boundary", "random walk at the boundary",
       "The Boundary attack: starts at a wrong image and walks at random "
       "toward the original, staying wrong (or, with a target, in its class, "
       "from the data set's images of it). What it finds is compared with "
       "every epsilon.",
       "boundary:queries=5000", "Brendel et al., arXiv 1712.04248"},
      {"noise", "Noise", "random noise, the baseline",
       "Random noise of the attack's size: the baseline. An attack that does "
       "no better than noise says nothing of robustness.",
       "noise:distribution=gaussian", "none"},
  };
}

// Adds what the engine knows of the attack with its defaults.
void Complete(AttackDocs* docs) {
  const AttackConfig config =
      DefaultConfig(absl::StrReplaceAll(docs->name, {{"-", "_"}}));
  const AttackTraits traits = TraitsOf(config);
  if (traits.linf) docs->norms.push_back(v1::NORM_LINF);
  if (traits.l2) docs->norms.push_back(v1::NORM_L2);
  docs->needs = AccessName(traits.access);
  docs->minimises = traits.minimises;
  // Where it depends on a parameter, the story above says so.
  if (docs->targets.empty()) {
    docs->targets = traits.takes_targets ? "yes" : "no";
  }
  docs->parameters =
      std::visit([](const auto& one) { return ParametersOf(one); }, config);
}

}  // namespace

const std::vector<AttackDocs>& AllAttackDocs() {
  static const auto* const all = [] {
    auto* docs = new std::vector<AttackDocs>(GradientSteps());
    for (const auto& more : {Minimising(), WithoutGradients()}) {
      docs->insert(docs->end(), more.begin(), more.end());
    }
    for (AttackDocs& one : *docs) Complete(&one);
    return docs;
  }();
  return *all;
}

bool SameAttackName(const std::string& a, const std::string& b) {
  const auto letters = [](const std::string& text) {
    return absl::AsciiStrToLower(
        absl::StrReplaceAll(text, {{"-", ""}, {"_", ""}}));
  };
  return letters(a) == letters(b);
}

const std::vector<AttackAlias>& AllAttackAliases() {
  static const auto* const all =
      new std::vector<AttackAlias>{{"bim", "igsm"},
                                   {"ill", "iterative-least-likely"},
                                   {"mim", "mi-fgsm"},
                                   {"apgd-ce", "apgd"},
                                   {"apgd-dlr", "apgd:loss=dlr"},
                                   {"apgd-t", "apgd:loss=targeted-dlr"},
                                   {"cw", "carlini-wagner"},
                                   {"fab-t", "fab:target-classes=9"},
                                   {"hsj", "hop-skip-jump"}};
  return *all;
}

std::string ExpandAlias(const std::string& name) {
  for (const AttackAlias& alias : AllAttackAliases()) {
    if (SameAttackName(alias.name, name)) return alias.attack;
  }
  return name;
}

std::string AliasesText(const AttackDocs& attack) {
  std::vector<std::string> names;
  for (const AttackAlias& alias : AllAttackAliases()) {
    const std::size_t colon = alias.attack.find(':');
    if (alias.attack.substr(0, colon) != attack.name) continue;
    names.push_back(colon == std::string::npos
                        ? alias.name
                        : absl::StrCat(alias.name, " (",
                                       alias.attack.substr(colon + 1), ")"));
  }
  return absl::StrJoin(names, ", ");
}

const AttackDocs* FindAttackDocs(const std::string& name) {
  const std::string expanded = ExpandAlias(name);
  const std::string full = expanded.substr(0, expanded.find(':'));
  const auto& all = AllAttackDocs();
  const auto found = std::find_if(
      all.begin(), all.end(),
      [&](const AttackDocs& docs) { return SameAttackName(docs.name, full); });
  return found == all.end() ? nullptr : &*found;
}

std::string KindText(const AttackDocs& attack) {
  return attack.minimises ? "smallest" : "within epsilon";
}

}  // namespace adv
