#include "client/printers/attack_reference.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/attacks/attack_docs.h"
#include "client/attacks/norm.h"
#include "client/printers/attack_docs.h"
#include "client/printers/table.h"

namespace adv {
namespace {

constexpr int kPageWidth = 80;

constexpr char kHead[] =
    "# Attacks and their parameters\n\n"
    "`advctl attacks reference` prints this page from the declarations in\n"
    "`attack_config.h`; a test holds it to them. Sizes are in pixel units of\n"
    "the box [0, 1]; `2/255` is two grey levels. A server may allow fewer "
    "steps\n"
    "and queries (`--max-steps`, `--max-queries`), never more.\n";

// A row of a table in Markdown.
std::string Row(const std::vector<std::string>& cells) {
  return absl::StrCat("| ", absl::StrJoin(cells, " | "), " |\n");
}

std::string Code(const std::string& text) {
  return absl::StrCat("`", text, "`");
}

// An empty cell would look like an omission.
std::string OrDash(const std::string& text) {
  return text.empty() ? "-" : text;
}

// The facts of an attack as a table of two columns. Markdown wants a row of
// dashes under the first row.
std::string AttackFacts(const AttackDocs& attack) {
  return absl::StrCat(
      Row({"name", Code(attack.name)}), Row({"---", "---"}),
      Row({"also called", OrDash(AliasesText(attack))}),
      Row({"paper", attack.paper}), Row({"norms", NormsText(attack.norms)}),
      Row({"needs", absl::StrCat(attack.needs, " of the model")}),
      Row({"finds", KindText(attack)}), Row({"targets", attack.targets}),
      Row({"example", Code(absl::StrCat("--attack=", attack.example))}));
}

// The attack's parameters, with one row for each.
std::string Parameters(const AttackDocs& attack) {
  std::string text =
      absl::StrCat(Row({"parameter", "type", "default", "range", "what it is"}),
                   Row({"---", "---", "---", "---", "---"}));
  for (const ParameterDocs& one : attack.parameters) {
    absl::StrAppend(&text,
                    Row({Code(one.name), ParameterTypeText(attack, one),
                         one.default_value, OrDash(one.range), one.about}));
  }
  return text;
}

}  // namespace

std::string AttackReference() {
  std::string page = kHead;
  for (const AttackDocs& one : AllAttackDocs()) {
    absl::StrAppend(&page, "\n## ", one.title, ": ", one.summary, "\n\n",
                    WrapWords(one.about, kPageWidth, 0), "\n\n",
                    AttackFacts(one), "\n", Parameters(one));
  }
  return page;
}

}  // namespace adv
