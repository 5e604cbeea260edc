#include "client/printers/attack_docs.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "client/attacks/attack_parameters.h"
#include "client/attacks/norm.h"

namespace adv {
namespace {

constexpr int kDocsWidth = 100;

// The attack's message in the protocol; null if the protocol has no such
// attack.
const google::protobuf::Descriptor* MessageOf(const AttackDocs& attack) {
  const auto* field = v1::Attack::descriptor()->FindFieldByName(
      absl::StrReplaceAll(attack.name, {{"-", "_"}}));
  return field == nullptr ? nullptr : field->message_type();
}

// The parameters for people. Type and range share a cell, and the explanations
// follow the table, so that a row fits on a line.
Table ParameterText(const AttackDocs& attack) {
  Table table({{"parameter"}, {"default"}, {"range"}});
  for (const ParameterDocs& one : attack.parameters) {
    const std::string type = ParameterTypeText(attack, one);
    table.AddRow(
        {one.name, one.default_value,
         one.range.empty() ? type : absl::StrCat(type, ", ", one.range)});
  }
  return table;
}

}  // namespace

std::string ParameterTypeText(const AttackDocs& attack,
                              const ParameterDocs& parameter) {
  const auto* message = MessageOf(attack);
  const auto* field = message == nullptr
                          ? nullptr
                          : message->FindFieldByName(absl::StrReplaceAll(
                                parameter.name, {{"-", "_"}}));
  return field == nullptr ? "" : ParameterType(*field);
}

Table AttackTable(const std::vector<AttackDocs>& attacks, bool aliases) {
  std::vector<Table::Column> columns = {
      {"attack"}, {"norms"}, {"needs"}, {"finds"}, {"targets"}, {"what it is"}};
  if (aliases) columns.push_back({"also called"});
  Table table(columns);
  for (const AttackDocs& one : attacks) {
    const bool known = !one.summary.empty();
    // An attack that is not known has no summary. The default of `minimises`
    // would read as a fact, so its cell stays empty.
    std::vector<std::string> cells = {one.name,    NormsText(one.norms),
                                      one.needs,   known ? KindText(one) : "",
                                      one.targets, one.summary};
    if (aliases) cells.push_back(AliasesText(one));
    table.AddRow(cells);
  }
  return table;
}

std::string AttackListText(const std::vector<AttackDocs>& attacks,
                           const Style& style) {
  std::string others;
  for (const AttackAlias& alias : AllAttackAliases()) {
    // Every alias is of a documented attack, so this is not null.
    const AttackDocs* docs = FindAttackDocs(alias.name);
    const bool listed = std::any_of(
        attacks.begin(), attacks.end(),
        [docs](const AttackDocs& one) { return one.name == docs->name; });
    // The server may lack the attack; then its other names do not help.
    if (!listed) continue;
    absl::StrAppend(&others, others.empty() ? "also called: " : ", ",
                    alias.name, " = ", alias.attack);
  }
  if (others.empty()) return AttackTable(attacks).ToText(style, 0);
  return absl::StrCat(AttackTable(attacks).ToText(style, 0), "\n",
                      style.Dim(WrapWords(others, kDocsWidth, 0)), "\n");
}

Table ParameterTable(const AttackDocs& attack) {
  Table table(
      {{"parameter"}, {"type"}, {"default"}, {"range"}, {"what it is"}});
  for (const ParameterDocs& one : attack.parameters) {
    table.AddRow({one.name, ParameterTypeText(attack, one), one.default_value,
                  one.range, one.about});
  }
  return table;
}

Table ParameterTable(const std::vector<AttackDocs>& attacks) {
  Table table({{"attack"},
               {"parameter"},
               {"type"},
               {"default"},
               {"range"},
               {"what it is"}});
  for (const AttackDocs& attack : attacks) {
    for (const ParameterDocs& one : attack.parameters) {
      table.AddRow({attack.name, one.name, ParameterTypeText(attack, one),
                    one.default_value, one.range, one.about});
    }
  }
  return table;
}

std::string AttackDocsText(const AttackDocs& attack, const Style& style) {
  std::string text =
      absl::StrCat(style.Bold(attack.title), " (", attack.name, ")\n",
                   WrapWords(attack.about, kDocsWidth, 0), "\n\n");
  const auto line = [&](const char* name, const std::string& value) {
    absl::StrAppend(&text, "  ", style.Dim(PadRight(name, 11)), "  ", value,
                    "\n");
  };
  line("paper", attack.paper);
  line("norms", NormsText(attack.norms));
  line("needs", absl::StrCat(attack.needs, " of the model"));
  line("finds", attack.minimises
                    ? "the smallest change, which is compared with epsilon"
                    : "a change within epsilon");
  line("targets", attack.targets);
  if (const std::string names = AliasesText(attack); !names.empty()) {
    line("also called", names);
  }
  absl::StrAppend(&text, "\n", ParameterText(attack).ToText(style), "\n");
  for (const ParameterDocs& one : attack.parameters) {
    const std::string name = one.name + ": ";
    absl::StrAppend(&text, "  ", WrapWords(name + one.about, kDocsWidth, 4, 2),
                    "\n");
  }
  return absl::StrCat(text,
                      "\nExample: advctl evaluate --model=balanced --attack=",
                      attack.example, "\n");
}

nlohmann::ordered_json AttackJson(const AttackDocs& attack) {
  auto parameters = nlohmann::ordered_json::array();
  for (const ParameterDocs& one : attack.parameters) {
    parameters.push_back({{"name", one.name},
                          {"type", ParameterTypeText(attack, one)},
                          {"default", one.default_value},
                          {"range", one.range},
                          {"about", one.about}});
  }
  auto norms = nlohmann::ordered_json::array();
  for (const v1::Norm norm : attack.norms) norms.push_back(NormName(norm));
  auto aliases = nlohmann::ordered_json::array();
  for (const AttackAlias& alias : AllAttackAliases()) {
    if (FindAttackDocs(alias.name)->name != attack.name) continue;
    aliases.push_back({{"name", alias.name}, {"attack", alias.attack}});
  }
  return {{"name", attack.name},       {"title", attack.title},
          {"summary", attack.summary}, {"about", attack.about},
          {"paper", attack.paper},     {"norms", norms},
          {"needs", attack.needs},     {"minimises", attack.minimises},
          {"targets", attack.targets}, {"parameters", parameters},
          {"aliases", aliases}};
}

nlohmann::ordered_json AttacksJson(const std::vector<AttackDocs>& attacks) {
  auto list = nlohmann::ordered_json::array();
  for (const AttackDocs& one : attacks) list.push_back(AttackJson(one));
  return {{"attacks", list}};
}

}  // namespace adv
